"""Names, wavelengths and quality flags of bands, from the coordinates of a raster."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.core.text import listed
from hsfuse.errors import RasterError
from hsfuse.io.input.bands import store_bands
from hsfuse.io.input.labels import raster_label
from hsfuse.io.output.band_labels import describe_band

__all__ = ["band_names", "band_values", "good_bands", "known_bands", "take_bands"]


def band_values(raster: xr.DataArray, name: str) -> NDArray[np.float64]:
    """
    Return wavelength or FWHM of the bands, shape (bands,), in nanometres; NaN if it is absent.

    Raises
    ------
    RasterError
        If the raster has no dimension ``band``.
    """
    count = _count_bands(raster)
    if name not in raster.coords:
        return np.full(count, np.nan)
    table = store_bands(raster)
    return table.wavelength if name == "wavelength" else table.fwhm


def _count_bands(raster: xr.DataArray) -> int:
    if "band" not in raster.dims:
        raise RasterError(
            f"{raster_label(raster, 'raster')}: has the dimensions "
            f"{listed([*map(str, raster.dims)]) or 'none'}; expected band, y, x"
        )
    return raster.sizes["band"]


def band_names(raster: xr.DataArray) -> tuple[str, ...]:
    """
    Return the label of each band: its name, its wavelength, or both.

    In a zarr store of hsfuse the names are an attribute of the coordinate ``band``.

    Examples
    --------
    >>> wavelength, numbers = ("band", [660.2, 900.0]), ("band", [2, 1], {"band_name": ["", "red"]})
    >>> band_names(xr.DataArray([1, 2], {"wavelength": wavelength, "band": numbers}, "band"))
    ('red (660.2 nm)', '900.0 nm')
    """
    names = [""] * raster.sizes["band"]
    if "band_name" in raster.coords:
        names = [str(name) for name in raster["band_name"].values]
    elif "band" in raster.coords and "band_name" in raster["band"].attrs:
        every = raster["band"].attrs["band_name"]
        names = [str(every[int(number) - 1]) for number in raster["band"].values]
    pairs = zip(band_values(raster, "wavelength").tolist(), names, strict=True)
    texts = [describe_band(*pair) for pair in pairs]
    return tuple(text or f"band {number}" for number, text in enumerate(texts, start=1))


def good_bands(raster: xr.DataArray) -> NDArray[np.bool_]:
    """Return which bands are good, shape (bands,); all if the raster has no such coordinate."""
    if "good" not in raster.coords:
        return np.ones(_count_bands(raster), dtype=bool)
    return np.asarray(raster["good"].values, dtype=bool)


def known_bands(raster: xr.DataArray) -> NDArray[np.intp]:
    """
    Return the indices of the good bands with a known wavelength.

    Raises
    ------
    RasterError
        If there are none.
    """
    known = np.flatnonzero(good_bands(raster) & np.isfinite(band_values(raster, "wavelength")))
    if not known.size:
        raise RasterError(
            f"{raster_label(raster, 'raster')}: states no wavelengths of good bands; "
            "name the sensor when it is opened"
        )
    return known


def take_bands(raster: xr.DataArray, bands: list[int]) -> xr.DataArray:
    """Select bands by slices, which dask passes on to the reader, unlike lists."""
    if not raster.chunks:
        return raster.isel(band=bands)
    parts = [raster.isel(band=slice(band, band + 1)) for band in bands]
    return xr.concat(parts, "band", coords="minimal", compat="override", join="override")
