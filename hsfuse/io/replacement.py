"""Files and folders that appear whole or not at all, whatever interrupts their writing."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from pathlib import Path
from typing import TypeVar

from hsfuse.errors import OutputError
from hsfuse.io.url import AnyPath, Url

__all__ = ["FULL", "failure", "move_file", "move_folder", "remove_folder", "sync", "write_file"]

#: What is said of a full disk.
FULL = "the disk is full; make space and pass --resume to go on"

_Place = TypeVar("_Place", bound=AnyPath)


def failure(error: OSError) -> str:
    """Return what stopped the writing of an output, and what helps."""
    return FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else str(error)


def write_file(path: _Place, content: bytes) -> _Place:
    """
    Write a file, replacing one of that name; what interrupts this leaves the old one.

    Raises
    ------
    OSError
        If it cannot be written; nothing is left beside it.
    """
    if isinstance(path, Url):  # an object appears whole
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
    """Bring a finished file to the disk and give it its name."""
    with ready.open("rb+") as file:
        os.fsync(file.fileno())
    ready.replace(path)
    return path


def move_folder(ready: Path, path: Path) -> Path:
    """
    Give a finished folder its name; one of that name is renamed first and removed afterwards.

    Raises
    ------
    OutputError
        If it cannot take the name; the old folder is where it was.
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
    if replaced:
        shutil.rmtree(aside)
    return path


def remove_folder(path: AnyPath) -> None:
    """Remove a folder with all that lies in it."""
    if isinstance(path, Url):
        path.remove_folder()
    else:
        shutil.rmtree(path)


def sync(path: AnyPath) -> None:
    """Bring a folder's entries, or a file's content, to the disk; an object is where it is."""
    if isinstance(path, Url):
        return
    if os.name == "nt":  # pragma: no cover - Windows cannot open a folder
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
