"""Lazy resampling of a raster by a displacement that varies over it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates

from hsfuse.core.drift import Drift
from hsfuse.io.input.labels import raster_label
from hsfuse.io.input.pixels import Cube, Key, chunk_size, lazy, read_part, split_index
from hsfuse.io.settings import RESAMPLING

__all__ = ["DisplacedPixels", "displace"]


def displace(raster: xr.DataArray, drift: Drift) -> xr.DataArray:
    """
    Return a raster resampled by a displacement that varies over it, lazily.

    Parameters
    ----------
    raster : DataArray
        (band, y, x).
    drift : Drift
        Displacement of the content of each pixel from its position, in pixels of the raster.

    Returns
    -------
    DataArray
        On the grid of the raster, cubic spline; NaN where the nearest pixel has no data.
    """
    pixels = DisplacedPixels(raster_label(raster), da.asarray(raster.data), drift)
    return raster.copy(data=lazy(pixels, chunk_size(pixels.shape, (1, 1))))


@dataclass(frozen=True, eq=False)
class DisplacedPixels:
    """
    Pixels of :func:`displace`; each window is resampled from the source pixels it needs.

    Attributes
    ----------
    path : str
        File or store that is resampled, for messages.
    source : dask Array of shape (bands, rows, columns)
        float32, NaN for no data.
    drift : Drift
    """

    path: str
    source: da.Array
    drift: Drift
    dtype: np.dtype[np.float32] = np.dtype(np.float32)  # noqa: RUF009 - a constant
    ndim: int = 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape ``(bands, rows, columns)``."""
        bands, rows, columns = self.source.shape
        return (bands, rows, columns)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Return the identifier of these pixels for dask."""
        return ("DisplacedPixels", self.source.name, repr(self.drift))

    def __getitem__(self, key: Key) -> Cube:
        """Resample bands of a window."""
        (bands, rows, columns), rest = split_index(key, self.shape)
        result = np.empty((len(bands), len(rows), len(columns)), np.float32)
        if not result.size:
            return result[rest]
        centres = np.meshgrid(np.array(rows) + 0.5, np.array(columns) + 0.5, indexing="ij")
        shifts = self.drift.at(*centres)
        # Source position of each pixel; the drift varies little over its own length.
        places = [centre - shift - 0.5 for centre, shift in zip(centres, shifts, strict=True)]
        spans = [
            range(
                min(max(math.floor(place.min()) - RESAMPLING.spline, 0), length - 1),
                min(max(math.ceil(place.max()) + RESAMPLING.spline, 1), length),
            )
            for place, length in zip(places, self.shape[1:], strict=True)
        ]
        values = read_part(self.source, bands, *spans)
        local = np.stack([p - span.start for p, span in zip(places, spans, strict=True)])
        for target, plane in zip(result, values, strict=True):
            target[...] = _interpolate(plane, local)
        return result[rest]


def _interpolate(plane: NDArray[np.float32], places: NDArray[np.float64]) -> NDArray[np.float32]:
    """Interpolate a plane at places (2, rows, columns); NaN where the nearest pixel is NaN."""
    missing = ~np.isfinite(plane)
    if missing.all():
        return np.full(places.shape[1:], np.nan, np.float32)
    if missing.any():
        nearest = distance_transform_edt(missing, return_distances=False, return_indices=True)
        plane = plane[tuple(nearest)]
    values = map_coordinates(plane, places, order=3, mode="nearest")
    absent = map_coordinates(missing.astype(np.uint8), places, order=0, mode="constant", cval=1)
    return np.where(absent > 0, np.float32(np.nan), values)
