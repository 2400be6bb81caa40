"""A lazy raster moved onto another grid."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_reproject
from rasterio.crs import CRS
from rasterio.warp import transform as transform_points

from hsfuse.errors import PairError

__all__ = ["onto_grid"]

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
        If the raster's outline has no place in the other CRS.
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
    x, y = _through(raster, edge, fine, crs)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise PairError(
            f"{raster.attrs.get('source', 'raster')}: cannot be warped to {crs.to_string()[:40]}, "
            "where its outline has no place"
        )
    return x, y


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
