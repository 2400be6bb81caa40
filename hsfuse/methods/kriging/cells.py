"""The cells of HS pixels into which a scene is cut."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.grid import Axis, Span

__all__ = ["Cell", "cells", "reach"]

_CELL, _HALO, _RAMP = 32, 8, 4  # HS pixels


@dataclass(frozen=True)
class Cell:
    """
    A cell along one axis, as a window sees it.

    ``coarse`` and ``fine`` are the window's pixels it is conditioned on, ``part`` those of the
    region to which it contributes, with ``weight`` each.
    """

    coarse: Span
    fine: Span
    part: Span
    weight: NDArray[np.float64]


def _count(length: int) -> int:
    return 1 if length <= _CELL + 2 * _HALO else math.ceil(length / _CELL)


def _longest(length: int) -> int:
    return math.ceil(length / _count(length))


def reach(length: int) -> int:
    """Return how far a pixel depends on HS pixels of its cells, along an axis of that length."""
    return _longest(length) + _HALO + _RAMP


def cells(axis: Axis, start: int, length: int, region: Span) -> Iterator[Cell]:
    """Yield the cells that have a weight in the region; ``start``: the window's first HS pixel."""
    count = _count(length)
    place = (np.arange(region.start, region.stop) + 0.5 - axis.origin) / axis.ratio + start
    edges = np.arange(count + 1) * length / count
    # Beyond the scene's ends the outermost cells go on.
    edges[0], edges[-1] = -np.inf, np.inf
    for low, high in pairwise(edges):
        rise = np.clip((place - low) / (2 * _RAMP) + 0.5, 0, 1) if np.isfinite(low) else 1.0
        fall = np.clip((high - place) / (2 * _RAMP) + 0.5, 0, 1) if np.isfinite(high) else 1.0
        weight = np.minimum(rise, fall) * np.ones(len(place))
        inside = np.flatnonzero(weight > 0)
        if not inside.size:
            continue
        first = max(math.floor(low) - _HALO, 0) if np.isfinite(low) else 0
        last = min(math.ceil(high) + _HALO, length) if np.isfinite(high) else length
        coarse = Span(max(first - start, 0), min(last - start, axis.coarse))
        part = Span(region.start + int(inside[0]), region.start + int(inside[-1]) + 1)
        around = axis.fine_span(coarse, 2.0)
        fine = Span(min(around.start, part.start), max(around.stop, part.stop))
        yield Cell(coarse, fine, part, weight[inside[0] : inside[-1] + 1])
