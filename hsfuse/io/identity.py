"""What an input is, whatever it is called: files by path, size and time of change."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from dask.base import normalize_token

from hsfuse.io.location import stamp

__all__ = ["STORE_FILES", "companions", "identity", "store_metadata"]

#: Files of which a zarr store has one at least.
STORE_FILES = ("zarr.json", ".zmetadata", ".zgroup", ".zarray")


def companions(paths: Sequence[str]) -> tuple[tuple[str, int, int], ...]:
    """Return the files beside a raster's own, headers and the sources of a VRT, with stamps."""
    return tuple((os.path.realpath(path), *stamp(path)) for path in paths if os.path.isfile(path))


def identity(pixels: object) -> tuple[object, ...]:
    """
    Return what decides the values of pixels, however their path is spelt.

    As ``__dask_tokenize__`` it makes names of arrays the same in every process, so that a
    resumed run knows its inputs again.
    """
    values = ((field.name, getattr(pixels, field.name)) for field in fields(pixels))  # type: ignore[arg-type]
    return (
        type(pixels).__name__,
        *(
            os.path.realpath(value) if name == "path" else normalize_token(value)
            for name, value in values
        ),
    )


def store_metadata(path: str) -> tuple[tuple[str, int, int], ...]:
    """Return the metadata files of a store; zarr rewrites them with every array."""
    store = Path(path)
    folders = [store, *sorted(entry for entry in store.iterdir() if entry.is_dir())]
    return companions(
        [str(folder / name) for folder in folders for name in (*STORE_FILES, ".zattrs")]
    )
