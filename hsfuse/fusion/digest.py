"""
Digest of everything that determines the pixels of an output, for resumed runs.

Inputs are identified by their content or file state, not by the spelling of their paths or the
names of lazy arrays: the same files, options and libraries give the same digest in every process.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata

import numpy as np
import xarray as xr
from dask.base import tokenize

__all__ = ["LIBRARIES", "digest", "identify", "versions"]

#: Libraries whose version affects the pixels.
LIBRARIES = ("hsfuse", "numpy", "scipy", "torch", "dask", "rasterio")

# Cached, since every call parses the metadata file of the distribution.
version = cache(metadata.version)


def identify(raster: xr.DataArray) -> str:
    """
    Return a hash that identifies the content of a raster, without reading it.

    Parameters
    ----------
    raster : DataArray
        Raster of :func:`hsfuse.open_raster`: identified by path, size and modification time of its
        file, or the metadata of its store, including a mask. An array in memory is hashed itself.
    """
    coordinates = {
        str(name): (np.asarray(raster[name].values), str(raster[name].attrs))
        for name in sorted(raster.coords, key=str)
    }
    return str(tokenize(raster.data, raster.dims, coordinates))


def digest(*parts: object) -> str:
    """
    Return a hash of values and of the versions of :data:`LIBRARIES`.

    Raises
    ------
    TokenizationError
        If a value has no deterministic hash.
    """
    libraries = list(versions().items())
    return hashlib.sha256(
        str(tokenize(libraries, *parts, ensure_deterministic=True)).encode()
    ).hexdigest()


def versions() -> dict[str, str]:
    """Return the version of each of :data:`LIBRARIES`."""
    return {name: version(name) for name in LIBRARIES}
