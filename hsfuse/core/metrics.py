"""
How close an estimated cube is to the truth.

Cubes are ``(bands, rows, columns)``. A pixel that is not finite in any band of either
cube is left out of every figure. All figures come from a :class:`Tally` of sums, so a
scene larger than memory is scored block by block with the same result.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.similarity import (
    SSIM_WINDOW,
    UIQI_WINDOW,
    complete_windows,
    ssim_map,
    uiqi_map,
)

__all__ = [
    "HALO",
    "Score",
    "Tally",
    "cc",
    "ergas",
    "psnr",
    "rmse",
    "sam",
    "score",
    "ssim",
    "take_tally",
    "uiqi",
]

Cube = NDArray[np.floating]
Mask = NDArray[np.bool_]

# Pixels below and right of a block that the windows which start in it reach into.
HALO = max(SSIM_WINDOW, UIQI_WINDOW) - 1


@dataclass(frozen=True, slots=True)
class Score:
    """
    Every figure for one estimate.

    Attributes
    ----------
    rmse : float
        Root mean squared error over all values, in the units of the data.
    rmse_8bit : float
        The same on the scale 0 to 255: ``255 * rmse / peak``.
    psnr : float
        Decibels, per band with the one ``peak``, averaged over bands.
    sam : float
        Spectral angle in degrees, averaged over pixels.
    ssim : float
        Per band, 11 x 11 Gaussian windows, averaged over bands; NaN when no window is
        complete.
    ergas : float
        Relative error over all bands in percent; NaN when ``ratio`` is not known.
    uiqi : float
        Per band, 32 x 32 windows, averaged over bands; NaN when no window is complete.
    cc : float
        Pearson's correlation per band, averaged over the bands in which neither is constant.
    peak : float
        What was taken for the largest value.
    ratio : float or None
        Fine pixels per coarse pixel.
    bands, pixels : int
        What was compared.
    """

    rmse: float
    rmse_8bit: float
    psnr: float
    sam: float
    ssim: float
    ergas: float
    uiqi: float
    cc: float
    peak: float
    ratio: float | None
    bands: int
    pixels: int


@dataclass(frozen=True, slots=True)
class _Moments:
    """Sums over pixels, each of shape (bands,)."""

    pixels: int
    error: NDArray[np.float64]
    truth: NDArray[np.float64]
    estimate: NDArray[np.float64]
    truth_square: NDArray[np.float64]
    estimate_square: NDArray[np.float64]
    product: NDArray[np.float64]

    def __add__(self, other: _Moments) -> _Moments:
        return _Moments(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def rmse(self) -> float:
        return float(np.sqrt(_ratio(self.error.mean(), self.pixels)))

    def psnr(self, peak: float) -> float:
        with np.errstate(divide="ignore"):  # an exact band has infinitely many decibels
            return float((10 * np.log10(peak**2 / _ratio(self.error, self.pixels))).mean())

    def ergas(self, ratio: float) -> float:
        relative = _ratio(self.error * self.pixels, self.truth**2)
        return float(100 / ratio * np.sqrt(relative.mean()))

    def cc(self) -> float:
        covariance = self.pixels * self.product - self.truth * self.estimate
        spread = [
            np.maximum(self.pixels * square - total**2, 0)
            for square, total in (
                (self.truth_square, self.truth),
                (self.estimate_square, self.estimate),
            )
        ]
        # Rounding leaves a constant band a spread of this order.
        varies = (spread[0] > 1e-12 * self.pixels * self.truth_square) & (
            spread[1] > 1e-12 * self.pixels * self.estimate_square
        )
        if not varies.any():
            return float("nan")
        scale = np.sqrt(spread[0][varies]) * np.sqrt(spread[1][varies])
        return float((covariance[varies] / scale).mean())


@dataclass(frozen=True, slots=True)
class _Mean:
    """A mean that can be added to another of the same thing."""

    total: float = 0.0
    count: int = 0

    def __add__(self, other: _Mean) -> _Mean:
        return _Mean(self.total + other.total, self.count + other.count)

    def value(self) -> float:
        return self.total / self.count if self.count else float("nan")


@dataclass(frozen=True, slots=True)
class Tally:
    """The sums behind a :class:`Score`; those of parts add up to those of the whole."""

    moments: _Moments
    angle: _Mean
    ssim: _Mean
    uiqi: _Mean

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.moments + other.moments,
            self.angle + other.angle,
            self.ssim + other.ssim,
            self.uiqi + other.uiqi,
        )

    def score(self, peak: float, ratio: float | None) -> Score:
        """Return the figures; ``peak`` must be the one that the tally was taken with."""
        error = self.moments.rmse()
        return Score(
            rmse=error,
            rmse_8bit=255 * error / peak,
            psnr=self.moments.psnr(peak),
            sam=self.angle.value(),
            ssim=self.ssim.value(),
            ergas=float("nan") if ratio is None else self.moments.ergas(ratio),
            uiqi=self.uiqi.value(),
            cc=self.moments.cc(),
            peak=peak,
            ratio=ratio,
            bands=len(self.moments.error),
            pixels=self.moments.pixels,
        )


def rmse(truth: Cube, estimate: Cube) -> float:
    """
    Return the root mean squared error over all values, in the units of the data.

    Examples
    --------
    >>> rmse(np.zeros((1, 1, 2)), np.array([[[3.0, 4.0]]])) ** 2
    12.5
    """
    return _moments(truth, estimate, _known(truth, estimate)).rmse()


def psnr(truth: Cube, estimate: Cube, peak: float = 1.0) -> float:
    """
    Return the peak signal-to-noise ratio in decibels, per band, averaged over bands.

    Parameters
    ----------
    truth, estimate : ndarray of shape (bands, rows, columns)
    peak : float
        The largest possible value, the same for all bands, in the units of the data.

    Examples
    --------
    >>> round(psnr(np.zeros((1, 1, 2)), np.full((1, 1, 2), 0.1)), 6)
    20.0
    """
    return _moments(truth, estimate, _known(truth, estimate)).psnr(peak)


def ergas(truth: Cube, estimate: Cube, ratio: float) -> float:
    """
    Return the relative global error in synthesis, in percent.

    Wald 2000: ``100 / ratio * sqrt(mean over bands of (rmse / mean of the truth)²)``; NaN
    where a band of the truth is zero on average.

    Parameters
    ----------
    truth, estimate : ndarray of shape (bands, rows, columns)
    ratio : float
        Fine pixels per coarse pixel.
    """
    return _moments(truth, estimate, _known(truth, estimate)).ergas(ratio)


def cc(truth: Cube, estimate: Cube) -> float:
    """
    Return Pearson's correlation per band, averaged over bands.

    Bands in which either cube is constant have none and are left out.
    """
    return _moments(truth, estimate, _known(truth, estimate)).cc()


def sam(truth: Cube, estimate: Cube) -> float:
    """
    Return the spectral angle in degrees, averaged over pixels.

    Kruse et al. 1993, doi:10.1016/0034-4257(93)90013-N. Pixels whose true spectrum is zero
    have no direction and are left out; an estimate of zero there is 90 degrees off.

    Examples
    --------
    >>> truth = np.array([1.0, 0.0]).reshape(2, 1, 1)
    >>> round(sam(truth, np.array([2.0, 2.0]).reshape(2, 1, 1)), 6)
    45.0
    """
    return _angle(truth, estimate, _known(truth, estimate)).value()


def ssim(truth: Cube, estimate: Cube, peak: float = 1.0) -> float:
    """
    Return the structural similarity per band, averaged over bands.

    See :func:`hsfuse.core.similarity.ssim_map`. Only complete windows count; NaN without one.

    Parameters
    ----------
    truth, estimate : ndarray of shape (bands, rows, columns)
    peak : float
        The range of the values, in their units.
    """
    return _ssim(truth, estimate, _known(truth, estimate), peak).value()


def uiqi(truth: Cube, estimate: Cube, size: int = UIQI_WINDOW) -> float:
    """
    Return the universal image quality index per band, averaged over bands.

    See :func:`hsfuse.core.similarity.uiqi_map`. Only complete windows count; NaN without one.
    """
    return _uiqi(truth, estimate, _known(truth, estimate), size).value()


def score(
    truth: Cube, estimate: Cube, ratio: float | None = None, peak: float = 1.0
) -> Score:
    """
    Return every figure for one estimate.

    Parameters
    ----------
    truth, estimate : ndarray of shape (bands, rows, columns)
    ratio : float, optional
        Fine pixels per coarse pixel, for ERGAS.
    peak : float
        The largest possible value, in the units of the data.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    return take_tally(truth, estimate, peak).score(peak, ratio)


