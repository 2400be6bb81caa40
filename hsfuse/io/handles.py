"""Files opened with GDAL: without warnings, one handle for each thread, none of a changed file."""

from __future__ import annotations

import os
import re
import threading
import warnings
from collections import OrderedDict

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError  # GDAL's own errors; rasterio has no public name for them
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from hsfuse.errors import RasterError
from hsfuse.io.bucket import NETWORK_OPTIONS
from hsfuse.io.cloud_environment import gdal_options as cloud_options
from hsfuse.io.location import stamp
from hsfuse.io.settings import READING
from hsfuse.io.url import Url

__all__ = ["GDAL_ERRORS", "gdal_options", "open_in_thread", "open_quietly"]

#: What rasterio raises of a file: its own errors, and GDAL's where it does not translate them.
GDAL_ERRORS = (RasterioError, CPLE_BaseError)

# libjpeg does not guess what is missing. Nothing is kept of a file that is closed: it may change.
_OPTIONS = {
    "GDAL_ERROR_ON_LIBJPEG_WARNING": True,
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "CPL_VSIL_CURL_NON_CACHED": "/vsis3/:/vsigs/:/vsiaz/:/vsicurl/",
}
# Files that GDAL reads beside a raster by URL: its own notes and masks, world file, ENVI header.
_BESIDE = (".aux.xml", ".msk")
_HEADERS = (".tfw", ".wld", ".hdr")
# By URL a file is opened by the driver that its name says: others may name more files.
_DRIVERS = {".jp2": "JP2OpenJPEG", ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_TIFF = (".tif", ".tiff")
_opening = threading.Lock()
_opened = threading.local()


def open_quietly(path: str, overview: int | None = None) -> DatasetReader:
    """
    Open a file with GDAL, or one of its overviews, counted from 0.

    Neither a missing place nor a no-data number like 1e99 warns.
    """
    level = {} if overview is None else {"overview_level": overview}
    with _opening, warnings.catch_warnings():  # filters belong to the process, not to a thread
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with np.errstate(over="ignore"), gdal_options(path):
            url = Url.parse(path)
            if url is None:
                return rasterio.open(path, sharing=False, **level)
            return rasterio.open(url.virtual, sharing=False, driver=_driver(url), **level)


def _driver(url: Url) -> str:
    return "GTiff" if url.suffix.lower() in _TIFF else _DRIVERS.get(url.suffix.lower(), "ENVI")


def gdal_options(path: str) -> rasterio.Env:
    """
    Return the environment in which a file is opened and read.

    Over a network GDAL reads the file alone if it is one by URL, with what belongs to it, and else
    nothing, whatever a file names.
    """
    url = Url.parse(path)
    names = [".none"]
    options = {key: value for key, value in NETWORK_OPTIONS.items() if key not in os.environ}
    if url is not None:
        options |= cloud_options(url.scheme, os.environ) | {"GDAL_DISABLE_READDIR_ON_OPEN": "TRUE"}
        # GDAL compares the ends of names, and splits the list of them at commas and spaces.
        file = re.split("[, ]", url.virtual.partition(url.host)[2])[-1]
        stem = file.removesuffix(url.suffix)
        names = [file, *(file + end for end in _BESIDE), *(stem + end for end in _HEADERS)]
        names.append(f"{file}.hdr")
    # Always stated: an option of the main thread holds in all threads that state none.
    options["CPL_VSIL_CURL_ALLOWED_EXTENSIONS"] = ",".join(names)
    return rasterio.Env(GDAL_CACHEMAX=READING.cache_bytes, **_OPTIONS, **options)


def open_in_thread(path: str, state: tuple[int, int], overview: int | None = None) -> DatasetReader:
    """Return this thread's own handle: GDAL's are not safe to share."""
    if stamp(path) != state:
        raise RasterError(f"{path}: changed since it was opened; open it again")
    handles: OrderedDict[tuple[str, tuple[int, int], int | None], DatasetReader]
    handles = _opened.__dict__.setdefault("handles", OrderedDict())
    key = (path, state, overview)
    if key not in handles:
        handles[key] = open_quietly(path, overview)
        while len(handles) > READING.handles_per_thread:
            handles.popitem(last=False)[1].close()
    handles.move_to_end(key)
    return handles[key]
