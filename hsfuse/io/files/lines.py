"""A locked append-only file of lines, each synchronised to the disk before the next."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["LineFile"]


class LineFile:
    """
    An append-only file of lines, locked by one process.

    Parameters
    ----------
    path : Path
        The file; created if it does not exist.

    Raises
    ------
    BlockingIOError
        If another process has locked it.
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("ab+")
        if not _lock(self._file):
            self._file.close()
            raise BlockingIOError(f"{path}: held by another process")
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

    def close(self) -> None:
        """Close the file and release its lock."""
        self._file.close()


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
