"""
How long a run will take on this machine, from the time that small parts of it take.

The cost of a block has a part that grows with the pixels of its window, halo included, and one
that grows with its own. Two small blocks of one size give both: one without a halo, whose values
are worth nothing but whose time is, and one with a halo of half its size. Sizes increase while
blocks are a small part of the run. Local models are timed by one unit, which the run need not
condition again; the blocks lie in its middle, where units of other sizes are hardly needed.
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
from hsfuse.fusion.block import fuse_input, read_block
from hsfuse.fusion.conditioning import Unit, condition_unit
from hsfuse.fusion.consistency import compare_block
from hsfuse.fusion.plan import Plan
from hsfuse.parallel import one_thread

__all__ = ["Duration", "Timing", "time_parts"]

Models = NDArray[np.float32]
_Result = TypeVar("_Result")

# Sides in pixels of the blocks that are timed.
_SIZES = (32, 64, 128, 256)
# Largest time of two timed blocks: this share of that of all blocks, at least some seconds.
_LARGEST_SHARE = 0.04
_MINIMUM_SECONDS = 0.5
# Smallest number of pixels of an output whose time is estimated.
_FEWEST_PIXELS = 80_000
# Seconds a byte on one core, before compression, of blocks to the store (benchmarks/export.py).
_STORING = 8e-9


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
    """

    duration: Duration | None
    models: dict[Unit, Models]


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
        Seconds that a complete store takes to become the output.
    """
    whole = _all_pixels(plan)
    if whole.block < _FEWEST_PIXELS:
        return Timing(None, {})
    clock = _Clock()
    units = _TimedUnits(plan, clock)
    rates = _rates(plan, whole, units)
    fusing = clock.wait * float(rates @ np.array(whole)) + _STORING * stored
    duration = Duration(
        clock.wait * units.seconds_of_all * _idle(units.count, workers),
        fusing * _idle(len(plan.blocks), workers),
        clock.wait * finishing,
    )
    return Timing(duration, units.models)


def _rates(plan: Plan, whole: _Pixels, units: _TimedUnits) -> NDArray[np.float64]:
    """Return the CPU seconds that a pixel of a window and a pixel of a block take."""
    rates, spent = np.zeros(2), 0.0
    for size in _SIZES:
        pair = [_small(plan, size, halo) for halo in (0, size // 2)]
        indexes = [_index(small, units.centre) for small in pair]
        limit = max(_LARGEST_SHARE * float(rates @ whole), _MINIMUM_SECONDS)
        if spent and (4 * spent > limit or not units.serve(units.touched(pair[1], indexes[1]))):
            break
        pixels = [_pixels(small, index) for small, index in zip(pair, indexes, strict=True)]
        seconds = [_time(small, index, units) for small, index in zip(pair, indexes, strict=True)]
        rates, _ = nnls(np.array(pixels, dtype=np.float64), np.array(seconds))
        spent = sum(seconds)
    return rates


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
        """Wall time of a CPU second, in the mean of all that was timed."""
        return max(1.0, self.wall / max(self.cpu, 1e-9))


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
    def seconds_of_all(self) -> float:
        """CPU seconds that all units take, by their HS pixels."""
        if self.grid is None:
            return 0.0
        timed, whole = (
            sum(math.prod(self._size(unit)) for unit in units)
            for units in (self.models, self.grid.indexes)
        )
        return self.seconds * whole / timed

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

    def serve(self, units: Iterable[Unit]) -> bool:
        """Return whether no other unit need be conditioned for these."""
        return {self._size(unit) for unit in units} <= {self._size(unit) for unit in self.models}

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


def _idle(count: int, workers: int) -> float:
    """Return the wall time of some items on all workers, over that of all on one."""
    return math.ceil(count / workers) / max(count, 1)


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
