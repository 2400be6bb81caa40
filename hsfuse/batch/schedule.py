"""
How many pairs run side by side: pure functions of estimates, memory and cores.

A process costs its libraries as long as it lives; planning a pair takes one worker of it and the
memory that tiles are fitted to, fusing as many workers as the pair is given and what its plan
estimates for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dask.utils import format_bytes

from hsfuse.errors import PlanError
from hsfuse.fusion.job import LIBRARY_BYTES
from hsfuse.fusion.tiling import WORKER_BUDGET

__all__ = ["Limits", "Load", "free_bytes", "planning_load", "set_limits", "share_workers"]


# Bytes of the process that waits for the others.
_WAITING = 400_000_000


class Limits(NamedTuple):
    """
    What a batch may take of the machine.

    Attributes
    ----------
    memory : int
        Bytes of all processes together.
    workers : int
        Pairs that are planned and blocks that are fused in parallel.
    processes : int
        Each works on one pair at a time.
    """

    memory: int
    workers: int
    processes: int


class Load(NamedTuple):
    """Workers and bytes, beside its libraries, that a process takes now."""

    workers: int
    bytes: int


def set_limits(memory: int, workers: int, pairs: int) -> Limits:
    """
    Return the limits of a batch.

    Parameters
    ----------
    memory : int
        Bytes that it may take.
    workers : int
        Cores that it may take.
    pairs : int
        How many there are.

    Raises
    ------
    PlanError
        If the memory is too small for one process.

    Examples
    --------
    >>> set_limits(8_000_000_000, 4, pairs=200).processes
    4
    >>> set_limits(4_000_000_000, 4, pairs=200).processes
    2
    """
    each = LIBRARY_BYTES + WORKER_BUDGET
    if memory < _WAITING + each:
        raise PlanError(
            f"memory of a batch must be at least {format_bytes(_WAITING + each)}, which one pair "
            f"with one worker takes, got {format_bytes(memory)}"
        )
    fitting = (memory - _WAITING) // each
    return Limits(memory, workers, max(1, min(workers, pairs, fitting)))


def planning_load() -> Load:
    """Return what planning a pair takes, whatever the pair is."""
    return Load(1, WORKER_BUDGET)


def free_bytes(limits: Limits, running: Sequence[Load]) -> int:
    """Return the bytes that are left for workers."""
    taken = _WAITING + limits.processes * LIBRARY_BYTES + sum(load.bytes for load in running)
    return limits.memory - taken


def share_workers(most: Load, running: Sequence[Load], limits: Limits, *, left: int) -> int:
    """
    Return the workers with which a task may start now; 0 where it has to wait.

    Parameters
    ----------
    most : Load
        Workers that it can occupy, and bytes that each of them takes.
    running : sequence of Load
        Of the processes that work now, all their workers together.
    limits : Limits
    left : int
        Pairs that are not over, those under way included: with fewer pairs than processes each
        gets more workers.

    Examples
    --------
    >>> limits = Limits(8_000_000_000, workers=4, processes=4)
    >>> share_workers(Load(9, 500_000_000), [], limits, left=200)
    1
    >>> share_workers(Load(9, 500_000_000), [], limits, left=1)
    4
    """
    fair = max(1, limits.workers // max(1, min(limits.processes, left)))
    idle = limits.workers - sum(load.workers for load in running)
    fitting = free_bytes(limits, running) // max(1, most.bytes)
    return max(0, min(fair, most.workers, idle, fitting))
