"""
Pool of processes that survives the death of single processes.

A process starts once, loads the libraries once and receives tasks through a pipe. If it is killed
or runs out of memory, only its task is lost, and it is replaced. All processes end with the process
that started them, however that ends: their outputs can be resumed.
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
# Message of a process when it has started.
_READY = "ready"
# Seconds to wait for a process to end.
_PATIENCE = 10


class Ended(NamedTuple):
    """Result of a task whose process died, with the reason."""

    reason: str


class _Worker:
    """A process and its current task."""

    def __init__(self) -> None:
        self.connection, other = _CONTEXT.Pipe()
        self.process = _CONTEXT.Process(target=_serve, args=(other,), daemon=True)
        with _without_interrupts():
            self.process.start()
        other.close()
        self.ready = False
        self.task: int | None = None

    def stop(self) -> None:
        """Terminate the process."""
        self.connection.close()
        self.process.terminate()

    def end(self) -> str:
        """Wait for a process that was stopped or lost its connection; return how it ended."""
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
    A pool of processes; as a context manager, it ends them on exit.

    Parameters
    ----------
    processes : int
        Number of processes.
    """

    def __init__(self, processes: int) -> None:
        self._workers = [_Worker() for _ in range(processes)]

    def __enter__(self) -> Self:
        """Return the pool."""
        return self

    def __exit__(self, *error: object) -> None:
        """End all processes and their tasks."""
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.end()

    @property
    def idle(self) -> int:
        """Number of idle processes."""
        return sum(worker.ready and worker.task is None for worker in self._workers)

    def submit(self, key: int, function: Callable[..., object], *arguments: object) -> None:
        """Submit a task to an idle process; its result is returned with ``key``."""
        worker = next(
            candidate for candidate in self._workers if candidate.ready and candidate.task is None
        )
        worker.task = key
        # `results` handles a process that died meanwhile.
        with _broken_pipes_ignored():
            worker.connection.send((function, arguments))

    def results(self) -> Generator[tuple[int, Any], None, None]:
        """
        Wait for the next event; yield key and result of the tasks that ended.

        The result of a task whose process died is :class:`Ended`. Nothing is yielded when a process
        has started.

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
    """Execute tasks until the pipe is closed."""
    if "fork" in multiprocessing.get_all_start_methods():
        # For the lock of Blosc: other start methods use a named semaphore, which a killed process
        # would leave behind.
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
    """Start processes that ignore Ctrl-C, which a terminal sends to all processes."""
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
