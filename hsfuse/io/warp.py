"""A lazy raster moved onto another grid, or bent on its own."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_reproject
from rasterio.crs import CRS
from rasterio.warp import transform as transform_points
from scipy.ndimage import distance_transform_edt, map_coordinates

from hsfuse.core.drift import Drift
from hsfuse.errors import PairError
from hsfuse.io.handles import GDAL_ERRORS
from hsfuse.io.pixels import Key, chunk_size, lazy, split

__all__ = ["displaced", "onto_grid"]

_SPLINE = 12  # pixels that a cubic spline sees: its memory of one falls by 3.7 a pixel
_EDGE_POINTS = 21  # on each side: enough to follow a curved outline to a fraction of a pixel


def onto_grid(raster: xr.DataArray, fine: Affine, crs: CRS) -> tuple[xr.DataArray, Affine]:
    """
    Return a raster on a grid parallel to another one, at its own pixel size, lazily.

    Parameters
    ----------
    raster : DataArray
        (band, y, x) with a CRS and a transform.
    fine : Affine
        Transform of the grid to be parallel to.
    crs : CRS
        Of that grid.

    Returns
    -------
    tuple of DataArray and Affine
        The warped raster, cubic, NaN where it has no data; and its transform.

    Raises
    ------
    PairError
        If there is no way from one CRS to the other, or the raster's outline has no place there.
    """
    columns, rows = _outline(raster, fine, crs)
    centre = raster.sizes["x"] / 2, raster.sizes["y"] / 2
    around = [centre, (centre[0] + 1, centre[1]), (centre[0], centre[1] + 1)]
    (x0, x1, x2), (y0, y1, y2) = _through(raster, around, fine, crs)
    area = abs((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0))
    size = math.sqrt(area)  # a raster pixel, in pixels of the other grid
    placed = fine * Affine.translation(min(columns), min(rows)) * Affine.scale(size)
    shape = (
        math.ceil((max(rows) - min(rows)) / size),
        math.ceil((max(columns) - min(columns)) / size),
    )
    grid = GeoBox(shape, placed, crs.to_wkt())
    source = raster.drop_vars([n for n in raster.coords if raster[n].dims == ("band",)])
    warped = xr_reproject(source, grid, resampling="cubic", dst_nodata=np.nan)
    names = dict(zip(warped.dims[-2:], ("y", "x"), strict=True))
    warped = warped.rename({old: new for old, new in names.items() if old != new})
    bands = {n: raster[n] for n in raster.coords if raster[n].dims == ("band",)}
    warped = warped.assign_coords(bands).chunk({"band": -1})
    return warped.assign_attrs(raster.attrs), placed


def _outline(raster: xr.DataArray, fine: Affine, crs: CRS) -> tuple[list[float], list[float]]:
    share = np.linspace(0, 1, _EDGE_POINTS)
    columns, rows = raster.sizes["x"], raster.sizes["y"]
    edge = [(columns * s, 0.0) for s in share] + [(columns * s, float(rows)) for s in share]
    edge += [(0.0, rows * s) for s in share] + [(float(columns), rows * s) for s in share]
    refused = PairError(
        f"{raster.attrs.get('source', 'raster')}: cannot be warped from {_called(raster.rio.crs)} "
        f"to {_called(crs)}, where its outline has no place; files in one CRS would be accepted"
    )
    try:
        x, y = _through(raster, edge, fine, crs)
    except GDAL_ERRORS as error:
        raise refused from error
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise refused
    return x, y


def _called(crs: CRS) -> str:
    return str(crs.to_string())[:40]


def _through(
    raster: xr.DataArray, points: list[tuple[float, float]], fine: Affine, crs: CRS
) -> tuple[list[float], list[float]]:
    """Return pixel corners of the raster as pixel coordinates of the fine grid."""
    own = raster.rio.transform()
    world = [own * point for point in points]
    xs, ys = transform_points(raster.rio.crs, crs, *zip(*world, strict=True))
    back = ~fine
    inside = [back * point for point in zip(xs, ys, strict=True)]
    return [p[0] for p in inside], [p[1] for p in inside]


def displaced(raster: xr.DataArray, drift: Drift) -> xr.DataArray:
    """
    Return a raster whose content is shifted by an amount that changes over it, lazily.

    Parameters
    ----------
    raster : DataArray
        (band, y, x).
    drift : Drift
        How far what a pixel shows lies from where it is, in pixels of the raster.

    Returns
    -------
    DataArray
        On the grid of the raster, cubic spline; NaN where the nearest pixel has no data.
    """
    pixels = DisplacedPixels(raster, drift)
    chunk = chunk_size(pixels.shape, (1, 1))
    return raster.copy(data=lazy(pixels, chunk))


@dataclass(frozen=True, eq=False)
class DisplacedPixels:
    """
    The pixels of :func:`displaced`: each window from its own part of the raster.

    Attributes
    ----------
    raster : DataArray of shape (bands, rows, columns)
    drift : Drift
    """

    raster: xr.DataArray
    drift: Drift
    dtype: np.dtype[np.float32] = np.dtype(np.float32)  # noqa: RUF009 - a constant
    ndim: int = 3

    @property
    def path(self) -> str:
        """The file or store that is resampled."""
        return str(self.raster.attrs.get("source", ""))

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape ``(bands, rows, columns)``."""
        bands, rows, columns = self.raster.shape
        return (bands, rows, columns)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Return what names these pixels."""
        return ("DisplacedPixels", self.raster.data.name, repr(self.drift))

    def __getitem__(self, key: Key) -> NDArray[np.float32]:
        """Resample bands of a window."""
        (bands, rows, columns), rest = split(key, self.shape)
        result = np.empty((len(bands), len(rows), len(columns)), np.float32)
        if not result.size:
            return result[rest]
        centres = np.meshgrid(np.array(rows) + 0.5, np.array(columns) + 0.5, indexing="ij")
        shifts = self.drift.at(*centres)
        # Where the content of a pixel is found; the drift there is that here, as it is slow.
        places = [centre - shift - 0.5 for centre, shift in zip(centres, shifts, strict=True)]
        spans = [
            slice(
                min(max(math.floor(place.min()) - _SPLINE, 0), length - 1),
                min(max(math.ceil(place.max()) + _SPLINE, 1), length),
            )
            for place, length in zip(places, self.shape[1:], strict=True)
        ]
        part = self.raster[slice(bands.start, bands.stop), spans[0], spans[1]]
        values = part.compute(scheduler="synchronous").to_numpy()
        local = np.stack([p - span.start for p, span in zip(places, spans, strict=True)])
        for target, plane in zip(result, values, strict=True):
            target[...] = _resampled(plane, local)
        return result[rest]


def _resampled(plane: NDArray[np.float32], places: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return a plane at places, shape (2, rows, columns); NaN where the nearest pixel is."""
    missing = ~np.isfinite(plane)
    if missing.all():
        return np.full(places.shape[1:], np.nan, np.float32)
    if missing.any():
        nearest = distance_transform_edt(missing, return_distances=False, return_indices=True)
        plane = plane[tuple(nearest)]
    values = map_coordinates(plane, places, order=3, mode="nearest")
    absent = map_coordinates(missing.astype(np.uint8), places, order=0, mode="constant", cval=1)
    return np.where(absent > 0, np.float32(np.nan), values)
