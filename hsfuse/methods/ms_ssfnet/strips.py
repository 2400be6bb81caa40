"""
Strips of rows in which the features of a window are computed, so that memory is bounded.

A network needs a margin around the rows that it predicts, so that neighbouring strips share rows.
The features of these are computed once, and passed on from strip to strip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from hsfuse.core.grid import Span
from hsfuse.methods.ms_ssfnet.features import Features

__all__ = ["FeatureRows", "Strip", "compute_strips", "plan_strips", "strip_height", "widened_span"]


@dataclass(frozen=True, slots=True)
class Strip:
    """
    Rows of a window that a network predicts at once.

    Attributes
    ----------
    core : Span
        Rows that are predicted.
    rows : Span
        Rows that the network needs for them.
    """

    core: Span
    rows: Span


@dataclass(frozen=True)
class FeatureRows:
    """
    Features of the rows of a strip, in pieces one below the other.

    Pieces are joined map by map where they are needed, because the features of a whole strip are
    large.
    """

    pieces: tuple[Features, ...] = ()

    def join(self, get: Callable[[Features], Tensor]) -> Tensor:
        """Return a map, or several, of shape (..., rows, columns), for all rows."""
        return torch.cat([get(piece) for piece in self.pieces], dim=-2)

    def below(self, row: int) -> FeatureRows:
        """Return copies of the rows from ``row`` on, so that the memory of the others is freed."""
        pieces = []
        for piece in self.pieces:
            if row < piece.rows:
                pieces.append(piece.map(partial(_copy_below, max(row, 0))))
            row -= piece.rows
        return FeatureRows(tuple(pieces))


def _copy_below(row: int, values: Tensor) -> Tensor:
    return values[..., row:, :].clone()


def strip_height(rows: int, columns: int, *, pixels: int, step: int) -> int:
    """
    Return the number of rows of a strip, a multiple of ``step``; all strips have about the same.

    Parameters
    ----------
    rows, columns : int
        Size of the region that is divided into strips.
    pixels : int
        Approximate number of pixels of a strip.
    step : int
        Number of pixels to a multiple of which strips are rounded up.

    Examples
    --------
    >>> strip_height(100, 40, pixels=1000, step=8), strip_height(4, 40, pixels=1000, step=8)
    (32, 8)
    """
    count = max(round(rows * columns / pixels), 1)
    return -(-rows // count // step) * step


def widened_span(core: Span, length: int, *, margin: int, step: int) -> Span:
    """
    Return a span with a margin on both sides, inside ``length`` pixels.

    Its start is a multiple of ``step``, and so is its end unless it is that of the pixels.

    Examples
    --------
    >>> widened_span(Span(20, 30), 100, margin=5, step=8)
    Span(start=8, stop=40)
    >>> widened_span(Span(20, 30), 33, margin=5, step=8)
    Span(start=8, stop=33)
    """
    start = max(core.start - margin, 0) // step * step
    stop = -(-(core.stop + margin) // step) * step
    return Span(start, min(stop, length))


def plan_strips(core: Span, length: int, *, height: int, margin: int, step: int) -> list[Strip]:
    """
    Return the strips of the rows of a core.

    Parameters
    ----------
    core : Span
        Rows to predict.
    length : int
        Number of rows of the window.
    height : int
        Number of rows of a strip; the last may have fewer.
    margin, step : int
        As in :func:`widened_span`.

    Examples
    --------
    >>> first, second = plan_strips(Span(10, 40), 100, height=16, margin=5, step=8)
    >>> first
    Strip(core=Span(start=10, stop=26), rows=Span(start=0, stop=32))
    >>> second
    Strip(core=Span(start=26, stop=40), rows=Span(start=16, stop=48))
    """
    parts = (
        Span(start, min(start + height, core.stop))
        for start in range(core.start, core.stop, height)
    )
    return [Strip(part, widened_span(part, length, margin=margin, step=step)) for part in parts]


def compute_strips(
    strips: Sequence[Strip], compute: Callable[[Span], Features]
) -> Iterator[tuple[Strip, FeatureRows]]:
    """
    Yield each strip with the features of its rows.

    Parameters
    ----------
    strips : sequence of Strip
        Strips from top to bottom.
    compute : callable
        Returns the features of a span of rows.
    """
    features, computed = FeatureRows(), 0
    for index, strip in enumerate(strips):
        if index:
            features = features.below(strip.rows.start - strips[index - 1].rows.start)
        remaining = Span(max(strip.rows.start, computed), strip.rows.stop)
        if len(remaining):  # there are none if the previous margin reached the end of the scene
            features = FeatureRows((*features.pieces, compute(remaining)))
        computed = strip.rows.stop
        yield strip, features
