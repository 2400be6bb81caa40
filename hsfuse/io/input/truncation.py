"""
Detection of truncated files, which are shorter than their headers state.

For many formats GDAL reads zeros or uninitialised memory beyond the end of a file, and it detects a
truncated TIFF only when a missing tile is read. Such files are refused before planning.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rasterio.enums import Interleaving
from rasterio.io import DatasetReader

from hsfuse.errors import RasterError
from hsfuse.io.files.expansion import check_stored
from hsfuse.io.files.location import size_of
from hsfuse.io.input import hfa, pcidsk
from hsfuse.io.input.handles import open_quietly
from hsfuse.io.settings import CHECKS

__all__ = ["check_complete", "check_directory"]

# Drivers of uncompressed pixels, for which GDAL reads zeros beyond the end of the file.
_RAW = {
    "BT", "CPG", "DIPEx", "EHdr", "EIR", "ENVI", "ERS", "GenBin", "GSBG", "HFA", "ILWIS", "ISCE",
    "ISIS2", "LAN", "MFF", "MFF2", "NDF", "PAux", "PCIDSK", "PDS", "PDS4", "RRASTER",
    "ROI_PAC", "RST", "SAGA", "SNODAS", "VICAR",
}  # fmt: skip
# Suffixes of text files of these drivers that describe the pixels of another file.
_TEXT = (
    ".aux", ".clr", ".csy", ".ers", ".grf", ".hdr", ".lbl", ".prj", ".rdc", ".rsc", ".sgrd",
    ".stx", ".xml",
)  # fmt: skip
_PCRASTER_HEADER = 256  # bytes


def check_directory(path: Path) -> None:
    """
    Refuse a file whose directory states pixels beyond its end, before GDAL opens it.

    Parameters
    ----------
    path : Path
        Any file; only ERDAS Imagine and PCIDSK files are checked.

    Raises
    ------
    RasterError
        If a file is truncated.
    """
    for known, ends in ((hfa.is_hfa, hfa.pixel_ends), (pcidsk.is_pcidsk, pcidsk.pixel_ends)):
        if known(path):
            for file, end in ends(path):
                if file.is_file():  # GDAL reports a missing file
                    _check_end(str(file), end)


def check_complete(dataset: DatasetReader) -> None:
    """
    Refuse a file that is too short for the pixels that it declares.

    Raises
    ------
    RasterError
        If the file is truncated.
    """
    inside = [name for name in dataset.files if name.lower().endswith((".tif", ".tiff"))]
    if dataset.driver in ("ISIS3", "PDS4") and inside:  # the pixels may be in a TIFF
        for name in inside:
            with open_quietly(name) as tiff:
                _check_tiff(tiff)
        return
    if dataset.driver in _RAW:
        _check_raw(dataset)
    checks = {
        "GTiff": _check_tiff, "ISIS3": _check_isis, "PCRaster": _check_pcraster, "PNG": _check_png,
    }  # fmt: skip
    if dataset.driver in checks:
        checks[dataset.driver](dataset)


def _check_end(name: str, end: int, what: str = "its header places pixels up to") -> None:
    size = size_of(name)
    if size is not None and size < end:
        raise RasterError(
            f"{name}: truncated, it holds {size} bytes and {what} byte {end}; get the whole file"
        )


def _check_raw(dataset: DatasetReader) -> None:
    """Refuse files that are smaller than their uncompressed pixels."""
    structure = dataset.tags(ns="IMAGE_STRUCTURE") | dataset.tags(1, ns="IMAGE_STRUCTURE")
    files = [name for name in dataset.files if not name.lower().endswith(_TEXT)] or dataset.files
    if dataset.driver == "ILWIS":  # GDAL does not list the file of its pixels
        files = [re.sub(r"\.mpr$", ".mp#", name, flags=re.IGNORECASE) for name in files]
    sizes = [size_of(name) for name in files]
    if structure.get("COMPRESSION") or not sizes or None in sizes:
        return
    bits = int(structure.get("NBITS", 8 * np.dtype(dataset.dtypes[0]).itemsize))
    declared = dataset.count * dataset.height * dataset.width * bits // 8
    held = sum(size for size in sizes if size is not None)
    if held < declared:
        raise RasterError(
            f"{dataset.name}: truncated, its files hold {held} bytes and {declared} bytes of "
            "pixels are declared; get the whole file"
        )


def _check_isis(dataset: DatasetReader) -> None:
    """Refuse an ISIS3 cube that is shorter than the core that its label describes."""
    # The label is one JSON text, which rasterio splits at "=" as if it were NAME=VALUE.
    label = ":".join(part for item in dataset.tags(ns="json:ISIS3").items() for part in item)
    core = json.loads(label)["IsisCube"]["Core"]
    file = Path(dataset.name)
    if core.get("^Core"):
        file = file.with_name(core["^Core"])
    rows, columns = dataset.shape
    if core.get("Format") == "Tile":  # tiles at the edges are stored in full
        height, width = core["TileLines"], core["TileSamples"]
        rows, columns = math.ceil(rows / height) * height, math.ceil(columns / width) * width
    pixels = dataset.count * rows * columns * np.dtype(dataset.dtypes[0]).itemsize
    _check_end(str(file), core["StartByte"] - 1 + pixels)


def _check_pcraster(dataset: DatasetReader) -> None:
    """Refuse a truncated PCRaster map, of which GDAL would read uninitialised memory."""
    if not Path(dataset.name).is_file():
        return
    with Path(dataset.name).open("rb") as file:
        header = file.read(_PCRASTER_HEADER)
    kind = int.from_bytes(header[66:68], "little" if header[46] == 1 else "big")
    itemsize = 2 ** (kind & 3)
    _check_end(dataset.name, _PCRASTER_HEADER + dataset.height * dataset.width * itemsize)


def _check_png(dataset: DatasetReader) -> None:
    path = Path(dataset.name)
    if path.is_file() and b"IEND" not in path.read_bytes()[-CHECKS.png_tail :]:
        raise RasterError(f"{path}: truncated, a PNG without its end; get the whole file")


def _check_tiff(dataset: DatasetReader) -> None:
    if size_of(dataset.name) is None:
        return
    rows, columns = dataset.block_shapes[0]
    bands_per_block = dataset.count if dataset.interleaving is Interleaving.pixel else 1
    raw = bands_per_block * rows * columns * np.dtype(dataset.dtypes[0]).itemsize
    for band, row, column in _blocks(dataset):
        place = f"{column}_{row}"
        offset = dataset.get_tag_item(f"BLOCK_OFFSET_{place}", "TIFF", bidx=band)
        length = dataset.get_tag_item(f"BLOCK_SIZE_{place}", "TIFF", bidx=band)
        if offset and length:
            end = int(offset) + int(length)
            _check_end(dataset.name, end, f"the pixels of band {band} reach")
            check_stored(dataset.name, int(length), raw)


def _blocks(dataset: DatasetReader) -> Iterator[tuple[int, int, int]]:
    """Yield band, row and column of the blocks of a TIFF; of very many, only those at edges."""
    rows, columns = dataset.block_shapes[0]
    down, across = math.ceil(dataset.height / rows), math.ceil(dataset.width / columns)
    pixel = dataset.interleaving is Interleaving.pixel
    bands = [1] if pixel else list(dataset.indexes)
    if len(bands) * down * across > CHECKS.most_blocks:
        bands = sorted({*bands[:1], *bands[-CHECKS.edge_bands :]})
        for band in bands:
            last = [
                (down - 1, column) for column in range(max(0, across - CHECKS.edge_blocks), across)
            ]
            first = [
                (0, 0),
                *((row, across - 1) for row in range(max(0, down - CHECKS.edge_blocks), down)),
            ]
            yield from ((band, row, column) for row, column in last + first)
        return
    for band in bands:
        yield from ((band, row, column) for row in range(down) for column in range(across))
