"""
Zarr stores, opened lazily as the one raster that they hold.

Imported where there is a store: zarr takes a while to load.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import xarray as xr
from zarr.errors import BaseZarrError, UnstableSpecificationWarning

from hsfuse.errors import RasterError
from hsfuse.io.identity import store_metadata
from hsfuse.io.netcdf import open_stored
from hsfuse.io.pixels import Opened
from hsfuse.io.zarr_layout import COMPLETE

__all__ = ["open_store"]


def open_store(path: Path) -> Opened:
    """
    Open the one raster of a zarr store.

    Parameters
    ----------
    path : Path
        A zarr group of version 2 or 3, as xarray, rioxarray or hsfuse write them.

    Raises
    ------
    RasterError
        If there is no variable, or more than one, that a raster could be.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnstableSpecificationWarning)  # of strings
            raw = xr.open_dataset(
                path, engine="zarr", chunks=None, consolidated=False, decode_cf=False, cache=False
            )
    except (OSError, ValueError, KeyError, TypeError, BaseZarrError) as error:
        reason = " ".join(str(error).split())
        raise RasterError(
            f"{path}: not a zarr group that xarray can open ({reason}); a store with one variable "
            "(band, y, x) is accepted"
        ) from error
    if raw.attrs.get(COMPLETE) is False:
        warnings.warn(f"{path}: an unfinished output of hsfuse, parts are empty", stacklevel=4)
    return open_stored(path, raw, "", store_metadata(str(path)))
