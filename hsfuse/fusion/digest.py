"""
A hash of all that decides the pixels of an output, so that a resume mixes no two of them.

Inputs are known by what they are, not by how their paths are spelt or by the names that
lazy arrays happen to have: the same files, options and libraries give the same hash in
every process.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata

import numpy as np
import xarray as xr
from dask.base import tokenize

__all__ = ["LIBRARIES", "digest", "identify", "versions"]

#: Libraries whose arithmetic is in the pixels.
LIBRARIES = ("hsfuse", "numpy", "scipy", "torch", "dask", "rasterio")

# Each time the file of a distribution's metadata would be parsed.
version = cache(metadata.version)


def identify(raster: xr.DataArray) -> str:
    """
    Return a hash of what a raster holds, without reading it.

    Parameters
    ----------
    raster : DataArray
        From :func:`hsfuse.open_raster`: known by its file's path, size and time of change, or
        its store's metadata, mask included. The content of an array in memory is hashed.
    """
    coordinates = {
        str(name): (np.asarray(raster[name].values), str(raster[name].attrs))
        for name in sorted(raster.coords, key=str)
    }
    return str(tokenize(raster.data, raster.dims, coordinates))


def digest(*parts: object) -> str:
    """
    Return a hash of values, and of the versions of all that computes with them.

    Raises
    ------
    TokenizationError
        If a value has no hash that is the same in every process.
    """
    found = list(versions().items())
    return hashlib.sha256(
        str(tokenize(found, *parts, ensure_deterministic=True)).encode()
    ).hexdigest()


def versions() -> dict[str, str]:
    """Return the version of each of :data:`LIBRARIES`."""
    return {name: version(name) for name in LIBRARIES}
