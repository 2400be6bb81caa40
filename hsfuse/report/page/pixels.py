"""Read single pixels of a raster of any size, tile by tile."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.core.grid import Span
from hsfuse.parallel import each, local_workers

__all__ = ["TILE", "read_pixels"]

Cube = NDArray[np.float32]
Indexes = NDArray[np.intp]

#: Side in pixels of the tiles of a cloud-optimised GeoTIFF, the unit of decoding.
TILE = 512
# Maximum number of values read at a time.
_PIECE = 8_000_000


def read_pixels(raster: xr.DataArray, rows: Indexes, columns: Indexes) -> Cube:
    """
    Return the values at all combinations of rows and columns; NaN outside the raster.

    Parameters
    ----------
    raster : DataArray
        Lazy raster (band, y, x).
    rows, columns : ndarray of int
        Indices in increasing order.

    Returns
    -------
    ndarray of shape (bands, rows, columns)
    """
    bands, height, width = raster.shape
    values = np.full((bands, len(rows), len(columns)), np.nan, np.float32)
    pieces = [
        (span, down, across)
        for down, across in product(_tiles(rows, height), _tiles(columns, width))
        for span in _band_spans(bands, rows[down], columns[across])
    ]

    def read(number: int) -> None:
        span, down, across = pieces[number]
        (top, bottom), (left, right) = (
            (int(places[0]), int(places[-1]) + 1) for places in (rows[down], columns[across])
        )
        window = raster.isel(band=span.slice, y=slice(top, bottom), x=slice(left, right))
        read = window.compute(scheduler="synchronous").to_numpy()
        inner = _as_slice(rows[down] - top), _as_slice(columns[across] - left)
        values[span.slice, down, across] = read[:, inner[0]][:, :, inner[1]]

    for _ in each(read, range(len(pieces)), workers=local_workers(None, "cpu")):
        pass
    return values


def _as_slice(indexes: Indexes) -> slice | Indexes:
    """Return evenly spaced indices as a slice, which is read without a copy."""
    steps = np.diff(indexes)
    if steps.size and (steps != steps[0]).any():
        return indexes
    return slice(int(indexes[0]), int(indexes[-1]) + 1, int(steps[0]) if steps.size else 1)


def _tiles(indexes: Indexes, length: int) -> list[slice]:
    """Return, for each tile of an axis, the slice of the indices inside it."""
    edges = np.arange(0, length + TILE, TILE).clip(max=length)
    cuts = np.searchsorted(indexes, edges)
    return [slice(int(start), int(stop)) for start, stop in pairwise(cuts) if start < stop]


def _band_spans(bands: int, rows: Indexes, columns: Indexes) -> list[Span]:
    """Return the spans of bands to read at a time."""
    area = int(rows[-1] - rows[0] + 1) * int(columns[-1] - columns[0] + 1)
    count = max(_PIECE // area, 1)
    return [Span(first, min(first + count, bands)) for first in range(0, bands, count)]
