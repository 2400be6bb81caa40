"""Sums and maps of an assessment for one block of a pair and its fused cube."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.assessment.observation import ObservedPair
from hsfuse.core.distortion import Distortion, WindowPixels, noise_distortion, window_distortion
from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.tally import Mean, Moments, angles_between, take_angle, take_moments
from hsfuse.fusion.consistency import compared_pixels, finite_in, hs_bands, ms_bands
from hsfuse.io.preview import read_window
from hsfuse.observe import Degrade

__all__ = ["MAPS", "WINDOW", "Placed", "Sums", "take_sums"]

Cube = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: Side of a window in HS pixels: the 8 x 8 of Wang and Bovik, and at ratio 4 the 32 x 32 MS
#: pixels of the published implementations of QNR.
WINDOW = 8
# Minimum share of valid pixels in a window, in both images.
_MINIMUM_VALID = 0.5
# Number of bands degraded at a time, which bounds the memory.
_BANDS = 16

#: Bands of the map on the pixels of the HS image: name -> description.
MAPS = {
    "hs_rmse": "RMSE of the degraded fused cube against the HS image, over bands",
    "hs_sam": "spectral angle between both in degrees",
    "ms_rmse": "RMSE of the fused cube's MS bands against the MS image",
    "d_lambda": "spectral distortion of QNR in the window",
    "d_lambda_k": "spectral distortion of HQNR in the window",
    "d_s": "spatial distortion in the window",
}


class Placed(NamedTuple):
    """
    A fused raster on the output grid of a pair.

    Attributes
    ----------
    raster : DataArray of shape (bands, rows, columns)
        The fused raster, lazy.
    row, column : int
        Position of its first pixel on the output grid; negative if it begins before the grid.
    bands : ndarray of int
        Indices of the bands to compare: good in the fused raster and in the pair.
    """

    raster: xr.DataArray
    row: int
    column: int
    bands: NDArray[np.intp]

    def read(self, rows: Span, columns: Span) -> Cube:
        """Return a window of the output grid, NaN outside the raster."""
        values = np.full((self.raster.sizes["band"], len(rows), len(columns)), np.nan, np.float32)
        parts = []
        for span, start, axis in ((rows, self.row, "y"), (columns, self.column, "x")):
            first = max(span.start, start)
            parts.append(Span(first, max(min(span.stop, start + self.raster.sizes[axis]), first)))
        down, across = parts
        if len(down) and len(across):
            values[:, down.within(rows), across.within(columns)] = read_window(
                self.raster, None, down.shifted(-self.row), across.shifted(-self.column)
            )
        return values


@dataclass(frozen=True, slots=True)
class Sums:
    """
    Sums over one or more blocks; those of disjoint blocks can be added.

    Attributes
    ----------
    hs, ms : Moments
        Moments of the HS and the MS image, as references, and of their estimates from the fused
        cube.
    hs_angle, ms_angle : Mean
        Mean spectral angle over pixels, in degrees.
    distortion, noise : Distortion
        Distortion over the windows, and the distortion caused by the noise of the HS image alone.
    """

    hs: Moments
    ms: Moments
    hs_angle: Mean
    ms_angle: Mean
    distortion: Distortion
    noise: Distortion

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.hs + other.hs,
            self.ms + other.ms,
            self.hs_angle + other.hs_angle,
            self.ms_angle + other.ms_angle,
            self.distortion + other.distortion,
            self.noise + other.noise,
        )


class _Block(NamedTuple):
    """
    The pixels of a block, fine (MS) and coarse (HS).

    Fine: ``fused`` (bands, rows, columns), ``ms``, and ``predicted_ms``, the estimate of ``ms``
    from ``fused``; they cover the HS pixels of the block. Coarse: ``hs``, ``degraded_ms`` and
    ``degraded`` (the fused cube). All values are finite where ``fine_valid`` and ``coarse_valid``
    are true. ``rows`` and ``columns`` are the index of the HS pixel that contains each fine row
    and column.
    """

    fused: Cube
    ms: Cube
    predicted_ms: Cube
    fine_valid: Mask
    hs: Cube
    degraded_ms: Cube
    degraded: Cube
    coarse_valid: Mask
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]


def take_sums(
    observed: ObservedPair, placed: Placed, rows: Span, columns: Span
) -> tuple[Sums, Cube]:
    """
    Return the sums of a block of HS pixels, and its maps, shape (maps, rows, columns).

    Parameters
    ----------
    observed : ObservedPair
        The pair.
    placed : Placed
        The fused cube.
    rows, columns : Span
        HS pixels of the block. Windows are counted from its first pixel, so that it has to be
        the first pixel of a window.
    """
    block = _read(observed, placed, rows, columns)
    hs, ms = block.hs, block.ms
    all_bands = np.arange(len(hs))
    degraded = finite_in(block.degraded, all_bands) & finite_in(hs, all_bands)
    sums = Sums(
        take_moments(hs, block.degraded, degraded),
        take_moments(ms, block.predicted_ms, block.fine_valid),
        take_angle(hs, block.degraded, degraded),
        take_angle(ms, block.predicted_ms, block.fine_valid),
        Distortion.none(len(placed.bands)),
        Distortion.none(len(placed.bands)),
    )
    maps = np.full((len(MAPS), len(rows), len(columns)), np.nan, np.float32)
    error = (block.degraded - hs)[:, degraded].astype(np.float64)
    maps[0][degraded] = np.sqrt((error**2).mean(axis=0))
    maps[1][degraded] = angles_between(hs[:, degraded], block.degraded[:, degraded])
    maps[2] = _ms_map(block)
    return _add_windows(observed, placed, block, sums, maps), maps


def _read(observed: ObservedPair, placed: Placed, rows: Span, columns: Span) -> _Block:
    pair, bands = observed.pair, placed.bands
    geometry, reach = pair.geometry, pair.psf.reach
    fine_rows = geometry.y.fine_span(rows, reach[0] + 0.5)
    fine_columns = geometry.x.fine_span(columns, reach[1] + 0.5)
    fused = placed.read(fine_rows, fine_columns)
    ms = read_window(pair.rgb, None, fine_rows, fine_columns)
    hs = read_window(pair.hs, None, rows, columns)[bands]
    valid = finite_in(fused, bands)
    window = Geometry(geometry.y.cut(fine_rows, rows), geometry.x.cut(fine_columns, columns))
    operator = Degrade.between(window, pair.psf)
    inside = np.outer(
        compared_pixels(geometry.y, pair.psf.fwhm[0])[rows.slice],
        compared_pixels(geometry.x, pair.psf.fwhm[1])[columns.slice],
    )
    degraded = np.concatenate(
        [
            hs_bands(fused[bands[first : first + _BANDS]], operator, valid)
            for first in range(0, len(bands), _BANDS)
        ]
    )
    degraded_ms = hs_bands(ms, operator, finite_in(ms, np.arange(len(ms))))
    for cube in (degraded, degraded_ms):
        cube[:, ~inside] = np.nan
    predicted_ms = ms_bands(fused, observed.radiometry)
    (down, row_index), (across, column_index) = (
        _fine_and_coarse(axis, fine, coarse)
        for axis, fine, coarse in (
            (geometry.y, fine_rows, rows),
            (geometry.x, fine_columns, columns),
        )
    )
    ms, predicted_ms = ms[:, down, across], predicted_ms[:, down, across]
    return _Block(
        fused[bands][:, down, across],
        ms,
        predicted_ms,
        valid[down, across] & np.isfinite(ms).all(axis=0) & np.isfinite(predicted_ms).all(axis=0),
        hs,
        degraded_ms,
        degraded,
        np.isfinite(hs).all(axis=0)
        & np.isfinite(degraded).all(axis=0)
        & np.isfinite(degraded_ms).all(axis=0),
        row_index,
        column_index,
    )


def _fine_and_coarse(axis: Axis, fine: Span, coarse: Span) -> tuple[slice, NDArray[np.intp]]:
    """Return the fine pixels inside a span of HS pixels, and the HS pixel that contains each."""
    centres = np.arange(fine.start, fine.stop) + 0.5
    index = np.floor((centres - axis.origin) / axis.ratio).astype(np.intp) - coarse.start
    first, last = np.searchsorted(index, [0, len(coarse)])
    return slice(int(first), int(last)), index[first:last]


def _ms_map(block: _Block) -> NDArray[np.float64]:
    """Return the RMSE from the MS image over the fine pixels of each HS pixel."""
    shape = block.coarse_valid.shape
    error = ((block.predicted_ms - block.ms).astype(np.float64) ** 2).mean(axis=0)
    place = (block.rows[:, None] * shape[1] + block.columns)[block.fine_valid]
    total = np.bincount(place, error[block.fine_valid], minlength=block.coarse_valid.size)
    count = np.bincount(place, minlength=block.coarse_valid.size)
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return np.sqrt(mean).reshape(shape)


def _add_windows(
    observed: ObservedPair, placed: Placed, block: _Block, sums: Sums, maps: Cube
) -> Sums:
    """Return the sums with the distortions of the windows added; write their maps in place."""
    total, noisy = sums.distortion, sums.noise
    noise = observed.noise[placed.bands]
    geometry, synthesis = observed.pair.geometry, observed.synthesis.of(placed.bands)
    enough = _MINIMUM_VALID * WINDOW**2
    enough_fine = enough * geometry.y.ratio * geometry.x.ratio
    for top in range(0, block.coarse_valid.shape[0], WINDOW):
        down = slice(*np.searchsorted(block.rows, [top, top + WINDOW]))
        for left in range(0, block.coarse_valid.shape[1], WINDOW):
            across = slice(*np.searchsorted(block.columns, [left, left + WINDOW]))
            place = slice(top, top + WINDOW), slice(left, left + WINDOW)
            fine, coarse = block.fine_valid[down, across], block.coarse_valid[place]
            if coarse.sum() < enough or fine.sum() < enough_fine:
                continue
            pixels = WindowPixels(
                _picked(block.fused[:, down, across], fine),
                _picked(block.ms[:, down, across], fine),
                _picked(block.hs[:, *place], coarse),
                _picked(block.degraded_ms[:, *place], coarse),
                _picked(block.degraded[:, *place], coarse),
            )
            distortion = window_distortion(pixels, synthesis)
            total += distortion
            noisy += noise_distortion(pixels, synthesis, noise, distortion)
            local = distortion.spectral().mean(), distortion.khan(), distortion.spatial().mean()
            maps[3:, *place] = np.array(local)[:, None, None]
    return replace(sums, distortion=total, noise=noisy)


def _picked(cube: Cube, mask: Mask) -> Cube:
    """Return the pixels of a window, (bands, pixels); most windows are complete."""
    return cube.reshape(len(cube), -1) if mask.all() else cube[:, mask]
