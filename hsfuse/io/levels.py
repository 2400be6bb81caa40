"""
Windows of rasters at reduced resolution, read in bounded time and memory.

At step 4 a pixel is the mean of 4 x 4 pixels of the raster. Overviews are used where they exist. A
raster without overviews is averaged up to a limit of values read, and sampled beyond it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.core.grid import Span
from hsfuse.core.overview import block_means, halved_length
from hsfuse.io.files.url import AnyPath, as_path
from hsfuse.io.input.handles import open_quietly
from hsfuse.io.input.pixels import (
    Cube,
    FilePixels,
    Key,
    Opened,
    Pixels,
    StackedPixels,
    StorePixels,
    split_index,
)
from hsfuse.io.preview import read_window, reduction_step
from hsfuse.io.read import open_pixels
from hsfuse.io.settings import LEVELS

__all__ = ["Level", "Pyramid", "array_pyramid", "open_pyramid", "preview_file"]

Block = tuple[int, int, int]


class Level(NamedTuple):
    """
    One resolution level of a raster: the raster itself or an overview.

    Attributes
    ----------
    step : int
        Side of a pixel of this level, in pixels of the raster.
    pixels : Pixels
    block : tuple of int
        Bands, rows and columns of a stored block.
    """

    step: int
    pixels: Pixels
    block: Block


@dataclass(frozen=True)
class Pyramid:
    """
    A raster with its overviews.

    Attributes
    ----------
    levels : tuple of Level
        From fine to coarse; the first is the raster itself.
    """

    levels: tuple[Level, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, rows and columns of the raster."""
        return self.levels[0].pixels.shape

    def size(self, step: int) -> tuple[int, int]:
        """Return rows and columns at a step."""
        rows, columns = (math.ceil(length / step) for length in self.shape[1:])
        return rows, columns

    def sampled(self, step: int) -> bool:
        """Return whether the whole raster is sampled instead of averaged at a step."""
        level, reduction = self._level(step)
        whole = [Span(0, length) for length in level.pixels.shape[1:]]
        return reduction > 1 and _cost(level, [0], whole[0], whole[1]) > LEVELS.most_values

    def read(self, bands: Sequence[int], step: int, rows: Span, columns: Span) -> Cube:
        """
        Return a window at reduced resolution.

        Parameters
        ----------
        bands : sequence of int
            Indexes of the bands, from 0.
        step : int
            Side of a pixel of the result, in pixels of the raster; a power of two.
        rows, columns : Span
            The window, in pixels of the result, within :meth:`size`.

        Returns
        -------
        ndarray of shape (bands, rows, columns)
            Means of the pixels with data, NaN where there are none. Where the raster has no
            overviews and the blocks of the window hold more than 2 ** 27 values, only blocks evenly
            spread over the window are read, and a pixel is the nearest mean.

        Raises
        ------
        RasterError
            If pixels cannot be read.
        """
        level, reduction = self._level(step)
        down, across = (
            Span(span.start * reduction, min(span.stop * reduction, length))
            for span, length in zip((rows, columns), level.pixels.shape[1:], strict=True)
        )
        if reduction == 1 or _cost(level, bands, down, across) <= LEVELS.most_values:
            return _means(level, bands, reduction, down, across)
        return _sample(level, bands, reduction, down, across)

    def _level(self, step: int) -> tuple[Level, int]:
        """Return the coarsest level usable for a step, and the remaining reduction factor."""
        level = [each for each in self.levels if each.step <= step and step % each.step == 0][-1]
        return level, step // level.step


def open_pyramid(path: str | os.PathLike[str]) -> tuple[Pyramid, Pyramid | None]:
    """
    Return the pyramids of a raster and of its standard error, None where it has none.

    Parameters
    ----------
    path : str or path
        As :func:`hsfuse.open_raster` takes it.

    Raises
    ------
    RasterError
        As :func:`hsfuse.open_raster`.
    """
    opened = open_pixels(path)
    reduced = _stored_levels(path, opened)
    images = [_pyramid(opened.pixels, opened, [level.pixels for level in reduced])]
    if opened.standard_error is not None:
        errors = [level.standard_error for level in reduced]
        images.append(_pyramid(opened.standard_error, opened, errors))
    return images[0], images[1] if len(images) > 1 else None


