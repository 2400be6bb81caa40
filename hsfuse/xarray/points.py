"""Spectra of the pixels that contain given map points."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import Transformer
from pyproj.exceptions import CRSError, ProjError

from hsfuse.core.text import listed
from hsfuse.errors import PlanError, RasterError
from hsfuse.io.input.labels import raster_label
from hsfuse.xarray.bands import good_bands
from hsfuse.xarray.maps import MapGrid, grid_of_raster

__all__ = ["Missing", "point_spectra"]

Missing = Literal["raise", "nan"]
_MOST_LISTED = 3


class _Pixels(NamedTuple):
    """Pixels of points: index along each axis, and whether the pixel is in the raster."""

    row: xr.DataArray
    column: xr.DataArray
    inside: xr.DataArray
    name: NDArray[np.str_]  # of each point, for messages


def point_spectra(
    raster: xr.DataArray, x: Any, y: Any, crs: Any = None, *, missing: Missing = "raise"
) -> xr.DataArray:
    """
    Return the spectra of the pixels that contain the points.

    Parameters
    ----------
    raster : DataArray
        Dimensions band, y and x.
    x, y, crs, missing
        See :meth:`hsfuse.xarray.RasterAccessor.spectrum`.

    Raises
    ------
    RasterError
        If the raster is not georeferenced, or if ``missing`` is "raise" and a point lies outside
        the raster or, raised when the spectra are computed, on a pixel without data.
    PlanError
        If ``missing`` is neither "raise" nor "nan", or x and y are no coordinates of points.
    """
    if missing not in get_args(Missing):
        raise PlanError(f"missing must be {' or '.join(get_args(Missing))}, got {missing!r}")
    grid = grid_of_raster(raster)
    pixels = _find_pixels(raster, grid, x, y, crs)
    outside = ~pixels.inside.values
    if missing == "raise" and outside.any():
        raise RasterError(
            f"{raster_label(raster)}: {_named(pixels.name[outside])} outside it; it covers "
            f"{grid.extent}"
        )
    spectra = raster.isel(y=pixels.row, x=pixels.column)
    if outside.any() or "x" not in raster.coords or "y" not in raster.coords:
        spectra = spectra.assign_coords(_centres(grid, pixels)).where(pixels.inside)
    return _with_data(spectra, raster, pixels) if missing == "raise" else spectra


def _find_pixels(raster: xr.DataArray, grid: MapGrid, x: Any, y: Any, crs: Any) -> _Pixels:
    try:
        easting, northing = xr.broadcast(_as_points(x), _as_points(y))
    except xr.AlignmentError:
        sizes = [f"{np.size(values)}" for values in (x, y)]
        raise PlanError(
            f"x and y: found {' and '.join(sizes)} values; expected as many of both, or one"
        ) from None
    name = _point_names(easting, northing)
    east, north = _in_raster_crs(raster, grid, easting.values, northing.values, crs)
    column, row = grid.pixel(east, north)
    inside = np.ones(np.shape(east), bool)
    for index, length in ((row, raster.sizes["y"]), (column, raster.sizes["x"])):
        inside &= np.isfinite(index) & (index >= 0) & (index < length)
    row, column = (np.where(inside, np.floor(index), 0).astype(int) for index in (row, column))
    return _Pixels(
        easting.copy(data=row), easting.copy(data=column), easting.copy(data=inside), name
    )


def _as_points(values: Any) -> xr.DataArray:
    """Return coordinates as a DataArray, along ``point`` unless it has other dimensions."""
    if isinstance(values, xr.DataArray):
        return values.astype(float)
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise PlanError(f"x and y: found {values!r}; expected map coordinates") from None
    if array.ndim > 1:
        raise PlanError(
            "x and y must be numbers, sequences of numbers, or DataArrays, got an array of "
            f"{array.ndim} dimensions"
        )
    return xr.DataArray(array, dims=("point",) * array.ndim)


def _point_names(x: xr.DataArray, y: xr.DataArray) -> NDArray[np.str_]:
    points = zip(x.values.flat, y.values.flat, strict=True)
    return np.array([f"({east:.10g}, {north:.10g})" for east, north in points]).reshape(x.shape)


def _in_raster_crs(
    raster: xr.DataArray,
    grid: MapGrid,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    crs: Any,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points in the CRS of the raster; not finite where the CRS does not cover them."""
    if crs is None:
        return x, y
    if grid.crs is None:
        raise RasterError(
            f"{raster_label(raster)}: states no CRS; expected x and y in its own coordinates, "
            "without crs"
        )
    try:
        onto = Transformer.from_crs(crs, grid.crs.to_wkt(), always_xy=True)
        east, north = onto.transform(x, y)
    except (CRSError, ProjError) as error:
        raise PlanError(
            f"crs {crs!r} is not understood; expected an EPSG code such as 4326, or WKT"
        ) from error
    return np.asarray(east), np.asarray(north)


def _centres(grid: MapGrid, pixels: _Pixels) -> dict[str, xr.DataArray]:
    """Return the coordinates x and y of the pixel centres."""
    east, north = grid.place(pixels.column.values + 0.5, pixels.row.values + 0.5)
    return {
        "x": pixels.column.copy(data=np.where(pixels.inside, east, np.nan)),
        "y": pixels.row.copy(data=np.where(pixels.inside, north, np.nan)),
    }


def _with_data(spectra: xr.DataArray, raster: xr.DataArray, pixels: _Pixels) -> xr.DataArray:
    """Return spectra whose computation raises if a pixel has no data in any good band."""
    if "band" not in spectra.dims:
        return spectra
    spectra = spectra.transpose("band", ...)
    check = partial(
        _check_data, good=good_bands(raster), names=pixels.name, label=raster_label(raster)
    )
    if not spectra.chunks:
        check(spectra.values)
        return spectra
    whole = spectra.chunk(dict.fromkeys(spectra.dims, -1))
    return whole.copy(data=whole.data.map_blocks(check, dtype=whole.dtype, meta=whole.data._meta))


def _check_data(
    values: NDArray[np.floating],
    *,
    good: NDArray[np.bool_],
    names: NDArray[np.str_],
    label: str,
) -> NDArray[np.floating]:
    """Return spectra (band, ...) unchanged; raise if one has no value in a good band."""
    empty = ~np.isfinite(values[good]).any(axis=0)
    if empty.any():
        raise RasterError(
            f"{label}: {_named(names[empty])} on a pixel without data; missing='nan' keeps such "
            "points"
        )
    return values


def _named(names: NDArray[np.str_]) -> str:
    """Return the names of points, followed by the verb in singular or plural."""
    listing = listed([str(name) for name in names.flat], _MOST_LISTED)
    return f"point {listing} lies" if names.size == 1 else f"points {listing} lie"
