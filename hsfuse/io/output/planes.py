"""The planes of an output in a store: the bands of its cube, then its standard error if stored."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import Store
from zarr.codecs import BloscCodec

from hsfuse.core.grid import Span
from hsfuse.io.files.hashed_store import CheckedStore
from hsfuse.io.files.url import AnyPath
from hsfuse.io.files.zarr_store import zarr_store
from hsfuse.io.names import CUBE, STANDARD_ERROR
from hsfuse.io.settings import OUTPUTS

__all__ = ["Piece", "Planes", "whole_chunks"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A window of some planes, either of the cube or of the standard error, the last plane."""

    planes: slice
    rows: Span
    columns: Span

    @property
    def size(self) -> int:
        """Number of values."""
        return (self.planes.stop - self.planes.start) * len(self.rows) * len(self.columns)


@dataclass(frozen=True)
class Planes:
    """
    The planes of an output in a zarr store.

    Attributes
    ----------
    cube, error : Array
        Arrays (band, y, x) and (y, x); the latter may be None.
    """

    cube: zarr.Array[Any]
    error: zarr.Array[Any] | None = None

    @classmethod
    def open(cls, folder: AnyPath, hashes: Mapping[str, str | None] | None = None) -> Planes:
        """Open the planes of a folder for reading; chunks with a hash are verified."""
        return cls.of(CheckedStore(zarr_store(folder, read_only=True), folder, hashes))

    @classmethod
    def of(cls, store: Store) -> Planes:
        """Open the planes of a store, for writing too unless it is read-only."""
        mode: Literal["r", "r+"] = "r" if store.read_only else "r+"
        group = zarr.open_group(store, mode=mode, zarr_format=3)
        names = (CUBE, STANDARD_ERROR) if STANDARD_ERROR in group else (CUBE,)
        return cls(*(zarr.open_array(store, path=n, mode=mode, zarr_format=3) for n in names))

    def create(self, folder: AnyPath, rows: int, columns: int, chunk: tuple[int, int]) -> Planes:
        """Create a store of as many planes with other rows and columns."""
        group = zarr.create_group(zarr_store(folder), zarr_format=3, overwrite=True)
        codec = BloscCodec(cname="lz4", clevel=OUTPUTS.compression_level, shuffle="shuffle")
        side = min(chunk[0], rows), min(chunk[1], columns)
        return Planes(
            *(
                group.create_array(
                    name,
                    shape=(*array.shape[:-2], rows, columns),
                    chunks=(*array.chunks[:-2], *side),
                    dtype=array.dtype,
                    fill_value=array.fill_value,
                    compressors=codec,
                )
                for name, array in ((CUBE, self.cube), (STANDARD_ERROR, self.error))
                if array is not None
            )
        )

    @property
    def count(self) -> int:
        """Number of planes."""
        return int(self.cube.shape[0]) + (self.error is not None)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.cube.shape[1])

    @property
    def columns(self) -> int:
        """Number of columns."""
        return int(self.cube.shape[2])

    @property
    def chunk(self) -> tuple[int, int]:
        """Rows and columns of a chunk."""
        return int(self.cube.chunks[1]), int(self.cube.chunks[2])

    @property
    def fill(self) -> float:
        """Stored no-data value."""
        return float(self.cube.fill_value)

    @property
    def groups(self) -> list[slice]:
        """The groups of planes that share chunks."""
        bands, depth = int(self.cube.shape[0]), int(self.cube.chunks[0])
        groups = [slice(first, min(first + depth, bands)) for first in range(0, bands, depth)]
        return groups if self.error is None else [*groups, slice(bands, bands + 1)]

    def pieces(self, rows: int, columns: int) -> Iterator[Piece]:
        """Yield pieces of at most ``rows`` x ``columns`` pixels, row by row, all planes of each."""
        for y in range(0, self.rows, rows):
            for x in range(0, self.columns, columns):
                for planes in self.groups:
                    yield Piece(
                        planes,
                        Span(y, min(y + rows, self.rows)),
                        Span(x, min(x + columns, self.columns)),
                    )

    def strips(self, most: int) -> Iterator[Piece]:
        """Yield pieces of whole chunks of at most ``most`` bytes, row by row."""
        rows, chunk = self.chunk
        depth = min(int(self.cube.chunks[0]), self.count)
        wide = most // (depth * rows * chunk * self.cube.dtype.itemsize)
        return self.pieces(rows, max(wide, 1) * chunk)

    def read(self, piece: Piece) -> NDArray[Any]:
        """Return the stored numbers (planes, rows, columns) of a piece."""
        place = piece.rows.slice, piece.columns.slice
        if self.error is not None and piece.planes.start == self.cube.shape[0]:
            return np.asarray(self.error[place])[None]
        return np.asarray(self.cube[piece.planes, *place])

    def write(self, piece: Piece, values: NDArray[Any]) -> None:
        """Write a piece, which must share no chunk with a piece written at the same time."""
        place = piece.rows.slice, piece.columns.slice
        if self.error is not None and piece.planes.start == self.cube.shape[0]:
            self.error[place] = values[0]
        else:
            self.cube[piece.planes, *place] = values


def whole_chunks(chunk: int, least: int) -> int:
    """Return the smallest even multiple of a chunk that has at least ``least`` pixels."""
    count = math.ceil(least / chunk)
    return chunk * (count + (count * chunk) % 2)