def preview_file(path: AnyPath, bands: Sequence[int], longest: int) -> Cube:
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
        Means of the pixels with data, from overviews or levels where there are some; NaN where
        there are none. A pixel is a square of 1, 2, 4 ... pixels.

    Raises
    ------
    RasterError
        If the file cannot be read.
    """
    pyramid, _ = open_pyramid(path)
    # A power of two, since the levels have such steps.
    step = 2 ** math.ceil(math.log2(reduction_step(max(pyramid.shape[1:]), longest)))
    rows, columns = (Span(0, length) for length in pyramid.size(step))
    return pyramid.read(bands, step, rows, columns)


def array_pyramid(raster: xr.DataArray) -> Pyramid:
    """Return a lazy raster (band, y, x) as a pyramid without overviews."""
    chunks = raster.encoding.get("preferred_chunks", {})
    block = (1, int(chunks.get("y", 1)), int(chunks.get("x", raster.sizes["x"])))
    return Pyramid((Level(1, _ArrayPixels(raster), block),))


@dataclass(frozen=True, eq=False)
class _ArrayPixels:
    """The pixels of a lazy raster."""

    raster: xr.DataArray

    @property
    def path(self) -> str:
        return str(self.raster.attrs.get("source", ""))

    @property
    def shape(self) -> tuple[int, int, int]:
        bands, rows, columns = self.raster.shape
        return bands, rows, columns

    def __getitem__(self, key: Key) -> Cube:
        (bands, rows, columns), rest = split_index(key, self.shape)
        part = self.raster.isel(band=slice(bands.start, bands.stop))
        window = Span(rows.start, rows.stop), Span(columns.start, columns.stop)
        return read_window(part, None, *window)[rest]


def _pyramid(pixels: Pixels, opened: Opened, stored: Sequence[Pixels | None]) -> Pyramid:
    """Return the pyramid of pixels, with the levels of a store or the overviews of a file."""
    block = _block(pixels, opened)
    levels, size = [Level(1, pixels, block)], pixels.shape[1:]
    count = len(stored) or len(_overviews(pixels))
    for number in range(count):
        size = halved_length(size[0]), halved_length(size[1])
        reduced = stored[number] if stored else _overview(pixels, number, size)
        if reduced is None or reduced.shape[1:] != size:
            break
        levels.append(Level(2 ** (number + 1), reduced, block))
    return Pyramid(tuple(levels))


def _stored_levels(path: str | os.PathLike[str], opened: Opened) -> list[Opened]:
    """Return the reduced levels of a zarr store, from large to small; empty for other formats."""
    if not isinstance(opened.pixels, StorePixels) or not as_path(path).is_dir():
        return []
    from hsfuse.io.input.stores import open_levels

    return open_levels(as_path(path))


def _overviews(pixels: Pixels) -> list[int]:
    """Return the factors (2, 4, 8 ...) of the overviews common to all files of a raster."""
    if isinstance(pixels, StackedPixels):
        common = [_overviews(layer) for layer in pixels.layers]
        return min(common, key=len) if common else []
    if not isinstance(pixels, FilePixels):
        return []
    with open_quietly(pixels.path) as dataset:
        factors: list[int] = dataset.overviews(pixels.indexes[0])
    halved = [2 ** (number + 1) for number in range(len(factors))]
    return [factor for factor, half in zip(factors, halved, strict=True) if factor == half]


def _overview(pixels: Pixels, number: int, size: tuple[int, int]) -> Pixels | None:
    """Return an overview as pixels; None where its size is not exactly halved."""
    if isinstance(pixels, StackedPixels):
        layers = [_overview(layer, number, size) for layer in pixels.layers]
        overviews = tuple(layer for layer in layers if isinstance(layer, FilePixels))
        return replace(pixels, layers=overviews) if len(overviews) == len(layers) else None
    if not isinstance(pixels, FilePixels):
        return None
    with open_quietly(pixels.path, number) as dataset:
        stored = dataset.height, dataset.width
    return replace(pixels, size=size, overview=number) if stored == size else None


def _block(pixels: Pixels, opened: Opened) -> Block:
    """Return the bands, rows and columns of a stored block."""
    rows, columns = opened.block
    if isinstance(pixels, StorePixels):
        chunks = pixels.variable.encoding.get("preferred_chunks", {})
        sizes = dict(zip(pixels.variable.dims, (1, rows, columns), strict=True))
        bands, rows, columns = (int(chunks.get(name, size)) for name, size in sizes.items())
        return bands, rows, columns
    if isinstance(pixels, FilePixels):
        with open_quietly(pixels.path) as dataset:
            interleaved = str(dataset.interleaving or "").lower().endswith("pixel")
        return (dataset.count if interleaved else 1), rows, columns
    return 1, rows, columns


def _blocks_of(level: Level, bands: Sequence[int]) -> int:
    """Return the number of blocks along the bands that hold some bands."""
    return len({band // level.block[0] for band in bands})


def _cost(level: Level, bands: Sequence[int], rows: Span, columns: Span) -> int:
    """Return the number of values in all blocks that a window touches."""
    blocks = math.prod(
        (span.stop - 1) // side - span.start // side + 1
        for span, side in zip((rows, columns), level.block[1:], strict=True)
    )
    return blocks * _blocks_of(level, bands) * math.prod(level.block)


def _means(level: Level, bands: Sequence[int], reduction: int, rows: Span, columns: Span) -> Cube:
    """Return the means of squares of pixels, read piece by piece."""
    shape = (math.ceil(len(span) / reduction) for span in (rows, columns))
    cube = np.empty((len(bands), *shape), np.float32)
    for first, last in _runs(level, bands):
        places = [place for place, band in enumerate(bands) if first <= band <= last]
        selected = [bands[place] - first for place in places]
        height = _height(level, reduction, (last - first + 1) * len(columns))
        for top in range(rows.start, rows.stop, height):
            span = slice(top, min(top + height, rows.stop))
            piece = level.pixels[(slice(first, last + 1), span, columns.slice)][selected]
            row = (top - rows.start) // reduction
            for place, plane in zip(places, piece, strict=True):
                small = block_means(plane, reduction)
                cube[place, row : row + len(small)] = small
    return cube


def _height(level: Level, reduction: int, row_values: int) -> int:
    """Return the number of rows of a piece: whole squares, and whole blocks unless too large."""
    rows = level.block[1]
    blocks = rows % reduction == 0 and rows * row_values <= 4 * LEVELS.piece_values
    unit = rows if blocks else reduction
    return max(LEVELS.piece_values // row_values // unit, 1) * unit


def _runs(level: Level, bands: Sequence[int]) -> list[tuple[int, int]]:
    """Return first and last band of each group read at once: adjacent, or in one block."""
    runs: list[tuple[int, int]] = []
    for band in sorted(set(bands)):
        if runs and (
            band == runs[-1][1] + 1 or band // level.block[0] == runs[-1][1] // level.block[0]
        ):
            runs[-1] = runs[-1][0], band
        else:
            runs.append((band, band))
    return runs


def _sample(level: Level, bands: Sequence[int], reduction: int, rows: Span, columns: Span) -> Cube:
    """Return means of squares of pixels of blocks spread over a window, by nearest neighbour."""
    blocks = max(LEVELS.most_values // (_blocks_of(level, bands) * math.prod(level.block)), 1)
    down, across = _spread(level, rows, columns, min(blocks, LEVELS.most_reads))
    parts = [
        [_means(level, bands, reduction, high, wide) for wide in across]
        for high in down
    ]  # fmt: skip
    values = np.concatenate([np.concatenate(line, axis=2) for line in parts], axis=1)
    near = [
        _nearest(_centres(taken, reduction), math.ceil(len(span) / reduction), span, reduction)
        for taken, span in ((down, rows), (across, columns))
    ]
    return values[:, near[0][:, None], near[1][None]]


def _spread(level: Level, rows: Span, columns: Span, blocks: int) -> tuple[list[Span], list[Span]]:
    """Return the row spans and the column spans of blocks spread evenly over a window."""
    counts = [
        math.ceil(len(span) / side)
        for span, side in zip((rows, columns), level.block[1:], strict=True)
    ]
    across = min(counts[1], max(math.isqrt(blocks), 1))
    down = min(counts[0], max(blocks // across, 1))
    across = min(counts[1], max(blocks // down, 1))
    samples = []
    for span, side, count, wanted in zip(
        (rows, columns), level.block[1:], counts, (down, across), strict=True
    ):
        starts = [
            span.start + int((place + 0.5) * count / wanted) * side for place in range(wanted)
        ]
        samples.append([Span(start, min(start + side, span.stop)) for start in starts])
    return samples[0], samples[1]


def _centres(spans: Sequence[Span], reduction: int) -> NDArray[np.float64]:
    """Return the centres of the squares of pixels of several spans."""
    return np.concatenate(
        [np.arange(span.start, span.stop, reduction) + reduction / 2 for span in spans]
    )


def _nearest(
    centres: NDArray[np.float64], count: int, span: Span, reduction: int
) -> NDArray[np.intp]:
    """Return the index of the nearest centre for each square of a window along one axis."""
    wanted = span.start + (np.arange(count) + 0.5) * reduction
    return np.searchsorted((centres[1:] + centres[:-1]) / 2, wanted)
