"""Schedulers of units of work: threads, local processes or a dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from hsfuse.errors import PlanError
from hsfuse.parallel.cluster import on_cluster
from hsfuse.parallel.processes import in_processes
from hsfuse.parallel.threads import in_threads

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["LOCAL", "Scheduler", "check_scheduler", "each", "is_local"]

#: A name, the address of a dask scheduler, or a client.
Scheduler: TypeAlias = "str | Client"

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Schedulers of this machine, by name.
LOCAL = {"local": in_threads, "processes": in_processes}


def check_scheduler(scheduler: str) -> None:
    """
    Check the name of a scheduler.

    Raises
    ------
    PlanError
        If it is neither a name of :data:`LOCAL` nor an address.
    """
    if scheduler not in LOCAL and "://" not in scheduler:
        raise PlanError(
            "scheduler must be local, processes or an address such as tcp://host:8786, "
            f"got {scheduler!r}"
        )


def is_local(scheduler: Scheduler) -> bool:
    """Return whether a scheduler runs on this machine."""
    return isinstance(scheduler, str) and scheduler in LOCAL


def each(
    job: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    scheduler: Scheduler = "local",
    workers: int = 1,
) -> Generator[Result, None, None]:
    """
    Yield ``job(item)`` for every item, in the order in which they finish.

    Parameters
    ----------
    job : callable
        Function without side effects in memory, picklable unless threads are used. Each process or
        dask worker receives it once.
    items : sequence
        Arguments of the function.
    scheduler : str or distributed.Client
        ``local``: threads of this process; ``processes``: processes of this machine;
        ``tcp://…``: the dask scheduler at that address; or a client, which is not closed.
    workers : int
        Threads or processes of this machine.

    Raises
    ------
    PlanError
        If the scheduler is none of these, or does not answer.
    WorkerError
        If workers or the scheduler were lost repeatedly.
    """
    if isinstance(scheduler, str):
        check_scheduler(scheduler)
        local = LOCAL.get(scheduler)
        if local is not None:
            yield from local(job, items, workers)
            return
    yield from on_cluster(job, items, scheduler)
