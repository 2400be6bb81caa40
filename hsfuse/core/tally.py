"""
Sums from which the metrics of :mod:`hsfuse.core.metrics` are computed.

Sums of blocks add up to those of the whole, so that a scene larger than memory has the same metrics
as one array. Cubes are ``(bands, rows, columns)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.similarity import SSIM_WINDOW, UIQI_WINDOW, complete_windows, ssim_map, uiqi_map

__all__ = [
    "HALO",
    "Mean",
    "Moments",
    "Tally",
    "angles_between",
    "valid_pixels",
    "take_angle",
    "take_moments",
    "take_tally",
    "take_windows",
]

Cube = NDArray[np.floating]
Mask = NDArray[np.bool_]
# Function of two planes of one band that returns one value for each window.
Index = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]

# Rows below and columns to the right of a block for the windows that start in it.
HALO = max(SSIM_WINDOW, UIQI_WINDOW) - 1
# Pixels whose spectra are converted to float64 at a time, to bound memory.
_SLAB = 4096


@dataclass(frozen=True, slots=True)
class Moments:
    """
    Sums over pixels for each band, and the metrics computed from them.

    Attributes
    ----------
    pixels : int
        Number of pixels.
    error : ndarray of shape (bands,)
        Sums of squared differences.
    truth, estimate, truth_square, estimate_square, product : ndarray of shape (bands,)
        Sums of values, of squared values, and of reference times estimate.
    """

    pixels: int
    error: NDArray[np.float64]
    truth: NDArray[np.float64]
    estimate: NDArray[np.float64]
    truth_square: NDArray[np.float64]
    estimate_square: NDArray[np.float64]
    product: NDArray[np.float64]

    def __add__(self, other: Moments) -> Moments:
        return Moments(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def rmse(self) -> float:
        """Return the root mean squared error over all values."""
        return float(np.sqrt(_ratio(self.error.mean(), self.pixels)))

    def psnr(self, peak: float) -> float:
        """Return the peak signal-to-noise ratio in decibels, the mean over bands."""
        with np.errstate(divide="ignore"):  # infinite for a band without error
            return float((10 * np.log10(peak**2 / _ratio(self.error, self.pixels))).mean())

    def ergas(self, ratio: float) -> float:
        """
        Return ERGAS in percent; NaN with a band of mean zero.

        Wald 2000, Quality of high resolution synthesised images: is there a simple criterion?
        """
        relative = _ratio(self.error * self.pixels, self.truth**2)
        return float(100 / ratio * np.sqrt(relative.mean()))

    def cc(self) -> float:
        """Return the mean correlation of the bands in which neither cube is constant."""
        covariance = self.pixels * self.product - self.truth * self.estimate
        spread = [
            np.maximum(self.pixels * square - total**2, 0)
            for square, total in (
                (self.truth_square, self.truth),
                (self.estimate_square, self.estimate),
            )
        ]
        # Variance of a constant band by rounding.
        varies = (spread[0] > 1e-12 * self.pixels * self.truth_square) & (
            spread[1] > 1e-12 * self.pixels * self.estimate_square
        )
        if not varies.any():
            return float("nan")
        scale = np.sqrt(spread[0][varies]) * np.sqrt(spread[1][varies])
        return float((covariance[varies] / scale).mean())


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean as a sum and a count, so that the means of blocks can be combined."""

    total: float = 0.0
    count: int = 0

    def __add__(self, other: Mean) -> Mean:
        return Mean(self.total + other.total, self.count + other.count)

    def value(self) -> float:
        """Return the mean; NaN without values."""
        return self.total / self.count if self.count else float("nan")


@dataclass(frozen=True, slots=True)
class Tally:
    """
    The sums of all metrics.

    Attributes
    ----------
    moments : Moments
        Sums over pixels.
    angle : Mean
        Spectral angles in degrees, over pixels.
    ssim, uiqi : Mean
        Mean over the windows of all bands.
    """

    moments: Moments
    angle: Mean
    ssim: Mean
    uiqi: Mean

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.moments + other.moments,
            self.angle + other.angle,
            self.ssim + other.ssim,
            self.uiqi + other.uiqi,
        )


