"""
Lazy warp of a raster to a grid parallel to that of another raster.

GDAL warps every window of the result separately, from the part of the source that it needs, so
that the source may be larger than memory. Longitudes of either raster may start at -180 or at 0:
coordinates that differ by whole turns are the same location.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import dask.array as da
import numpy as np
import xarray as xr
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform as transform_points

from hsfuse.errors import PairError, RasterError
from hsfuse.io.input.handles import GDAL_ERRORS
from hsfuse.io.input.labels import crs_label, raster_label
from hsfuse.io.input.pixels import Cube, Key, chunk_size, lazy, read_part, split_index
from hsfuse.io.settings import RESAMPLING

__all__ = ["Grid", "WarpedPixels", "warp_to_grid", "unwrap_longitude"]

Points = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Grid:
    """
    Transform, CRS and shape of a raster.

    Attributes
    ----------
    transform : Affine
        From pixel corners, column and row, to coordinates.
    crs : CRS
        CRS of the coordinates.
    shape : tuple of int
        Rows and columns.
    """

    transform: Affine
    crs: CRS
    shape: tuple[int, int]

    @property
    def centre(self) -> tuple[float, float]:
        """Coordinates (x, y) of the centre."""
        rows, columns = self.shape
        x, y = self.transform * (columns / 2, rows / 2)
        return (x, y)

    def window(self, rows: range, columns: range) -> Grid:
        """Return the grid of a window."""
        moved = self.transform * Affine.translation(columns.start, rows.start)
        return Grid(moved, self.crs, (len(rows), len(columns)))

    def shifted_by_turns(self, turns: int, period: float) -> Grid:
        """Return the grid with x increased by whole periods."""
        return Grid(Affine.translation(turns * period, 0) * self.transform, self.crs, self.shape)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Return the identifier of this grid for dask."""
        return ("Grid", tuple(self.transform), self.crs.to_wkt(), self.shape)


def warp_to_grid(raster: xr.DataArray, own: Grid, other: Grid) -> tuple[xr.DataArray, Affine]:
    """
    Warp a raster to a grid parallel to another one, at its own pixel size, lazily.

    Parameters
    ----------
    raster : DataArray
        (band, y, x), float32, NaN for no data.
    own : Grid
        Grid of the raster.
    other : Grid
        Grid to be parallel to. The result extends 64 of its own pixels beyond it.

    Returns
    -------
    tuple of DataArray and Affine
        The warped raster (band, y, x), by cubic convolution, NaN for no data; and its transform.

    Raises
    ------
    PairError
        If the outline of the raster cannot be transformed between the two CRS.
    """
    name = raster_label(raster)
    try:
        columns, rows = _through(own, other, *_outline(own.shape))
        centre = np.array(own.shape[::-1], float) / 2
        across, down = _through(own, other, *(centre[:, None] + [[0, 1, 0], [0, 0, 1]]))
    except GDAL_ERRORS as error:
        raise _warp_error(name, own, other) from error
    if not (np.isfinite(columns).all() and np.isfinite(rows).all()):
        raise _warp_error(name, own, other)
    area = (across[1] - across[0]) * (down[2] - down[0])
    area -= (across[2] - across[0]) * (down[1] - down[0])
    size = math.sqrt(abs(area))  # a raster pixel, in pixels of the other grid
    spans = [
        _overlap(low, high, size, length)
        for low, high, length in zip(
            (rows.min(), columns.min()), (rows.max(), columns.max()), other.shape, strict=True
        )
    ]
    corner = Affine.translation(columns.min(), rows.min()) * Affine.scale(size)
    whole = Grid(other.transform * corner, other.crs, (spans[0].stop, spans[1].stop))
    grid = whole.window(*spans)
    pixels = WarpedPixels(name, da.asarray(raster.data), own, grid)
    array = lazy(pixels, chunk_size(pixels.shape, (1, 1)))
    return _with_coordinates(array, raster, grid), grid.transform


def _overlap(low: float, high: float, size: float, length: int) -> range:
    """Return the pixels of ``size`` in [low, high] that are near the range [0, length]."""
    count = math.ceil((high - low) / size)
    first = max(0, math.floor(-low / size) - RESAMPLING.margin)
    last = min(count, math.ceil((length - low) / size) + RESAMPLING.margin)
    # Without an overlap the whole range is returned, for the later comparison of the extents.
    return range(first, last) if first < last else range(count)


