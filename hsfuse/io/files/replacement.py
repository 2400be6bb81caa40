"""Atomic replacement of files and folders: complete or not at all, also after a crash."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from hsfuse.errors import OutputError
from hsfuse.io.files.url import AnyPath, Url
from hsfuse.io.settings import OUTPUTS

__all__ = [
    "FULL",
    "exporting",
    "failure",
    "move_file",
    "move_folder",
    "remove_folder",
    "sync",
    "write_file",
]

#: Message for a full disk.
FULL = "the disk is full; make space and pass `--resume` to go on"

_Place = TypeVar("_Place", bound=AnyPath)


def failure(error: Exception) -> str:
    """Return the message for an error of writing an output."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return FULL if full else str(error)


@contextmanager
def exporting(path: Path, temporary: Sequence[Path], *kinds: type[Exception]) -> Iterator[None]:
    """
    Report what fails in an export to a file, and remove its temporary files at the end.

    Parameters
    ----------
    path : Path
        The file.
    temporary : sequence of Path
        Files that are moved to their final paths when they are complete.
    *kinds : type
        Errors of a library that it raises in place of an OSError.

    Raises
    ------
    OutputError
        If the export raises an OSError or one of those.
    """
    errors: tuple[type[Exception], ...] = (OSError, *kinds)
    try:
        yield
    except errors as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{path}: could not be written: {failure(error)}") from error
    finally:
        for each in temporary:
            each.unlink(missing_ok=True)


def write_file(path: _Place, content: bytes) -> _Place:
    """
    Write a file atomically, replacing an existing one.

    Raises
    ------
    OSError
        If it cannot be written; the existing file is unchanged, and no temporary file is left.
    """
    if isinstance(path, Url):  # writing an object is atomic
        path.write_bytes(content)
        return path
    ready = path.with_name(f".{path.name}.partial")
    try:
        ready.write_bytes(content)
        move_file(ready, path)
    finally:
        ready.unlink(missing_ok=True)
    return path


def move_file(ready: Path, path: Path) -> Path:
    """Synchronise a finished file to the disk and rename it to its final path."""
    with ready.open("rb+") as file:
        os.fsync(file.fileno())
    ready.replace(path)
    return path


def move_folder(ready: Path, path: Path) -> Path:
    """
    Rename a finished folder to its final path; an existing folder is renamed first, then removed.

    Raises
    ------
    OutputError
        If the folder cannot be renamed; the existing folder is restored.
    """
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.old")
    replaced = path.exists()
    if replaced:
        path.rename(aside)
    try:
        ready.rename(path)
    except OSError as error:
        if replaced:
            aside.rename(path)
        raise OutputError(f"{path}: cannot take this name ({error})") from error
    sync(path.parent)
    if replaced and aside.is_symlink():
        aside.unlink()  # what it leads to is not this output
    elif replaced:
        shutil.rmtree(aside)
    return path


def remove_folder(path: AnyPath) -> None:
    """Remove a folder with all its content."""
    if isinstance(path, Url):
        path.remove_folder()
    else:
        shutil.rmtree(path)


def sync(*paths: AnyPath) -> None:
    """
    Synchronise files, or the entries of folders, to the disk; nothing to do for a URL.

    Several at a time: the disk then commits them together, in a third of the time.
    """
    if os.name == "nt":  # pragma: no cover - Windows cannot open a folder
        return
    with ThreadPoolExecutor(OUTPUTS.syncers) as pool:
        list(pool.map(_sync, paths))  # raises the first error


def _sync(path: AnyPath) -> None:
    if isinstance(path, Url):
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
