"""Checks that two rasters have the same bands and share one pixel lattice."""

from __future__ import annotations

import numpy as np
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from affine import Affine
from numpy.typing import NDArray

from hsfuse.core.text import along_axes, image_size
from hsfuse.errors import PairError
from hsfuse.pair.geometry import transform

__all__ = ["common_bands", "lattice_offset"]

# Largest deviation of the offset of two grids from whole pixels.
_LATTICE_TOLERANCE = 1e-2


def common_bands(first: xr.DataArray, second: xr.DataArray, both: str) -> NDArray[np.intp]:
    """
    Return the indexes of the bands that are good in both rasters.

    Parameters
    ----------
    first, second : DataArray
        (band, y, x).
    both : str
        Labels of both, for messages.

    Raises
    ------
    PairError
        If the rasters have different bands, or none is good in both.
    """
    bands = first.sizes["band"]
    if second.sizes["band"] != bands:
        raise PairError(
            f"{both}: have {bands} and {second.sizes['band']} bands; "
            "the same bands are needed in both"
        )
    if "wavelength" in first.coords and "wavelength" in second.coords:
        first_centres, second_centres = (
            np.asarray(r["wavelength"], dtype=float) for r in (first, second)
        )
        finite = np.isfinite(first_centres) & np.isfinite(second_centres)
        spacing = np.abs(np.diff(first_centres[np.isfinite(first_centres)]))
        difference = np.abs(second_centres - first_centres)
        if spacing.size and finite.any() and difference[finite].max() > np.median(spacing) / 2:
            worst = int(np.nanargmax(difference))
            raise PairError(
                f"{both}: band {worst + 1} is at {first_centres[worst]:g} and "
                f"{second_centres[worst]:g} nm; the same bands are needed in both"
            )
    good = np.ones(bands, dtype=bool)
    for raster in (first, second):
        if "good" in raster.coords:
            good &= np.asarray(raster["good"], dtype=bool)
    if not good.any():
        raise PairError(f"{both}: no band is good in both")
    return np.flatnonzero(good)


def lattice_offset(first: xr.DataArray, second: xr.DataArray, both: str) -> tuple[int, int]:
    """
    Return the row and column of the upper left pixel of the second raster in the first one.

    Parameters
    ----------
    first, second : DataArray
        (band, y, x).
    both : str
        Labels of both, for messages.

    Raises
    ------
    PairError
        If their pixels do not share one lattice.
    """
    grid, other = transform(first), transform(second)
    shapes = [image_size(raster.sizes["y"], raster.sizes["x"]) for raster in (first, second)]
    if grid.almost_equals(Affine.identity()) and shapes[0] != shapes[1]:
        raise PairError(
            f"{both}: have {shapes[0]} and {shapes[1]} and the first has "
            "no georeferencing; without it both must be of one size"
        )
    systems = [raster.rio.crs for raster in (first, second)]
    if None not in systems and systems[0] != systems[1]:
        raise PairError(
            f"{both}: have the reference systems {systems[0]} and {systems[1]}; "
            "warp one to the other's grid first"
        )
    step = ~grid * other
    column, row = step.c, step.f
    # Offset of the last pixel, where the pixel sizes differ slightly.
    drift = max(
        abs(step.a - 1) * second.sizes["x"],
        abs(step.e - 1) * second.sizes["y"],
        abs(step.b) * second.sizes["y"],
        abs(step.d) * second.sizes["x"],
    )
    shift = max(abs(row - round(row)), abs(column - round(column)))
    if drift + shift > _LATTICE_TOLERANCE:
        raise PairError(
            f"{both}: their pixels do not line up: {_misfit(grid, other, drift)}; expected the "
            "same pixel size, and corners a whole number of pixels apart"
        )
    return round(row), round(column)


def _misfit(grid: Affine, other: Affine, drift: float) -> str:
    """Return in words how two grids differ."""
    first, second = (along_axes(abs(each.e), abs(each.a)) for each in (grid, other))
    if first != second:
        return f"pixel sizes {first} and {second}"
    if drift > _LATTICE_TOLERANCE:
        return "one is rotated, or its pixel size differs slightly"
    step = ~grid * other
    return f"their corners lie {step.f:.4g} rows and {step.c:.4g} columns apart"