def take_tally(
    truth: Cube, estimate: Cube, peak: float, core: tuple[int, int] | None = None
) -> Tally:
    """
    Return the sums of one block.

    Parameters
    ----------
    truth, estimate : ndarray of shape (bands, rows, columns)
        The block with up to :data:`HALO` further pixels below and to the right.
    peak : float
        The largest possible value, in the units of the data.
    core : tuple of int, optional
        Rows and columns of the block itself, whose pixels, and windows that start in it, count.
        The whole arrays by default.
    """
    valid = valid_pixels(truth, estimate)
    rows, columns = core or valid.shape

    def part(more: int) -> tuple[Cube, Cube, Mask]:
        cut = (slice(rows + more), slice(columns + more))
        return truth[:, *cut], estimate[:, *cut], valid[cut]

    return Tally(
        take_moments(*part(0)),
        take_angle(*part(0)),
        take_windows(*part(SSIM_WINDOW - 1), SSIM_WINDOW, partial(ssim_map, peak=peak)),
        take_windows(*part(UIQI_WINDOW - 1), UIQI_WINDOW, uiqi_map),
    )


def valid_pixels(truth: Cube, estimate: Cube) -> Mask:
    """Return the mask (rows, columns) of pixels that are finite in all bands of both."""
    if truth.ndim != 3 or truth.shape != estimate.shape:
        raise ValueError(
            "reference and estimate must be of one shape (bands, rows, columns), "
            f"got {truth.shape} and {estimate.shape}"
        )
    valid: Mask = np.ones(truth.shape[1:], dtype=bool)
    for values in (truth, estimate):
        for plane in values:
            valid &= np.isfinite(plane)
    return valid


def take_moments(truth: Cube, estimate: Cube, valid: Mask) -> Moments:
    """Return the sums over the valid pixels for each band."""
    sums = np.zeros((6, len(truth)))
    for band in range(len(truth)):
        t = truth[band][valid].astype(np.float64)
        e = estimate[band][valid].astype(np.float64)
        d = e - t
        sums[:, band] = d @ d, t.sum(), e.sum(), t @ t, e @ e, t @ e
    return Moments(int(np.count_nonzero(valid)), *sums)


def take_angle(truth: Cube, estimate: Cube, valid: Mask) -> Mean:
    """Return the mean spectral angle in degrees over the valid pixels with a true spectrum."""
    rows, columns = valid.shape
    step = max(1, _SLAB // max(columns, 1))
    mean = Mean()
    for start in range(0, rows, step):
        slab = slice(start, start + step)
        mean += _angles(truth[:, slab][:, valid[slab]], estimate[:, slab][:, valid[slab]])
    return mean


def _angles(truth: Cube, estimate: Cube) -> Mean:
    """Return the mean angle between spectra of shape (bands, pixels)."""
    angles = angles_between(truth, estimate)
    directed = np.isfinite(angles)
    return Mean(float(angles[directed].sum()), int(directed.sum()))


def angles_between(truth: Cube, estimate: Cube) -> NDArray[np.float64]:
    """
    Return the angles in degrees between spectra, NaN where that of the reference is zero.

    Parameters
    ----------
    truth, estimate : ndarray of shape (bands, pixels)
    """
    t, e = truth.astype(np.float64), estimate.astype(np.float64)
    length_t, length_e = np.linalg.norm(t, axis=0), np.linalg.norm(e, axis=0)
    directed = length_t > 0
    # The angle to a spectrum of zeros is defined as 90 degrees.
    length_e = np.where(length_e > 0, length_e, 1.0)
    t, e = t[:, directed] / length_t[directed], e[:, directed] / length_e[directed]
    # tan of half the angle (Kahan): arccos loses half the digits of small angles.
    half = np.arctan2(np.linalg.norm(e - t, axis=0), np.linalg.norm(e + t, axis=0))
    angles = np.full(directed.size, np.nan)
    angles[directed] = np.degrees(2 * half)
    return angles


def take_windows(truth: Cube, estimate: Cube, valid: Mask, size: int, index: Index) -> Mean:
    """Return the mean of an index over the complete windows of all bands."""
    complete = complete_windows(valid, size)
    mean = Mean()
    if not complete.any():
        return mean
    for planes in zip(truth, estimate, strict=True):
        # Incomplete windows do not count, so gaps are filled with any finite value.
        t, e = (np.where(valid, plane, 0.0).astype(np.float64) for plane in planes)
        values = index(t, e)[complete]
        mean += Mean(float(values.sum()), values.size)
    return mean


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return a quotient, NaN where the divisor is zero."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) > 0)
