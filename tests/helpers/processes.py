"""The work of a batch within one process."""

from collections import deque
from collections.abc import Callable, Generator
from typing import Any

__all__ = ["InProcess"]


class InProcess:
    """What :class:`hsfuse.batch.pool.Pool` does, one task after the other in this process."""

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self.tasks: deque[tuple[int, Callable[..., Any], tuple[Any, ...]]] = deque()

    def __enter__(self) -> "InProcess":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    @property
    def idle(self) -> int:
        """Tasks that are accepted."""
        return self.processes - len(self.tasks)

    def submit(self, key: int, function: Callable[..., Any], *arguments: Any) -> None:
        """Accept a task."""
        self.tasks.append((key, function, arguments))

    def results(self) -> Generator[tuple[int, Any], None, None]:
        """Carry out the first task."""
        key, function, arguments = self.tasks.popleft()
        yield key, function(*arguments)
