"""Labels of rasters and coordinate reference systems in messages."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr
from rasterio.crs import CRS

from hsfuse.core.band_labels import band_labels

__all__ = [
    "crs_label",
    "crs_text",
    "join_notes",
    "raster_band_labels",
    "raster_band_names",
    "raster_label",
    "raster_notes",
]


def raster_label(raster: xr.DataArray, default: str = "raster") -> str:
    """
    Return the source file of a raster, or a default label where it has none.

    Examples
    --------
    >>> raster_label(xr.DataArray(0, attrs={"source": "scene.tif"}))
    'scene.tif'
    """
    return str(raster.attrs.get("source") or default)


def raster_band_names(raster: xr.DataArray) -> tuple[str, ...]:
    """Return the name of each band of an opened raster, empty where it has none."""
    return tuple(map(str, raster["band_name"].values))


def raster_band_labels(raster: xr.DataArray) -> tuple[str, ...]:
    """
    Return the label of each band of an opened raster: number, name and wavelength.

    Examples
    --------
    >>> names = {"band_name": ("band", ["red", ""]), "wavelength": ("band", [660.0, 850.0])}
    >>> raster_band_labels(xr.DataArray([1, 2], names, "band"))
    ('band 1 (red, 660 nm)', 'band 2 (850 nm)')
    """
    wavelength = np.asarray(raster["wavelength"].values, dtype=np.float64)
    return band_labels(wavelength, raster_band_names(raster))


def join_notes(notes: Iterable[str]) -> str:
    """Return notes as an attribute that every netCDF library writes: one text, a line for each."""
    return "\n".join(" ".join(note.split()) for note in notes)


def raster_notes(raster: xr.DataArray) -> list[str]:
    """
    Return the notes of a raster, one sentence each.

    Examples
    --------
    >>> raster_notes(xr.DataArray(0, attrs={"notes": join_notes(["one", "two"])}))
    ['one', 'two']
    >>> raster_notes(xr.DataArray(0, attrs={"notes": ["a list", "of an older file"]}))
    ['a list', 'of an older file']
    """
    notes = raster.attrs.get("notes", "")
    lines = notes.splitlines() if isinstance(notes, str) else map(str, np.ravel(notes).tolist())
    return [line for line in lines if line]


def crs_label(crs: CRS) -> str:
    """
    Return the EPSG code of a coordinate reference system, or its name where it has none.

    Examples
    --------
    >>> crs_label(CRS.from_epsg(32633))
    'EPSG:32633'
    """
    text = crs_text(crs)
    return text if text.startswith("EPSG:") else text.split('"')[1]


def crs_text(crs: CRS) -> str:
    """Return the full definition of a coordinate reference system: its EPSG code, else its WKT."""
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.to_wkt())
