"""Cache of the pixels read for a survey, for further surveys of the same files."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.core.grid import Span

__all__ = ["PixelCache"]

Cube = NDArray[np.float32]


@dataclass
class PixelCache:
    """
    Windows of rasters in memory, identified by the coordinates of their pixels.

    A pair with a shifted HS image is cut differently from the same two files: cached pixels of the
    first survey are used for the second, and only missing windows are read.
    """

    _windows: dict[str, list[xr.DataArray]] = field(default_factory=dict)

    def read(self, name: str, raster: xr.DataArray, rows: Span, columns: Span) -> Cube:
        """
        Return the pixels of a window, shape (bands, rows, columns).

        Parameters
        ----------
        name : str
            Key of the raster: rasters with the same key may only differ in extent.
        raster : DataArray of shape (bands, rows, columns)
            Lazy raster.
        rows, columns : Span
            Rows and columns of the window.
        """
        requested = raster.isel(y=rows.slice, x=columns.slice)
        for cached in self._windows.get(name, ()):
            inside = [_within(requested, cached, axis) for axis in ("y", "x")]
            if inside[0] is not None and inside[1] is not None:
                return cached.to_numpy()[:, inside[0], inside[1]]
        read = requested.compute(scheduler="synchronous")
        self.hold(name, read)
        return read.to_numpy()

    def hold(self, name: str, window: xr.DataArray) -> None:
        """Add pixels of a raster that are in memory; see :meth:`read`."""
        self._windows.setdefault(name, []).append(window)

    def clear(self) -> None:
        """Remove all pixels."""
        self._windows.clear()

    def forget(self, name: str) -> None:
        """Remove the pixels of a raster whose values changed."""
        self._windows.pop(name, None)


def _within(requested: xr.DataArray, cached: xr.DataArray, axis: str) -> slice | None:
    """Return the slice of ``cached`` along an axis with some pixels; None if incomplete."""
    if axis not in requested.coords or axis not in cached.coords:
        return None
    inner, outer = requested[axis].values, cached[axis].values
    first = np.flatnonzero(outer == inner[0])
    if first.size != 1:
        return None
    place = slice(int(first[0]), int(first[0]) + len(inner))
    return place if np.array_equal(outer[place], inner) else None
