"""
Observations of a cube by two sensors, as lazy rasters.

An observation has a shape and returns the noise-free image of any window. A window reads only the
part of the cube that it needs, so memory does not grow with the cube.
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
from hsfuse.core.psf import PSF
from hsfuse.core.resample import degrade_matrix

__all__ = ["HSObservation", "MSObservation", "lazy_observation"]

Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Settings:
    """
    Sizes of chunks, and the threshold of no data.

    Attributes
    ----------
    chunk : int
        Side of a chunk of the lazy raster in pixels; the noise of a chunk depends on its position.
    tile_bytes : int
        Bytes of the cube that are read at a time for an HS window, to limit memory.
    minimum_share : float
        Share of the weight of the PSF on pixels with data, at or below which an HS pixel has no
        data.
    """

    chunk: int = 256
    tile_bytes: int = 64 * 2**20
    minimum_share: float = 0.5


_SETTINGS = _Settings()


@dataclass(frozen=True)
class HSObservation:
    """
    The noise-free HS image ``D(Z)`` (eq. 1).

    Attributes
    ----------
    cube : DataArray
        Z, dims (band, y, x).
    geometry : Geometry
        Grid of the HS image relative to the cube.
    psf : PSF
        PSF in HS pixels.
    """

    cube: xr.DataArray
    geometry: Geometry
    psf: PSF

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (bands, rows, columns) of the whole image."""
        return (self.cube.sizes["band"], *self.geometry.coarse_shape)

    def __call__(self, rows: Span, columns: Span) -> Image:
        """Return a window of the image, (bands, rows, columns)."""
        pixels = self.shape[0] * self.geometry.ratio**2 * np.dtype(np.float32).itemsize
        side = max(1, int(math.sqrt(_SETTINGS.tile_bytes / pixels)) - 4)
        image = np.empty((self.shape[0], len(rows), len(columns)), np.float32)
        for top in range(rows.start, rows.stop, side):
            down = Span(top, min(top + side, rows.stop))
            for left in range(columns.start, columns.stop, side):
                right = Span(left, min(left + side, columns.stop))
                image[:, down.within(rows), right.within(columns)] = self._tile(down, right)
        return image

    def _tile(self, rows: Span, columns: Span) -> Image:
        weights, window = [], []
        axes, psf = (self.geometry.y, self.geometry.x), self.psf
        for axis, width, radius, coarse in zip(
            axes, psf.fwhm, psf.reach, (rows, columns), strict=True
        ):
            # The margin starts at the edge of the outer pixel, half a pixel beyond its centre.
            fine = axis.fine_span(coarse, margin=radius - 0.5)
            weights.append(degrade_matrix(axis, width, coarse, fine).astype(np.float32))
            window.append(fine.slice)
        values = _load(self.cube, window[0], window[1])
        missing = np.isnan(values)
        if not missing.any():
            return _apply(weights, values)
        share = _apply(weights, (~missing).astype(np.float32))
        filled = _apply(weights, np.where(missing, np.float32(0.0), values))
        filled /= np.maximum(share, np.float32(1e-6))
        filled[share <= _SETTINGS.minimum_share] = np.nan
        return filled


@dataclass(frozen=True)
class MSObservation:
    """
    The noise-free MS image ``R Z`` (eq. 2).

    Attributes
    ----------
    cube : DataArray
        Z, dims (band, y, x).
    response : ndarray of shape (MS bands, bands)
        R; rows sum to one.
    """

    cube: xr.DataArray
    response: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (bands, rows, columns) of the whole image."""
        return (len(self.response), self.cube.sizes["y"], self.cube.sizes["x"])

    def __call__(self, rows: Span, columns: Span) -> Image:
        """Return a window of the image, (bands, rows, columns)."""
        # Bands without weight are omitted, so that their missing values do not propagate.
        used = np.flatnonzero(self.response.any(axis=0))
        values = _load(self.cube.isel(band=used), rows.slice, columns.slice)
        return np.tensordot(self.response[:, used].astype(np.float32), values, axes=1)


def _apply(weights: list[Image], values: Image) -> Image:
    """Return ``down @ values @ right.T``, columns first, with one product for all bands."""
    down, right = weights
    bands, rows, columns = values.shape
    narrow = values.reshape(bands * rows, columns) @ np.ascontiguousarray(right.T)
    return np.asarray(down @ narrow.reshape(bands, rows, -1), np.float32)


def _load(cube: xr.DataArray, rows: slice, columns: slice) -> Image:
    window = cube.isel(y=rows, x=columns).compute(scheduler="synchronous")
    return np.ascontiguousarray(window.to_numpy(), dtype=np.float32)


def lazy_observation(
    observation: HSObservation | MSObservation, snr: float | None, seed: tuple[int, int]
) -> da.Array:
    """
    Return an observation as a dask array, with white Gaussian noise.

    Parameters
    ----------
    observation : HSObservation or MSObservation
        The noise-free image.
    snr : float or None
        Signal-to-noise ratio of every band in decibels; None for no noise.
    seed : tuple of int
        Random seed of the noise; the noise of a chunk depends only on it and on its position.
    """
    bands, rows, columns = observation.shape
    spans = [
        [Span(start, min(start + _SETTINGS.chunk, n)) for start in range(0, n, _SETTINGS.chunk)]
        for n in (rows, columns)
    ]
    sigma = None if snr is None else _rms(observation, spans) * 10.0 ** (-snr / 20.0)

    def tile(block_info: dict[None, dict[str, list[tuple[int, int]]]]) -> Image:
        _, down, right = block_info[None]["array-location"]
        image = observation(Span(*down), Span(*right))
        if sigma is not None:
            generator = np.random.default_rng((*seed, down[0], right[0]))
            draw = generator.standard_normal(image.shape, dtype=np.float32)
            image = image + sigma[:, None, None].astype(np.float32) * draw
        return image

    chunks = ((bands,), *(tuple(len(span) for span in axis) for axis in spans))
    token = dask.base.tokenize(observation.cube.data, observation, snr, seed)
    array: da.Array = da.map_blocks(
        tile,
        chunks=chunks,
        dtype=np.float32,
        meta=np.empty((0, 0, 0), np.float32),
        name=f"simulate-{token}",
    )
    return array


def _rms(
    observation: HSObservation | MSObservation, spans: list[list[Span]]
) -> NDArray[np.float64]:
    """Return the root mean square (bands,), in one pass over the cube; 0 without data."""
    total, count = np.zeros(observation.shape[0]), np.zeros(observation.shape[0])
    for down in spans[0]:
        for right in spans[1]:
            image = observation(down, right).astype(np.float64)
            total += np.nansum(image**2, axis=(1, 2))
            count += np.isfinite(image).sum(axis=(1, 2))
    return np.sqrt(total / np.maximum(count, 1.0))
