"""Identity of an input for digests: real path, size and modification time of its files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from dask.base import normalize_token

from hsfuse.io.files.location import stamp
from hsfuse.io.files.url import AnyPath, Url, as_path

__all__ = ["STORE_FILES", "companions", "identity", "store_metadata"]

#: Metadata files; a zarr store has at least one of them.
STORE_FILES = ("zarr.json", ".zmetadata", ".zgroup", ".zarray")


def companions(paths: Sequence[str]) -> tuple[tuple[str, int, int], ...]:
    """Return the existing ones of the files that accompany a raster file, with their stamps."""
    return tuple((real_name(path), *stamp(path)) for path in paths if as_path(path).is_file())


def real_name(path: str) -> str:
    """Return the canonical path of a file, or the URL."""
    url = Url.parse(path)
    return os.path.realpath(path) if url is None else str(url)


def identity(pixels: object) -> tuple[object, ...]:
    """
    Return the fields that determine the values of pixels, with canonical paths.

    Used as ``__dask_tokenize__``, it gives arrays the same names in every process, so that a
    resumed run recognises its inputs.
    """
    values = ((field.name, getattr(pixels, field.name)) for field in fields(pixels))  # type: ignore[arg-type]
    return (
        type(pixels).__name__,
        *(real_name(value) if name == "path" else normalize_token(value) for name, value in values),
    )


def store_metadata(store: AnyPath) -> tuple[tuple[str, int, int], ...]:
    """Return the metadata files of a store with their stamps, which change with every array."""
    names = (*STORE_FILES, ".zattrs")
    if isinstance(store, Path):
        folders = [store, *sorted(entry for entry in store.iterdir() if entry.is_dir())]
        files = [str(folder / name) for folder in folders for name in names]
    elif store.writable:
        parts = [*store.iterdir(), *(each for part in store.iterdir() for each in part.iterdir())]
        files = sorted(str(part) for part in parts if part.name in names)
    else:  # a web server does not list its files
        files = [str(store / name) for name in names]
    return companions(files)
