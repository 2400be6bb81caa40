"""A locked append-only file of lines, each synchronised to the disk before the next."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["LineFile"]


class LineFile:
    """
    An append-only file of lines, locked until it is closed: of two in one process one is refused.

    Parameters
    ----------
    path : Path
        The file; created if it does not exist.

    Raises
    ------
    BlockingIOError
        If it is locked.
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = _open_locked(path)
        # Remove an incomplete last line, left by a crash: the next line would be appended to it.
        self._file.seek(0)
        text = self._file.read()
        self._file.truncate(text.rfind(b"\n") + 1)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines, oldest first."""
        self._file.seek(0)
        yield from self._file

    def append(self, line: bytes) -> None:
        """Append a line; on return it is on the disk."""
        self._file.write(line + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def clear(self) -> None:
        """Remove all lines."""
        self._file.truncate(0)
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file and release its lock."""
        self._file.close()


def _open_locked(path: Path) -> BinaryIO:
    """Open and lock a file, and open it again where its owner removed it before the lock."""
    while True:
        file: BinaryIO = path.open("ab+")
        if not _lock(file):
            file.close()
            raise BlockingIOError(f"{path}: locked")
        if _is_at(path, file):
            return file
        file.close()


def _is_at(path: Path, file: BinaryIO) -> bool:
    """Return whether an open file is still the one at its path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _lock(file: BinaryIO) -> bool:
    if os.name == "nt":  # pragma: no cover - Windows: not locked
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems do not support locks
        return True
    return True