def take_tally(
    truth: Cube, estimate: Cube, peak: float, core: tuple[int, int] | None = None
) -> Tally:
    """
    Return the sums of one block.

    Parameters
    ----------
    truth, estimate : ndarray of shape (bands, rows, columns)
        The block and, below and to the right, up to :data:`HALO` pixels more.
    peak : float
        The largest possible value, in the units of the data.
    core : tuple of int, optional
        Rows and columns of the block without what follows it: pixels count that lie in it,
        windows count that start in it. Everything by default.
    """
    known = _known(truth, estimate)
    rows, columns = core or known.shape

    def part(more: int) -> tuple[Cube, Cube, Mask]:
        cut = (slice(rows + more), slice(columns + more))
        return truth[:, *cut], estimate[:, *cut], known[cut]

    return Tally(
        _moments(*part(0)),
        _angle(*part(0)),
        _ssim(*part(SSIM_WINDOW - 1), peak),
        _uiqi(*part(UIQI_WINDOW - 1), UIQI_WINDOW),
    )


def _known(truth: Cube, estimate: Cube) -> Mask:
    """Return which pixels are finite in all bands of both, of shape (rows, columns)."""
    if truth.ndim != 3 or truth.shape != estimate.shape:
        raise ValueError(
            "truth and estimate must be of one shape (bands, rows, columns), "
            f"got {truth.shape} and {estimate.shape}"
        )
    known: Mask = np.ones(truth.shape[1:], dtype=bool)
    for values in (truth, estimate):
        for plane in values:
            known &= np.isfinite(plane)
    return known


