"""
Schedule of a batch: numbers of processes and workers, from memory estimates and cores.

Each process needs the memory of its libraries. Planning a pair takes one worker with the memory
budget of tiles, fusing takes the workers assigned to the pair with the memory that its plan
estimates for each, and at least the memory of the report that follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hsfuse.core.text import byte_size
from hsfuse.errors import PlanError
from hsfuse.fusion.job import LIBRARY_BYTES
from hsfuse.fusion.tiling import WORKER_BUDGET

__all__ = ["Limits", "Load", "free_bytes", "planning_load", "set_limits", "share_workers"]


# Memory in bytes of the main process.
_WAITING = 400_000_000


class Limits(NamedTuple):
    """
    The resources of a batch.

    Attributes
    ----------
    memory : int
        Memory in bytes of all processes together.
    workers : int
        Number of pairs planned and blocks fused in parallel.
    processes : int
        Number of processes, each with one pair at a time.
    """

    memory: int
    workers: int
    processes: int


class Load(NamedTuple):
    """Workers of a task, and memory in bytes without libraries."""

    workers: int
    bytes: int


def set_limits(memory: int, workers: int, pairs: int) -> Limits:
    """
    Return the limits of a batch.

    Parameters
    ----------
    memory : int
        Memory budget in bytes.
    workers : int
        Number of cores.
    pairs : int
        Number of pairs.

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
    process_bytes = LIBRARY_BYTES + WORKER_BUDGET
    if memory < _WAITING + process_bytes:
        raise PlanError(
            f"memory of a batch must be at least {byte_size(_WAITING + process_bytes)}, which one "
            f"pair with one worker takes, got {byte_size(memory)}"
        )
    fitting = (memory - _WAITING) // process_bytes
    return Limits(memory, workers, max(1, min(workers, pairs, fitting)))


def planning_load() -> Load:
    """Return the load of planning any pair."""
    return Load(1, WORKER_BUDGET)


def free_bytes(limits: Limits, running: Sequence[Load]) -> int:
    """Return the bytes available for further workers."""
    used = _WAITING + limits.processes * LIBRARY_BYTES + sum(load.bytes for load in running)
    return limits.memory - used


def share_workers(
    maximum: Load, running: Sequence[Load], limits: Limits, *, remaining: int, least: int = 0
) -> int:
    """
    Return the number of workers with which a task may start now; 0 if it has to wait.

    Parameters
    ----------
    maximum : Load
        Maximum number of workers of the task, and memory in bytes of each worker.
    running : sequence of Load
        Loads of the running tasks, with the memory of all their workers.
    limits : Limits
        Limits of the batch.
    remaining : int
        Number of pairs that have not ended, including running ones: with fewer pairs than
        processes, each gets more workers.
    least : int
        Memory in bytes that the task takes with any number of workers.

    Examples
    --------
    >>> limits = Limits(8_000_000_000, workers=4, processes=4)
    >>> share_workers(Load(9, 500_000_000), [], limits, remaining=200)
    1
    >>> share_workers(Load(9, 500_000_000), [], limits, remaining=1)
    4
    """
    fair = max(1, limits.workers // max(1, min(limits.processes, remaining)))
    idle = limits.workers - sum(load.workers for load in running)
    free = free_bytes(limits, running)
    fitting = 0 if free < least else free // max(1, maximum.bytes)
    return max(0, min(fair, maximum.workers, idle, fitting))
