"""The cells of HS pixels into which a scene is divided for the first pass."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.grid import Axis, Span
from hsfuse.core.local_models import LocalModelAxis
from hsfuse.methods.kriging.settings import KrigingSettings

__all__ = [
    "CellGrid",
    "CellPart",
    "Cells",
    "blended_cells",
    "cell_axis",
    "cell_parts",
    "divide_scene",
    "segments",
]


@dataclass(frozen=True)
class CellPart:
    """
    Contribution of a cell to a region, along one axis.

    Attributes
    ----------
    index : int
        Index of the cell.
    part : Span
        Fine pixels of the window to which the cell contributes.
    weight : ndarray of shape (part,)
        Weight of the contribution; the weights of all cells sum to one.
    """

    index: int
    part: Span
    weight: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cells:
    """
    The cells along one axis, and the number of neighbours that are conditioned together.

    Attributes
    ----------
    single : LocalModelAxis
        The cells.
    together : int
        Number of cells in a unit of the first pass; the last unit may have fewer.
    """

    single: LocalModelAxis
    together: int = 1

    @property
    def units(self) -> LocalModelAxis:
        """
        Return the units of the first pass, each consisting of ``together`` cells.

        Examples
        --------
        >>> Cells(LocalModelAxis((0.0, 10.0, 20.0, 30.0), halo=2), 2).units.edges
        (0.0, 20.0, 30.0)
        """
        edges = self.single.edges
        return replace(self.single, edges=(*edges[: -1 : self.together], edges[-1]))

    def members(self, unit: int) -> range:
        """Return the cells of a unit."""
        first = unit * self.together
        return range(first, min(first + self.together, self.single.count))

    def unit_at(self, start: int) -> int:
        """Return the unit whose window starts at an HS pixel of the scene."""
        units = self.units
        return [units.coarse(unit).start for unit in range(units.count)].index(start)


@dataclass(frozen=True, slots=True)
class CellGrid:
    """
    The cells along both axes, rows first.

    A cell, and likewise a unit, is identified by its row and column.

    Attributes
    ----------
    y, x : Cells
        Cells along each axis.
    """

    y: Cells
    x: Cells

    def coarse(self, cell: tuple[int, int]) -> tuple[Span, Span]:
        """Return the HS rows and columns on which a cell is conditioned."""
        return self.y.single.coarse(cell[0]), self.x.single.coarse(cell[1])

    def unit_of(self, cell: tuple[int, int]) -> tuple[int, int]:
        """Return the unit of a cell."""
        return cell[0] // self.y.together, cell[1] // self.x.together

    def members(self, unit: tuple[int, int]) -> list[tuple[int, int]]:
        """Return the cells of a unit, row by row."""
        rows, columns = self.y.members(unit[0]), self.x.members(unit[1])
        return [(row, column) for row in rows for column in columns]

    def areas(self, start: tuple[int, int]) -> list[tuple[slice, slice]]:
        """
        Return the HS rows and columns of each cell in the window of its unit, row by row.

        Parameters
        ----------
        start : tuple of int
            Row and column in the scene of the first HS pixel of the window.
        """
        unit = self.y.unit_at(start[0]), self.x.unit_at(start[1])
        spans = map(self.coarse, self.members(unit))
        return [
            (rows.shifted(-start[0]).slice, columns.shifted(-start[1]).slice)
            for rows, columns in spans
        ]

    def unit_pixels(self, ratio: tuple[float, float]) -> float:
        """Return the maximum number of MS pixels in the window of a unit."""
        lengths = (
            (axis.units.longest + 2 * axis.units.fine_reach) * fine
            for axis, fine in zip((self.y, self.x), ratio, strict=True)
        )
        return math.prod(lengths)


def divide_scene(
    shape: tuple[int, int],
    ratio: tuple[float, float],
    reach: Sequence[float],
    settings: KrigingSettings,
) -> CellGrid:
    """
    Return the cells of a scene.

    Neighbouring cells share features and are conditioned together as far as a window of bounded
    size contains them; in a scene of few cells they are not, so that all workers are busy.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the scene in HS pixels.
    ratio : tuple of float
        MS pixels per HS pixel along y and x.
    reach : sequence of float
        Distance (y, x) in HS pixels by which the MS pixels of a cell extend beyond it.
    settings : KrigingSettings
        Sizes of cells and units.
    """
    y, x = (
        cell_axis(length, radius, settings) for length, radius in zip(shape, reach, strict=True)
    )
    together = max(1, min(settings.together, y.count // 2, x.count // 2))
    grid = CellGrid(Cells(y, together), Cells(x, together))
    if grid.unit_pixels(ratio) > settings.unit_pixels:
        return CellGrid(Cells(y), Cells(x))
    return grid


def cell_axis(length: int, reach: float, settings: KrigingSettings) -> LocalModelAxis:
    """
    Return the cells along an axis of the scene.

    Parameters
    ----------
    length : int
        Length of the scene in HS pixels.
    reach : float
        Distance in HS pixels by which the MS pixels of a cell extend beyond it.
    settings : KrigingSettings
        Sizes of cell, halo and ramp.
    """
    whole = length <= settings.cell + 2 * settings.halo
    count = 1 if whole else math.ceil(length / settings.cell)
    edges = tuple(i * length / count for i in range(count + 1))
    return LocalModelAxis(edges, settings.halo, settings.ramp, reach)


def cell_parts(cells: LocalModelAxis, axis: Axis, start: int, region: Span) -> Iterator[CellPart]:
    """
    Yield the contribution of each cell to a region of a window, along one axis.

    Parameters
    ----------
    cells : LocalModelAxis
        Cells of the scene.
    axis : Axis
        Axis of the window.
    start : int
        Index in the scene of the first HS pixel of the window.
    region : Span
        Region in fine pixels of the window.
    """
    position = (np.arange(region.start, region.stop) + 0.5 - axis.origin) / axis.ratio + start
    for index in range(cells.count):
        weight = np.ones(len(position))
        if index > 0:
            weight = np.minimum(weight, (position - cells.edges[index]) / (2 * cells.ramp) + 0.5)
        if index < cells.count - 1:
            fall = (cells.edges[index + 1] - position) / (2 * cells.ramp) + 0.5
            weight = np.minimum(weight, fall)
        inside = np.flatnonzero(weight > 0)
        if inside.size:
            first, last = int(inside[0]), int(inside[-1]) + 1
            part = Span(region.start + first, region.start + last)
            yield CellPart(index, part, weight[first:last])


def blended_cells(
    rows: list[CellPart], columns: list[CellPart]
) -> Iterator[tuple[tuple[int, int], tuple[Span, Span], NDArray[np.float32]]]:
    """
    Yield the contribution of each cell to a region, along both axes.

    Parameters
    ----------
    rows, columns : list of CellPart
        Contributions along y and x.

    Yields
    ------
    tuple
        Row and column of the cell; rows and columns of the window to which it contributes; and its
        weight there, shape (rows, columns).
    """
    for row in rows:
        for column in columns:
            weight = np.outer(row.weight, column.weight).astype(np.float32)
            yield (row.index, column.index), (row.part, column.part), weight


def segments(parts: list[CellPart], longest: int) -> Iterator[tuple[Span, list[CellPart]]]:
    """
    Yield spans with the same contributing cells, and these cells.

    Parameters
    ----------
    parts : list of CellPart
        Contributions to a region.
    longest : int
        Maximum length of a span in pixels.
    """
    ends = sorted({end for each in parts for end in (each.part.start, each.part.stop)})
    for first, last in pairwise(ends):
        inside = [each for each in parts if each.part.start <= first and last <= each.part.stop]
        for start in range(first, last, longest):
            yield Span(start, min(start + longest, last)), inside
