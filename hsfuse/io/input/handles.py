"""GDAL dataset handles: opened without warnings, one per thread, never of a changed file."""

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
from hsfuse.io.files.bucket import NETWORK_OPTIONS
from hsfuse.io.files.cloud_environment import gdal_options as cloud_options
from hsfuse.io.files.location import stamp
from hsfuse.io.files.url import Url
from hsfuse.io.settings import READING

__all__ = ["GDAL_ERRORS", "gdal_options", "open_in_thread", "open_quietly"]

#: Errors of rasterio, and of GDAL where rasterio does not translate them.
GDAL_ERRORS = (RasterioError, CPLE_BaseError)

# libjpeg must not fill in missing data, and closed files must not be cached, since they may change.
_OPTIONS = {
    "GDAL_ERROR_ON_LIBJPEG_WARNING": True,
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "CPL_VSIL_CURL_NON_CACHED": "/vsis3/:/vsigs/:/vsiaz/:/vsicurl/",
}
# Sidecar files that GDAL may read with a raster by URL: metadata, masks, world file, ENVI header.
_SIDECARS = (".aux.xml", ".msk")
_HEADERS = (".tfw", ".wld", ".hdr")
# A URL is opened with the driver of its suffix only: other drivers may refer to further files.
_DRIVERS = {".jp2": "JP2OpenJPEG", ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_TIFF = (".tif", ".tiff")
_opening = threading.Lock()
_opened = threading.local()


def open_quietly(path: str, overview: int | None = None) -> DatasetReader:
    """
    Open a file with GDAL, or one of its overviews, counted from 0.

    Warnings of missing georeferencing and of no-data values like 1e99 are suppressed.
    """
    level = {} if overview is None else {"overview_level": overview}
    with _opening, warnings.catch_warnings():  # filters are global to the process
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
    Return the GDAL environment in which a file is opened and read.

    Network access is restricted to the file itself and its sidecar files if it is a URL, and is
    disabled for local files, whatever other files they refer to.
    """
    url = Url.parse(path)
    names = [".none"]
    options = {key: value for key, value in NETWORK_OPTIONS.items() if key not in os.environ}
    if url is not None:
        options |= cloud_options(url.scheme, os.environ) | {"GDAL_DISABLE_READDIR_ON_OPEN": "TRUE"}
        # GDAL compares the ends of names, and splits the list at commas and spaces.
        file = re.split("[, ]", url.virtual.partition(url.host)[2])[-1]
        stem = file.removesuffix(url.suffix)
        names = [file, *(file + end for end in _SIDECARS), *(stem + end for end in _HEADERS)]
        names.append(f"{file}.hdr")
    # Always set: otherwise the option of the main thread applies in this thread.
    options["CPL_VSIL_CURL_ALLOWED_EXTENSIONS"] = ",".join(names)
    return rasterio.Env(GDAL_CACHEMAX=READING.cache_bytes, **_OPTIONS, **options)


def open_in_thread(path: str, state: tuple[int, int], overview: int | None = None) -> DatasetReader:
    """Return a handle that belongs to this thread: GDAL handles are not thread-safe."""
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
