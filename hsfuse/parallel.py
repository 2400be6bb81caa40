"""
Many independent units of work, a bounded number at a time: on this machine or a dask cluster.

Both ways call the same picklable function once an item and yield its results as they
come, with a bounded number under way, so memory does not grow with the number of items.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import torch
from threadpoolctl import OpenBLASController, ThreadpoolController

from hsfuse.errors import PlanError

if TYPE_CHECKING:
    from distributed import Client

__all__ = [
    "check_device",
    "check_scheduler",
    "each",
    "find_device",
    "local_workers",
    "one_thread",
    "pick_device",
    "release_memory",
]

Item = TypeVar("Item")
Result = TypeVar("Result")

# Seconds that a dask scheduler may take to answer, or its first worker to appear.
_TIMEOUT = 10


class _ProcessLimit:
    """Limits that hold for the whole process, and how many units of work need them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0

    def enter(self) -> ThreadpoolController:
        """Set the limits, if nobody has."""
        self.users += 1
        if self.users == 1:
            pools = ThreadpoolController()
            self._openmp = pools.select(user_api="openmp")
            _let_any_thread_limit()
            self._blas = pools.select(user_api="blas").limit(limits=1)
            self._torch = torch.get_num_threads()
        return self._openmp

    def leave(self) -> None:
        """Restore what was before, if nobody else needs the limits."""
        self.users -= 1
        if self.users == 0:
            _let_any_thread_limit()
            self._blas.restore_original_limits()
            _let_any_thread_limit()
            torch.set_num_threads(self._torch)


