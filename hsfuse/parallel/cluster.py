"""
Execution of units of work on the workers of a dask cluster.

The job is sent to each worker once. Items and results are small: workers read large data from files
and write them to the store, and :func:`inspect_cluster` checks beforehand that they can.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from hsfuse.errors import PlanError, WorkerError
from hsfuse.parallel.inspection import WorkerReport, compare_reports, inspect_worker, token_beside

if TYPE_CHECKING:
    from pathlib import Path

    from distributed import Client, Future

__all__ = ["Cluster", "inspect_cluster", "on_cluster"]

_LOG = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

# Seconds to wait for an answer of the dask scheduler, and for its first worker.
_ANSWER, _FIRST_WORKER = 10, 120
# Seconds without a result after which the scheduler is queried.
_SILENCE = 5.0
# Seconds after which a scheduler without an answer counts as lost.
_LONGEST_ANSWER = 60.0
# Items in progress for each thread of the workers, so that the next item waits at the worker.
_AHEAD = 2
# Largest number of consecutive losses of the last copy of the job, without a result between.
_MOST_LOSSES = 3


@dataclass(frozen=True)
class Cluster:
    """
    The workers of a dask scheduler.

    Attributes
    ----------
    address : str
        Address of the scheduler.
    workers, threads : int
        Number of workers, and of their threads together.
    device : str
        ``cpu`` or ``cuda``, the same for all workers.
    dashboard : str
        URL of the dashboard; may be empty.
    """

    address: str
    workers: int
    threads: int
    device: str
    dashboard: str


def inspect_cluster(
    scheduler: str | Client,
    device: str,
    *,
    folder: Path | None = None,
    files: Iterable[Path] = (),
    libraries: Sequence[str] = (),
) -> Cluster:
    """
    Check that all workers of a cluster can do the work; return the cluster.

    Parameters
    ----------
    scheduler : str or distributed.Client
        As in :func:`hsfuse.parallel.each`.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    folder : Path, optional
        Folder to which workers write; a temporary file is created there for the check.
    files : iterable of Path
        Files that workers read.
    libraries : sequence of str
        Distributions whose versions must be those of this process.

    Raises
    ------
    PlanError
        If there is no scheduler or no worker, or a worker cannot do the work.
    """
    here = inspect_worker(device, None, (), tuple(libraries), any_device=True)
    paths = tuple(str(path.absolute()) for path in files)
    with _client(scheduler) as client:
        _wait_for_workers(client)
        with token_beside(folder) as token:
            replies = client.run(
                inspect_worker, device, token, paths, tuple(libraries), on_error="return"
            )
        reports: dict[str, WorkerReport] = {}
        for address, reply in replies.items():
            if isinstance(reply, BaseException):
                raise PlanError(f"dask worker {address} cannot run hsfuse ({reply})") from reply
            reports[address] = reply
        found = compare_reports(reports, here, folder)
        threads = sum(client.nthreads().values())
        return Cluster(_address(client), len(reports), threads, found, client.dashboard_link or "")


def on_cluster(
    job: Callable[[Item], Result], items: Sequence[Item], scheduler: str | Client
) -> Generator[Result, None, None]:
    """
    Yield ``job(item)`` for every item; see :func:`hsfuse.parallel.schedulers.each`.

    The scheduler repeats the work of a lost worker. If that held the last copy of the job, the job
    is sent again.

    Raises
    ------
    PlanError
        If no scheduler answers.
    WorkerError
        If the scheduler stops answering, or an item ends several workers.
    """
    with _client(scheduler) as client, _losses(client):
        work = _Work(client, job)
        try:
            todo = deque(items)
            while todo or work.running:
                while todo and len(work.running) < work.limit:
                    work.submit(todo.popleft())
                yield from work.next(todo)
        finally:
            work.cancel()


class _Work:
    """The items of a job in progress."""

    def __init__(self, client: Client, job: Callable[[Any], Any]) -> None:
        self.client, self.job = client, job
        self.finished: SimpleQueue[Future] = SimpleQueue()
        self.running: dict[Future, Any] = {}
        self.losses, self.waiting = 0, False
        self.identity = _identity(client)
        self.send()

    def send(self) -> None:
        """Send the job to each worker, and count the workers."""
        self.carried = _ask(self.client.scatter, self.job, broadcast=True, hash=False)
        self.count()

    def count(self) -> None:
        """Set the number of items in progress by the current number of workers."""
        self.limit = max(_AHEAD * sum(_threads(self.client).values()), _AHEAD)

    def submit(self, item: Any) -> None:
        """Submit an item to a worker."""
        future = self.client.submit(_call, self.carried, item, pure=False)
        self.running[future] = item
        future.add_done_callback(self.finished.put)

    def next(self, todo: deque[Any]) -> Iterator[Any]:
        """Yield the next result; an item lost with the job is queued again."""
        try:
            future = self.finished.get(timeout=_SILENCE)
        except Empty:
            self.check()
            return
        if future not in self.running:  # submitted before the job was sent again
            return
        try:
            result = future.result()
        except CancelledError:
            self.check()
            self.resend(todo)
            return
        del self.running[future]
        future.release()
        self.losses = 0
        self.count()
        yield result

    def check(self) -> None:
        """Raise an error if the scheduler is lost or was restarted."""
        if self.client.status != "running":
            raise _NoAnswerError
        if _identity(self.client) != self.identity:
            raise _NoAnswerError
        workers = _threads(self.client)
        if not workers and not self.waiting:
            _LOG.warning("the dask scheduler at %s waits for workers", _address(self.client))
        self.waiting = not workers

    def resend(self, todo: deque[Any]) -> None:
        """Queue all items in progress again, after the last worker with the job was lost."""
        self.losses += 1
        if self.losses == _MOST_LOSSES:
            raise WorkerError(
                f"all workers of the dask scheduler at {_address(self.client)} were lost "
                f"{self.losses} times before a tile was finished; pass `--resume` to go on"
            )
        _LOG.warning("the workers were lost; their tiles are done again")
        todo.extendleft(self.running.values())
        self.cancel()
        _ask(_wait_for_workers, self.client)
        self.send()

    def cancel(self) -> None:
        """Cancel items that have not started, and release the job."""
        futures = [*self.running, self.carried]
        self.running = {}
        if self.client.status == "running":
            self.client.cancel(futures)


def _call(job: Callable[[Item], Result], item: Item) -> Result:
    return job(item)


@contextmanager
def _client(scheduler: str | Client) -> Iterator[Client]:
    """Yield the given client, which stays open, or a client of an address, which is closed."""
    if not isinstance(scheduler, str):
        if scheduler.asynchronous or scheduler.status != "running":
            raise PlanError(
                f"expected a synchronous client of a running scheduler, got {scheduler!r}"
            )
        yield scheduler
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise PlanError(
            f"scheduler {scheduler} needs dask's distributed; install hsfuse[dask]"
        ) from error
    try:
        client = Client(scheduler, timeout=_ANSWER, set_as_default=False)
    except (OSError, ValueError) as error:
        raise PlanError(f"no dask scheduler answers at {scheduler} ({error})") from error
    with _without_logs(), client:
        yield client


@contextmanager
def _without_logs() -> Iterator[None]:
    """Suppress log messages of distributed on lost connections, which this module reports."""
    loggers = [logging.getLogger(f"distributed.{name}") for name in ("client", "batched", "core")]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


def _address(client: Client) -> str:
    return str(client.scheduler.address)


def _wait_for_workers(client: Client) -> None:
    """
    Wait for the first worker; a pending task makes an adaptive cluster start one.

    Raises
    ------
    PlanError
        If none starts.
    """
    if client.nthreads():
        return
    address = _address(client)
    _LOG.warning("the dask scheduler at %s has no workers yet; waiting for one", address)
    waiting = client.submit(os.getpid, pure=False)
    try:
        client.wait_for_workers(1, timeout=_FIRST_WORKER)
    except TimeoutError as error:
        raise PlanError(f"the dask scheduler at {address} has no workers") from error
    finally:
        waiting.release()


@contextmanager
def _losses(client: Client) -> Iterator[None]:
    """Convert errors of distributed for a lost scheduler or worker to one line."""
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    address = _address(client)
    try:
        yield
    except KilledWorker as error:
        raise WorkerError(
            f"a tile ended {error.allowed_failures + 1} dask workers at {address}, as where "
            "memory is short; pass `--resume` to go on"
        ) from error
    except (CancelledError, CommClosedError, _NoAnswerError) as error:
        raise WorkerError(
            f"the dask scheduler at {address} does not answer any more; "
            "start one and pass `--resume` to go on"
        ) from error


class _NoAnswerError(Exception):
    """The scheduler does not answer."""


def _identity(client: Client) -> str:
    found = _ask(client.sync, client.scheduler.identity, callback_timeout=_LONGEST_ANSWER)
    return str(found["id"])


def _threads(client: Client) -> dict[str, int]:
    """Return the threads of each worker."""
    return _ask(client.nthreads, callback_timeout=_LONGEST_ANSWER)


def _ask(question: Callable[..., Result], *words: Any, **options: Any) -> Result:
    """Return the answer of the scheduler; its errors have the same classes as those of jobs."""
    try:
        return question(*words, **options)
    except OSError as error:
        raise _NoAnswerError from error
