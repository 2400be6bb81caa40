"""
How long a run will take on this machine, from the time that small parts of it take.

The cost of a block has a part that grows with the pixels of its window, halo included, one that
grows with its own, and one that all blocks have. Two small blocks of each of two sizes give all
three: one without a halo, whose values are worth nothing but whose time is, and one with a halo of
half its size. Sizes increase while blocks are a small part of the run. Local models are timed by
the units that these blocks need, one of each size; the run need not condition them again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from hsfuse.core.grid import Axis, Span
from hsfuse.core.pace import measure_pace
from hsfuse.fusion.block import fuse_input, read_block
from hsfuse.fusion.conditioning import Unit, condition_unit
from hsfuse.fusion.consistency import compare_block
from hsfuse.fusion.plan import Plan
from hsfuse.parallel import one_thread

__all__ = ["Duration", "Timing", "time_parts"]

Models = NDArray[np.float32]
_Result = TypeVar("_Result")

# Sides in pixels of the blocks that are timed. Smaller ones say little of large ones: their time is
# that of calls, not of pixels.
_SIZES = (64, 128, 256)
# Largest time of two timed blocks as a share of that of all blocks, for the second size and for the
# third, and seconds that are always allowed. By one size alone ms-ssfnet would take 1.8 times as
# long as it does.
_LARGEST_SHARES = (0.2, 0.04)
_MINIMUM_SECONDS = 0.5
# Time of a block, or of a unit, beside those of other workers, relative to that without others:
# they share memory and interpreter. With two workers 1.1 to 1.25.
_BESIDE_OTHERS = 1.2
# Smallest number of pixels of an output whose time is estimated.
_FEWEST_PIXELS = 80_000
# Seconds a byte, before compression, of blocks to the store, on the machine of reference
# (hsfuse/core/pace).
_STORING = 12e-9
# Time of the pixels of a tile over that of the pixels of a timed block, of which caches hold more,
# and whose memory is in use already: 1.1 to 1.2 by `ms-ssfnet` at ratios 4 and 16.
_TILE_PIXELS = 1.15
# CPU seconds on an idle machine that count beside those timed: one spike in a short timing says
# little about the whole run.
_IDLE_SECONDS = 1.0


class Duration(NamedTuple):
    """
    Seconds of wall time that the parts of a run take.

    Attributes
    ----------
    conditioning : float
        Seconds of the local models, 0 where a method has none.
    fusing : float
        Seconds of the blocks, until they are in the store.
    export : float
        Seconds of the export of the store to a file, or of its levels.
    """

    conditioning: float
    fusing: float
    export: float

    @property
    def total(self) -> float:
        """Seconds from the first unit or block to the last byte."""
        return sum(self)


class Timing(NamedTuple):
    """
    Result of timing parts of a run.

    Attributes
    ----------
    duration : Duration or None
        None where the run is as short as its timing.
    models : dict of tuple of int to ndarray
        Models of the units that were conditioned.
    pace : float
        Wall time of work on one core of this machine over its CPU time on the machine of reference.
    """

    duration: Duration | None
    models: dict[Unit, Models]
    pace: float = 1.0


class _Pixels(NamedTuple):
    """Pixels of windows and of blocks."""

    window: int
    block: int


def time_parts(plan: Plan, workers: int, stored: int, *, finishing: float) -> Timing:
    """
    Return the time that a run takes on this machine, and the local models that were conditioned.

    Parameters
    ----------
    plan : Plan
        Plan of the fusion.
    workers : int
        Number of blocks that are fused in parallel, each on one core.
    stored : int
        Bytes of the output before compression.
    finishing : float
        Seconds that a complete store takes to become the output, on the machine of reference.
    """
    whole, speed = _all_pixels(plan), measure_pace()
    if whole.block < _FEWEST_PIXELS:
        return Timing(None, {}, speed)
    clock = _Clock()
    units = _TimedUnits(plan, clock)
    rates = _rates(plan, whole, units)
    pixels = _TILE_PIXELS * float(rates @ (len(plan.blocks), *whole))
    fusing = pixels + speed * _STORING * stored
    duration = Duration(
        clock.wait * units.seconds_left * _share(units.count - len(units.models), workers),
        clock.wait * fusing * _share(len(plan.blocks), workers),
        clock.wait * speed * finishing,
    )
    return Timing(duration, units.models, clock.wait * speed)


def _rates(plan: Plan, whole: _Pixels, units: _TimedUnits) -> NDArray[np.float64]:
    """Return the CPU seconds of each block, of a pixel of its window, and of one of its own."""
    pixels: list[_Pixels] = []
    seconds: list[float] = []
    rates = np.zeros(3)
    for size, share in zip(_SIZES, (0.0, *_LARGEST_SHARES), strict=True):
        expected = float(rates @ (len(plan.blocks), *whole))
        if seconds and 4 * sum(seconds[-2:]) > max(share * expected, _MINIMUM_SECONDS):
            break
        for halo in (0, size // 2):
            small = _small(plan, size, halo)
            index = _index(small, units.centre)
            pixels.append(_pixels(small, index))
            seconds.append(_time(small, index, units))
        rates = _fitted(pixels, seconds)
    return rates


def _fitted(pixels: list[_Pixels], seconds: list[float]) -> NDArray[np.float64]:
    """Return the rates that explain some times, each with the same relative error."""
    each = np.array([(1, *pair) for pair in pixels], dtype=np.float64) / np.array(seconds)[:, None]
    if len(seconds) < 3:  # blocks of one size do not tell what all have in common
        each[:, 0] = 0
    return np.asarray(nnls(each, np.ones(len(seconds)))[0])


class _Clock:
    """CPU seconds, and the wall time that they take: other work on the machine comes in spikes."""

    def __init__(self) -> None:
        self.cpu = self.wall = 0.0

    def time(self, work: Callable[[], _Result]) -> tuple[_Result, float]:
        """Return the result of some work, and its CPU seconds."""
        started = time.process_time(), time.perf_counter()
        result = work()
        cpu = time.process_time() - started[0]
        self.cpu += cpu
        self.wall += time.perf_counter() - started[1]
        return result, cpu

    @property
    def wait(self) -> float:
        """Wall time of a CPU second, in the mean of all that was timed and an idle second."""
        return max(1.0, (self.wall + _IDLE_SECONDS) / (self.cpu + _IDLE_SECONDS))


class _TimedUnits:
    """Units that were conditioned, in place of every other of their size: they cost the same."""

    def __init__(self, plan: Plan, clock: _Clock) -> None:
        self.plan, self.grid, self.clock = plan, plan.fuser.local_models, clock
        self.models: dict[Unit, Models] = {}
        self.seconds = 0.0
        self.centre = plan.rows.length // 2, plan.columns.length // 2
        if self.grid is None:
            return
        unit = self.grid.y.count // 2, self.grid.x.count // 2
        geometry, output = plan.pair.fine_geometry, plan.pair.output
        self.centre = (
            _centre(self.grid.y.edges, unit[0], geometry.y, output[0]),
            _centre(self.grid.x.edges, unit[1], geometry.x, output[1]),
        )
        self.load([unit])

    @property
    def count(self) -> int:
        """Number of units of the plan."""
        return 0 if self.grid is None else len(self.grid.indexes)

    @property
    def seconds_left(self) -> float:
        """CPU seconds that the units not yet conditioned take, by their HS pixels."""
        if self.grid is None:
            return 0.0
        timed, whole = (
            sum(math.prod(self._size(unit)) for unit in units)
            for units in (self.models, self.grid.indexes)
        )
        return self.seconds * (whole / timed - 1)

    def _size(self, unit: Unit) -> tuple[int, int]:
        assert self.grid is not None  # there are no units otherwise
        rows, columns = self.grid.coarse(*unit)
        return len(rows), len(columns)

    def touched(self, plan: Plan, index: tuple[int, int]) -> list[Unit]:
        """Return the units that a block needs."""
        rows, columns = (
            tiling.window(place).shifted(span.start)
            for tiling, place, span in zip(
                (plan.rows, plan.columns), index, plan.pair.output, strict=True
            )
        )
        geometry = plan.pair.fine_geometry
        return [] if self.grid is None else self.grid.touching(geometry, (rows, columns))

    def load(self, units: Iterable[Unit]) -> dict[Unit, Models]:
        """Return models for some units; the first of each size is conditioned."""
        by_size = {self._size(unit): models for unit, models in self.models.items()}
        loaded = {}
        for unit in units:
            size = self._size(unit)
            if size not in by_size:
                work = partial(condition_unit, self.plan, *unit)
                by_size[size], seconds = self.clock.time(work)
                self.models[unit] = by_size[size]
                self.seconds += seconds
            loaded[unit] = by_size[size]
        return loaded


def _centre(edges: tuple[float, ...], index: int, axis: Axis, output: Span) -> int:
    """Return the MS pixel of the output in the middle of a unit."""
    middle = axis.origin + axis.ratio * (edges[index] + edges[index + 1]) / 2
    return min(max(int(middle) - output.start, 0), len(output) - 1)


def _share(count: int, workers: int) -> float:
    """Return the wall time of some items on all workers, over that of all on one."""
    beside = 1.0 if workers == 1 else _BESIDE_OTHERS
    return beside * math.ceil(count / workers) / max(count, 1)


def _small(plan: Plan, size: int, halo: int) -> Plan:
    """Return the plan with smaller tiles that are not blended."""
    rows, columns = (
        replace(
            tiling,
            size=math.ceil(size / tiling.step) * tiling.step,
            blend=0,
            halo=min(halo, tiling.halo),
        )
        for tiling in (plan.rows, plan.columns)
    )
    return replace(plan, rows=rows, columns=columns)


def _index(plan: Plan, centre: tuple[int, int]) -> tuple[int, int]:
    """Return the index of the block with a pixel of the output, a whole one where there are two."""
    row, column = (
        max(min(place // tiling.size, tiling.count - 2), 0)
        for tiling, place in zip((plan.rows, plan.columns), centre, strict=True)
    )
    return row, column


def _pixels(plan: Plan, index: tuple[int, int]) -> _Pixels:
    (i, j), rows, columns = index, plan.rows, plan.columns
    return _Pixels(
        len(rows.window(i)) * len(columns.window(j)), len(rows.core(i)) * len(columns.core(j))
    )


def _all_pixels(plan: Plan) -> _Pixels:
    windows = [
        sum(len(tiling.window(i)) for i in range(tiling.count))
        for tiling in (plan.rows, plan.columns)
    ]
    return _Pixels(windows[0] * windows[1], plan.rows.length * plan.columns.length)


def _time(plan: Plan, index: tuple[int, int], units: _TimedUnits) -> float:
    """Return the CPU seconds that a block takes, without local models and storing."""
    units.load(units.touched(plan, index))

    def fuse() -> None:
        read = read_block(plan, *index, units.load)
        values, _ = fuse_input(plan, read)
        compare_block(plan, read, values)

    with one_thread():
        return units.clock.time(fuse)[1]
