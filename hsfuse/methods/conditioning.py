"""The first pass of a method with local models, over a scene in memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hsfuse.core.grid import Geometry
from hsfuse.core.local_models import LocalModelGrid
from hsfuse.methods import Fuser, Window

__all__ = ["cut_unit", "with_models"]


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
    models = {unit: fuser.condition(cut_unit(grid, window, *unit)) for unit in grid.indexes}
    return replace(window, models=models)


def cut_unit(grid: LocalModelGrid, window: Window, row: int, column: int) -> Window:
    """Return the window on which a unit is conditioned, from that of a whole scene."""
    geometry = window.geometry
    coarse, fine = grid.coarse(row, column), grid.fine(geometry, row, column)
    return Window(
        np.ascontiguousarray(window.coarse[:, coarse[0].slice, coarse[1].slice]),
        np.ascontiguousarray(window.fine[:, fine[0].slice, fine[1].slice]),
        Geometry(geometry.y.cut(fine[0], coarse[0]), geometry.x.cut(fine[1], coarse[1])),
        (
            geometry.y.fine_span(coarse[0]).shifted(-fine[0].start),
            geometry.x.fine_span(coarse[1]).shifted(-fine[1].start),
        ),
        (coarse[0].start, coarse[1].start),
    )
