"""The cells of HS pixels into which a scene is cut."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.grid import Axis, Span
from hsfuse.methods.kriging.settings import KrigingSettings

__all__ = ["Cell", "cells", "reach"]


@dataclass(frozen=True)
class Cell:
    """
    A cell along one axis, in the indices of a window.

    Attributes
    ----------
    coarse, fine : Span
        HS and fine pixels of the window on which the cell is conditioned.
    part : Span
        Fine pixels of the region to which it contributes.
    weight : ndarray of shape (part,)
        Of its contribution.
    """

    coarse: Span
    fine: Span
    part: Span
    weight: NDArray[np.float64]


def _count(length: int, settings: KrigingSettings) -> int:
    whole = length <= settings.cell + 2 * settings.halo
    return 1 if whole else math.ceil(length / settings.cell)


def reach(length: int, settings: KrigingSettings) -> int:
    """Return how far a pixel depends on its cells, in HS pixels, on an axis of that length."""
    longest = math.ceil(length / _count(length, settings))
    return longest + settings.halo + settings.ramp


def cells(
    axis: Axis, start: int, length: int, region: Span, settings: KrigingSettings
) -> Iterator[Cell]:
    """
    Yield the cells with a weight in a region of a window, along one axis.

    Parameters
    ----------
    axis : Axis
        Of the window.
    start : int
        The window's first HS pixel in the scene.
    length : int
        HS pixels of the scene.
    region : Span
        Fine pixels of the window.
    settings : KrigingSettings
        Sizes of cell, halo and ramp.
    """
    halo, ramp = settings.halo, settings.ramp
    count = _count(length, settings)
    position = (np.arange(region.start, region.stop) + 0.5 - axis.origin) / axis.ratio + start
    edges = np.arange(count + 1) * length / count
    # The outermost cells extend beyond the scene's ends.
    edges[0], edges[-1] = -np.inf, np.inf
    for low, high in pairwise(edges):
        rise = np.clip((position - low) / (2 * ramp) + 0.5, 0, 1) if np.isfinite(low) else 1.0
        fall = np.clip((high - position) / (2 * ramp) + 0.5, 0, 1) if np.isfinite(high) else 1.0
        weight = np.minimum(rise, fall) * np.ones(len(position))
        inside = np.flatnonzero(weight > 0)
        if not inside.size:
            continue
        first = max(math.floor(low) - halo, 0) if np.isfinite(low) else 0
        last = min(math.ceil(high) + halo, length) if np.isfinite(high) else length
        coarse = Span(max(first - start, 0), min(last - start, axis.coarse))
        part = Span(region.start + int(inside[0]), region.start + int(inside[-1]) + 1)
        around = axis.fine_span(coarse, 2.0)
        fine = Span(min(around.start, part.start), max(around.stop, part.stop))
        yield Cell(coarse, fine, part, weight[inside[0] : inside[-1] + 1])
