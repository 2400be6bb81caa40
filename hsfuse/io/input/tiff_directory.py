"""
The directories (IFDs) of a TIFF file: tags of an image, and offsets of its tiles.

GDAL writes the directory of an empty image; those of the overviews are derived from it. All
directories are rewritten once the offsets of the tiles are known, so that they precede the tiles,
as a cloud-optimised GeoTIFF requires.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Directory", "Entry", "TiffVariant", "read_directory", "write_directories"]

_LONG = 4
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 16: 8, 17: 8}

_SUBFILE, _WIDTH, _LENGTH = 254, 256, 257
_TILE_WIDTH, _TILE_LENGTH, _OFFSETS, _COUNTS = 322, 323, 324, 325
_METADATA = 42112
# Tags that overviews share with their image: bits, compression, photometric interpretation, planes,
# predictor, tile size, extra samples, sample format, no-data value.
_SHARED = (258, 259, 262, 277, 284, 317, _TILE_WIDTH, _TILE_LENGTH, 338, 339, 42113)
_OVERVIEW_METADATA = (
    b'<GDALMetadata><Item name="RESAMPLING" sample="0">AVERAGE</Item></GDALMetadata>\0'
)


class Entry(NamedTuple):
    """The values of a tag: TIFF type, number of values, little-endian bytes."""

    kind: int
    length: int
    content: bytes


@dataclass(frozen=True, slots=True)
class TiffVariant:
    """
    The struct formats that differ between classic TIFF and BigTIFF.

    Attributes
    ----------
    big : bool
        Whether the file is BigTIFF.
    """

    big: bool

    @property
    def header(self) -> bytes:
        """File header; the first directory follows it."""
        return struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) if self.big else b"II*\0\x08\0\0\0"

    @property
    def number(self) -> str:
        """Format of an offset."""
        return "<Q" if self.big else "<I"

    @property
    def counter(self) -> str:
        """Format of the number of entries."""
        return "<Q" if self.big else "<H"

    @property
    def entry(self) -> str:
        """Format of the part of an entry before its values or their offset."""
        return "<HHQ" if self.big else "<HHI"

    @property
    def offsets(self) -> int:
        """TIFF type of the offsets of tiles."""
        return 16 if self.big else _LONG

    @property
    def limit(self) -> int:
        """Largest size of a file in bytes."""
        return 2 ** (64 if self.big else 32) - 1


@dataclass(frozen=True)
class Directory:
    """
    The directory of one tiled image.

    Attributes
    ----------
    entries : mapping of int to Entry
        Entries by tag, without tile offsets and byte counts.
    offsets, counts : ndarray of shape (planes, tile rows, tile columns)
        Offset and number of bytes of each tile.
    """

    entries: Mapping[int, Entry]
    offsets: NDArray[np.uint64]
    counts: NDArray[np.uint64]

    @classmethod
    def of(cls, entries: Mapping[int, Entry], planes: int) -> Directory:
        """Return the directory of entries that may include tile offsets and byte counts."""
        width, length, across, down = (
            _number(entries[tag]) for tag in (_WIDTH, _LENGTH, _TILE_WIDTH, _TILE_LENGTH)
        )
        shape = planes, -(-length // down), -(-width // across)
        known = dict(entries)
        offsets, counts = (
            np.zeros(shape, np.uint64) if entry is None else _numbers(entry).reshape(shape)
            for entry in (known.pop(_OFFSETS, None), known.pop(_COUNTS, None))
        )
        return cls(known, offsets, counts)

    def overview(self, rows: int, columns: int) -> Directory:
        """Return the directory of an overview of this image."""
        entries = {tag: self.entries[tag] for tag in _SHARED if tag in self.entries}
        entries |= {
            _SUBFILE: _long(1),
            _WIDTH: _long(columns),
            _LENGTH: _long(rows),
            _METADATA: Entry(2, len(_OVERVIEW_METADATA), _OVERVIEW_METADATA),
        }
        return self.of(entries, self.offsets.shape[0])


def read_directory(content: bytes | memoryview, planes: int) -> tuple[TiffVariant, Directory]:
    """
    Read the first directory of a little-endian file.

    Parameters
    ----------
    content : bytes
        The file.
    planes : int
        Number of bands, each stored in separate tiles.
    """
    variant = TiffVariant(content[2] == 43)
    (start,) = struct.unpack_from(variant.number, content, 8 if variant.big else 4)
    (count,) = struct.unpack_from(variant.counter, content, start)
    place, entries = start + struct.calcsize(variant.counter), {}
    inline, size = struct.calcsize(variant.number), struct.calcsize(variant.entry)
    for _ in range(count):
        tag, kind, length = struct.unpack_from(variant.entry, content, place)
        first, whole = place + size, _SIZES[kind] * length
        if whole > inline:
            (first,) = struct.unpack_from(variant.number, content, first)
        entries[tag] = Entry(kind, length, bytes(content[first : first + whole]))
        place += size + inline
    return variant, Directory.of(entries, planes)


def write_directories(variant: TiffVariant, directories: Sequence[Directory]) -> bytes:
    """Return the header of a file and its directories, one after the other."""
    parts = [variant.header]
    position = len(variant.header)
    for number, directory in enumerate(directories, start=1):
        content = _directory_bytes(variant, directory, position, last=number == len(directories))
        parts.append(content)
        position += len(content)
    return b"".join(parts)


def _directory_bytes(
    variant: TiffVariant, directory: Directory, start: int, *, last: bool
) -> bytes:
    """Return a directory that begins at offset ``start``, followed by the values of its entries."""
    offsets, counts = directory.offsets.ravel(), directory.counts.ravel()
    entries = dict(directory.entries)
    entries[_OFFSETS] = Entry(
        variant.offsets, offsets.size, offsets.astype("<u8" if variant.big else "<u4").tobytes()
    )
    entries[_COUNTS] = Entry(_LONG, counts.size, counts.astype("<u4").tobytes())
    inline = struct.calcsize(variant.number)
    size = struct.calcsize(variant.counter) + len(entries) * (
        struct.calcsize(variant.entry) + inline
    )
    behind = start + size + inline
    head, tail = [struct.pack(variant.counter, len(entries))], bytearray()
    for tag, (kind, count, content) in sorted(entries.items()):
        head.append(struct.pack(variant.entry, tag, kind, count))
        if len(content) <= inline:
            head.append(content.ljust(inline, b"\0"))
        else:
            head.append(struct.pack(variant.number, behind + len(tail)))
            tail += content + b"\0" * (-len(content) % 8)
    # The next directory follows, aligned to eight bytes.
    tail += b"\0" * (-(behind + len(tail)) % 8)
    head.append(struct.pack(variant.number, 0 if last else behind + len(tail)))
    return b"".join(head) + bytes(tail)


def _long(value: int) -> Entry:
    return Entry(_LONG, 1, struct.pack("<I", value))


def _number(entry: Entry) -> int:
    """Return the only value of an entry of unsigned integers."""
    return int(_numbers(entry)[0])


def _numbers(entry: Entry) -> NDArray[np.uint64]:
    return np.frombuffer(entry.content, f"<u{_SIZES[entry.kind]}").astype(np.uint64)
