"""A file that grows by lines, each on the disk before the next; one process at a time holds it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["LineFile"]


class LineFile:
    """
    Lines of a file, opened for reading all and appending more.

    Parameters
    ----------
    path : Path
        Made where there is none.

    Raises
    ------
    BlockingIOError
        If another process holds it.
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("ab+")
        if not _lock(self._file):
            self._file.close()
            raise BlockingIOError(f"{path}: held by another process")
        # A line cut off by a crash would swallow the next one.
        self._file.seek(0)
        text = self._file.read()
        self._file.truncate(text.rfind(b"\n") + 1)

    def __iter__(self) -> Iterator[bytes]:
        """Return the lines, oldest first."""
        self._file.seek(0)
        yield from self._file

    def append(self, line: bytes) -> None:
        """Add a line; on return it is on the disk."""
        self._file.write(line + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let another process have the file."""
        self._file.close()


def _lock(file: BinaryIO) -> bool:
    if os.name == "nt":  # pragma: no cover - where nothing is locked
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems know no locks
        return True
    return True
