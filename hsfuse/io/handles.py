"""Files opened with GDAL: without warnings, one handle for each thread, none of a changed file."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError  # GDAL's own errors; rasterio has no public name for them
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from hsfuse.errors import RasterError
from hsfuse.io.location import stamp
from hsfuse.io.settings import READING

__all__ = ["GDAL_ERRORS", "gdal_options", "open_in_thread", "open_quietly"]

#: What rasterio raises of a file: its own errors, and GDAL's where it does not translate them.
GDAL_ERRORS = (RasterioError, CPLE_BaseError)

# GDAL reads nothing over a network, whatever a file names; libjpeg does not guess what is missing.
_OPTIONS = {"CPL_VSIL_CURL_ALLOWED_FILENAME": "none", "GDAL_ERROR_ON_LIBJPEG_WARNING": True}
_opening = threading.Lock()
_opened = threading.local()


def open_quietly(path: str) -> DatasetReader:
    """Open a file with GDAL; neither a missing place nor a no-data number like 1e99 warns."""
    with _opening, warnings.catch_warnings():  # filters belong to the process, not to a thread
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with np.errstate(over="ignore"), gdal_options():
            return rasterio.open(path, sharing=False)


def gdal_options() -> rasterio.Env:
    """Return the environment in which files are opened and read."""
    return rasterio.Env(GDAL_CACHEMAX=READING.cache_bytes, **_OPTIONS)


def open_in_thread(path: str, state: tuple[int, int]) -> DatasetReader:
    """Return this thread's own handle: GDAL's are not safe to share."""
    if stamp(path) != state:
        raise RasterError(f"{path}: changed since it was opened; open it again")
    handles: OrderedDict[tuple[str, tuple[int, int]], DatasetReader]
    handles = _opened.__dict__.setdefault("handles", OrderedDict())
    key = (path, state)
    if key not in handles:
        handles[key] = open_quietly(path)
        while len(handles) > READING.handles_per_thread:
            handles.popitem(last=False)[1].close()
    handles.move_to_end(key)
    return handles[key]
