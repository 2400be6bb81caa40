"""
What a sensor sees of a cube, as a lazy raster: any window from its own part of the cube.

A view knows its shape and returns the noise-free image of any window; each window reads
what it needs of the cube and no more, so memory stays flat however large the cube is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import dask
import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.core.grid import Geometry, Span
from hsfuse.core.resample import blur_reach, degrade_matrix

__all__ = ["CoarseView", "FineView", "lazy_view"]

Image = NDArray[np.float32]

_TILE = 256  # pixels a side of a lazy raster's chunk
_TILE_BYTES = 64 * 2**20  # of the cube, read at once
_LEAST_SHARE = 0.5  # of the blur's weight on data: below it a coarse pixel has no data


@dataclass(frozen=True)
class CoarseView:
    """``D(Z)``: the noise-free HS image, any window of it, from a few windows of the cube."""

    cube: xr.DataArray
    geometry: Geometry
    fwhm: tuple[float, float]

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (bands, rows, columns) of the whole image."""
        return (self.cube.sizes["band"], *self.geometry.coarse_shape)

    def __call__(self, rows: Span, columns: Span) -> Image:
        """Return a window of the image, all bands."""
        pixels = self.shape[0] * self.geometry.ratio**2 * np.dtype(np.float32).itemsize
        side = max(1, int(math.sqrt(_TILE_BYTES / pixels)) - 4)
        image = np.empty((self.shape[0], len(rows), len(columns)), np.float32)
        for top in range(rows.start, rows.stop, side):
            down = Span(top, min(top + side, rows.stop))
            for left in range(columns.start, columns.stop, side):
                right = Span(left, min(left + side, columns.stop))
                image[:, down.within(rows), right.within(columns)] = self._tile(down, right)
        return image

    def _tile(self, rows: Span, columns: Span) -> Image:
        weights, window = [], []
        axes = (self.geometry.y, self.geometry.x)
        for axis, width, coarse in zip(axes, self.fwhm, (rows, columns), strict=True):
            # The margin counts from the outer pixel's edge, half a pixel beyond its centre.
            fine = axis.fine_span(coarse, margin=blur_reach(width) - 0.5)
            weights.append(degrade_matrix(axis, width, coarse, fine).astype(np.float32))
            window.append(fine.slice)
        values = _load(self.cube, window[0], window[1])
        missing = np.isnan(values)
        if not missing.any():
            return _both(weights, values)
        share = _both(weights, (~missing).astype(np.float32))
        filled = _both(weights, np.where(missing, np.float32(0.0), values))
        filled /= np.maximum(share, np.float32(1e-6))
        filled[share <= _LEAST_SHARE] = np.nan
        return filled


@dataclass(frozen=True)
class FineView:
    """``R Z``: the noise-free RGB or multispectral image, any window of it."""

    cube: xr.DataArray
    response: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (bands, rows, columns) of the whole image."""
        return (len(self.response), self.cube.sizes["y"], self.cube.sizes["x"])

    def __call__(self, rows: Span, columns: Span) -> Image:
        """Return a window of the image, all bands."""
        # Bands without weight are left out: their missing values would spread.
        used = np.flatnonzero(self.response.any(axis=0))
        values = _load(self.cube.isel(band=used), rows.slice, columns.slice)
        return np.tensordot(self.response[:, used].astype(np.float32), values, axes=1)


def _both(weights: list[Image], values: Image) -> Image:
    """Return ``down @ values @ right.T``; columns first, all bands in one product."""
    down, right = weights
    bands, rows, columns = values.shape
    narrow = values.reshape(bands * rows, columns) @ np.ascontiguousarray(right.T)
    return np.asarray(down @ narrow.reshape(bands, rows, -1), np.float32)


def _load(cube: xr.DataArray, rows: slice, columns: slice) -> Image:
    window = cube.isel(y=rows, x=columns).compute(scheduler="synchronous")
    return np.ascontiguousarray(window.to_numpy(), dtype=np.float32)


def lazy_view(see: CoarseView | FineView, snr: float | None, seed: tuple[int, int]) -> da.Array:
    """Return a view as a dask array, with noise; a tile's noise depends on its place alone."""
    bands, rows, columns = see.shape
    spans = [
        [Span(start, min(start + _TILE, n)) for start in range(0, n, _TILE)]
        for n in (rows, columns)
    ]
    sigma = None if snr is None else _rms(see, spans) * 10.0 ** (-snr / 20.0)

    def tile(block_info: dict[None, dict[str, list[tuple[int, int]]]]) -> Image:
        _, down, right = block_info[None]["array-location"]
        image = see(Span(*down), Span(*right))
        if sigma is not None:
            generator = np.random.default_rng((*seed, down[0], right[0]))
            draw = generator.standard_normal(image.shape, dtype=np.float32)
            image = image + sigma[:, None, None].astype(np.float32) * draw
        return image

    chunks = ((bands,), *(tuple(len(span) for span in axis) for axis in spans))
    token = dask.base.tokenize(see.cube.data, see, snr, seed)
    array: da.Array = da.map_blocks(
        tile,
        chunks=chunks,
        dtype=np.float32,
        meta=np.empty((0, 0, 0), np.float32),
        name=f"simulate-{token}",
    )
    return array


def _rms(see: CoarseView | FineView, spans: list[list[Span]]) -> NDArray[np.float64]:
    """Return the root of each band's mean square: one pass over the cube; 0 without data."""
    total, count = np.zeros(see.shape[0]), np.zeros(see.shape[0])
    for down in spans[0]:
        for right in spans[1]:
            image = see(down, right).astype(np.float64)
            total += np.nansum(image**2, axis=(1, 2))
            count += np.isfinite(image).sum(axis=(1, 2))
    return np.sqrt(total / np.maximum(count, 1.0))
