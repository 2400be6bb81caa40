"""
Reader of the four 10 m bands of Sentinel-2 L2A products (SAFE folders), used as MS images.

Layout: Sentinel-2 Products Specification Document S2-PDGS-TAS-DI-PSD, MTD_MSIL2A.xml in the
folder and GRANULE/*/IMG_DATA/R10m/*_10m.jp2. From processing baseline 04.00 on reflectance is
``(stored + BOA_ADD_OFFSET) / BOA_QUANTIFICATION_VALUE``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsfuse.errors import RasterError, SensorError
from hsfuse.io.input.bands import BandTable
from hsfuse.io.input.gdal_reader import open_dataset
from hsfuse.io.input.pixels import Opened, StackedPixels
from hsfuse.io.products.completion import complete_bands
from hsfuse.io.products.document import Document, read_document
from hsfuse.sensor.catalogue import list_sensors

__all__ = ["open_product"]

#: The bands at 10 m, with their ``band_id`` in the metadata.
_IDENTITY = {"B2": "1", "B3": "2", "B4": "3", "B8": "7"}
_BANDS = tuple(_IDENTITY)
_METADATA = "MTD_MSIL2A.xml"
_GENERAL = "General_Info/Product_Info"
_IMAGE = "General_Info/Product_Image_Characteristics"
_WITH_OFFSET = 4.0  # processing baseline from which an offset is stated
_SPECIAL = {"NODATA": 0.0, "SATURATED": 65535.0}


class _Radiometry(NamedTuple):
    """Scale and offset of each band, stored numbers of no data and saturation, and notes."""

    scale: float
    offset: tuple[float, ...]
    nodata: float
    saturated: float
    notes: list[str]


def open_product(path: Path) -> Opened:
    """
    Open a Sentinel-2 L2A product: its SAFE folder, the folder of a granule, or the XML of either.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Opened
        Reflectance of B2, B3, B4 and B8, NaN for no data and saturation, with the centres of the
        metadata; widths and response curves are those of the sensor of the spacecraft.

    Raises
    ------
    RasterError
        If it is L1C, a file is missing, or the metadata needed for reflectance are missing.
    """
    document, granule = _parts(path)
    radiometry = _radiometry(document)
    layers = [open_dataset(_image(granule, band)) for band in _BANDS]
    first = layers[0]
    pixels = []
    for band, layer, offset in zip(_BANDS, layers, radiometry.offset, strict=True):
        grids = [(part.pixels.shape, part.transform, part.crs) for part in (first, layer)]
        if grids[0] != grids[1]:
            raise RasterError(
                f"{layer.pixels.path}: {band} has another grid than {_BANDS[0]}; expected the "
                "images of one granule"
            )
        pixels.append(
            replace(
                layer.pixels,
                scale=(radiometry.scale,),
                offset=(offset,),
                nodata=(radiometry.nodata,),
                invalid=(radiometry.saturated,),
            )
        )
    bands, sensor, notes = _bands(document)
    attributes: dict[str, object] = {
        "source_dtype": first.attributes["source_dtype"],
        "nodata": radiometry.nodata,
        "product": "Sentinel-2 L2A",
        "sensor": sensor,
        "notes": [*first.notes, *radiometry.notes, *notes],
    }
    stack = StackedPixels(str(document.path.parent), tuple(pixels))
    return Opened(stack, first.block, bands, first.transform, first.crs, attributes)


def _parts(path: Path) -> tuple[Document, Path]:
    """Return the metadata of the product and the folder of its only granule."""
    if "L1C" in path.name:
        raise RasterError(
            f"{path}: is Sentinel-2 L1C, reflectance above the atmosphere; expected L2A of the "
            "same scene"
        )
    folder = path if path.is_dir() else path.parent
    granules = [folder]
    if not (folder / "IMG_DATA").is_dir():
        granules = sorted(image.parent for image in folder.glob("GRANULE/*/IMG_DATA"))
    if len(granules) != 1:
        found = ", ".join(granule.name for granule in granules) or "none"
        raise RasterError(
            f"{path}: expected a folder with one GRANULE/*/IMG_DATA, or the folder of one granule, "
            f"found {found}"
        )
    metadata = granules[0].parent.parent / _METADATA
    if not metadata.is_file():
        raise RasterError(
            f"{granules[0]}: no {metadata} two folders above it, which holds the scale of the "
            "pixels; expected the whole SAFE folder"
        )
    return read_document(metadata), granules[0]


def _image(granule: Path, band: str) -> Path:
    pattern = f"*_B{band[1:]:>02}_10m.jp2"
    images = sorted((granule / "IMG_DATA" / "R10m").glob(pattern))
    if len(images) != 1:
        raise RasterError(
            f"{granule}: expected one IMG_DATA/R10m/{pattern}, found "
            f"{', '.join(image.name for image in images) or 'none'}"
        )
    return images[0]


def _radiometry(document: Document) -> _Radiometry:
    quantity = document.number(f"{_IMAGE}/QUANTIFICATION_VALUES_LIST/BOA_QUANTIFICATION_VALUE")
    if not quantity > 0:
        raise RasterError(
            f"{document.path}: BOA_QUANTIFICATION_VALUE is {quantity:g}; expected a positive number"
        )
    nodata, saturated, notes = _special(document)
    offset = tuple((_add_offset(document) / quantity).tolist())
    return _Radiometry(1 / quantity, offset, nodata, saturated, notes)


def _add_offset(document: Document) -> NDArray[np.float64]:
    """Return the offset (bands,) added to the stored numbers of each band."""
    elements = document.root.findall(f"{_IMAGE}/BOA_ADD_OFFSET_VALUES_LIST/BOA_ADD_OFFSET")
    numbers = document.column(elements, ".")
    stated = {
        element.get("band_id"): number for element, number in zip(elements, numbers, strict=True)
    }
    added = np.array([stated.get(identity, np.nan) for identity in _IDENTITY.values()])
    baseline = document.number(f"{_GENERAL}/PROCESSING_BASELINE")
    if not elements and baseline < _WITH_OFFSET:
        return np.zeros(len(_BANDS))
    if not np.isfinite(added).all():
        missing = [band for band, number in zip(_BANDS, added, strict=True) if np.isnan(number)]
        raise RasterError(
            f"{document.path}: no BOA_ADD_OFFSET of {', '.join(missing)}, which products of "
            f"baseline 04.00 on have (this is {baseline:05.2f}); expected the metadata as they "
            "were delivered"
        )
    return added


def _special(document: Document) -> tuple[float, float, list[str]]:
    """Return the stored numbers of no data and saturation, and notes on assumptions."""
    elements = document.root.findall(f"{_IMAGE}/Special_Values")
    indexes = document.column(elements, "SPECIAL_VALUE_INDEX").tolist()
    stated = {
        (element.findtext("SPECIAL_VALUE_TEXT") or "").strip(): index
        for element, index in zip(elements, indexes, strict=True)
    }
    notes = [
        f"{name.lower()} is assumed to be {number:g}: the metadata do not say"
        for name, number in _SPECIAL.items()
        if name not in stated
    ]
    nodata, saturated = ((_SPECIAL | stated)[name] for name in _SPECIAL)
    return nodata, saturated, notes


def _bands(document: Document) -> tuple[BandTable, str, list[str]]:
    """Return the bands, the name of their sensor, and notes on what its table added."""
    elements = document.root.findall(f"{_IMAGE}/Spectral_Information_List/Spectral_Information")
    centres = dict(
        zip(
            [element.get("physicalBand") for element in elements],
            document.column(elements, "Wavelength/CENTRAL").tolist(),
            strict=True,
        )
    )
    unknown = np.full(len(_BANDS), np.nan)
    bands = BandTable(
        wavelength=np.array([centres.get(band, np.nan) for band in _BANDS]),
        fwhm=unknown,
        good=np.ones(len(_BANDS), dtype=bool),
        names=_BANDS,
        source="metadata of the product",
        named=True,
    )
    if not np.isfinite(bands.wavelength).all():
        bands = replace(bands, wavelength=unknown, source="none")
    craft = document.text(f"{_GENERAL}/Datatake/SPACECRAFT_NAME").lower()
    if craft not in list_sensors():
        return bands, "", [f"no table of {craft} is shipped: its response is not known"]
    sensor = f"{craft}:{','.join(_BANDS)}"
    try:
        bands, notes = complete_bands(bands, sensor, windows=False)
    except SensorError as error:
        raise RasterError(f"{document.path}: Wavelength/CENTRAL is of no band: {error}") from error
    return bands, sensor, notes
