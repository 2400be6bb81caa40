"""
Metrics of an estimated cube against the reference.

Cubes are ``(bands, rows, columns)``. A pixel that is not finite in any band of either cube is
excluded from all metrics. Cubes of different shapes raise ValueError.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.similarity import SSIM_WINDOW, UIQI_WINDOW, ssim_map, uiqi_map
from hsfuse.core.tally import (
    Tally,
    angles_between,
    take_angle,
    take_moments,
    take_tally,
    take_windows,
    valid_pixels,
)
from hsfuse.core.text import html_table

__all__ = [
    "Score",
    "cc",
    "ergas",
    "psnr",
    "rmse",
    "sam",
    "score",
    "spectral_angles",
    "ssim",
    "summarise",
    "uiqi",
]

Cube = NDArray[np.floating]

# figure -> (label, unit, description)
_IN_UNITS = ("rmse",)
_FIGURES = {
    "rmse": ("RMSE", "", "root mean squared error; 0 is best"),
    "rmse_8bit": ("RMSE 8-bit", "", "the same with the peak at 255"),
    "psnr": ("PSNR", "dB", "peak signal-to-noise ratio, mean over bands; more is better"),
    "sam": ("SAM", "°", "spectral angle, mean over pixels; 0 is best"),
    "ssim": ("SSIM", "", "structural similarity, mean over bands; 1 is best"),
    "ergas": ("ERGAS", "%", "relative error over all bands; 0 is best"),
    "uiqi": ("UIQI", "", "universal quality index; 1 is best"),
    "cc": ("CC", "", "correlation, mean over bands; 1 is best"),
}


@dataclass(frozen=True, slots=True)
class Score:
    """
    All metrics of an estimate.

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
        Largest possible value that was used.
    ratio : float or None
        MS pixels per HS pixel.
    bands, pixels : int
        Number of bands and pixels compared.
    bad_bands : int
        Number of further bands, which are not compared since a raster marks them as bad.
    units : str
        Units of the data; empty where unknown.
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
    bad_bands: int = 0
    units: str = ""

    def describe_bands(self) -> str:
        """
        Return the number of bands compared, and of how many.

        Examples
        --------
        >>> cube = np.arange(24.0).reshape(2, 3, 4)
        >>> score(cube, cube).describe_bands()
        '2 bands'
        """
        if not self.bad_bands:
            return f"{self.bands} bands"
        total = self.bands + self.bad_bands
        return f"{self.bands} of {total} bands (the others are marked as bad)"

    def __str__(self) -> str:
        """Return a line for each metric, as the command prints them."""
        rows = {}
        for name, (label, unit, meaning) in _FIGURES.items():
            value, own = getattr(self, name), self.units if name in _IN_UNITS else unit
            number = "-" if math.isnan(value) else f"{value:.5g}{own and ' ' + own}"
            unstated = "" if self.units or name not in _IN_UNITS else "; the files state no units"
            rows[label] = number, meaning + unstated
        width = max(14, *(len(number) + 2 for number, _ in rows.values()))
        lines = [
            f"{label:<12}{number:<{width}}{meaning}" for label, (number, meaning) in rows.items()
        ]
        peak = f"peak {self.peak:.5g}{self.units and ' ' + self.units}"
        compared = f"{self.describe_bands()}, {self.pixels} pixels, {peak}"
        return "\n".join([*lines, f"{'compared':<12}{compared}"])

    def _repr_html_(self) -> str:
        """Return a table of the metrics for notebooks."""
        units = f" {self.units}" if self.units else ""
        rows = [
            ("PSNR", f"{self.psnr:.2f} dB, peak {self.peak:.4g}{units}"),
            ("SAM", f"{self.sam:.3f} degrees"),
            ("SSIM", f"{self.ssim:.4f}"),
            ("UIQI", f"{self.uiqi:.4f}"),
            ("ERGAS", f"{self.ergas:.4g} %"),
            ("CC", f"{self.cc:.4f}"),
            ("RMSE", f"{self.rmse:.4g}{units}"),
        ]
        return html_table(f"{self.describe_bands()}, {self.pixels} pixels", rows)


