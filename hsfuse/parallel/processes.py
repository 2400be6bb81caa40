"""
Execution of units of work in processes of this machine.

The processes are spawned rather than forked: a fork would copy locks held by threads of torch, BLAS
and GDAL.
"""

from __future__ import annotations

import logging
import multiprocessing
import pickle
import signal
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

import cloudpickle

from hsfuse.errors import WorkerError
from hsfuse.parallel.parent import end_with_parent

__all__ = ["in_processes"]

_LOG = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

# Largest number of consecutive losses of a pool without a result between.
_MOST_LOSSES = 3


def in_processes(
    job: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Generator[Result, None, None]:
    """
    Yield ``job(item)`` for every item; see :func:`hsfuse.parallel.schedulers.each`.

    The items of a killed process are repeated in a new pool.

    Raises
    ------
    WorkerError
        If processes end repeatedly.
    """
    content = cloudpickle.dumps(job)
    todo, losses = deque(items), 0
    while todo:
        running: dict[Future[Result], Item] = {}
        try:
            for result in _one_pool(content, todo, running, min(workers, len(todo))):
                losses = 0
                yield result
        except BrokenProcessPool:
            losses += 1
            if losses == _MOST_LOSSES:
                raise WorkerError(
                    f"worker processes ended {losses} times before a tile was finished, as "
                    "where memory is short; try fewer workers, and pass `--resume` to go on"
                ) from None
            _LOG.warning("a worker process ended; its tiles are done again")
            todo.extendleft(running.values())


def _one_pool(
    content: bytes, todo: deque[Item], running: dict[Future[Result], Item], workers: int
) -> Generator[Result, None, None]:
    """Yield results until all is done or a process ends; ``running`` has the items in progress."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, _start, (content,)) as pool:
        try:
            while todo or running:
                while todo and len(running) <= workers:  # one item waits for the first idle process
                    item = todo.popleft()
                    try:
                        running[pool.submit(_call, item)] = item
                    except BrokenProcessPool:
                        todo.appendleft(item)
                        raise
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    del running[future]
                    yield result
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


_job: Callable[[Any], Any]


def _start(content: bytes) -> None:
    """Initialise a process: load the job, ignore Ctrl-C, and end with the parent."""
    global _job  # noqa: PLW0603 - what the initializer of a pool leaves to its calls
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    _job = pickle.loads(content)


def _call(item: Any) -> Any:
    return _job(item)
