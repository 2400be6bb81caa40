"""
Previews of rasters of any size: a few bands at reduced size, in bounded memory.

A GeoTIFF is read from its overviews; other rasters are read piece by piece and averaged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioError

from hsfuse.core.grid import Span
from hsfuse.core.overview import block_means
from hsfuse.errors import RasterError
from hsfuse.io.handles import open_quietly
from hsfuse.io.pixels import StorePixels
from hsfuse.io.read import open_raster
from hsfuse.io.settings import PREVIEW
from hsfuse.io.stores import open_store
from hsfuse.io.url import AnyPath

__all__ = ["preview_file", "preview_raster", "read_file_window", "read_window"]

Image = NDArray[np.float32]


def preview_file(path: AnyPath, bands: Sequence[int], longest: int) -> Image:
    """
    Return some bands of a file at reduced size.

    Parameters
    ----------
    path : Path or Url
        A GeoTIFF or a zarr store.
    bands : sequence of int
        Indexes of the bands, from 0.
    longest : int
        Largest length of the longer side, in pixels.

    Returns
    -------
    ndarray of shape (bands, rows, columns)
        Means of the pixels with data; NaN where there are none.

    Raises
    ------
    RasterError
        If the file cannot be read.
    """
    if path.is_dir():
        pixels = open_store(path).pixels
        return _reduced(pixels.shape[1:], bands, longest, partial(_stored_plane, pixels))
    try:
        with open_quietly(str(path)) as dataset:
            step = _step(max(dataset.shape), longest)
            shape = [math.ceil(length / step) for length in dataset.shape]
            stored = dataset.read(
                [band + 1 for band in bands],
                out_shape=(len(bands), *shape),
                masked=True,
                resampling=Resampling.average,
            )
            image = np.empty(stored.shape, np.float32)
            for plane, values, band in zip(image, stored, bands, strict=True):
                scale, offset = dataset.scales[band], dataset.offsets[band]
                plane[...] = (values.astype(np.float64) * scale + offset).filled(np.nan)
    except RasterioError as error:
        raise RasterError(f"{path}: cannot be read ({error})") from error
    return image


def preview_raster(raster: xr.DataArray, bands: Sequence[int], longest: int) -> Image:
    """
    Return some bands of a lazy raster, reduced by an integer factor; see :func:`preview_file`.

    Every pixel of these bands is read, piece by piece. A warped raster computes all its bands to
    give one, so the pieces are smaller for more bands.
    """
    pixels = PREVIEW.piece_values // raster.sizes["band"]
    return _reduced(raster.shape[1:], bands, longest, partial(_raster_plane, raster), pixels)


def _stored_plane(pixels: StorePixels, band: int, rows: Span, columns: Span) -> Image:
    return pixels[slice(band, band + 1), rows.slice, columns.slice][0]


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
    step = _step(max(rows, columns), longest)
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


def _step(length: int, longest: int) -> int:
    return max(math.ceil(length / longest), 1)
