"""
Fusion of one block of the output: read both rasters, fuse the tiles, blend them, mask.

:func:`fuse_block` is a pure function of the plan and the index of the block. All schedulers, and
the chunks of the lazy array, use it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.fusion.conditioning import Unit, load_conditioned
from hsfuse.fusion.plan import Plan
from hsfuse.fusion.value_range import apply_lower_limit
from hsfuse.io.preview import read_window
from hsfuse.methods import Window
from hsfuse.parallel import one_thread, pick_device

__all__ = ["BlockInput", "Part", "fuse_block", "fuse_input", "read_block"]

LoadModels = Callable[[Iterable[Unit]], Mapping[Unit, NDArray[np.float32]]]

# HS pixels read beyond a window, for cubic interpolation at its edge.
_MARGIN = 2.0


@dataclass(frozen=True)
class Part:
    """
    A window of a raster in memory.

    Attributes
    ----------
    values : ndarray of shape (bands, rows, columns)
        float32, NaN for no data.
    rows, columns : Span
        Position of the window in the raster.
    """

    values: NDArray[np.float32]
    rows: Span
    columns: Span

    def cut(self, rows: Span, columns: Span) -> NDArray[np.float32]:
        """Return the values (bands, rows, columns) of a smaller window."""
        part = self.values[:, rows.within(self.rows), columns.within(self.columns)]
        return np.ascontiguousarray(part)


@dataclass(frozen=True)
class BlockInput:
    """
    The input of one block, read once.

    Attributes
    ----------
    index : tuple of int
        Row and column of the block in the grid of blocks.
    rows, columns : Span
        The pixels of the block in the output.
    tiles : tuple of tuple of int
        Index of every tile with a weight in the block.
    hs, fine : Part
        Windows of the two rasters with the halo of these tiles; rows and columns of ``fine`` are
        relative to the first pixel of the output.
    models : mapping of tuple of int to ndarray
        Local models of every unit that touches ``fine``.
    """

    index: tuple[int, int]
    rows: Span
    columns: Span
    tiles: tuple[tuple[int, int], ...]
    hs: Part
    fine: Part
    models: Mapping[Unit, NDArray[np.float32]]


def read_block(
    plan: Plan, row: int, column: int, load_models: LoadModels | None = None
) -> BlockInput:
    """
    Read the input of a block: one window of each raster, and the local models that touch it.

    Parameters
    ----------
    plan : Plan
        Plan of the fusion.
    row, column : int
        Index of the block.
    load_models : callable, optional
        Returns the models of units; by default they are computed in this process.
    """
    core = plan.rows.core(row), plan.columns.core(column)
    touching = [
        tiling.touching(span) for tiling, span in zip((plan.rows, plan.columns), core, strict=True)
    ]
    rows, columns = (
        _hull([tiling.window(index) for index in indexes])
        for tiling, indexes in zip((plan.rows, plan.columns), touching, strict=True)
    )
    fine, coarse = _spans(plan, rows, columns)
    return BlockInput(
        (row, column),
        *core,
        tuple((i, j) for i in touching[0] for j in touching[1]),
        Part(read_window(plan.pair.hs, None, *coarse), *coarse),
        Part(read_window(plan.pair.fine, None, *fine), rows, columns),
        (load_models or partial(load_conditioned, plan))(_units(plan, fine)),
    )


def _units(plan: Plan, fine: tuple[Span, Span]) -> list[Unit]:
    """Return the units of local models that touch some pixels of the fine raster."""
    grid = plan.fuser.local_models
    return [] if grid is None else grid.touching(plan.pair.fine_geometry, fine)


def _spans(plan: Plan, rows: Span, columns: Span) -> tuple[tuple[Span, Span], tuple[Span, Span]]:
    """Return a window of the output in the fine raster, and the window of HS pixels it needs."""
    geometry, output = plan.pair.fine_geometry, plan.pair.output
    fine = rows.shifted(output[0].start), columns.shifted(output[1].start)
    coarse = (
        geometry.y.coarse_span(fine[0], _MARGIN),
        geometry.x.coarse_span(fine[1], _MARGIN),
    )
    return fine, coarse


def fuse_block(plan: Plan, row: int, column: int) -> NDArray[np.float32]:
    """
    Return the pixels of one block.

    Parameters
    ----------
    plan : Plan
        Plan of the fusion; the result depends only on it and the index.
    row, column : int
        Index of the block.

    Returns
    -------
    ndarray of shape (planes, rows, columns)
        NaN exactly where the MS image or the HS pixel at that location has no data; elsewhere at
        least the lower limit of the band. The last plane is the standard error if requested
        (:attr:`hsfuse.fusion.plan.Plan.planes`).
    """
    return fuse_input(plan, read_block(plan, row, column))[0]


def fuse_input(plan: Plan, read: BlockInput) -> tuple[NDArray[np.float32], int]:
    """
    Return the pixels of a block from its input, and the number of values below their limit.

    See :func:`fuse_block` and :mod:`hsfuse.fusion.value_range`.
    """
    plan = plan.on(pick_device(plan.options.device))
    with one_thread():
        if len(read.tiles) == 1:  # no blending: the weight is one everywhere
            (values,) = plan.fuser.fuse([_tile_window(plan, read, read.index)[0]])
        else:
            values = _blend_tiles(plan, read)
    values[:, ~_data_mask(plan, read)] = np.nan
    return values, apply_lower_limit(values, plan.lower_limit)


def _blend_tiles(plan: Plan, read: BlockInput) -> NDArray[np.float32]:
    """Return the weighted sum (planes, rows, columns) of the tiles that overlap a block."""
    windows, weights = [], []
    for tile in read.tiles:
        window, part = _tile_window(plan, read, tile)
        windows.append(window)
        down, across = plan.rows.weights(tile[0], part[0]), plan.columns.weights(tile[1], part[1])
        weights.append((part, np.outer(down, across).astype(np.float32)))
    total = np.zeros((plan.planes, len(read.rows), len(read.columns)), np.float32)
    for fused, (part, weight) in zip(plan.fuser.fuse(windows), weights, strict=True):
        total[:, part[0].within(read.rows), part[1].within(read.columns)] += weight * fused
    return total


def _tile_window(
    plan: Plan, read: BlockInput, tile: tuple[int, int]
) -> tuple[Window, tuple[Span, Span]]:
    """Return the window of a tile, and the part of the block in which the tile has a weight."""
    rows, columns = plan.rows.window(tile[0]), plan.columns.window(tile[1])
    part = (
        _intersection(plan.rows.support(tile[0]), read.rows),
        _intersection(plan.columns.support(tile[1]), read.columns),
    )
    core = part[0].shifted(-rows.start), part[1].shifted(-columns.start)
    fine, (coarse_rows, coarse_columns) = _spans(plan, rows, columns)
    geometry = plan.pair.fine_geometry
    window = Window(
        read.hs.cut(coarse_rows, coarse_columns),
        read.fine.cut(rows, columns),
        Geometry(geometry.y.cut(fine[0], coarse_rows), geometry.x.cut(fine[1], coarse_columns)),
        core,
        (coarse_rows.start, coarse_columns.start),
        {unit: read.models[unit] for unit in _units(plan, fine)},
    )
    return window, part


def _data_mask(plan: Plan, read: BlockInput) -> NDArray[np.bool_]:
    """Return the mask (rows, columns) of pixels with data in all MS bands and in the HS pixel."""
    geometry = plan.pair.geometry
    rows, columns = geometry.y.coarse_span(read.rows), geometry.x.coarse_span(read.columns)
    coarse = read.hs.cut(rows, columns)[plan.radiometry.good]
    hs_mask = np.asarray(np.isfinite(coarse).all(axis=0))
    below = np.ix_(
        _hs_pixel_index(geometry.y, read.rows, rows),
        _hs_pixel_index(geometry.x, read.columns, columns),
    )
    fine_mask = np.asarray(np.isfinite(read.fine.cut(read.rows, read.columns)).all(axis=0))
    return fine_mask & hs_mask[below]


def _hs_pixel_index(axis: Axis, fine: Span, coarse: Span) -> NDArray[np.intp]:
    """Return the index in a coarse span of the HS pixel that contains each fine pixel's centre."""
    centres = np.arange(fine.start, fine.stop) + 0.5
    index = np.floor((centres - axis.origin) / axis.ratio).astype(np.intp)
    return np.clip(index - coarse.start, 0, len(coarse) - 1)


def _hull(spans: list[Span]) -> Span:
    return Span(min(span.start for span in spans), max(span.stop for span in spans))


def _intersection(first: Span, second: Span) -> Span:
    return Span(max(first.start, second.start), min(first.stop, second.stop))
