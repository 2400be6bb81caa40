"""
Append-only logs: lines of a file, or one object for each line in an object store.

Object stores support neither appending nor locks. There a run writes an owner mark, and checks it
before each line, so that of two runs on one output the earlier one ends with an error.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from hsfuse.errors import OutputError
from hsfuse.io.files.lines import LineFile
from hsfuse.io.files.url import AnyPath, Url
from hsfuse.io.settings import NETWORK

__all__ = ["Log", "open_log"]

_OWNER = "owner"


class Log(Protocol):
    """Interface of logs in files and in object stores."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield all lines, oldest first."""

    def append(self, line: bytes) -> None:
        """Append a line; on return it is stored durably."""

    def clear(self) -> None:
        """Remove all lines."""

    def close(self) -> None:
        """Close the log and release its lock."""


def open_log(path: AnyPath, *, owned: bool = True) -> Log:
    """
    Open a log; a file is created if there is none.

    Parameters
    ----------
    path : Path or Url
        The file, or the folder of objects.
    owned : bool
        Whether lines will be appended.

    Raises
    ------
    BlockingIOError
        If the file is locked.
    """
    return _LineObjects(path, owned=owned) if isinstance(path, Url) else LineFile(path)


class _LineObjects:
    """A folder of one object for each line, owned by the last run that opened it."""

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
                "`--resume` once that one has ended"
            )
        (self._url / f"{self._next:08}-{self._mark[:8]}.json").write_bytes(line)
        self._next += 1

    def clear(self) -> None:
        for each in self._names():
            each.unlink()
        self._next = 0

    def close(self) -> None:
        pass

    def _names(self) -> list[Url]:
        return sorted(each for each in self._url.objects() if each.suffix == ".json")
