"""
End offsets of the pixels of a PCIDSK file, from its header and directories.

Layout: "PCIDSK Database File Definition" (PCI Geomatics); for the tiles, which it does not
describe, frmts/pcidsk/sdk/blockdir/{ascii,binary}tiledir.cpp of GDAL. Numbers in headers are text.
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["is_pcidsk", "pixel_ends"]

_SIGNATURE = b"PCIDSK  "
_BLOCK = 512  # bytes; the unit of starts and sizes
_SEGMENT_HEADER = 1024  # bytes
_CHANNEL_HEADER = 1024  # bytes
_POINTER = 32  # bytes of an entry of the list of segments
_BYTES = {b"8U": 1, b"16S": 2, b"16U": 2, b"32R": 4, b"C16U": 4, b"C16S": 4, b"C32R": 8}
_LAYER = struct.Struct("<H2IQ")  # of tiles: type, first block, blocks, bytes
_LAYER_INFO = 38  # bytes: size, tiles and type of a layer
_TILE_BLOCK = struct.Struct("<HI")  # segment and place in it
# Where the directory is text: bytes of a block, of its entry and of that of a layer; and where an
# entry states segment, place in it, layer and following block.
_TEXT_BLOCK, _TEXT_ENTRY, _TEXT_LAYER = 8192, 28, 24
_CHAINED = ((0, 4), (4, 8), (12, 8), (20, 8))


def is_pcidsk(path: Path) -> bool:
    """Return whether a file is PCIDSK, by its signature."""
    with path.open("rb") as file:
        return file.read(len(_SIGNATURE)) == _SIGNATURE


def pixel_ends(path: Path) -> Iterator[tuple[Path, int]]:
    """
    Yield the files that hold pixels, with the end of their content in bytes.

    Blocks that are reserved for tiles but still empty are not counted.
    """
    with path.open("rb") as file:
        header = file.read(_BLOCK)
        try:
            yield path, _image_end(header)
            yield from _channel_files(path, file, header)
            segments = _segments(file, header)
            tiles = {b"TileDir", b"SysBMDir"} & {name for name, *_ in segments.values()}
            for name, start, size in segments.values():
                if name not in (b"TileData", b"SysBData"):
                    yield path, start + size
            for directory in tiles:
                yield path, _last_tile(file, directory, segments)
        except (ValueError, KeyError, struct.error):  # a directory that is cut off, or damaged
            yield path, _declared(header)


def _read(file: BinaryIO, start: int, size: int) -> bytes:
    if not 0 <= start <= start + size <= os.fstat(file.fileno()).st_size:
        raise ValueError(f"no {size} bytes at {start}")
    file.seek(start)
    return file.read(size)


def _number(text: bytes, start: int, size: int) -> int:
    return int(text[start : start + size])


def _declared(header: bytes) -> int:
    """Return the file size in bytes that the header states, 0 where it is not a number."""
    stated = header[16:32].strip()
    return int(stated) * _BLOCK if stated.isdigit() else 0


def _start(text: bytes, start: int, size: int) -> int:
    """Return the offset in bytes of a block, which headers count from 1."""
    return (_number(text, start, size) - 1) * _BLOCK


def _image_end(header: bytes) -> int:
    """Return the end in bytes of the channels stored in the file itself."""
    interleaving = header[360:368].strip()
    columns, rows = (_number(header, start, 8) for start in (384, 392))
    pixel = sum(
        size * int(header[464 + 4 * place : 468 + 4 * place].strip() or 0)
        for place, size in enumerate(_BYTES.values())
    )
    if interleaving not in (b"BAND", b"PIXEL"):
        return 0
    line = columns * pixel
    if interleaving == b"PIXEL":  # lines begin at blocks
        line = -(-line // _BLOCK) * _BLOCK
    return _start(header, 304, 16) + rows * line


def _channel_files(path: Path, file: BinaryIO, header: bytes) -> Iterator[tuple[Path, int]]:
    """Yield the external files that hold one channel each, with the end of their pixels."""
    columns, rows = (_number(header, start, 8) for start in (384, 392))
    for channel in range(_number(header, 376, 8)):
        image = _read(file, _start(header, 336, 16) + channel * _CHANNEL_HEADER, _CHANNEL_HEADER)
        name = image[64:128].strip(b" \0").decode("latin-1")
        itemsize = _BYTES.get(image[160:168].strip())
        if name and not name.startswith("/SIS") and itemsize and path.with_name(name).is_file():
            offset, pixel, line = (
                _number(image, start, size) for start, size in ((168, 16), (184, 8), (192, 8))
            )
            yield (
                path.with_name(name),
                offset + (rows - 1) * line + (columns - 1) * pixel + itemsize,
            )


def _segments(file: BinaryIO, header: bytes) -> dict[int, tuple[bytes, int, int]]:
    """Return name, start and size in bytes of the segments in use, by segment number."""
    pointers = _read(file, _start(header, 440, 16), _number(header, 456, 8) * _BLOCK)
    segments = {}
    for place in range(len(pointers) // _POINTER):
        pointer = pointers[place * _POINTER :][:_POINTER]
        if pointer[:1] in (b"A", b"L"):
            size = _number(pointer, 23, 9) * _BLOCK
            segments[place + 1] = (pointer[4:12].strip(), _start(pointer, 12, 11), size)
    return segments


def _last_tile(file: BinaryIO, name: bytes, segments: dict[int, tuple[bytes, int, int]]) -> int:
    """Return the end in bytes of the last block of tiles."""
    start, size = next(part[1:] for part in segments.values() if part[0] == name)
    content = _read(file, start + _SEGMENT_HEADER, size - _SEGMENT_HEADER)
    blocks = _binary_blocks(content) if name == b"TileDir" else _text_blocks(content)
    return max((segments[segment][1] + _SEGMENT_HEADER + end for segment, end in blocks), default=0)


def _binary_blocks(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield segment and end of the blocks in use; the last one of a layer may be partly used."""
    big = content[_BLOCK - 3 : _BLOCK - 2] == b"B"
    order = ">" if big else "<"
    count, block = struct.unpack_from(f"{order}2I", content, 10)
    layer = struct.Struct(order + _LAYER.format[1:])
    place = struct.Struct(order + _TILE_BLOCK.format[1:])
    first = _BLOCK + count * (layer.size + _LAYER_INFO) + layer.size
    for index in range(count):
        _, start, blocks, size = layer.unpack_from(content, _BLOCK + index * layer.size)
        for number in range(blocks):
            at = first + (start + number) * place.size
            segment, position = place.unpack_from(content, at)
            yield segment, position * block + min(block, size - number * block)


def _text_blocks(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield segment and end of the blocks in use, which form chains; see `_binary_blocks`."""
    layers, blocks = (_number(content, start, 8) for start in (10, 18))
    first = _BLOCK + blocks * _TEXT_ENTRY
    sizes = [_number(content, first + index * _TEXT_LAYER + 12, 12) for index in range(layers)]
    chain = [
        [_number(content, _BLOCK + index * _TEXT_ENTRY + start, size) for start, size in _CHAINED]
        for index in range(blocks)
    ]
    counts = Counter(layer for _, _, layer, _ in chain)
    for segment, position, layer, following in chain:
        if 0 <= layer < layers:
            last = not 0 <= following < blocks
            used = sizes[layer] - (counts[layer] - 1) * _TEXT_BLOCK if last else _TEXT_BLOCK
            yield segment, position * _TEXT_BLOCK + used
