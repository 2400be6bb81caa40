"""
End offsets of the pixels of an ERDAS Imagine file, from its directory.

GDAL reports no block offsets for this format. Layout: "Erdas Imagine .ige and .img file format" and
frmts/hfa/hfaentry.cpp, hfaband.cpp of GDAL: a tree of entries, in which ``Edms_State`` lists the
blocks of a layer and ``ImgExternalRaster`` names the ``.ige`` file that holds them instead.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

__all__ = ["is_hfa", "pixel_ends"]

_SIGNATURE = b"EHFA_HEADER_TAG\0"
_ENTRY = struct.Struct("<6I64s32s")  # next, previous, parent, child, data and its size; names
_LAYER = struct.Struct("<2I2H2I")  # columns, rows, layer type, pixel type, columns, rows of a block
_BITS = (1, 2, 4, 8, 8, 16, 16, 32, 32, 32, 64, 64, 128)  # of a pixel, by its type
_BLOCK = np.dtype(
    [("file", "<i2"), ("offset", "<u4"), ("size", "<u4"), ("valid", "<u2"), ("packed", "<u2")]
)
_EXTERNAL = struct.Struct("<2Q2I")  # offsets of flags and pixels; layers in the file, which of them


class _Entry(NamedTuple):
    """An entry of the tree; ``parent`` is the content of its parent entry."""

    kind: bytes
    content: bytes
    parent: bytes


def is_hfa(path: Path) -> bool:
    """Return whether a file is an ERDAS Imagine file, by its signature."""
    with path.open("rb") as file:
        return file.read(len(_SIGNATURE)) == _SIGNATURE


def pixel_ends(path: Path) -> Iterator[tuple[Path, int]]:
    """
    Yield the files that hold pixels, with the end of the last block in bytes.

    The directory may follow the pixels: where it is truncated itself, its own end is yielded.
    """
    with path.open("rb") as file:
        try:
            for entry in _entries(file):
                if entry.kind == b"Edms_State":
                    yield path, _last_block(file, entry.content)
                elif entry.kind == b"ImgExternalRaster":
                    yield _external(path, entry)
        except _Truncated as cut:
            yield path, cut.end
        except (struct.error, IndexError, ZeroDivisionError):  # damaged: GDAL reports it
            return


class _Truncated(Exception):
    """A part of the directory ends beyond the end of the file."""

    def __init__(self, end: int) -> None:
        super().__init__(end)
        self.end = end


def _read(file: BinaryIO, start: int, size: int) -> bytes:
    if start + size > os.fstat(file.fileno()).st_size:
        raise _Truncated(start + size)
    file.seek(start)
    return file.read(size)


def _entries(file: BinaryIO) -> Iterator[_Entry]:
    (header,) = struct.unpack("<I", _read(file, len(_SIGNATURE), 4))
    (root,) = struct.unpack("<I", _read(file, header + 8, 4))
    todo, seen = [(root, b"")], {0}
    while todo:
        start, parent = todo.pop()
        if start in seen:
            continue
        seen.add(start)
        entry = _ENTRY.unpack(_read(file, start, _ENTRY.size))
        following, _, _, child, data, size, _, kind = entry
        kind = kind.split(b"\0")[0]
        wanted = kind in (b"Edms_State", b"ImgExternalRaster") or kind.startswith(b"Eimg_Layer")
        content = _read(file, data, size) if wanted else b""
        yield _Entry(kind, content, parent)
        todo += [(following, parent), (child, content)]


def _last_block(file: BinaryIO, content: bytes) -> int:
    """Return the end of the last block of a layer in bytes; blocks may be in any order."""
    count, start = struct.unpack_from("<2I", content, 14)
    blocks = np.frombuffer(_read(file, start, count * _BLOCK.itemsize), _BLOCK)
    ends = blocks["offset"].astype(np.int64) + blocks["size"]
    return int(ends[blocks["valid"] > 0].max(initial=0))


def _external(path: Path, entry: _Entry) -> tuple[Path, int]:
    """Return the external file that holds the blocks of all layers, and their end in bytes."""
    _, start, layers, _ = _EXTERNAL.unpack(entry.content[-_EXTERNAL.size :])
    name = entry.content[8 : -_EXTERNAL.size].split(b"\0")[0].decode("latin-1")
    beside = path.parent / name
    if not beside.is_file():  # as GDAL finds it after both were renamed
        beside = path.with_suffix(".ige")
    columns, rows, _, kind, width, height = _LAYER.unpack_from(entry.parent)
    count = math.ceil(columns / width) * math.ceil(rows / height)
    return beside, start + layers * count * (width * height * _BITS[kind] // 8)
