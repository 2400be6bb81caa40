"""
Application of the models of cells to MS pixels.

Pixels are computed in blocks of equal cells, and features for parts of a block that fit in the
cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hsfuse.core.grid import Span
from hsfuse.methods import Window
from hsfuse.methods.kriging.cells import CellGrid, CellPart, blended_cells, segments
from hsfuse.methods.kriging.features import RandomFeatures
from hsfuse.methods.kriging.models import CellModel
from hsfuse.methods.kriging.pixels import PixelMaps

__all__ = ["Block", "blend_residuals", "divide_into_blocks", "estimate_block"]


@dataclass(frozen=True)
class Block:
    """
    MS pixels to which the same cells contribute.

    Attributes
    ----------
    area : tuple of Span
        Rows and columns of the window.
    cells : list of tuple of CellPart
        Contribution of each cell along y and x.
    """

    area: tuple[Span, Span]
    cells: list[tuple[CellPart, CellPart]]

    def weights(self, like: Tensor) -> list[Tensor]:
        """Return the weight of each cell at the pixels, shape (pixels,)."""
        rows, columns = self.area
        return [
            torch.from_numpy(
                np.outer(
                    row.weight[rows.within(row.part)], column.weight[columns.within(column.part)]
                ).ravel()
            ).to(like)
            for row, column in self.cells
        ]


def divide_into_blocks(
    rows: list[CellPart], columns: list[CellPart], pixels: int
) -> Iterator[Block]:
    """
    Yield blocks that cover a region.

    Parameters
    ----------
    rows, columns : list of CellPart
        Contributions of cells to the region, along y and x.
    pixels : int
        Maximum number of pixels of a block.
    """
    side = max(1, math.isqrt(pixels))
    for down, row_parts in segments(rows, side):
        for across, column_parts in segments(columns, pixels // len(down)):
            cells = [(row, column) for row in row_parts for column in column_parts]
            yield Block((down, across), cells)


def estimate_block(
    block: Block,
    pixels: PixelMaps,
    models: Mapping[tuple[int, int], CellModel],
    features: RandomFeatures,
) -> Tensor:
    """
    Return the estimates of all processes, shape (processes, components, rows, columns).

    Parameters
    ----------
    block : Block
        Block of MS pixels.
    pixels : PixelMaps
        Maps of the window of the block.
    models : mapping of tuple of int to CellModel
        Models of the contributing cells, by row and column of the cell.
    features : RandomFeatures
        Random features of all processes.
    """
    rows, columns = block.area
    pixels = pixels.cut(rows.slice, columns.slice)
    linear = pixels.linear(features.settings).flatten(1)
    coordinates = pixels.coordinates().flatten(1)
    level = features.scale * pixels.level.flatten()
    cells = [models[row.index, column.index] for row, column in block.cells]
    weights = torch.stack(block.weights(level), dim=1)[..., None]
    estimates = []
    for process in range(len(features.settings.processes)):
        # The weights of all cells in one product, since those of one are few.
        parts = zip(*(cell.parts(process, len(linear)) for cell in cells), strict=True)
        fixed, *waves = (torch.cat(part).mT for part in parts)
        random = _random_part(process, coordinates, waves, features)
        estimate = torch.addcmul(linear.mT @ fixed, random, level[:, None])
        if len(cells) > 1:
            estimate = (estimate.unflatten(1, (len(cells), -1)) * weights).sum(dim=1)
        estimates.append(estimate.mT)
    return torch.stack(estimates).unflatten(2, (len(rows), len(columns)))


def _random_part(
    process: int, coordinates: Tensor, weights: Sequence[Tensor], features: RandomFeatures
) -> Tensor:
    """Return the random features of pixels times weights of the cosines and of the sines."""
    random = coordinates.new_empty((coordinates.shape[1], weights[0].shape[1]))
    size = features.settings.chunk
    for part, result in zip(coordinates.split(size, dim=1), random.split(size), strict=True):
        cosines, sines = features(process, part)
        torch.mm(cosines, weights[0], out=result).addmm_(sines, weights[1])
    return random


def blend_residuals(
    rows: list[CellPart],
    columns: list[CellPart],
    window: Window,
    grid: CellGrid,
    models: Mapping[tuple[int, int], CellModel],
) -> Tensor:
    """
    Return the interpolated residuals of the cells, blended over the core of a window.

    Parameters
    ----------
    rows, columns : list of CellPart
        Contributions of cells to the core, along y and x.
    window : Window
        Window of the pair.
    grid : CellGrid
        Cells of the scene.
    models : mapping of tuple of int to CellModel
        Models of the contributing cells, by row and column of the cell.

    Returns
    -------
    Tensor of shape (components, core rows, core columns)
    """
    some = next(iter(models.values())).residual
    total = some.new_zeros((len(some), *map(len, window.core)))
    for cell, part, weight in blended_cells(rows, columns):
        residual = models[cell].interpolate(window, grid.coarse(cell), part)
        area = part[0].within(window.core[0]), part[1].within(window.core[1])
        total[:, *area] += torch.from_numpy(weight).to(residual) * residual
    return total
