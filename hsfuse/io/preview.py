"""
Previews of rasters of any size: a few bands at reduced size, in bounded memory.

They are read piece by piece and averaged. :func:`hsfuse.io.levels.preview_file` reads overviews.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.core.grid import Span
from hsfuse.core.overview import block_means
from hsfuse.io.files.url import AnyPath
from hsfuse.io.input.stores import open_store
from hsfuse.io.read import open_raster
from hsfuse.io.settings import PREVIEW

__all__ = ["preview_raster", "read_file_window", "read_window", "reduction_step"]

Image = NDArray[np.float32]


def preview_raster(raster: xr.DataArray, bands: Sequence[int], longest: int) -> Image:
    """
    Return some bands of a lazy raster, reduced by an integer factor.

    As :func:`hsfuse.io.levels.preview_file` does, with the raster in place of the path.
    Every pixel of these bands is read, piece by piece. A warped raster computes all its bands to
    give one, so the pieces are smaller for more bands.
    """
    pixels = PREVIEW.piece_values // raster.sizes["band"]
    return _reduced(raster.shape[1:], bands, longest, partial(_raster_plane, raster), pixels)


def _raster_plane(raster: xr.DataArray, band: int, rows: Span, columns: Span) -> Image:
    return read_window(raster, [band], rows, columns)[0]


def _reduced(
    size: tuple[int, ...],
    bands: Sequence[int],
    longest: int,
    read: Callable[[int, Span, Span], Image],
    pixels: int | None = None,
) -> Image:
    """Return the means of squares of pixels, read in pieces of at most ``pixels`` pixels."""
    pixels = PREVIEW.piece_values if pixels is None else pixels
    rows, columns = size
    step = reduction_step(max(rows, columns), longest)
    image = np.empty((len(bands), math.ceil(rows / step), math.ceil(columns / step)), np.float32)
    # A piece is roughly square, like the blocks of most files.
    across = max(min(math.isqrt(4 * pixels), columns), step) // step * step
    down = max(pixels // across, step) // step * step
    for place, band in enumerate(bands):
        for top in range(0, rows, down):
            for left in range(0, columns, across):
                piece = read(
                    band,
                    Span(top, min(top + down, rows)),
                    Span(left, min(left + across, columns)),
                )
                small = block_means(piece, step)
                part = image[place, top // step :, left // step :]
                part[: small.shape[0], : small.shape[1]] = small
    return image


def read_file_window(path: AnyPath, rows: Span, columns: Span) -> Image:
    """
    Return all bands (bands, rows, columns) of a window of a file.

    Raises
    ------
    RasterError
        If the file cannot be read.
    """
    if path.is_dir():
        return open_store(path).pixels[:, rows.slice, columns.slice]
    return read_window(open_raster(path), None, rows, columns)


def read_window(
    raster: xr.DataArray, bands: Sequence[int] | None, rows: Span, columns: Span
) -> Image:
    """
    Return the pixels of a window.

    Parameters
    ----------
    raster : DataArray
        Dimensions ``(band, y, x)``.
    bands : sequence of int, optional
        Indexes from 0; all by default.
    rows, columns : Span
        The window.

    Returns
    -------
    ndarray of shape (bands, rows, columns)
    """
    window = raster.isel(y=rows.slice, x=columns.slice)
    if bands is None:
        return np.asarray(window.compute(scheduler="synchronous").to_numpy(), np.float32)
    # One slice for each band: dask passes slices on to the file, but not lists.
    planes = [
        window.isel(band=slice(band, band + 1)).compute(scheduler="synchronous").to_numpy()
        for band in bands
    ]
    return np.concatenate(planes).astype(np.float32, copy=False)


def reduction_step(length: int, longest: int) -> int:
    """Return the side of squares of pixels of which a length becomes at most ``longest``."""
    return max(math.ceil(length / longest), 1)
