"""Where the pixels of a file that GDAL reads lie: its transform, or its ground control points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.io import DatasetReader

from hsfuse.io.settings import GRIDS

__all__ = ["Place", "place_of"]

_REMEDY = "warp it to a map grid first, as gdalwarp does"


class Place(NamedTuple):
    """
    Where a raster lies.

    ``without`` says what takes the place of a transform where there is none; ``notes`` what was
    done, a sentence each.
    """

    transform: Affine | None
    crs: CRS | None
    without: str = ""
    notes: tuple[str, ...] = ()


def place_of(dataset: DatasetReader) -> Place:
    """
    Return where a raster lies.

    Ground control points are used where one affine transform fits all of them to half a pixel.
    """
    if not dataset.transform.is_identity:
        return Place(dataset.transform, dataset.crs)
    points, crs = dataset.gcps
    if points:
        return _by_points(points, crs or dataset.crs, dataset.shape)
    if dataset.rpcs is not None:
        return Place(None, dataset.crs, f"rational polynomials (RPC) only; {_REMEDY}")
    if dataset.tags(ns="GEOLOCATION"):
        return Place(None, dataset.crs, f"geolocation arrays only; {_REMEDY}")
    return Place(None, dataset.crs)


def _by_points(
    points: Sequence[GroundControlPoint], crs: CRS | None, shape: tuple[int, int]
) -> Place:
    pixel = np.array([(point.col, point.row) for point in points], dtype=np.float64)
    world = np.array([(point.x, point.y) for point in points], dtype=np.float64)
    origin = world.mean(axis=0)
    design = np.column_stack([pixel, np.ones(len(points))])
    fitted, _, rank, _ = np.linalg.lstsq(design, world - origin, rcond=None)
    found = f"{len(points)} ground control points only"
    if rank < 3:
        return Place(None, crs, f"{found}, which fix no grid; {_REMEDY}")
    (a, d), (b, e), (c, f) = fitted
    transform = _straightened(Affine(a, b, c + origin[0], d, e, f + origin[1]), shape)
    back = ~transform
    away = max(
        float(np.hypot(*np.subtract(back * (x, y), at)))
        for (x, y), at in zip(world, pixel, strict=True)
    )
    if not away <= GRIDS.residual:
        return Place(
            None, crs, f"{found}, up to {away:.2g} pixels off the grid that fits best; {_REMEDY}"
        )
    return Place(
        transform,
        crs,
        notes=(
            f"placed by its {len(points)} ground control points, which an affine transform fits to "
            f"{away:.2g} pixels",
        ),
    )


def _straightened(transform: Affine, shape: tuple[int, int]) -> Affine:
    """Return a transform without the rotation that is rounding."""
    rows, columns = shape
    across, down = abs(transform.b) * rows, abs(transform.d) * columns
    if across < GRIDS.rotation * abs(transform.a) and down < GRIDS.rotation * abs(transform.e):
        return Affine(transform.a, 0.0, transform.c, 0.0, transform.e, transform.f)
    return transform
