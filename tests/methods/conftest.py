"""What the tests of several methods share."""

import math
from collections.abc import Callable

import pytest

from hsfuse.core.grid import Geometry, Span
from hsfuse.methods import Fuser, Window


@pytest.fixture(scope="session")
def read_tile() -> Callable[[Fuser, Window, Span], Window]:
    """
    Return a reader of the window about a square core: no more than the method's reach.

    It has those models of the whole window that have a weight in it.
    """

    def read(fuser: Fuser, window: Window, core: Span) -> Window:
        axis = window.geometry.y
        halo = math.ceil(fuser.reach[0] * axis.ratio)
        start = (core.start - halo) // fuser.step * fuser.step
        fine = Span(start, core.stop + halo)
        assert fine.start > 0, "the scene is too small: the window is all of it"
        assert fine.stop < axis.fine, "the scene is too small: the window is all of it"
        coarse = axis.coarse_span(fine, 2)
        local = Span(core.start - fine.start, core.stop - fine.start)
        grid = fuser.local_models
        units = [] if grid is None else grid.touching(window.geometry, (fine, fine))
        return Window(
            window.coarse[:, coarse.slice, coarse.slice],
            window.fine[:, fine.slice, fine.slice],
            Geometry(axis.cut(fine, coarse), window.geometry.x.cut(fine, coarse)),
            (local, local),
            (coarse.start, coarse.start),
            {unit: window.models[unit] for unit in units},
        )

    return read
