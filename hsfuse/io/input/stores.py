"""
Lazy reader of zarr stores.

Imported only for a store, since zarr is slow to import.
"""

from __future__ import annotations

import math
import re
import warnings
from pathlib import Path
from typing import Any

import xarray as xr
import zarr
from zarr.errors import BaseZarrError, UnstableSpecificationWarning

from hsfuse.errors import RasterError
from hsfuse.io.files.identity import store_metadata
from hsfuse.io.files.url import AnyPath
from hsfuse.io.files.zarr_store import BoundedStore, zarr_store
from hsfuse.io.input.netcdf import open_stored
from hsfuse.io.input.pixels import Opened
from hsfuse.io.names import COMPLETE

__all__ = ["open_levels", "open_store"]

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


def open_store(path: AnyPath) -> Opened:
    """
    Open the raster variable of a zarr store.

    Parameters
    ----------
    path : Path or Url
        A zarr group of version 2 or 3, as xarray, rioxarray or hsfuse write them.

    Raises
    ------
    RasterError
        If there is no raster variable, or several.
    """
    store = BoundedStore(zarr_store(path, read_only=True))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnstableSpecificationWarning)  # of strings
            raw = xr.open_dataset(
                store,  # type: ignore[arg-type]
                engine="zarr",
                chunks=None,
                consolidated=False if isinstance(path, Path) else None,  # at a URL: fewer requests
                decode_cf=False,
                cache=False,
                create_default_indexes=False,  # would read coordinates before they are checked
            )
    except (OSError, ValueError, KeyError, TypeError, BaseZarrError) as error:
        reason = " ".join(str(error).split())
        raise RasterError(
            f"{path}: not a zarr group that xarray can open ({reason}); a store with one variable "
            "(band, y, x) is accepted"
        ) from error
    for name, array in raw.variables.items():
        chunk = array.encoding.get("shards") or array.encoding.get("chunks") or array.shape
        store.chunks[str(name)] = math.prod(chunk) * array.dtype.itemsize
    if raw.attrs.get(COMPLETE) is False:
        warnings.warn(f"{path}: an unfinished output of hsfuse, parts are empty", stacklevel=5)
    return open_stored(path, raw, "", store_metadata(path))


def open_levels(path: AnyPath) -> list[Opened]:
    """
    Open the reduced levels of a store that it lists by the convention ``multiscales``.

    Parameters
    ----------
    path : Path or Url
        A store as for :func:`open_store`.

    Returns
    -------
    list of Opened
        From large to small; empty where there are none, or the list is invalid.

    Raises
    ------
    RasterError
        If a level is not a raster.
    """
    try:
        attributes = zarr.open_group(zarr_store(path, read_only=True), mode="r").attrs.asdict()
        layout: Any = attributes.get("multiscales", {})
        names = [str(entry["asset"]) for entry in layout.get("layout", [])[1:]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, BaseZarrError):
        return []
    # A name with a path could read files outside the store.
    return [open_store(path / name) for name in names] if all(map(_PLAIN.fullmatch, names)) else []
