"""What an input is, whatever it is called: files by path, size and time of change."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from dask.base import normalize_token

from hsfuse.io.location import stamp
from hsfuse.io.url import AnyPath, Url, as_path

__all__ = ["STORE_FILES", "companions", "identity", "store_metadata"]

#: Files of which a zarr store has one at least.
STORE_FILES = ("zarr.json", ".zmetadata", ".zgroup", ".zarray")


def companions(paths: Sequence[str]) -> tuple[tuple[str, int, int], ...]:
    """Return the files beside a raster's own, headers and the sources of a VRT, with stamps."""
    return tuple((real_name(path), *stamp(path)) for path in paths if as_path(path).is_file())


def real_name(path: str) -> str:
    """Return the one name of a file, however its path is spelt."""
    url = Url.parse(path)
    return os.path.realpath(path) if url is None else str(url)


def identity(pixels: object) -> tuple[object, ...]:
    """
    Return what decides the values of pixels, however their path is spelt.

    As ``__dask_tokenize__`` it makes names of arrays the same in every process, so that a
    resumed run knows its inputs again.
    """
    values = ((field.name, getattr(pixels, field.name)) for field in fields(pixels))  # type: ignore[arg-type]
    return (
        type(pixels).__name__,
        *(real_name(value) if name == "path" else normalize_token(value) for name, value in values),
    )


def store_metadata(store: AnyPath) -> tuple[tuple[str, int, int], ...]:
    """Return the metadata files of a store; zarr rewrites them with every array."""
    names = (*STORE_FILES, ".zattrs")
    if isinstance(store, Path):
        folders = [store, *sorted(entry for entry in store.iterdir() if entry.is_dir())]
        found = [str(folder / name) for folder in folders for name in names]
    elif store.writable:
        parts = [*store.iterdir(), *(each for part in store.iterdir() for each in part.iterdir())]
        found = sorted(str(part) for part in parts if part.name in names)
    else:  # a web server, which lists nothing
        found = [str(store / name) for name in names]
    return companions(found)
