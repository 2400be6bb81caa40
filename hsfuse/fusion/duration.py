"""
How long a run will take on this machine, from the time that small parts of it take.

The cost of a block has a part that grows with the pixels of its window, halo included, and one
that grows with its own. Blocks of increasing size are timed while they are a small part of the run,
and the last two give both: caches make small blocks cheaper than tiles. Local models are timed by
one unit of each size.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from hsfuse.core.tiles import Tiling
from hsfuse.fusion.block import fuse_input, read_block
from hsfuse.fusion.conditioning import Unit, condition_unit
from hsfuse.fusion.consistency import compare_block
from hsfuse.fusion.plan import Plan
from hsfuse.parallel import one_thread

__all__ = ["Duration", "estimate_duration"]

_SIZES = (32, 64, 128, 256, 512)  # pixels a side of the blocks that are timed
_LARGEST_SHARE = 0.08  # of the window pixels or units of a run that may be timed
_LONGEST = 3.0  # seconds that a block is expected to take at most
# Seconds a byte, before compression: blocks to the store and the store to a GeoTIFF.
_STORING, _EXPORT = 8e-9, 25e-9


class Duration(NamedTuple):
    """
    Seconds of wall time that the parts of a run take.

    Attributes
    ----------
    conditioning : float
        Of the local models, 0 where a method has none.
    fusing : float
        Of the blocks, until they are in the store.
    export : float
        Of the store to a GeoTIFF.
    """

    conditioning: float
    fusing: float
    export: float

    @property
    def total(self) -> float:
        """From the first unit or block to the last byte."""
        return sum(self)


class _Pixels(NamedTuple):
    """Pixels of windows and of blocks."""

    window: int
    block: int


def estimate_duration(plan: Plan, workers: int, stored: int, *, exported: bool) -> Duration | None:
    """
    Return how long a run takes on this machine.

    Parameters
    ----------
    plan : Plan
        Of the fusion.
    workers : int
        Blocks that are fused in parallel, each on a core of its own.
    stored : int
        Bytes of the output before compression.
    exported : bool
        Whether the store is exported to a GeoTIFF.

    Returns
    -------
    Duration or None
        None where timing would take a notable part of the run itself.
    """
    units = 0 if plan.fuser.local_models is None else len(plan.fuser.local_models.indexes)
    if units and _LARGEST_SHARE * units < 1:
        return None
    timed, whole = _Timed(plan), _all_pixels(plan)
    samples = _time_samples(plan, _LARGEST_SHARE * whole.window, timed)
    if len(samples) < 2:
        return None
    pixels, seconds = zip(*samples[-2:], strict=True)
    rates, _ = nnls(np.array(pixels, dtype=np.float64), np.array(seconds))
    conditioning = timed.seconds * units
    fusing = float(rates @ np.array(whole)) + _STORING * stored
    return Duration(
        conditioning * _idle(units, workers),
        fusing * _idle(len(plan.blocks), workers),
        _EXPORT * stored if exported else 0.0,
    )


def _time_samples(plan: Plan, most: float, timed: _Timed) -> list[tuple[_Pixels, float]]:
    """Return pixels and seconds of blocks of increasing size that have so many window pixels."""
    samples: list[tuple[_Pixels, float]] = []
    for size in _SIZES:
        sample = replace(plan, rows=_smaller(plan.rows, size), columns=_smaller(plan.columns, size))
        pixels = _middle_pixels(sample)
        most -= pixels.window
        if most < 0 or (samples and _longest(samples[-1], pixels) > _LONGEST):
            break
        samples.append((pixels, _time_middle(sample, timed)))
    return samples


def _longest(sample: tuple[_Pixels, float], pixels: _Pixels) -> float:
    """Return the seconds of a larger block if all cost is that of its own pixels."""
    return sample[1] * pixels.block / sample[0].block


class _Timed:
    """The models of a unit, in place of those of every other of its size: they cost the same."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.spent: list[float] = []
        self.models: dict[tuple[int, int], NDArray[np.float32]] = {}

    @property
    def seconds(self) -> float:
        """Return the seconds that a unit takes, 0 where none was conditioned."""
        return sum(self.spent) / max(len(self.spent), 1)

    def load(self, units: Iterable[Unit]) -> dict[Unit, NDArray[np.float32]]:
        """Return models for some units; the first of each size is conditioned."""
        grid = self.plan.fuser.local_models
        if grid is None:
            return {}
        found = {}
        for unit in units:
            rows, columns = grid.coarse(*unit)
            size = len(rows), len(columns)
            if size not in self.models:
                started = time.perf_counter()
                self.models[size] = condition_unit(self.plan, *unit)
                self.spent.append(time.perf_counter() - started)
            found[unit] = self.models[size]
        return found


def _idle(count: int, workers: int) -> float:
    """Return the wall time of some items on all workers, over that of all on one."""
    return math.ceil(count / workers) / max(count, 1)


def _smaller(tiling: Tiling, size: int) -> Tiling:
    """Return a tiling with smaller tiles that are not blended."""
    return replace(tiling, size=math.ceil(size / tiling.step) * tiling.step, blend=0)


def _middle(plan: Plan) -> tuple[int, int]:
    """Return the index of the block in the middle, a whole one where there are two."""
    return (plan.rows.count - 1) // 2, (plan.columns.count - 1) // 2


def _middle_pixels(plan: Plan) -> _Pixels:
    (i, j), rows, columns = _middle(plan), plan.rows, plan.columns
    return _Pixels(
        len(rows.window(i)) * len(columns.window(j)), len(rows.core(i)) * len(columns.core(j))
    )


def _all_pixels(plan: Plan) -> _Pixels:
    windows = [
        sum(len(tiling.window(i)) for i in range(tiling.count))
        for tiling in (plan.rows, plan.columns)
    ]
    return _Pixels(windows[0] * windows[1], plan.rows.length * plan.columns.length)


def _time_middle(plan: Plan, timed: _Timed) -> float:
    """Return the seconds that the block in the middle takes, without local models and storing."""
    before = sum(timed.spent)
    with one_thread():
        started = time.perf_counter()
        read = read_block(plan, *_middle(plan), timed.load)
        values, _ = fuse_input(plan, read)
        compare_block(plan, read, values)
        return time.perf_counter() - started - (sum(timed.spent) - before)
