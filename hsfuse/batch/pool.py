"""
Processes that work on one task at a time, each of which may die without the others.

A process is started once, loads the libraries once and gets task after task through a pipe. One
that is killed, or runs out of memory, costs its task and is replaced. All of them end when the
process that started them does, however that ends: what they write can be resumed.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple, Self

from hsfuse.errors import PlanError
from hsfuse.parallel.parent import end_with_parent

__all__ = ["Ended", "Pool"]

# A fork would copy locks that threads of torch and GDAL hold.
_CONTEXT = multiprocessing.get_context("spawn")
# What a process sends when it has started.
_READY = "ready"
# Seconds in which a process that ends is gone.
_PATIENCE = 10


class Ended(NamedTuple):
    """What is left of a task whose process died: how."""

    reason: str


class _Worker:
    """One process, and the task that it works on."""

    def __init__(self) -> None:
        self.connection, other = _CONTEXT.Pipe()
        self.process = _CONTEXT.Process(target=_serve, args=(other,), daemon=True)
        with _without_interrupts():
            self.process.start()
        other.close()
        self.ready = False
        self.task: int | None = None

    def stop(self) -> None:
        """Let the process end, whatever it does."""
        self.connection.close()
        self.process.terminate()

    def end(self) -> str:
        """Return how the process ended, which has lost its connection or been stopped."""
        self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.connection.close()
        status = self.process.exitcode or 0
        self.process.close()
        if status >= 0:
            return f"ended with status {status}"
        return f"was ended by signal {signal.Signals(-status).name}"


class Pool:
    """
    A number of processes; a context, at whose end all of them end.

    Parameters
    ----------
    processes : int
        How many.
    """

    def __init__(self, processes: int) -> None:
        self._workers = [_Worker() for _ in range(processes)]

    def __enter__(self) -> Self:
        """Return the pool."""
        return self

    def __exit__(self, *error: object) -> None:
        """End all processes, and what they work on."""
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.end()

    @property
    def idle(self) -> int:
        """Processes that wait for a task."""
        return sum(worker.ready and worker.task is None for worker in self._workers)

    def submit(self, key: int, function: Callable[..., object], *arguments: object) -> None:
        """Give a task to an idle process; ``key`` comes back with its result."""
        worker = next(each for each in self._workers if each.ready and each.task is None)
        worker.task = key
        # A process that has died meanwhile is noticed by `results`.
        with _broken_pipes_ignored():
            worker.connection.send((function, arguments))

    def results(self) -> Generator[tuple[int, Any], None, None]:
        """
        Wait until something happens; yield key and result of the tasks that have ended.

        The result of a task whose process died is :class:`Ended`. Nothing is yielded where a
        process has become idle.

        Raises
        ------
        PlanError
            If a process cannot be started.
        """
        waiting = {worker.connection: worker for worker in self._workers}
        for connection in wait(list(waiting)):
            worker = waiting[connection]  # type: ignore[index]
            try:
                result = worker.connection.recv()
            except (EOFError, ConnectionError):
                yield from self._replace(worker)
                continue
            if not worker.ready:
                worker.ready = True
                continue
            key, worker.task = worker.task, None
            if key is not None:
                yield key, result

    def _replace(self, worker: _Worker) -> Iterator[tuple[int, Ended]]:
        started, key, reason = worker.ready, worker.task, worker.end()
        self._workers.remove(worker)
        if not started:
            raise PlanError(
                f"a process of the batch {reason} before it had started; a script that runs a "
                'batch does so under if __name__ == "__main__"'
            )
        self._workers.append(_Worker())
        if key is not None:
            yield key, Ended(reason)


def _serve(connection: Connection) -> None:
    """Carry out tasks until there are no more, or nobody waits for them."""
    if "fork" in multiprocessing.get_all_start_methods():
        # Nothing is started here, but Blosc takes a lock of this method: of another it would have a
        # name, and be left on the system by a process that is killed.
        multiprocessing.set_start_method("fork", force=True)
    end_with_parent()
    connection.send(_READY)
    while True:
        try:
            function, arguments = connection.recv()
        except EOFError:
            return
        connection.send(function(*arguments))


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Let processes that start now ignore Ctrl-C, which a terminal sends to all of them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _broken_pipes_ignored() -> Iterator[None]:
    try:
        yield
    except (BrokenPipeError, ConnectionError):
        return