def rmse(truth: Cube, estimate: Cube) -> float:
    """
    Return the root mean squared error over all values, in the units of the data.

    Examples
    --------
    >>> rmse(np.zeros((1, 1, 2)), np.array([[[1.0, 7.0]]]))
    5.0
    """
    return take_moments(*_checked(truth, estimate)).rmse()


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
    return take_moments(*_checked(truth, estimate)).psnr(peak)


def ergas(truth: Cube, estimate: Cube, ratio: float) -> float:
    """
    Return the relative global error in synthesis, in percent.

    Wald 2000: ``100 / ratio * sqrt(mean over bands of (rmse / mean of the reference)²)``; NaN
    where a band of the reference is zero on average.

    Parameters
    ----------
    truth, estimate : ndarray of shape (bands, rows, columns)
    ratio : float
        MS pixels per HS pixel.
    """
    return take_moments(*_checked(truth, estimate)).ergas(ratio)


def cc(truth: Cube, estimate: Cube) -> float:
    """
    Return Pearson's correlation per band, averaged over bands.

    Bands in which either cube is constant are excluded.
    """
    return take_moments(*_checked(truth, estimate)).cc()


def sam(truth: Cube, estimate: Cube) -> float:
    """
    Return the spectral angle in degrees, averaged over pixels.

    Kruse et al. 1993, doi:10.1016/0034-4257(93)90013-N. Pixels with a true spectrum of zero are
    excluded; an estimated spectrum of zero has an angle of 90 degrees.

    Examples
    --------
    >>> truth = np.array([1.0, 0.0]).reshape(2, 1, 1)
    >>> round(sam(truth, np.array([2.0, 2.0]).reshape(2, 1, 1)), 6)
    45.0
    """
    return take_angle(*_checked(truth, estimate)).value()


def spectral_angles(truth: Cube, estimate: Cube) -> NDArray[np.float64]:
    """
    Return the spectral angle of each pixel in degrees; :func:`sam` is their mean.

    Parameters
    ----------
    truth, estimate : ndarray of shape (bands, rows, columns)

    Returns
    -------
    ndarray of shape (rows, columns)
        NaN where a band of either is not finite, or the true spectrum is zero.
    """
    valid = _checked(truth, estimate)[2]
    angles = np.full(valid.shape, np.nan)
    angles[valid] = angles_between(truth[:, valid], estimate[:, valid])
    return angles


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
    index = partial(ssim_map, peak=peak)
    return take_windows(*_checked(truth, estimate), SSIM_WINDOW, index).value()


def uiqi(truth: Cube, estimate: Cube, size: int = UIQI_WINDOW) -> float:
    """
    Return the universal image quality index per band, averaged over bands.

    See :func:`hsfuse.core.similarity.uiqi_map`. Only complete windows count; NaN without one.
    """
    index = partial(uiqi_map, size=size)
    return take_windows(*_checked(truth, estimate), size, index).value()


def score(truth: Cube, estimate: Cube, ratio: float | None = None, peak: float = 1.0) -> Score:
    """
    Return all metrics of an estimate.

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
    return summarise(take_tally(truth, estimate, peak), peak, ratio)


def summarise(tally: Tally, peak: float, ratio: float | None) -> Score:
    """
    Return all metrics from sums.

    Parameters
    ----------
    tally : Tally
        Sums, computed with the same ``peak``.
    peak : float
        The largest possible value, in the units of the data.
    ratio : float or None
        MS pixels per HS pixel.
    """
    moments = tally.moments
    error = moments.rmse()
    return Score(
        rmse=error,
        rmse_8bit=255 * error / peak,
        psnr=moments.psnr(peak),
        sam=tally.angle.value(),
        ssim=tally.ssim.value(),
        ergas=float("nan") if ratio is None else moments.ergas(ratio),
        uiqi=tally.uiqi.value(),
        cc=moments.cc(),
        peak=peak,
        ratio=ratio,
        bands=len(moments.error),
        pixels=moments.pixels,
    )


def _checked(truth: Cube, estimate: Cube) -> tuple[Cube, Cube, NDArray[np.bool_]]:
    return truth, estimate, valid_pixels(truth, estimate)
