"""Labels of rasters and coordinate reference systems in messages."""

from __future__ import annotations

import xarray as xr
from rasterio.crs import CRS

__all__ = ["crs_label", "crs_text", "raster_label"]


def raster_label(raster: xr.DataArray, default: str = "raster") -> str:
    """
    Return the source file of a raster, or a default label where it has none.

    Examples
    --------
    >>> raster_label(xr.DataArray(0, attrs={"source": "scene.tif"}))
    'scene.tif'
    """
    return str(raster.attrs.get("source") or default)


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
