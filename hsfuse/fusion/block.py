"""
The whole flow, every stage in order: two lazy rasters become one lazy raster.

Planning is eager and cheap (:mod:`hsfuse.fusion.plan`). Pixels come later, block by block:
:func:`fuse_block` is a pure function of the plan and a block's index, and the local
loop, dask futures and the chunks of the lazy array all call it.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.core.grid import Geometry, Span
from hsfuse.fusion.plan import Plan
from hsfuse.methods import Window
from hsfuse.parallel import one_thread, pick_device

__all__ = ["fuse_block"]

# HS pixels read beyond a window: what cubic interpolation needs at the window's edge.
_MARGIN = 2.0


def fuse_block(plan: Plan, row: int, column: int) -> NDArray[np.float32]:
    """
    Return the pixels of one block: read, fuse, blend, mask.

    Parameters
    ----------
    plan : Plan
        Frozen; the result depends on it and the index alone.
    row, column : int
        Index of the block.

    Returns
    -------
    ndarray of shape (bands, rows, columns)
        NaN exactly where the fine image or the HS pixel under it has no data.
    """
    plan = plan.on(pick_device(plan.options.device))
    block = plan.rows.core(row), plan.columns.core(column)
    tiles = [(i, j) for i in plan.rows.touching(block[0]) for j in plan.columns.touching(block[1])]
    with one_thread():
        if len(tiles) == 1:  # no neighbour reaches in: the weight is one everywhere
            window, _ = read_tile(plan, row, column, block)
            (values,) = plan.fuser.fuse([window])
        else:
            values = _blended(plan, tiles, block)
    return _masked(plan, values, block)


def _blended(
    plan: Plan, tiles: list[tuple[int, int]], block: tuple[Span, Span]
) -> NDArray[np.float32]:
    windows, shares = [], []
    for i, j in tiles:
        window, part = read_tile(plan, i, j, block)
        windows.append(window)
        weight = plan.rows.weights(i, part[0])[:, None] * plan.columns.weights(j, part[1])
        shares.append((part, weight.astype(np.float32)))
    total = np.zeros((plan.shape[0], len(block[0]), len(block[1])), np.float32)
    for fused, (part, share) in zip(plan.fuser.fuse(windows), shares, strict=True):
        total[:, part[0].within(block[0]), part[1].within(block[1])] += share * fused
    return total


def read_tile(
    plan: Plan, i: int, j: int, block: tuple[Span, Span]
) -> tuple[Window, tuple[Span, Span]]:
    """Return a tile's window, and the part of the block on which the tile has a weight."""
    rows, columns = plan.rows.window(i), plan.columns.window(j)
    part = _common(plan.rows.support(i), block[0]), _common(plan.columns.support(j), block[1])
    core = part[0].shifted(-rows.start), part[1].shifted(-columns.start)
    geometry, output = plan.pair.fine_geometry, plan.pair.output
    rows, columns = rows.shifted(output[0].start), columns.shifted(output[1].start)
    coarse_rows = geometry.y.coarse_span(rows, _MARGIN)
    coarse_columns = geometry.x.coarse_span(columns, _MARGIN)
    window = Window(
        _pixels(plan.pair.hs, coarse_rows, coarse_columns),
        _pixels(plan.pair.fine, rows, columns),
        Geometry(geometry.y.cut(rows, coarse_rows), geometry.x.cut(columns, coarse_columns)),
        core,
        (coarse_rows.start, coarse_columns.start),
    )
    return window, part


def _masked(
    plan: Plan, values: NDArray[np.float32], block: tuple[Span, Span]
) -> NDArray[np.float32]:
    """Return the values with NaN where an input holds no data."""
    rows, columns = block
    known = np.isfinite(_pixels(plan.pair.rgb, rows, columns)).all(axis=0)
    geometry = plan.pair.geometry
    coarse_rows, coarse_columns = geometry.y.coarse_span(rows), geometry.x.coarse_span(columns)
    coarse = _pixels(plan.pair.hs, coarse_rows, coarse_columns)[plan.radiometry.good]
    seen = np.asarray(np.isfinite(coarse).all(axis=0))
    below = [
        np.clip(
            np.floor((np.arange(fine.start, fine.stop) + 0.5 - axis.origin) / axis.ratio).astype(
                int
            )
            - span.start,
            0,
            len(span) - 1,
        )
        for axis, fine, span in (
            (geometry.y, rows, coarse_rows),
            (geometry.x, columns, coarse_columns),
        )
    ]
    known &= seen[np.ix_(below[0], below[1])]
    values[:, ~known] = np.nan
    return values


def _pixels(raster: xr.DataArray, rows: Span, columns: Span) -> NDArray[np.float32]:
    window = raster.isel(y=rows.slice, x=columns.slice)
    values: NDArray[np.float32] = window.compute(scheduler="synchronous").to_numpy()
    return values


def _common(first: Span, second: Span) -> Span:
    return Span(max(first.start, second.start), min(first.stop, second.stop))
