"""First pass of methods with local models: windows of units, and whole scenes in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.grid import Geometry, Span
from hsfuse.core.local_models import LocalModelGrid
from hsfuse.methods import Fuser, Window
from hsfuse.pair.patch import Patch

__all__ = ["fuse_scene", "middle_window", "unit_window", "with_models"]

Read = Callable[[Span, Span], NDArray[np.float32]]


def unit_window(
    grid: LocalModelGrid, unit: tuple[int, int], geometry: Geometry, coarse: Read, fine: Read
) -> Window:
    """
    Return the window on which a unit is conditioned.

    Parameters
    ----------
    grid : LocalModelGrid
        Grid of the units.
    unit : tuple of int
        Row and column of the unit.
    geometry : Geometry
        HS pixels of the scene relative to its MS pixels.
    coarse, fine : callable
        Return all bands of given rows and columns of the HS and of the MS image.
    """
    rows, columns = grid.coarse(*unit)
    fine_rows, fine_columns = grid.fine(geometry, *unit)
    return Window(
        coarse(rows, columns),
        fine(fine_rows, fine_columns),
        Geometry(geometry.y.cut(fine_rows, rows), geometry.x.cut(fine_columns, columns)),
        (
            geometry.y.fine_span(rows).shifted(-fine_rows.start),
            geometry.x.fine_span(columns).shifted(-fine_columns.start),
        ),
        (rows.start, columns.start),
    )


def middle_window(patch: Patch, side: int) -> Window:
    """
    Return the centre of a surveyed window, as a separate scene.

    Parameters
    ----------
    patch : Patch
        Window of the survey.
    side : int
        Largest side in HS pixels.
    """
    axes = patch.geometry.y, patch.geometry.x
    coarse, fine, core = [], [], []
    for axis in axes:
        length = min(side, axis.coarse)
        start = (axis.coarse - length) // 2
        span = Span(start, start + length)
        before, after = start == 0, span.stop == axis.coarse
        wide = axis.fine_span(span, 2.0)
        wide = Span(0 if before else wide.start, axis.fine if after else wide.stop)
        coarse.append(span)
        fine.append(wide)
        core.append(axis.fine_span(span).shifted(-wide.start))
    return Window(
        patch.coarse[:, coarse[0].slice, coarse[1].slice],
        patch.fine[:, fine[0].slice, fine[1].slice],
        Geometry(*(a.cut(f, c) for a, f, c in zip(axes, fine, coarse, strict=True))),
        (core[0], core[1]),
        (0, 0),
    )


class Conditioned(Protocol):
    """Protocol of objects with local models: a fuser, or a part of one."""

    @property
    def local_models(self) -> LocalModelGrid | None:
        """See :class:`hsfuse.methods.Fuser`."""

    def condition(self, window: Window) -> NDArray[np.float32]:
        """See :class:`hsfuse.methods.Fuser`."""


def with_models(fuser: Conditioned, window: Window) -> Window:
    """
    Return the window of a whole scene with the models of every unit.

    Parameters
    ----------
    fuser : Conditioned
        Object with one or two passes.
    window : Window
        Holds all HS pixels of the scene.
    """
    grid = fuser.local_models
    if grid is None:
        return window

    def part(values: NDArray[np.float32]) -> Read:
        return lambda rows, columns: values[:, rows.slice, columns.slice]

    sources = window.geometry, part(window.coarse), part(window.fine)
    models = {unit: fuser.condition(unit_window(grid, unit, *sources)) for unit in grid.indexes}
    return replace(window, models=models)


def fuse_scene(fuser: Fuser, window: Window) -> NDArray[np.float32]:
    """
    Return the fused core of a scene in memory, by all passes.

    Parameters
    ----------
    fuser : Fuser
        Object with one or two passes.
    window : Window
        Holds all HS pixels of the scene.

    Returns
    -------
    ndarray of shape (bands, core rows, core columns)
    """
    (values,) = fuser.fuse([with_models(fuser, window)])
    return values
