"""
Tiling of one axis: the pixels that each tile reads, and the blending of neighbouring tiles.

A tile has a *core*, disjoint from other cores; a *support*, the core widened by the blend, on which
it has a weight; and a *window*, the support widened by the halo, which it reads. Tiles depend only
on this plan, so that any scheduler and any order give the same values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.grid import Span

__all__ = ["Tiling"]


@dataclass(frozen=True, slots=True)
class Tiling:
    """
    The tiles of one axis.

    Attributes
    ----------
    length : int
        Number of pixels of the axis.
    size : int
        Size of a core in pixels; the last core may be shorter.
    blend : int
        Pixels on either side of a border between cores over which tiles are blended; 0 for none.
    halo : int
        Pixels read beyond the support, at least the reach of the method.
    step : int
        Windows start and end at multiples of this, or end at the last pixel.
    before, after : int
        Pixels beyond either end of the axis that windows read and that are not fused; ``before``
        is a multiple of ``step``.

    Raises
    ------
    ValueError
        If sizes are not positive, ``blend`` exceeds half of ``size``, or ``size`` is not a
        multiple of ``step``.
    """

    length: int
    size: int
    blend: int = 0
    halo: int = 0
    step: int = 1
    before: int = 0
    after: int = 0

    def __post_init__(self) -> None:
        if (
            min(self.length, self.size, self.step) < 1
            or min(self.blend, self.halo, self.before, self.after) < 0
        ):
            raise ValueError(f"sizes are positive, got {self}")
        if 2 * self.blend > self.size:
            raise ValueError(f"blend must be at most half the tile, got {self}")
        if self.before % self.step:
            raise ValueError(f"before must be a multiple of step, got {self}")
        if self.size % self.step and self.size < self.length:
            raise ValueError(f"size must be a multiple of step, got {self}")

    @property
    def count(self) -> int:
        """Number of tiles."""
        return math.ceil(self.length / self.size)

    def core(self, index: int) -> Span:
        """
        Return the core of a tile; cores are disjoint and cover the axis.

        Examples
        --------
        >>> [Tiling(10, 4).core(i) for i in range(3)]
        [Span(start=0, stop=4), Span(start=4, stop=8), Span(start=8, stop=10)]
        """
        return Span(index * self.size, min((index + 1) * self.size, self.length))

    def support(self, index: int) -> Span:
        """Return the pixels over which a tile has a weight."""
        core = self.core(index)
        return Span(max(core.start - self.blend, 0), min(core.stop + self.blend, self.length))

    def window(self, index: int) -> Span:
        """
        Return the pixels that a tile reads, relative to the first pixel of the axis.

        Examples
        --------
        >>> Tiling(10, 4, halo=3, before=2).window(0)
        Span(start=-2, stop=7)
        """
        support = self.support(index)
        start = max(support.start - self.halo, -self.before) // self.step * self.step
        stop = -(-(support.stop + self.halo) // self.step) * self.step
        return Span(start, min(stop, self.length + self.after))

    def touching(self, span: Span) -> range:
        """Return the tiles with a weight in a span."""
        first = max((span.start - self.blend) // self.size, 0)
        last = min((span.stop - 1 + self.blend) // self.size, self.count - 1)
        return range(first, last + 1)

    def weights(self, index: int, span: Span) -> NDArray[np.float64]:
        """
        Return the weights of a tile at the pixels of a span; over all tiles they sum to one.

        Weights change linearly over ``2 * blend`` pixels around a border between two cores, and are
        one at the ends of the axis.

        Examples
        --------
        >>> Tiling(8, 4, blend=1).weights(0, Span(2, 6)).tolist()
        [1.0, 0.75, 0.25, 0.0]
        """
        core = self.core(index)
        centre = np.arange(span.start, span.stop, dtype=np.float64) + 0.5
        return self._ramp(centre, core.start) - self._ramp(centre, core.stop)

    def _ramp(self, centre: NDArray[np.float64], border: int) -> NDArray[np.float64]:
        """Return a linear ramp from 0 before a border to 1 after it."""
        if border <= 0:
            return np.ones_like(centre)
        if border >= self.length:
            return np.zeros_like(centre)
        if self.blend == 0:
            return (centre > border).astype(np.float64)
        return np.clip((centre - border + self.blend) / (2 * self.blend), 0.0, 1.0)
