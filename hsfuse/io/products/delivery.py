"""
Reader of EnMAP and DESIS products: an image with XML metadata that describe each band.

Both come from the DLR ground segment and differ only in the names of XML elements, which a
:class:`Schema` holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsfuse.errors import RasterError
from hsfuse.io.input.bands import BandTable
from hsfuse.io.input.gdal_reader import open_dataset
from hsfuse.io.input.pixels import Opened
from hsfuse.io.products import DLR_IMAGE, DLR_METADATA
from hsfuse.io.products.completion import complete_bands
from hsfuse.io.products.document import Document, read_document

__all__ = ["Schema", "open_delivery"]

# Scale of reflectance and no-data value of every L2A product so far, used where files state none.
_SCALE = 1e-4
_NODATA = -32768.0
#: Takes the metadata and the number of bands; returns the good-band flags.
Flags = Callable[[Document, int], NDArray[np.bool_]]


@dataclass(frozen=True)
class Schema:
    """
    Names of the elements of the metadata of a mission.

    Attributes
    ----------
    mission, sensor : str
        Name in messages, and name of the sensor's table.
    bands : str
        Path of the elements of the bands.
    number, wavelength, width, gain, offset : str
        Child elements: band number from 1, centre and width in nanometres, and gain and offset of
        ``value = stored * gain + offset``.
    """

    mission: str
    sensor: str
    bands: str
    number: str
    wavelength: str
    width: str
    gain: str
    offset: str


class DescribedBands(NamedTuple):
    """Bands, gains and offsets from metadata (``value = stored * gain + offset``), and notes."""

    bands: BandTable
    gain: NDArray[np.float64]
    offset: NDArray[np.float64]
    notes: list[str]


def open_delivery(path: Path, schema: Schema, flags: Flags | None = None) -> Opened:
    """
    Open an EnMAP or DESIS product.

    Parameters
    ----------
    path : Path
        Folder, metadata file or image.
    schema : Schema
        Names of the elements of its metadata.
    flags : callable, optional
        Returns the good-band flags; by default only the sensor's table is used.

    Raises
    ------
    RasterError
        If the level has no map grid, or files are missing or contradictory.
    """
    level = _level(path, schema)
    metadata, image = _files(path, schema)
    opened = open_dataset(image)
    if metadata is None:
        described = _undescribed(image, level, opened.bands)
    else:
        described = _described(read_document(metadata), image, opened.bands, schema, flags)
    bands, notes = complete_bands(described.bands, schema.sensor)
    described = described._replace(notes=[*described.notes, *notes])
    return _scaled(opened._replace(bands=bands), described, level, schema)


def _files(path: Path, schema: Schema) -> tuple[Path | None, Path]:
    """Return the metadata file (None where missing) and the image."""
    folder = path if path.is_dir() else path.parent
    scene = r".+" if path.is_dir() else re.escape(path.name.rpartition("-")[0])
    entries = sorted(entry for entry in folder.iterdir() if entry.is_file())
    metadata, images = (
        [entry for entry in entries if re.fullmatch(f"{scene}-{part}", entry.name, re.IGNORECASE)]
        for part in (DLR_METADATA, DLR_IMAGE)
    )
    if path in images:
        images = [path]
    if len(images) != 1 or len(metadata) > 1:
        found = ", ".join(entry.name for entry in [*metadata, *images]) or "neither"
        raise RasterError(
            f"{path}: expected one *-METADATA.XML and one *-SPECTRAL_IMAGE.TIF of {schema.mission} "
            f"L2A, found {found}"
        )
    return (metadata[0] if metadata else None), images[0]


def _level(path: Path, schema: Schema) -> str:
    match = re.search(r"-_*(L\d[ABC])-", path.name, re.IGNORECASE)
    level = match.group(1).upper() if match else ""
    if level not in ("L1C", "L2A"):
        raise RasterError(
            f"{path}: is {schema.mission} {level or 'of no level'}, in the geometry of the sensor; "
            "expected L2A (reflectance) or L1C (radiance), which lie on a map grid"
        )
    return level


def _undescribed(image: Path, level: str, bands: BandTable) -> DescribedBands:
    if level != "L2A":
        raise RasterError(
            f"{image}: no METADATA.XML beside it, which holds the gains of radiance; put it there, "
            "or give an L2A product"
        )
    unknown = np.full(len(bands.names), np.nan)
    return DescribedBands(bands, unknown, unknown, ["no METADATA.XML lies beside it"])


def _described(
    document: Document, image: Path, bands: BandTable, schema: Schema, flags: Flags | None
) -> DescribedBands:
    """Return the band descriptions of the metadata, in the order of the image."""
    elements = document.elements(schema.bands)
    number = document.column(elements, schema.number)
    count = len(bands.names)
    if sorted(number.tolist()) != list(range(1, count + 1)):
        raise RasterError(
            f"{document.path}: describes {len(elements)} bands and {image.name} has {count}; "
            "expected the metadata of the same product"
        )
    elements = [elements[place] for place in np.argsort(number)]
    wavelength, width, gain, offset = (
        document.column(elements, name)
        for name in (schema.wavelength, schema.width, schema.gain, schema.offset)
    )
    if not np.all(wavelength > 0):
        raise RasterError(
            f"{document.path}: {schema.wavelength} of band {int(np.argmin(wavelength > 0)) + 1} is "
            "missing or not positive; expected nanometres"
        )
    table = BandTable(
        wavelength=wavelength,
        fwhm=np.where(width > 0, width, np.nan),
        good=bands.good if flags is None else bands.good & flags(document, count),
        names=tuple(f"B{index:03d}" for index in range(1, count + 1)),
        source="metadata of the product",
        named=True,
    )
    return DescribedBands(table, gain, offset, [])


def _scaled(opened: Opened, described: DescribedBands, level: str, schema: Schema) -> Opened:
    """Return the raster with gains and offsets of the metadata, the image, or the default scale."""
    pixels, notes = opened.pixels, [*opened.notes, *described.notes]
    attributes = dict(opened.attributes)
    gain, offset = described.gain, np.nan_to_num(described.offset)
    integers = "float" not in str(attributes["source_dtype"])
    if np.isnan(gain).any():
        own = np.array(pixels.scale)
        if integers and np.all(own == 1):
            if level != "L2A":
                raise RasterError(
                    f"{pixels.path}: its metadata state no {schema.gain}, by which radiance is "
                    "scaled; expected the metadata as they were delivered"
                )
            own = np.full(gain.shape, _SCALE)
            notes = [
                *notes,
                f"a scale of {_SCALE:g} is assumed: neither metadata nor image state one",
            ]
        offset = np.where(np.isnan(gain), pixels.offset, offset)
        gain = np.where(np.isnan(gain), own, gain)
    nodata = pixels.nodata
    if integers and None in nodata:
        nodata = tuple(_NODATA if number is None else number for number in nodata)
        notes = [*notes, f"no data is assumed to be {_NODATA:g}: the image states none"]
        attributes["nodata"] = _NODATA
    attributes |= {"product": f"{schema.mission} {level}", "sensor": schema.sensor, "notes": notes}
    scaled = replace(
        pixels, scale=tuple(gain.tolist()), offset=tuple(offset.tolist()), nodata=nodata
    )
    return opened._replace(pixels=scaled, attributes=attributes)
