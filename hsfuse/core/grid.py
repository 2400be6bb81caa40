"""
Geometry of a coarse pixel grid relative to a fine one.

Positions are in *fine coordinates*: fine pixel ``k`` covers ``[k, k + 1)`` and its centre is
``k + 0.5``. A coarse pixel covers ``ratio`` fine pixels; the ratio is any positive real number, and
the two origins need not be aligned. The geometry follows from the two affine transforms, not from
the numbers of pixels.
"""

from __future__ import annotations

import builtins
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Axis", "Geometry", "Span", "spread_evenly"]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open range of pixels ``[start, stop)`` on one axis."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def slice(self) -> builtins.slice:
        """The same range as a :class:`slice`."""
        return builtins.slice(self.start, self.stop)

    def shifted(self, by: int) -> Span:
        """
        Return the range shifted by a number of pixels.

        Examples
        --------
        >>> Span(2, 5).shifted(-2)
        Span(start=0, stop=3)
        """
        return Span(self.start + by, self.stop + by)

    def within(self, outer: Span) -> builtins.slice:
        """Return the slice of this span in an array that covers ``outer``."""
        return builtins.slice(self.start - outer.start, self.stop - outer.start)


@dataclass(frozen=True, slots=True)
class Axis:
    """
    One axis of a coarse grid relative to a fine one.

    Attributes
    ----------
    fine : int
        Number of fine pixels.
    coarse : int
        Number of coarse pixels.
    ratio : float
        Fine pixels per coarse pixel, a positive real number.
    origin : float
        Fine coordinate of the outer edge of the first coarse pixel: coarse pixel ``i`` covers
        ``[origin + i * ratio, origin + (i + 1) * ratio)``.
    """

    fine: int
    coarse: int
    ratio: float
    origin: float = 0.0

    def __post_init__(self) -> None:
        if self.fine < 1 or self.coarse < 1:
            raise ValueError(f"an axis has at least one pixel, got {self.fine=} {self.coarse=}")
        if not (math.isfinite(self.ratio) and self.ratio > 0):
            raise ValueError(f"ratio must be positive and finite, got {self.ratio}")

    def centres(self, span: Span | None = None) -> NDArray[np.float64]:
        """
        Return the fine coordinates of coarse pixel centres.

        Examples
        --------
        >>> Axis(fine=8, coarse=2, ratio=4.0).centres().tolist()
        [2.0, 6.0]
        """
        span = span or Span(0, self.coarse)
        index = np.arange(span.start, span.stop, dtype=np.float64)
        return self.origin + (index + 0.5) * self.ratio

    def coarse_span(self, fine: Span, margin: float = 0.0) -> Span:
        """
        Return the coarse pixels that touch a fine span widened on both sides.

        Parameters
        ----------
        fine : Span
            Fine pixels.
        margin : float
            Widening in coarse pixels.

        Examples
        --------
        >>> Axis(fine=64, coarse=8, ratio=8.0).coarse_span(Span(16, 24), margin=1)
        Span(start=1, stop=4)
        """
        first = (fine.start - self.origin) / self.ratio - margin
        last = (fine.stop - self.origin) / self.ratio + margin
        # Edges are compared with a tolerance of 1e-6 pixels, the rounding of transforms.
        start = min(max(math.floor(first + 1e-6), 0), self.coarse - 1)
        stop = max(min(math.ceil(last - 1e-6), self.coarse), start + 1)
        return Span(start, stop)

    def fine_span(self, coarse: Span, margin: float = 0.0) -> Span:
        """Return the fine pixels that touch a coarse span widened by ``margin`` coarse pixels."""
        first = self.origin + (coarse.start - margin) * self.ratio
        last = self.origin + (coarse.stop + margin) * self.ratio
        start = min(max(math.floor(first + 1e-6), 0), self.fine - 1)
        stop = max(min(math.ceil(last - 1e-6), self.fine), start + 1)
        return Span(start, stop)

    def cut(self, fine: Span, coarse: Span) -> Axis:
        """Return the axis of a window, with both spans renumbered from zero."""
        origin = self.origin + coarse.start * self.ratio - fine.start
        return Axis(len(fine), len(coarse), self.ratio, origin)


@dataclass(frozen=True, slots=True)
class Geometry:
    """Both axes of a coarse grid relative to a fine one, rows first."""

    y: Axis
    x: Axis

    @property
    def fine_shape(self) -> tuple[int, int]:
        """Rows and columns of the fine grid."""
        return self.y.fine, self.x.fine

    @property
    def coarse_shape(self) -> tuple[int, int]:
        """Rows and columns of the coarse grid."""
        return self.y.coarse, self.x.coarse

    @property
    def ratio(self) -> float:
        """Mean of the ratios of both axes."""
        return (self.y.ratio + self.x.ratio) / 2


def spread_evenly(length: int, count: int) -> list[int]:
    """
    Return ``count`` of ``length`` indexes, or all of fewer, evenly spaced.

    Examples
    --------
    >>> spread_evenly(10, 3), spread_evenly(2, 5), spread_evenly(7, 0)
    ([1, 5, 8], [0, 1], [3])
    """
    count = min(max(count, 1), length)
    return [int((index + 0.5) * length / count) for index in range(count)]
