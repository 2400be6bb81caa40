"""
Tiles of a TIFF file, encoded by GDAL in memory on all cores and written in order.

GDAL can lose data on a full disk without an error (https://github.com/geopandas/pyogrio/pull/284),
so it only writes to memory; the file itself is written by Python, which raises an error.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from typing import Any, BinaryIO, TypeVar

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from hsfuse.errors import OutputError
from hsfuse.io.input.tiff_directory import Directory, TiffVariant, read_directory
from hsfuse.io.output.planes import Piece, Planes

__all__ = ["encode_tiles", "write_tiles"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
TileIndex = tuple[int, int, int]


def write_tiles(
    file: BinaryIO,
    variant: TiffVariant,
    planes: Planes,
    directory: Directory,
    *,
    options: Mapping[str, str],
    side: tuple[int, int],
    pool: Executor,
    ahead: int,
    advance: Callable[[int], None],
) -> None:
    """
    Append the tiles of an image to a file, and set their offsets in its directory.

    Parameters
    ----------
    file : file
        Output, written from its current position.
    variant : TiffVariant
        Classic TIFF or BigTIFF.
    planes : Planes
        The image.
    directory : Directory
        Directory of the image; its offsets and byte counts are set.
    options : mapping of str to str
        GDAL creation options.
    side : tuple of int
        Rows and columns of a piece, multiples of the tile.
    pool : Executor
        Executor that reads and encodes.
    ahead : int
        Number of pieces in memory at a time.
    advance : callable
        Called with the number of values of each piece that was written.

    Raises
    ------
    OutputError
        If a tile was not encoded, or the file exceeds the limit of its variant.
    """
    tile = int(options["BLOCKYSIZE"])

    def encode(piece: Piece) -> list[tuple[TileIndex, bytes]]:
        return encode_tiles(planes.read(piece), options)

    for piece, tiles in _in_order(pool, encode, planes.pieces(*side), ahead):
        first = piece.planes.start, piece.rows.start // tile, piece.columns.start // tile
        for place, content in tiles:
            index = tuple(np.add(first, place))
            directory.offsets[index] = file.tell()
            directory.counts[index] = len(content)
            file.write(content)
        if file.tell() > variant.limit:
            raise OutputError(f"{file.name}: is larger than a TIFF can be; use BIGTIFF=YES")
        advance(piece.size)


def encode_tiles(values: NDArray[Any], options: Mapping[str, str]) -> list[tuple[TileIndex, bytes]]:
    """
    Return the index (plane, row, column) and the encoded bytes of each tile of a piece.

    Parameters
    ----------
    values : ndarray of shape (planes, rows, columns)
        Stored numbers; the first pixel is the first of a tile.
    options : mapping of str to str
        GDAL creation options.

    Raises
    ------
    OutputError
        If GDAL omitted a tile.
    """
    planes, rows, columns = values.shape
    down, across = (int(options[name]) for name in ("BLOCKYSIZE", "BLOCKXSIZE"))
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=columns,
            height=rows,
            count=planes,
            dtype=values.dtype,
            transform=Affine.scale(2),  # arbitrary: without one, rasterio warns in other threads
            **options,
        ) as target:
            target.write(values)
        content = memory.getbuffer()
        directory = read_directory(content, planes)[1]
        tiles = []
        for plane, row, column in np.ndindex(directory.offsets.shape):
            start, length = (
                int(numbers[plane, row, column])
                for numbers in (directory.offsets, directory.counts)
            )
            encoded = bytes(content[start : start + length])
            part = values[plane, row * down :, column * across :][:down, :across]
            # A tile of zeros was not written, unless the values are zeros.
            if not length or len(encoded) != length or (not any(encoded) and part.any()):
                raise OutputError(f"GDAL did not encode the tile in row {row}, column {column}")
            tiles.append(((plane, row, column), encoded))
    return tiles


def _in_order(
    pool: Executor, work: Callable[[_Item], _Result], items: Iterable[_Item], ahead: int
) -> Iterator[tuple[_Item, _Result]]:
    """Yield each item with its result in order, with at most ``ahead`` submitted at a time."""
    waiting: deque[tuple[_Item, Future[_Result]]] = deque()
    try:
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) >= ahead:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        for _, future in waiting:
            future.cancel()
