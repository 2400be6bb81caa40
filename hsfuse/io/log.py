"""
Lines that are kept one by one as they come: in a file, or each in an object of its own.

An object store has neither appending nor locks. There a run marks a log as its own and looks for
its mark before each line; so the older of two runs on one output ends, and says why.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from hsfuse.errors import OutputError
from hsfuse.io.lines import LineFile
from hsfuse.io.settings import NETWORK
from hsfuse.io.url import AnyPath, Url

__all__ = ["Log", "open_log", "start_log"]

_OWNER = "owner"


class Log(Protocol):
    """What both kinds can do."""

    def __iter__(self) -> Iterator[bytes]:
        """Give all lines, oldest first."""

    def append(self, line: bytes) -> None:
        """Add a line; on return it is safe."""

    def close(self) -> None:
        """Let another process have it."""


def start_log(path: AnyPath) -> None:
    """Make an empty log; there was none."""
    if isinstance(path, Url):
        (path / _OWNER).write_bytes(b"")
    else:
        path.touch()


def open_log(path: AnyPath, *, owned: bool = True) -> Log:
    """
    Open a log.

    Parameters
    ----------
    path : Path or Url
        Of the file, or of the folder of objects.
    owned : bool
        Whether lines will be added.

    Raises
    ------
    BlockingIOError
        If another process holds the file.
    """
    return _LineObjects(path, owned=owned) if isinstance(path, Url) else LineFile(path)


class _LineObjects:
    """A folder of objects that the last run to open it owns."""

    def __init__(self, url: Url, *, owned: bool) -> None:
        self._url, self._mark = url, uuid.uuid4().hex
        names = self._names()
        self._next = 1 + max((int(each.name.partition("-")[0]) for each in names), default=-1)
        if owned:
            (url / _OWNER).write_bytes(self._mark.encode())

    def __iter__(self) -> Iterator[bytes]:
        with ThreadPoolExecutor(NETWORK.requests) as pool:
            yield from pool.map(Url.read_bytes, self._names())

    def append(self, line: bytes) -> None:
        try:
            owner = (self._url / _OWNER).read_bytes().decode()
        except FileNotFoundError:
            owner = ""
        if owner != self._mark:
            raise OutputError(
                f"{self._url.parent}: another run has begun to write there, so this one ends; pass "
                "--resume once that one has ended"
            )
        (self._url / f"{self._next:08}-{self._mark[:8]}.json").write_bytes(line)
        self._next += 1

    def close(self) -> None:
        pass

    def _names(self) -> list[Url]:
        return sorted(each for each in self._url.objects() if each.suffix == ".json")