def _warp_error(name: str, own: Grid, other: Grid) -> PairError:
    return PairError(
        f"{name}: cannot be warped from {crs_label(own.crs)} to {crs_label(other.crs)}: its "
        "outline cannot be transformed; expected files in one CRS"
    )


def _with_coordinates(array: da.Array, raster: xr.DataArray, grid: Grid) -> xr.DataArray:
    """Return an array with the band coordinates of a raster and the coordinates of a grid."""
    bands = {n: raster[n] for n in raster.coords if raster[n].dims == ("band",)}
    warped = xr.DataArray(array, dims=("band", "y", "x"), coords=bands, attrs=raster.attrs)
    if grid.transform.is_rectilinear:
        rows, columns = (np.arange(count) + 0.5 for count in grid.shape)
        warped = warped.assign_coords(
            y=grid.transform.f + rows * grid.transform.e,
            x=grid.transform.c + columns * grid.transform.a,
        )
    return warped.rio.write_crs(grid.crs).rio.write_transform(grid.transform)


def _outline(shape: tuple[int, int]) -> Points:
    """Return pixel corners (columns, rows) along the four sides of an image."""
    share = np.linspace(0, 1, RESAMPLING.edge_points)
    zero, one = np.zeros_like(share), np.ones_like(share)
    columns = np.concatenate([share, share, zero, one]) * shape[1]
    rows = np.concatenate([zero, one, share, share]) * shape[0]
    return columns, rows


def _through(own: Grid, other: Grid, columns: ArrayLike, rows: ArrayLike) -> Points:
    """Transform pixel corners to pixel coordinates of another grid, modulo turns of longitude."""
    x, y = _transformed(own, other, columns, rows)
    period = _period(other.crs)
    with np.errstate(invalid="ignore"):  # infinite outside the domain of a CRS
        if period:
            x = x - _turns(x, other.centre[0], period) * period
        to_pixels = ~other.transform  # written out: affine types its product for single points
        return (
            x * to_pixels.a + y * to_pixels.b + to_pixels.c,
            x * to_pixels.d + y * to_pixels.e + to_pixels.f,
        )


def _transformed(own: Grid, other: Grid, columns: ArrayLike, rows: ArrayLike) -> Points:
    """Transform pixel corners of a grid to coordinates in the CRS of another one."""
    x, y = own.transform * (np.asarray(columns, float), np.asarray(rows, float))
    transformed = transform_points(own.crs, other.crs, np.ravel(x), np.ravel(y))
    return (np.reshape(transformed[0], np.shape(x)), np.reshape(transformed[1], np.shape(y)))


def _turns(x: NDArray[np.float64], centre: float, period: float) -> NDArray[np.float64]:
    """Return the whole periods by which each x exceeds the equivalent x nearest to the centre."""
    return np.round((x - centre) / period)


def _period(crs: CRS) -> float:
    """
    Return the period of x in units of the CRS (360 degrees of longitude); 0 if x is not periodic.

    Examples
    --------
    >>> _period(CRS.from_epsg(4326)), _period(CRS.from_epsg(32633)), _period(CRS.from_epsg(3857))
    (360.0, 0.0, 40075016.686)
    """
    if crs.is_geographic:
        return round(math.tau / crs.units_factor[1], 9)
    try:
        x, y = transform_points("EPSG:4326", crs, [10, 11, 10, 11], [10, 10, 40, 40])
    except GDAL_ERRORS:
        return 0.0
    # In a cylindrical projection the parallels are straight and of equal length.
    steps = (x[1] - x[0], x[3] - x[2])
    straight = np.allclose((y[0], y[2], steps[0]), (y[1], y[3], steps[1]), rtol=1e-9)
    return round(360 * steps[0], 3) if straight and math.isfinite(steps[0]) else 0.0


def unwrap_longitude(own: Grid, other: Grid) -> Grid:
    """
    Shift a grid by whole turns of longitude to be nearest to another one in the same CRS.

    Examples
    --------
    >>> west = Grid(Affine(1, 0, 355, 0, -1, 0), CRS.from_epsg(4326), (10, 10))
    >>> east = Grid(Affine(1, 0, 0, 0, -1, 0), CRS.from_epsg(4326), (10, 10))
    >>> unwrap_longitude(west, east).transform.c
    -5.0
    """
    period = _period(own.crs)
    if not period:
        return own
    turns = _turns(np.array(own.centre[0]), other.centre[0], period)
    return own.shifted_by_turns(-int(turns), period)


