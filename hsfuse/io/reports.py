"""Files that report on runs: those that are replaced whole, and lines that are added."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from hsfuse.errors import OutputError
from hsfuse.io.lines import LineFile
from hsfuse.io.replacement import write_file
from hsfuse.io.url import AnyPath

__all__ = ["COMPLETE", "hold_lines", "write_report", "write_table"]

#: What is said where a file beside a finished output cannot be written.
COMPLETE = "; the output is complete"

_Place = TypeVar("_Place", bound=AnyPath)


def hold_lines(path: Path, writer: str) -> LineFile:
    """
    Return a file that lines are added to, held until it is closed.

    Parameters
    ----------
    path : Path
        Made where there is none.
    writer : str
        What writes to it, for the message.

    Raises
    ------
    OutputError
        If another process holds it, or it cannot be written.
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
    Replace a CSV table.

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
    Replace a file.

    Parameters
    ----------
    path : Path or Url
        The file.
    content : str or bytes
        Of it.
    note : str
        What the message says at its end, where it cannot be written.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    try:
        return write_file(path, content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}){note}") from error
