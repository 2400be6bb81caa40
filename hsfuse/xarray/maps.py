"""The map grid of a raster: its transform, bounds and axis labels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from affine import Affine
from numpy.typing import NDArray

from hsfuse.core.text import listed
from hsfuse.errors import RasterError
from hsfuse.io.input.coordinates import array_georeferencing
from hsfuse.io.input.decoded import check_whole
from hsfuse.io.input.labels import crs_label, raster_label

__all__ = ["MapGrid", "find_grid", "grid_of_raster"]

Vector = NDArray[np.float64]


class MapGrid(NamedTuple):
    """
    The georeferenced grid of a raster.

    Attributes
    ----------
    transform : Affine
        From pixel corners (column, row) to map coordinates.
    crs : rasterio CRS or None
        CRS of the map coordinates.
    rows, columns : int
        Number of rows and columns of the raster.
    """

    transform: Affine
    crs: Any
    rows: int
    columns: int

    @property
    def rotated(self) -> bool:
        """Whether the rows and columns are not parallel to the map axes."""
        return bool(self.transform.b or self.transform.d)

    def place(self, column: Vector, row: Vector) -> tuple[Vector, Vector]:
        """Return the map coordinates x and y of pixel coordinates."""
        return _apply(self.transform, column, row)

    def pixel(self, x: Vector, y: Vector) -> tuple[Vector, Vector]:
        """Return the pixel coordinates, column and row, of map coordinates."""
        return _apply(~self.transform, x, y)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Minimum x, maximum x, minimum y, maximum y."""
        x, y = self.place(np.array([0.0, self.columns] * 2), np.repeat([0.0, float(self.rows)], 2))
        return float(x.min()), float(x.max()), float(y.min()), float(y.max())

    @property
    def extent(self) -> str:
        """The bounds and the CRS as text."""
        west, east, south, north = self.bounds
        span = f"x {west:.10g} to {east:.10g}, y {south:.10g} to {north:.10g}"
        return span if self.crs is None else f"{span} in {crs_label(self.crs)}"

    @property
    def labels(self) -> tuple[str, str]:
        """Labels of the x and y axis, with the unit of the CRS."""
        if self.crs is None:
            return "x", "y"
        if self.crs.is_geographic:
            return "longitude [degrees]", "latitude [degrees]"
        unit = str(self.crs.linear_units).replace("metre", "m").replace("meter", "m")
        return f"easting [{unit}], {crs_label(self.crs)}", f"northing [{unit}]"


def grid_of_raster(raster: xr.DataArray) -> MapGrid:
    """
    Return the map grid of a raster.

    Raises
    ------
    RasterError
        If it has no transform, or is part of a rotated raster, whose transform does not follow
        the selection.
    """
    label = raster_label(raster)
    if not {"y", "x"} <= set(raster.dims):
        raise RasterError(
            f"{label}: has the dimensions {listed([*map(str, raster.dims)])}; expected band, y, x"
        )
    check_whole(raster)
    place, size = (
        array_georeferencing(label, raster, raster.attrs),
        (raster.sizes["y"], raster.sizes["x"]),
    )
    if place.transform is None:
        raise RasterError(
            f"{label}: is not georeferenced; select pixels with isel(y=row, x=column)"
        )
    return MapGrid(place.transform, place.crs, *size)


def find_grid(raster: xr.DataArray) -> MapGrid | None:
    """Return the map grid of a raster, or None if it is not georeferenced."""
    try:
        return grid_of_raster(raster)
    except RasterError:
        return None


def _apply(transform: Affine, x: Vector, y: Vector) -> tuple[Vector, Vector]:
    a, b, c, d, e, f = transform[:6]
    return a * x + b * y + c, d * x + e * y + f