@dataclass(frozen=True, eq=False)
class WarpedPixels:
    """
    Pixels of :func:`warp_to_grid`; each window is warped from the source pixels it needs.

    Attributes
    ----------
    path : str
        File or store that is warped, for messages.
    source : dask Array of shape (bands, rows, columns)
        float32, NaN for no data.
    own : Grid
        Grid of the source.
    grid : Grid
        Grid of the result.
    """

    path: str
    source: da.Array
    own: Grid
    grid: Grid
    dtype: np.dtype[np.float32] = np.dtype(np.float32)  # noqa: RUF009 - a constant
    ndim: int = 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape ``(bands, rows, columns)``."""
        return (int(self.source.shape[0]), *self.grid.shape)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Return the identifier of these pixels for dask."""
        grids = (self.own.__dask_tokenize__(), self.grid.__dask_tokenize__())
        return ("WarpedPixels", self.source.name, *grids)

    def __getitem__(self, key: Key) -> Cube:
        """Warp bands of a window."""
        (bands, rows, columns), rest = split_index(key, self.shape)
        result = np.full((len(bands), len(rows), len(columns)), np.nan, np.float32)
        if result.size:
            try:
                for part, own, mask in self._parts(bands, self.grid.window(rows, columns)):
                    warped = _warped(part, own, self.grid.window(rows, columns))
                    result[:, mask] = warped[:, mask]
            except GDAL_ERRORS as error:
                raise RasterError(
                    f"{self.path}: rows {rows.start} to {rows.stop - 1}, columns {columns.start} "
                    f"to {columns.stop - 1} of its warp to {crs_label(self.grid.crs)} "
                    f"failed ({error})"
                ) from error
        return result[rest]

    def _parts(self, bands: range, window: Grid) -> Iterator[tuple[Cube, Grid, NDArray[np.bool_]]]:
        """Yield parts of the source, their grids and the mask of pixels of the window from each."""
        rows, columns = np.indices(window.shape) + 0.5
        x, y = _transformed(window, self.own, columns, rows)
        known = np.isfinite(x) & np.isfinite(y)
        period = _period(self.own.crs)
        turns = np.zeros_like(x)
        if period:
            turns[known] = _turns(x[known], self.own.centre[0], period)
        for turn in np.unique(turns[known]):
            mask = known & (turns == turn)
            # With the grid shifted by these turns, GDAL's transform reaches the pixels.
            own = self.own.shifted_by_turns(int(turn), period)
            places = ~own.transform * (x[mask], y[mask])
            spans = [
                _span(place, length)
                for place, length in zip(places[::-1], self.own.shape, strict=True)
            ]
            if all(spans):
                yield read_part(self.source, bands, *spans), own.window(*spans), mask


def _span(places: NDArray[np.float64], length: int) -> range:
    """Return the source pixels along one axis that interpolation at places needs."""
    low = max(math.floor(max(places.min(), -RESAMPLING.halo)) - RESAMPLING.halo, 0)
    high = min(math.ceil(min(places.max(), length + RESAMPLING.halo)) + RESAMPLING.halo, length)
    return range(low, high)


def _warped(cube: Cube, own: Grid, grid: Grid) -> Cube:
    """Warp a cube to another grid; bands with the same missing pixels are warped together."""
    result = np.full((len(cube), *grid.shape), np.nan, np.float32)
    groups: dict[bytes, list[int]] = {}
    for band, missing in enumerate(np.isnan(cube)):
        if not missing.all():
            groups.setdefault(np.packbits(missing).tobytes(), []).append(band)
    for members in groups.values():
        with MemoryFile() as memory:
            with memory.open(
                driver="GTiff",
                count=len(members),
                height=own.shape[0],
                width=own.shape[1],
                dtype="float32",
                crs=own.crs,
                transform=own.transform,
                nodata=math.nan,
                interleave="band",
            ) as target:
                target.write(cube[members])
            with (
                memory.open() as source,
                WarpedVRT(
                    source,
                    crs=grid.crs,
                    transform=grid.transform,
                    height=grid.shape[0],
                    width=grid.shape[1],
                    resampling=Resampling.cubic,
                    tolerance=RESAMPLING.tolerance,
                    # Unit scale of the kernel: GDAL would take a rotation for a change of scale.
                    XSCALE=1,
                    YSCALE=1,
                ) as warped,
            ):
                result[members] = warped.read()
    return result
