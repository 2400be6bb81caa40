"""
Sampling of a raster for undeclared fill: windows, lines, and windows around suspicious pixels.

Windows alone miss what lies between them, such as a dropped scan line or a slanted collar. Lines
one pixel wide cross these; where a pixel of a line may be fill, the window around it is read too.
Files are read by whole blocks, so the number of lines is limited by the values in their blocks: in
a file of strips many rows are read, but columns only if the file is small.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.core.fill import Fill, MeasuredRange, without_fills
from hsfuse.io.settings import PACKING, SAMPLING

__all__ = ["read_lines", "read_suspicious", "read_whole", "read_windows"]

Cube = NDArray[np.float32]


def read_whole(raster: xr.DataArray) -> Cube | None:
    """Return all pixels (bands, rows, columns) of a small raster, None for one to be sampled."""
    _, rows, columns = raster.shape
    if rows * columns > (SAMPLING.windows * _side(raster)) ** 2:
        return None
    return read_pixels(raster, slice(None), slice(None))


def read_windows(raster: xr.DataArray) -> list[Cube]:
    """Return windows (bands, rows, columns) of a raster, evenly spread from edge to edge."""
    side = _side(raster)
    starts = [
        sorted({int(at) for at in np.linspace(0, max(length - side, 0), SAMPLING.windows)})
        for length in raster.shape[1:]
    ]
    return [
        read_pixels(raster, slice(top, top + side), slice(left, left + side))
        for top in starts[0]
        for left in starts[1]
    ]


def read_suspicious(
    raster: xr.DataArray, measured: MeasuredRange, fills: Sequence[Fill]
) -> list[Cube]:
    """
    Return windows around pixels of sample lines that may be fill.

    Parameters
    ----------
    raster : DataArray of shape (bands, rows, columns)
        Lazy.
    measured : MeasuredRange
        Value range of the sample windows.
    fills : sequence of Fill
        Undeclared fills already detected.

    Returns
    -------
    list of ndarray of shape (bands, rows, columns)
        At most ``SAMPLING.most_suspicious``, in order of the distance from the value range.
    """
    places = []
    for line, row, column in read_lines(raster):
        places += _suspicious(without_fills(line, fills), row, column, measured)
    side = _side(raster)
    chosen: list[tuple[int, int]] = []
    for _, row, column in sorted(places, reverse=True):
        apart = (max(abs(row - r), abs(column - c)) > side for r, c in chosen)
        if all(apart):
            chosen.append((row, column))
        if len(chosen) == SAMPLING.most_suspicious:
            break
    return [
        read_pixels(
            raster, _about(row, side, raster.sizes["y"]), _about(column, side, raster.sizes["x"])
        )
        for row, column in chosen
    ]


def read_lines(raster: xr.DataArray) -> Iterator[tuple[Cube, int, int]]:
    """
    Yield evenly spread rows and columns of a raster, one pixel wide.

    Yields
    ------
    tuple
        The pixels (bands, rows, columns), and the row and column of the first pixel.
    """
    _, rows, columns = raster.shape
    block = _block(raster)
    across, down = (_count(raster, axis, block) for axis in (0, 1))
    for row in _middles(rows, across):
        yield read_pixels(raster, slice(row, row + 1), slice(None)), row, 0
    for column in _middles(columns, down):
        yield read_pixels(raster, slice(None), slice(column, column + 1)), 0, column


def read_pixels(raster: xr.DataArray, rows: slice, columns: slice) -> Cube:
    """Return a window of a lazy raster as a new array (bands, rows, columns)."""
    window = raster.isel(y=rows, x=columns).compute(scheduler="synchronous").to_numpy()
    return np.array(window, dtype=np.float32)


def _side(raster: xr.DataArray) -> int:
    """Return the side of a window in pixels."""
    spectra = raster.sizes["band"] > PACKING.most_colours
    return SAMPLING.spectra_side if spectra else SAMPLING.colours_side


def _block(raster: xr.DataArray) -> tuple[int, int]:
    """Return the rows and columns of a stored block."""
    stated = raster.encoding.get("preferred_chunks", {})
    chunks = raster.chunksizes
    return (
        int(stated.get("y", max(chunks.get("y", (1,))))),
        int(stated.get("x", max(chunks.get("x", (1,))))),
    )


def _count(raster: xr.DataArray, axis: int, block: tuple[int, int]) -> int:
    """Return the number of lines along an axis that the limit of values read allows."""
    bands, *lengths = raster.shape
    along = 1 - axis
    thick = min(block[axis], lengths[axis])
    long = math.ceil(lengths[along] / block[along]) * block[along]
    return min(SAMPLING.most_lines, SAMPLING.line_values // (bands * thick * long), lengths[axis])


def _middles(length: int, count: int) -> list[int]:
    """Return the centres of equal parts of an axis."""
    return [int((index + 0.5) * length / count) for index in range(count)]


def _about(place: int, side: int, length: int) -> slice:
    """Return the window around a pixel along one axis, shifted to be inside the image."""
    start = min(max(place - side // 2, 0), max(length - side, 0))
    return slice(start, start + side)


def _suspicious(
    line: Cube, row: int, column: int, measured: MeasuredRange
) -> list[tuple[float, int, int]]:
    """Return distance from the value range, row and column of pixels of a line that may be fill."""
    places = np.argwhere(measured.beyond(line))
    if not len(places):
        return []
    distance = measured.distance(line[:, places[:, 0], places[:, 1]])
    return [
        (float(far), row + int(down), column + int(across))
        for far, (down, across) in zip(distance, places, strict=True)
    ]
