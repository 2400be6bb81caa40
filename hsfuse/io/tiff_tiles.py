"""
Tiles of a TIFF file: encoded by GDAL in memory on all cores, written one after the other.

GDAL can lose data on a full disk without a word (https://github.com/geopandas/pyogrio/pull/284), so
it writes to memory alone; the file is written by the operating system, which says so.
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
from hsfuse.io.planes import Piece, Planes
from hsfuse.io.tiff_directory import Directory, TiffForm, read_directory

__all__ = ["encode_tiles", "write_tiles"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
Place = tuple[int, int, int]


def write_tiles(
    file: BinaryIO,
    form: TiffForm,
    planes: Planes,
    directory: Directory,
    *,
    options: Mapping[str, str],
    side: tuple[int, int],
    pool: Executor,
    ahead: int,
    done: Callable[[int], None],
) -> None:
    """
    Append the tiles of an image to a file, and note their places in its directory.

    Parameters
    ----------
    file : file
        Where they go, from its position on.
    form : TiffForm
        Of the file.
    planes : Planes
        The image.
    directory : Directory
        Of the image; its places are filled in.
    options : mapping of str to str
        GDAL's creation options.
    side : tuple of int
        Rows and columns that are read at a time, multiples of the tile.
    pool : Executor
        Reads and encodes.
    ahead : int
        Parts that are in memory at a time.
    done : callable
        Is called with the number of values of each part that is written.

    Raises
    ------
    OutputError
        If a tile was not encoded, or the file grows beyond what its form can hold.
    """
    tile = int(options["BLOCKYSIZE"])

    def encode(piece: Piece) -> list[tuple[Place, bytes]]:
        return encode_tiles(planes.read(piece), options)

    for piece, tiles in _in_order(pool, encode, planes.pieces(*side), ahead):
        first = piece.planes.start, piece.rows.start // tile, piece.columns.start // tile
        for place, content in tiles:
            index = tuple(np.add(first, place))
            directory.offsets[index] = file.tell()
            directory.counts[index] = len(content)
            file.write(content)
        if file.tell() > form.limit:
            raise OutputError(f"{file.name}: is larger than a TIFF can be; use BIGTIFF=YES")
        done(piece.size)


def encode_tiles(values: NDArray[Any], options: Mapping[str, str]) -> list[tuple[Place, bytes]]:
    """
    Return the encoded tiles of a part, with plane, row and column of each, in this order.

    Parameters
    ----------
    values : ndarray of shape (planes, rows, columns)
        Stored numbers; the first pixel is the first of a tile.
    options : mapping of str to str
        GDAL's creation options.

    Raises
    ------
    OutputError
        If GDAL left one out.
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
            transform=Affine.scale(2),  # any: without one rasterio warns, in whatever thread
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
            # Zeros alone are nothing that was written, unless they are the values.
            if not length or len(encoded) != length or part.any() > any(encoded):
                raise OutputError(f"GDAL did not encode the tile in row {row}, column {column}")
            tiles.append(((plane, row, column), encoded))
    return tiles


def _in_order(
    pool: Executor, work: Callable[[_Item], _Result], items: Iterable[_Item], ahead: int
) -> Iterator[tuple[_Item, _Result]]:
    """Yield each item with its result, in their order; so many are under way at a time."""
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
