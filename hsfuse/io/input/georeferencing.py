"""Georeferencing of a file that GDAL reads: its transform, or its ground control points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.io import DatasetReader

from hsfuse.io.settings import GRIDS

__all__ = ["Georeferencing", "read_georeferencing"]

_REMEDY = "warp it to a map grid first, as gdalwarp does"


class Georeferencing(NamedTuple):
    """
    Transform and CRS of a raster.

    ``unsupported`` describes other georeferencing, such as rational polynomials, where there is no
    transform; ``notes`` lists the conversions applied, one sentence each.
    """

    transform: Affine | None
    crs: CRS | None
    unsupported: str = ""
    notes: tuple[str, ...] = ()


def read_georeferencing(dataset: DatasetReader) -> Georeferencing:
    """
    Return the transform and CRS of a raster.

    Ground control points are converted where one affine transform fits all of them within half a
    pixel.
    """
    if not dataset.transform.is_identity:
        return Georeferencing(
            dataset.transform, None if _has_arbitrary_crs(dataset) else dataset.crs
        )
    points, crs = dataset.gcps
    if points:
        return _fit_control_points(points, crs or dataset.crs, dataset.shape)
    if dataset.rpcs is not None:
        return Georeferencing(None, dataset.crs, f"rational polynomials (RPC) only; {_REMEDY}")
    if dataset.tags(ns="GEOLOCATION"):
        return Georeferencing(None, dataset.crs, f"geolocation arrays only; {_REMEDY}")
    return Georeferencing(None, dataset.crs)


def _has_arbitrary_crs(dataset: DatasetReader) -> bool:
    """Return whether an ENVI header states no CRS, of which GDAL makes a local one in metres."""
    info = dataset.tags(ns="ENVI").get("map_info", "") if dataset.driver == "ENVI" else ""
    return info.strip("{ ").lower().startswith("arbitrary")


def _fit_control_points(
    points: Sequence[GroundControlPoint], crs: CRS | None, shape: tuple[int, int]
) -> Georeferencing:
    pixel = np.array([(point.col, point.row) for point in points], dtype=np.float64)
    world = np.array([(point.x, point.y) for point in points], dtype=np.float64)
    origin = world.mean(axis=0)
    design = np.column_stack([pixel, np.ones(len(points))])
    fitted, _, rank, _ = np.linalg.lstsq(design, world - origin, rcond=None)
    found = f"{len(points)} ground control points only"
    if rank < 3:
        return Georeferencing(None, crs, f"{found}, which fix no grid; {_REMEDY}")
    (a, d), (b, e), (c, f) = fitted
    transform = _remove_rounding(Affine(a, b, c + origin[0], d, e, f + origin[1]), shape)
    back = ~transform
    away = max(
        float(np.hypot(*np.subtract(back * (x, y), at)))
        for (x, y), at in zip(world, pixel, strict=True)
    )
    if not away <= GRIDS.residual:
        return Georeferencing(
            None, crs, f"{found}, up to {away:.2g} pixels off the grid that fits best; {_REMEDY}"
        )
    return Georeferencing(
        transform,
        crs,
        notes=(
            f"placed by its {len(points)} ground control points, which an affine transform fits to "
            f"{away:.2g} pixels",
        ),
    )


def _remove_rounding(transform: Affine, shape: tuple[int, int]) -> Affine:
    """Return a transform without a rotation below rounding."""
    rows, columns = shape
    across, down = abs(transform.b) * rows, abs(transform.d) * columns
    if across < GRIDS.rotation * abs(transform.a) and down < GRIDS.rotation * abs(transform.e):
        return Affine(transform.a, 0.0, transform.c, 0.0, transform.e, transform.f)
    return transform
