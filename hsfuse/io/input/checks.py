"""
Checks of input files before they are planned: existence, completeness, size, driver.

GDAL reads a truncated ENVI file as zeros; here it is an error, as are truncated files of other
formats (:mod:`hsfuse.io.input.truncation`).
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from rasterio.enums import Interleaving
from rasterio.io import DatasetReader

from hsfuse.core.text import byte_size, image_size
from hsfuse.errors import RasterError
from hsfuse.io.files.identity import STORE_FILES
from hsfuse.io.files.location import (
    ARCHIVE_SUFFIXES,
    NETWORKED,
    Location,
    locate_file,
    size_of,
    stamp,
)
from hsfuse.io.files.url import AnyPath, Url, as_path
from hsfuse.io.input.handles import GDAL_ERRORS, open_quietly
from hsfuse.io.input.sources import check_links, is_inside, vrt_sources
from hsfuse.io.input.truncation import check_complete, check_directory
from hsfuse.io.settings import CHECKS

__all__ = ["ACCEPTED", "check_block", "check_shape", "header_of", "locate", "open_file"]

ACCEPTED = "GeoTIFF, ENVI (.hdr with its data), zarr and products such as EnMAP L2A are accepted"

# Formats of several files, or that GDAL does not read.
_LOCAL_ONLY = (".nc", ".nc4", ".h5", ".he5", ".hdf", ".hdf5", ".vrt", ".xml", ".zip", ".tar", ".gz")
_ENVI_DATA = ("", ".dat", ".bsq", ".bil", ".bip", ".img", ".raw", ".bin", ".cube", ".hyspex")
_ENVI_TYPES = {1: 1, 2: 2, 3: 4, 4: 4, 5: 8, 6: 8, 9: 16, 12: 2, 13: 4, 14: 8, 15: 8}  # bytes


def locate(path: str | os.PathLike[str]) -> Location:
    """
    Return the file or store that holds the pixels.

    Parameters
    ----------
    path : str or path
        A file, a store, or an ENVI header; see :func:`hsfuse.io.files.location.locate_file`.

    Raises
    ------
    RasterError
        If it does not exist, or is neither on this machine nor at a URL.
    """
    place = locate_file(path)
    if isinstance(place.file, Url):
        return _locate_object(place.file)
    if place.archived:
        return place
    text, found = os.fspath(path), place.file
    header = found.with_name(found.name + ".hdr") if found.name else found
    if found.is_dir():
        if any((found / name).exists() for name in STORE_FILES):
            return replace(place, store=True)
        raise RasterError(f"{text}: a folder that is no zarr store; {ACCEPTED}")
    if not found.exists() and header.is_file():
        found = header
    if not found.exists():
        raise RasterError(f"{text}: no such file; {ACCEPTED}")
    if found.stat().st_size == 0:
        raise RasterError(f"{text}: an empty file; {ACCEPTED}")
    if found.suffix.lower() == ".hdr":
        found = _data_of(found)
    return place if place.variable else Location(str(found), found)


def _locate_object(url: Url) -> Location:
    """Return the object or zarr store at a URL."""
    if url.suffix.lower() in _LOCAL_ONLY:
        raise RasterError(
            f"{url}: {url.suffix} is read from this machine only: download it first; GeoTIFF, ENVI "
            "and zarr are read by URL"
        )
    if url.suffix.lower() != ".zarr" and url.is_file():
        if size_of(str(url)) == 0:
            raise RasterError(f"{url}: an empty object; {ACCEPTED}")
        if url.suffix.lower() == ".hdr":
            raise RasterError(f"{url}: a header; name the data file that lies beside it")
        return Location(str(url), url)
    if any((url / name).is_file() for name in STORE_FILES):
        return Location(str(url), url, store=True)
    next(url.parent.objects(), None) if url.writable else None  # raises if there is no bucket
    raise RasterError(f"{url}: no such object and no zarr store; {ACCEPTED}")


def open_file(path: str | os.PathLike[str]) -> DatasetReader:
    """
    Open a file with GDAL and check that it is complete.

    Parameters
    ----------
    path : str or Path
        Path or GDAL name; the sources of a VRT are checked as well.

    Raises
    ------
    RasterError
        If the file is no raster, is truncated, or declares implausible sizes.
    """
    place = as_path(path)
    if isinstance(place, Path) and place.is_file():
        check_links(place)
        for source in vrt_sources(place)[: CHECKS.most_sources]:
            if size_of(source) is not None:
                _check_source(source)
        if place.suffix.lower() in _ENVI_DATA:
            _check_envi(place)  # GDAL reports no error for a damaged header
        check_directory(place)
    try:
        dataset = open_quietly(str(path))
    except GDAL_ERRORS as error:
        virtual = place.virtual if isinstance(place, Url) else str(place)
        named = str(error).replace(f"'{virtual}'", "it").replace(virtual, "it")
        reason = " ".join(named.split()).rstrip(".").replace("it not recognized", "not recognized")
        raise RasterError(
            f"{path}: not a raster that can be read ({reason}); {_hint(place)}{ACCEPTED}"
        ) from error
    try:
        _check_driver(dataset)
        if isinstance(place, Path) and place.is_file():
            _check_places(dataset, place)
        _check_pixels(dataset)
        _check_size(dataset)
        if dataset.driver == "ENVI" and isinstance(place, Path) and place.is_file():
            _check_envi(place)
        else:
            check_complete(dataset)
    except RasterError:
        dataset.close()
        raise
    return dataset


def check_block(path: str, block: tuple[int, ...], itemsize: int) -> None:
    """Refuse a raster whose stored blocks exceed 1 GiB each."""
    size = math.prod(block) * itemsize
    if size > CHECKS.largest_block:
        raise RasterError(
            f"{path}: is stored in blocks of {' x '.join(map(str, block))} ({byte_size(size)}); "
            f"expected at most {byte_size(CHECKS.largest_block)}; rewrite it "
            "in tiles of 256 or 512 pixels"
        )


def check_shape(path: str, shape: tuple[int, ...]) -> None:
    """Refuse an implausible shape (bands, rows, columns) before memory is allocated."""
    bands, rows, columns = shape
    if bands > CHECKS.most_bands or rows * columns > CHECKS.most_pixels:
        raise RasterError(
            f"{path}: declares {bands} bands of {image_size(rows, columns)}; expected at most "
            f"{CHECKS.most_bands} bands of {CHECKS.most_pixels:.0e} pixels; it is taken for damaged"
        )


def _data_of(header: Path) -> Path:
    names = [header.name[:-4] + suffix for suffix in _ENVI_DATA]
    here = {entry.name.lower(): entry for entry in header.parent.iterdir() if entry.is_file()}
    entries = [here[name.lower()] for name in names if name.lower() in here]
    if len(entries) == 1:
        return entries[0]
    if not entries:
        raise RasterError(
            f"{header}: a header without its data file; looked for {', '.join(names)} beside it"
        )
    several = ", ".join(entry.name for entry in entries)
    raise RasterError(f"{header}: several data files belong to it ({several}); name one of them")


def header_of(path: Path) -> Path | None:
    """Return the ENVI header of a data file, None where there is none."""
    for name in (path.name + ".hdr", path.stem + ".hdr", path.name + ".HDR", path.stem + ".HDR"):
        header = path.with_name(name)
        if header.is_file() and header != path:
            return header
    return None


def _check_source(source: str) -> None:
    """Check that a source of a VRT is complete; raw binary sources are not opened by GDAL."""
    try:
        open_quietly(source).close()
    except GDAL_ERRORS:
        return
    open_file(source).close()


def _hint(path: AnyPath) -> str:
    if isinstance(path, Url):
        return "" if path.suffix else "ENVI data need their header beside them; "
    if path.name.lower().endswith(ARCHIVE_SUFFIXES):
        kind = "zip" if path.suffix.lower() == ".zip" else "gzip" if _only_gz(path) else "tar"
        inside = "" if kind == "gzip" else "/NAME"
        return f"a file in an archive is named as /vsi{kind}/{path}{inside}; "
    return _missing_header(path)


def _only_gz(path: Path) -> bool:
    return path.suffix.lower() == ".gz" and not path.name.lower().endswith(".tar.gz")


def _missing_header(path: Path) -> str:
    if path.suffix.lower() not in _ENVI_DATA:
        return ""
    header = header_of(path)
    if header is None:
        return f"ENVI data need their header {path.stem}.hdr beside them; "
    if not header.read_text(encoding="latin-1").startswith("ENVI"):
        return f"its header {header.name} does not begin with ENVI; "
    return ""


def _check_envi(path: Path) -> None:
    header = header_of(path)
    if header is None:
        return
    text = header.read_text(encoding="latin-1")
    if not text.startswith("ENVI"):
        return
    fields = dict(re.findall(r"^\s*([a-z ]+?)\s*=\s*(\d+)\s*$", text.lower(), re.MULTILINE))
    numbers = {name: int(value) for name, value in fields.items()}
    shape = [numbers.get(name, 0) for name in ("bands", "lines", "samples")]
    itemsize = _ENVI_TYPES.get(numbers.get("data type", 0))
    if 0 in shape or itemsize is None:
        raise RasterError(
            f"{header}: an ENVI header needs bands, lines and samples above 0 and a data type of "
            f"{', '.join(map(str, _ENVI_TYPES))}; found {shape} and "
            f"{fields.get('data type', 'none')}"
        )
    declared = numbers.get("header offset", 0) + math.prod(shape) * itemsize
    size = path.stat().st_size
    if size < declared and not numbers.get("file compression"):
        raise RasterError(
            f"{path}: truncated, it holds {size} bytes and its header {header.name} declares "
            f"{declared}; get the whole file"
        )


def _check_driver(dataset: DatasetReader) -> None:
    """Refuse drivers that refer to other files which cannot be checked."""
    if dataset.driver in {*NETWORKED, "GTI", "HTTP"} or (
        dataset.driver == "VRT" and dataset.name.startswith("/vsi")
    ):
        raise RasterError(
            f"{dataset.name}: a {dataset.driver} that names other files, which cannot be checked "
            "here; extract the archive, or write the raster as a GeoTIFF"
        )


def _check_places(dataset: DatasetReader, path: Path) -> None:
    """Refuse a file whose companion files (pixels, labels, masks) are outside its folder."""
    folders = path.parent, path.resolve().parent
    for name in dataset.files:
        if not any(is_inside(Path(name), folder) for folder in folders):
            raise RasterError(
                f"{path}: is read with {name}, which lies outside its folder; only files in it are "
                "read: copy it there"
            )


def _check_pixels(dataset: DatasetReader) -> None:
    if dataset.count == 0:
        names = [name.rpartition(":")[2] for name in dataset.subdatasets]
        inside = f"holds {', '.join(names[:8])}; write one of them" if names else "has no bands; it"
        raise RasterError(
            f"{dataset.name}: {dataset.driver} file without pixels of its own, {inside} "
            f"as a single raster; {ACCEPTED}"
        )
    kinds = sorted(set(dataset.dtypes))
    if any("complex" in kind for kind in kinds):
        raise RasterError(
            f"{dataset.name}: pixels are {', '.join(kinds)}; integers and floats are accepted, "
            "write the amplitude or one component"
        )


def _check_size(dataset: DatasetReader) -> None:
    itemsize = max(np.dtype(kind).itemsize for kind in dataset.dtypes)
    declared = dataset.count * dataset.height * dataset.width * itemsize
    rows, columns = dataset.block_shapes[0]
    bands_per_block = dataset.count if dataset.interleaving is Interleaving.pixel else 1
    check_block(dataset.name, (bands_per_block, rows, columns), itemsize)
    size = size_of(dataset.name) or stamp(dataset.name)[0]
    if (
        dataset.driver != "VRT"
        and declared > CHECKS.largest_block
        and declared > size * CHECKS.largest_expansion
    ):
        raise RasterError(
            f"{dataset.name}: declares {byte_size(declared)} of pixels in a file of "
            f"{byte_size(size)}, expected at most {CHECKS.largest_expansion} times the size "
            "of the file; it is taken for damaged or empty"
        )
