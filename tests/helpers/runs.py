"""Runs that end before they are finished, and what runs leave."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hsfuse.io.files.url import AnyPath
from hsfuse.io.write import OutputLayout, Store, create_store

__all__ = ["Stopped", "chunk_files", "new_store", "stop_after"]


def chunk_files(path: Path) -> dict[str, bytes]:
    """Return every chunk of a zarr output by name."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted((path / "cube" / "c").rglob("*"))
        if file.is_file()
    }


def new_store(path: AnyPath, layout: OutputLayout, **options: Any) -> Store:
    """Return the store of a run that ended, or was stopped, after it was created."""
    store, journal = create_store(path, layout, **options)
    journal.close()
    return store


class Stopped(Exception):
    """Ends a run from its progress."""


def stop_after(count: int) -> Callable[[int, int], None]:
    """Return a progress that ends the run after so many units and blocks."""
    seen = []

    def progress(finished: int, total: int) -> None:
        seen.append(finished)
        if len(seen) == count:
            raise Stopped

    return progress