def _let_any_thread_limit() -> None:
    """
    Make the next limit of an OpenBLAS hold, whichever thread sets it.

    From 3.8 on, threadpoolctl ignores all threads but the first that limited one; here the
    lock of :class:`_ProcessLimit` keeps threads from setting different limits.
    """
    clear = getattr(OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


_limit = _ProcessLimit()

# Of glibc; other libraries have none.
_libc = None if os.name == "nt" else ctypes.CDLL(None)
_trim = getattr(_libc, "malloc_trim", None)
_mallopt = getattr(_libc, "mallopt", None)
# From malloc.h: M_MMAP_MAX, M_TRIM_THRESHOLD.
_MOST_MAPPINGS, _TRIM_THRESHOLD = -4, -1


@contextmanager
def one_thread() -> Iterator[None]:
    """
    Limit torch, BLAS and OpenMP to one thread; units of work run in parallel, not their loops.

    The order of a sum depends on the number of threads, and a dask worker has another
    number than a notebook: one thread per unit of work gives every scheduler the same bits.

    Limits of a BLAS and of torch belong to the process, so the first that enters sets them and
    the last that leaves restores them; those of OpenMP belong to each thread.
    """
    hold_memory()
    with _limit.lock:
        openmp = _limit.enter().limit(limits=1)
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _limit.lock:
            _limit.leave()
            openmp.restore_original_limits()


def hold_memory() -> None:
    """
    Let the C library reuse freed memory within a unit of work, instead of the system.

    glibc maps every array of some megabytes anew, and the system clears its pages: a quarter of
    the time of a block. :func:`release_memory` returns it after the unit.
    """
    if _mallopt is not None:
        _mallopt(_MOST_MAPPINGS, 0)
        _mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def release_memory() -> None:
    """
    Return freed memory to the system where the C library holds it back, after a unit of work.

    glibc keeps an arena for each thread, and of arrays below 32 MB only those at its end are given
    back: a run of 16 blocks by one worker grew by 0.4 GB, of which hardly anything was in use.
    """
    if _trim is not None:
        _trim(0)


def check_device(device: str) -> None:
    """
    Refuse the name of a device that there is nowhere.

    Raises
    ------
    PlanError
        If it is not one of ``auto``, ``cpu`` and ``cuda``.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise PlanError(f"device must be auto, cpu or cuda, got {device!r}")


def pick_device(device: str) -> str:
    """
    Return ``cpu`` or ``cuda``; ``auto`` is a GPU where there is one.

    Raises
    ------
    PlanError
        If the device is none of the three, or not there.
    """
    check_device(device)
    available = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and available == "cpu":
        raise PlanError("device cuda was asked for and this machine shows none; use cpu or auto")
    return available if device == "auto" else device


def find_device(device: str, scheduler: str) -> str:
    """
    Return the device on which the work of a scheduler is done: that of its workers.

    Parameters
    ----------
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    scheduler : str
        As for :func:`each`.

    Raises
    ------
    PlanError
        If the device is not there, or the workers have different ones.
    """
    check_scheduler(scheduler)
    if scheduler == "local":
        return pick_device(device)
    with _connect(scheduler) as client:
        try:
            client.wait_for_workers(1, timeout=_TIMEOUT)
        except TimeoutError as error:
            raise PlanError(f"the dask scheduler at {scheduler} has no workers") from error
        found = sorted(set(client.run(pick_device, device).values()))
    if len(found) > 1:
        raise PlanError(
            f"the workers at {scheduler} have different devices, {' and '.join(found)}; "
            "choose one with device"
        )
    return str(found[0])


def local_workers(workers: int | None, device: str) -> int:
    """Return how many units of work run in parallel here: one per core, two for a GPU."""
    if workers is not None:
        if workers < 1:
            raise PlanError(f"workers must be at least 1, got {workers}")
        return workers
    if device != "cpu":
        return 2
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_scheduler(scheduler: str) -> None:
    """
    Refuse what is no scheduler.

    Raises
    ------
    PlanError
        If it is neither ``local`` nor an address.
    """
    if scheduler != "local" and "://" not in scheduler:
        raise PlanError(
            f"scheduler must be local or an address such as tcp://host:8786, got {scheduler!r}"
        )


def each(
    job: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    scheduler: str = "local",
    workers: int = 1,
) -> Generator[Result, None, None]:
    """
    Yield ``job(item)`` for every item, in the order in which they finish.

    Parameters
    ----------
    job : callable
        Pure and picklable.
    items : sequence
        What it is called with.
    scheduler : str
        ``local``: threads of this process; ``tcp://…``: the dask scheduler at that address.
    workers : int
        Threads, for ``local``.

    Raises
    ------
    PlanError
        If the scheduler is neither.
    """
    check_scheduler(scheduler)
    if scheduler == "local":
        yield from _threads(job, items, workers)
    else:
        yield from _cluster(job, items, scheduler)


def _threads(
    job: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Generator[Result, None, None]:
    todo = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        pending: set[Future[Result]] = set()
        try:
            for item in todo:
                pending.add(pool.submit(job, item))
                if len(pending) > workers:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            for future in pending:
                yield future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _connect(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError as error:
        raise PlanError(
            f"scheduler {address} needs dask's distributed; install hsfuse[dask]"
        ) from error
    try:
        return Client(address, timeout=_TIMEOUT)
    except (OSError, ValueError) as error:
        raise PlanError(f"no dask scheduler answers at {address} ({error})") from error


def _cluster(
    job: Callable[[Item], Result], items: Sequence[Item], address: str
) -> Generator[Result, None, None]:
    with _connect(address) as client:
        from distributed import as_completed

        # The job carries the plan; it travels to each worker once, not with every item.
        carried = client.scatter(job, broadcast=True, hash=False)
        limit = 3 * max(len(client.scheduler_info()["workers"]), 1)
        todo = iter(items)
        running = as_completed()
        for item in todo:
            running.add(client.submit(_call, carried, item, pure=False))
            if running.count() >= limit:
                yield _result(next(running))
        while not running.is_empty():
            yield _result(next(running))


def _call(job: Callable[[Item], Result], item: Item) -> Result:
    return job(item)


def _result(future: Future[Result]) -> Result:
    value = future.result()
    future.release()  # type: ignore[attr-defined]
    return value
