"""
Grid of the local models of a scene: units of HS pixels, each conditioned once.

A unit is conditioned on the HS pixels between its edges and in a halo around them. Where models are
applied, neighbouring units are blended over a ramp; a window therefore needs the models of every
unit with a weight in it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from hsfuse.core.grid import Axis, Geometry, Span

__all__ = ["LocalModelAxis", "LocalModelGrid"]

# HS pixels by which a span is widened for the lookup of units, for rounding of positions.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class LocalModelAxis:
    """
    The units along one axis, with positions in HS pixels from the first edge of the scene.

    Attributes
    ----------
    edges : tuple of float
        Ascending, from 0 to the number of HS pixels; unit ``i`` is between edges ``i`` and
        ``i + 1``. The outermost units extend beyond the ends of the scene.
    halo : int
        HS pixels beyond the edges of a unit on which it is conditioned.
    ramp : float
        HS pixels on either side of an edge over which two units are blended.
    fine_reach : float
        HS pixels by which the MS pixels for conditioning extend beyond its HS pixels.

    Raises
    ------
    ValueError
        If edges do not ascend from 0 to a whole number, or another size is negative.
    """

    edges: tuple[float, ...]
    halo: int = 0
    ramp: float = 0.0
    fine_reach: float = 0.0

    def __post_init__(self) -> None:
        ascending = all(low < high for low, high in zip(self.edges, self.edges[1:], strict=False))
        if len(self.edges) < 2 or self.edges[0] != 0 or not ascending or self.edges[-1] % 1:
            raise ValueError(f"edges ascend from 0 to a number of HS pixels, got {self.edges}")
        if min(self.halo, self.ramp, self.fine_reach) < 0:
            raise ValueError(f"sizes are not negative, got {self}")

    @property
    def count(self) -> int:
        """Number of units."""
        return len(self.edges) - 1

    @property
    def length(self) -> int:
        """Number of HS pixels of the scene."""
        return int(self.edges[-1])

    @property
    def longest(self) -> int:
        """Largest number of HS pixels on which a unit is conditioned."""
        return max(len(self.coarse(index)) for index in range(self.count))

    def coarse(self, index: int) -> Span:
        """
        Return the HS pixels on which a unit is conditioned.

        Examples
        --------
        >>> LocalModelAxis((0.0, 10.5, 21.0), halo=2).coarse(1)
        Span(start=8, stop=21)
        """
        first, last = self.edges[index], self.edges[index + 1]
        start = max(math.floor(first) - self.halo, 0)
        return Span(start, min(math.ceil(last) + self.halo, self.length))

    def touching(self, axis: Axis, fine: Span) -> range:
        """
        Return the units with a weight at the centre of any MS pixel of a span.

        Parameters
        ----------
        axis : Axis
            HS pixels of the scene relative to its MS pixels.
        fine : Span
            MS pixels.

        Examples
        --------
        >>> units = LocalModelAxis((0.0, 8.0, 16.0, 24.0), ramp=2.0)
        >>> units.touching(Axis(fine=96, coarse=24, ratio=4.0), Span(40, 50))
        range(1, 2)
        """
        ends = fine.start + 0.5, fine.stop - 0.5
        first, last = ((end - axis.origin) / axis.ratio for end in ends)
        inner = self.edges[1:-1]
        reach = self.ramp + _ROUNDING
        return range(bisect_left(inner, first - reach), bisect_right(inner, last + reach) + 1)


@dataclass(frozen=True, slots=True)
class LocalModelGrid:
    """
    The units along both axes, rows first.

    Attributes
    ----------
    y, x : LocalModelAxis
        Units along each axis.
    size : int
        Number of values of the models of a unit, for the estimate of disk space.
    effort : float
        Ratio of the cost of conditioning all units to that of fusing the scene, for progress.
    memory : int
        Peak memory in bytes of conditioning a unit, without its window.
    """

    y: LocalModelAxis
    x: LocalModelAxis
    size: int = 0
    effort: float = 1.0
    memory: int = 0

    def __post_init__(self) -> None:
        if self.size < 0 or self.effort <= 0:
            raise ValueError(f"size is not negative and effort positive, got {self}")

    @property
    def bytes(self) -> int:
        """Size of all models in bytes, as float32."""
        return 4 * self.size * self.y.count * self.x.count

    @property
    def indexes(self) -> list[tuple[int, int]]:
        """Row and column of every unit, row by row."""
        return [(i, j) for i in range(self.y.count) for j in range(self.x.count)]

    def coarse(self, row: int, column: int) -> tuple[Span, Span]:
        """Return the HS rows and columns on which a unit is conditioned."""
        return self.y.coarse(row), self.x.coarse(column)

    def fine(self, geometry: Geometry, row: int, column: int) -> tuple[Span, Span]:
        """Return the rows and columns of the MS image that conditioning a unit needs."""
        rows, columns = self.coarse(row, column)
        return (
            geometry.y.fine_span(rows, self.y.fine_reach),
            geometry.x.fine_span(columns, self.x.fine_reach),
        )

    def touching(self, geometry: Geometry, fine: tuple[Span, Span]) -> list[tuple[int, int]]:
        """Return the units with a weight in a window of the MS image."""
        rows = self.y.touching(geometry.y, fine[0])
        columns = self.x.touching(geometry.x, fine[1])
        return [(i, j) for i in rows for j in columns]
