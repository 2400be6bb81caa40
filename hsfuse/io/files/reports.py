"""Report files of runs: files that are replaced, and logs that lines are appended to."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from hsfuse.errors import OutputError
from hsfuse.io.files.lines import LineFile
from hsfuse.io.files.replacement import write_file
from hsfuse.io.files.url import AnyPath

__all__ = ["open_lines", "write_report", "write_side_file", "write_table"]

# Note in messages where a file that accompanies a finished output cannot be written.
_COMPLETE = "; the output is complete"
# Bytes at the beginning of a side file, which name hsfuse in each kind of them.
_HEAD = 2**16

_Place = TypeVar("_Place", bound=AnyPath)


def open_lines(path: Path, writer: str) -> LineFile:
    """
    Open an append-only file of lines, locked until it is closed.

    Parameters
    ----------
    path : Path
        The file; created if it does not exist.
    writer : str
        Name of the kind of process that writes to it, for the message.

    Raises
    ------
    OutputError
        If another process has locked it, or it cannot be written.
    """
    try:
        return LineFile(path)
    except BlockingIOError as error:
        raise OutputError(
            f"{path}: another {writer} is writing there; wait for it to end"
        ) from error
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


def write_table(path: Path, names: Sequence[str], rows: Iterable[Mapping[str, object]]) -> Path:
    """
    Write a CSV table, replacing an existing file.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    return write_report(path, text.getvalue())


def write_report(path: _Place, content: str | bytes, note: str = "") -> _Place:
    """
    Write a file, replacing an existing one.

    Parameters
    ----------
    path : Path or Url
        The file.
    content : str or bytes
        Content of the file.
    note : str
        Text appended to the error message.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    try:
        return write_file(path, content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}){note}") from error


def write_side_file(path: _Place, content: str | bytes) -> _Place:
    """
    Write a file beside a finished output, such as its record, replacing that of an earlier run.

    Parameters
    ----------
    path : Path or Url
        The file.
    content : str or bytes
        Content of the file, which names hsfuse in its first 64 KiB.

    Raises
    ------
    OutputError
        If it cannot be written, or a file of its name was not written by hsfuse.
    """
    if isinstance(path, Path) and path.is_file():
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if b"hsfuse" not in head:
            raise OutputError(
                f"{path}: exists and was not written by hsfuse, so it is not replaced; move it"
                f"{_COMPLETE}"
            )
    return write_report(path, content, _COMPLETE)
