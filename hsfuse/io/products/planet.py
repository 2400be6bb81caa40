"""
Reader of PlanetScope analytic images of four or eight bands, used as MS images.

Layout: Planet Imagery Product Specifications, ``*_AnalyticMS*.tif`` with
``*_metadata*.xml`` in the same folder. Surface reflectance (``_SR``) is stored times 10 000; other
images store radiance, and the XML has the coefficients that convert it to top-of-atmosphere
reflectance. The no-data value is 0.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hsfuse.errors import RasterError
from hsfuse.io.input.gdal_reader import open_dataset
from hsfuse.io.input.pixels import Opened
from hsfuse.io.products.completion import complete_bands
from hsfuse.io.products.document import Document, read_document

__all__ = ["open_product"]

_SURFACE = 1e-4
_NODATA = 0.0
_FOUR = ("blue", "green", "red", "nir")
_EIGHT = ("coastal_blue", "blue", "green_i", "green", "yellow", "red", "rededge", "nir")
_NAMES = {4: _FOUR, 8: _EIGHT}
#: Name of the instrument in the metadata -> its sensor.
_INSTRUMENTS = {
    "PS2": "planetscope-dove",
    "PS2.SD": "planetscope-dove-r",
    "PSB.SD": "planetscope-superdove",
}


def open_product(path: Path) -> Opened:
    """
    Open a PlanetScope image.

    Parameters
    ----------
    path : Path
        The GeoTIFF, with its metadata in the same folder.

    Returns
    -------
    Opened
        Reflectance, NaN for no data, with the centres and widths of the instrument as published
        by Planet.

    Raises
    ------
    RasterError
        If a radiance image has no metadata with coefficients, or the number of bands is neither
        four nor eight.
    """
    opened = open_dataset(path)
    count = len(opened.bands.names)
    if count not in _NAMES:
        raise RasterError(
            f"{path}: has {count} bands; expected PlanetScope images of 4 (blue, green, red, NIR) "
            "or 8 bands"
        )
    metadata = _metadata(path)
    document = None if metadata is None else read_document(metadata)
    surface = "_SR" in path.name.upper()
    scale = np.full(count, _SURFACE) if surface else _coefficients(path, document, count)
    sensor, notes = _sensor(document, count)
    if "_harmonized" in path.name.lower():
        notes.append(
            "is harmonized to Sentinel-2: its bands are taken for those of the instrument all the "
            "same"
        )
    bands = replace(opened.bands, names=_NAMES[count], named=True)
    bands, added = complete_bands(bands, sensor, windows=False)
    nodata = tuple(_NODATA if number is None else number for number in opened.pixels.nodata)
    if None in opened.pixels.nodata:
        added.append(f"no data is assumed to be {_NODATA:g}: the image states none")
    attributes = {
        **opened.attributes,
        "nodata": nodata[0],
        "product": f"PlanetScope {'surface' if surface else 'top-of-atmosphere'} reflectance",
        "sensor": sensor,
        "notes": [*opened.notes, *notes, *added],
    }
    pixels = replace(
        opened.pixels, scale=tuple(scale.tolist()), offset=(0.0,) * count, nodata=nodata
    )
    return opened._replace(pixels=pixels, bands=bands, attributes=attributes)


def _metadata(path: Path) -> Path | None:
    """Return the metadata file of the scene; that of surface reflectance has the radiance name."""
    scene = re.escape(re.split("_AnalyticMS", path.name, flags=re.IGNORECASE)[0])
    # A folder may hold a scene with four bands and with eight, each with its metadata.
    wide = "(_8b)" if "_8b" in path.name.lower() else "(?!.*_8b)"
    files = sorted(
        entry
        for entry in path.parent.iterdir()
        if re.fullmatch(rf"{scene}_AnalyticMS{wide}\w*_metadata\w*\.xml", entry.name, re.IGNORECASE)
    )
    if len(files) > 1:
        raise RasterError(
            f"{path}: several metadata lie beside it ({', '.join(entry.name for entry in files)}); "
            "expected one *_metadata.xml"
        )
    return files[0] if files else None


def _coefficients(path: Path, document: Document | None, count: int) -> NDArray[np.float64]:
    """Return the coefficients (bands,) that convert stored radiance to reflectance."""
    if document is None:
        raise RasterError(
            f"{path}: holds radiance, and no *_metadata.xml with its reflectance coefficients lies "
            "beside it; expected that file, or surface reflectance (*_SR*.tif)"
        )
    elements = document.elements(".//bandSpecificMetadata")
    numbers = document.column(elements, "bandNumber")
    values = document.column(elements, "reflectanceCoefficient")
    stated = dict(zip(numbers.tolist(), values.tolist(), strict=True))
    factors = np.array([stated.get(float(band), np.nan) for band in range(1, count + 1)])
    if not np.all(factors > 0):
        raise RasterError(
            f"{document.path}: no reflectanceCoefficient above 0 of band "
            f"{int(np.argmin(factors > 0)) + 1} of {count}; expected the metadata as they were "
            "delivered"
        )
    return factors


def _sensor(document: Document | None, count: int) -> tuple[str, list[str]]:
    """Return the sensor with its bands, and notes if it was assumed."""
    stated = "" if document is None else document.text(".//Instrument/shortName", "")
    sensor = _INSTRUMENTS.get(stated)
    notes = []
    if sensor is None or (count == len(_EIGHT) and stated != "PSB.SD"):
        sensor = _INSTRUMENTS["PSB.SD" if count == len(_EIGHT) else "PS2"]
        notes.append(
            f"{sensor} is assumed: "
            + (f"the metadata call the instrument {stated!r}" if stated else "no metadata name it")
        )
    return f"{sensor}:{','.join(_NAMES[count])}", notes
