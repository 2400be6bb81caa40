"""Pixels that were read for a survey, so that the next survey of the same files reads them not."""

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
    Windows of rasters in memory, known by the coordinates of their pixels.

    A pair whose HS image is shifted is another cut of the same two files: what a survey of the
    first cut holds is cut again for the second, and only pixels that it lacks are read.
    """

    _held: dict[str, list[xr.DataArray]] = field(default_factory=dict)

    def read(self, name: str, raster: xr.DataArray, rows: Span, columns: Span) -> Cube:
        """
        Return the pixels of a window, shape (bands, rows, columns).

        Parameters
        ----------
        name : str
            What the raster is known by: those of one name differ in their cut alone.
        raster : DataArray of shape (bands, rows, columns)
            Lazy.
        rows, columns : Span
            The window.
        """
        wanted = raster.isel(y=rows.slice, x=columns.slice)
        for held in self._held.get(name, ()):
            inside = [_within(wanted, held, axis) for axis in ("y", "x")]
            if inside[0] is not None and inside[1] is not None:
                return held.to_numpy()[:, inside[0], inside[1]]
        read = wanted.compute(scheduler="synchronous")
        self.hold(name, read)
        return read.to_numpy()

    def hold(self, name: str, window: xr.DataArray) -> None:
        """Keep pixels of a raster that are in memory, see :meth:`read`."""
        self._held.setdefault(name, []).append(window)

    def clear(self) -> None:
        """Drop all that is held."""
        self._held.clear()

    def forget(self, name: str) -> None:
        """Drop what is held of a raster whose values are other ones from now on."""
        self._held.pop(name, None)


def _within(wanted: xr.DataArray, held: xr.DataArray, axis: str) -> slice | None:
    """Return where along an axis of ``held`` the wanted pixels lie, or None."""
    if axis not in wanted.coords or axis not in held.coords:
        return None
    inner, outer = wanted[axis].values, held[axis].values
    first = np.flatnonzero(outer == inner[0])
    if first.size != 1:
        return None
    place = slice(int(first[0]), int(first[0]) + len(inner))
    return place if np.array_equal(outer[place], inner) else None
