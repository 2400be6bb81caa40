"""Windows of the first pass of a method with local models, and that pass over a scene in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.grid import Geometry, Span
from hsfuse.core.local_models import LocalModelGrid
from hsfuse.methods import Fuser, Window

__all__ = ["unit_window", "with_models"]

Read = Callable[[Span, Span], NDArray[np.float32]]


def unit_window(
    grid: LocalModelGrid, unit: tuple[int, int], geometry: Geometry, coarse: Read, fine: Read
) -> Window:
    """
    Return the window on which a unit is conditioned.

    Parameters
    ----------
    grid : LocalModelGrid
        All units.
    unit : tuple of int
        Row and column of this one.
    geometry : Geometry
        Of the scene's HS pixels over its MS pixels.
    coarse, fine : callable
        Return some rows and columns of the HS image and of the MS image, all bands.
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


def with_models(fuser: Fuser, window: Window) -> Window:
    """
    Return the window of a whole scene with the models of every unit.

    Parameters
    ----------
    fuser : Fuser
        Of one pass or of two.
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