def _moments(truth: Cube, estimate: Cube, known: Mask) -> _Moments:
    sums = np.zeros((6, len(truth)))
    for band in range(len(truth)):
        t = truth[band][known].astype(np.float64)
        e = estimate[band][known].astype(np.float64)
        d = e - t
        sums[:, band] = d @ d, t.sum(), e.sum(), t @ t, e @ e, t @ e
    return _Moments(int(np.count_nonzero(known)), *sums)


def _angle(truth: Cube, estimate: Cube, known: Mask) -> _Mean:
    t = truth[:, known].astype(np.float64)
    e = estimate[:, known].astype(np.float64)
    length_t, length_e = (np.sqrt(np.einsum("bp,bp->p", x, x)) for x in (t, e))
    directed = length_t > 0
    t = t[:, directed] / length_t[directed]
    # An estimate of zero stays zero, which is as far from t as from -t: 90 degrees.
    length_e = np.where(length_e > 0, length_e, 1.0)
    e = e[:, directed] / length_e[directed]
    # Half the angle by its tangent (Kahan): arccos loses half the digits of small angles.
    apart, along = e - t, e + t
    half = np.arctan2(
        np.sqrt(np.einsum("bp,bp->p", apart, apart)), np.sqrt(np.einsum("bp,bp->p", along, along))
    )
    return _Mean(float(np.degrees(2 * half).sum()), int(directed.sum()))


def _ssim(truth: Cube, estimate: Cube, known: Mask, peak: float) -> _Mean:
    complete = complete_windows(known, SSIM_WINDOW)
    mean = _Mean()
    if complete.any():
        for t, e in _planes(truth, estimate, known):
            values = ssim_map(t, e, peak)[complete]
            mean += _Mean(float(values.sum()), values.size)
    return mean


def _uiqi(truth: Cube, estimate: Cube, known: Mask, size: int) -> _Mean:
    complete = complete_windows(known, size)
    mean = _Mean()
    if complete.any():
        for t, e in _planes(truth, estimate, known):
            values = uiqi_map(t, e, size)[complete]
            mean += _Mean(float(values.sum()), values.size)
    return mean
