"""
Zarr stores, opened lazily as the one raster that they hold.

Imported where there is a store: zarr takes a while to load.
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import xarray as xr
from zarr.errors import BaseZarrError, UnstableSpecificationWarning

from hsfuse.errors import RasterError
from hsfuse.io.identity import store_metadata
from hsfuse.io.netcdf import open_stored
from hsfuse.io.pixels import Opened
from hsfuse.io.url import AnyPath
from hsfuse.io.zarr_layout import COMPLETE
from hsfuse.io.zarr_store import BoundedStore, zarr_store

__all__ = ["open_store"]


def open_store(path: AnyPath) -> Opened:
    """
    Open the one raster of a zarr store.

    Parameters
    ----------
    path : Path or Url
        A zarr group of version 2 or 3, as xarray, rioxarray or hsfuse write them.

    Raises
    ------
    RasterError
        If there is no variable, or more than one, that a raster could be.
    """
    store = BoundedStore(zarr_store(path, read_only=True))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnstableSpecificationWarning)  # of strings
            raw = xr.open_dataset(
                store,  # type: ignore[arg-type]
                engine="zarr",
                chunks=None,
                consolidated=False if isinstance(path, Path) else None,  # saves a request an array
                decode_cf=False,
                cache=False,
                create_default_indexes=False,  # reads coordinates before they are checked
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
        warnings.warn(f"{path}: an unfinished output of hsfuse, parts are empty", stacklevel=4)
    return open_stored(path, raw, "", store_metadata(path))
