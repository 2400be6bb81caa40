"""
Structural similarity of two images over sliding windows: SSIM and UIQI.

Only windows inside the image and without missing pixels count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, minimum_filter, uniform_filter1d

__all__ = ["SSIM_WINDOW", "UIQI_WINDOW", "complete_windows", "ssim_map", "uiqi_map"]

SSIM_WINDOW = 11
_SSIM_SIGMA = 1.5
# Wang and Bovik slide 8 x 8 windows; the hyperspectral fusion literature takes 32 x 32, after
# the published quality indices of HySure (Simoes et al. 2015, doi:10.1109/TGRS.2014.2375320).
UIQI_WINDOW = 32

# Variance of a constant window by rounding, as a fraction of its squared values.
_FLAT = 1e-12

Plane = NDArray[np.float64]
_Value = TypeVar("_Value", bound=np.generic)


def complete_windows(valid: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """
    Return the mask of windows without missing pixels.

    Parameters
    ----------
    valid : ndarray of bool, shape (rows, columns)
        True where both images have data.
    size : int
        Rows and columns of a window.

    Returns
    -------
    ndarray of bool, shape (rows - size + 1, columns - size + 1)
        One value for each window, by its upper left corner.
    """
    if min(valid.shape) < size:
        rows, columns = (max(length - size + 1, 0) for length in valid.shape)
        return np.zeros((rows, columns), dtype=bool)
    worst = minimum_filter(valid.astype(np.uint8), size, mode="constant")
    return np.asarray(_inside(worst, size) > 0)


def ssim_map(truth: Plane, estimate: Plane, peak: float) -> Plane:
    """
    Return the structural similarity (SSIM) of each Gaussian window, 11 pixels, sigma 1.5.

    Wang, Bovik, Sheikh and Simoncelli 2004, eq. 13, doi:10.1109/TIP.2003.819861, with
    their K1 = 0.01 and K2 = 0.03.

    Parameters
    ----------
    truth, estimate : ndarray of shape (rows, columns)
        Finite values.
    peak : float
        Range of the values, in their units.

    Returns
    -------
    ndarray of shape (rows - 10, columns - 10)
        -1 to 1.
    """
    distance = np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    weights = np.exp(-0.5 * (distance / _SSIM_SIGMA) ** 2)
    weights /= weights.sum()

    def mean(values: Plane) -> Plane:
        rows = correlate1d(values, weights, axis=0, mode="constant")
        return _inside(correlate1d(rows, weights, axis=1, mode="constant"), SSIM_WINDOW)

    mean_t, mean_e, var_t, var_e, covariance = _statistics(truth, estimate, mean)
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    luminance = (2 * mean_t * mean_e + c1) / (mean_t**2 + mean_e**2 + c1)
    structure = (2 * covariance + c2) / (var_t + var_e + c2)
    return luminance * structure


def uiqi_map(truth: Plane, estimate: Plane, size: int = UIQI_WINDOW) -> Plane:
    """
    Return the universal image quality index of each window.

    Wang and Bovik 2002, eq. 1, doi:10.1109/97.995823. The structure factor of two constant
    windows and the luminance factor of two windows of mean zero are one, as in their code.

    Parameters
    ----------
    truth, estimate : ndarray of shape (rows, columns)
        Finite values.
    size : int
        Rows and columns of a window.

    Returns
    -------
    ndarray of shape (rows - size + 1, columns - size + 1)
        -1 to 1.
    """

    def mean(values: Plane) -> Plane:
        rows = uniform_filter1d(values, size, axis=0, mode="constant")
        return _inside(uniform_filter1d(rows, size, axis=1, mode="constant"), size)

    mean_t, mean_e, var_t, var_e, covariance = _statistics(truth, estimate, mean)
    power = mean_t**2 + mean_e**2
    spread = var_t + var_e
    luminance = np.divide(2 * mean_t * mean_e, power, out=np.ones_like(power), where=power > 0)
    rough = spread > _FLAT * (power + np.abs(spread))
    structure = np.divide(2 * covariance, spread, out=np.ones_like(spread), where=rough)
    return luminance * structure


def _statistics(
    truth: Plane, estimate: Plane, mean: Callable[[Plane], Plane]
) -> tuple[Plane, Plane, Plane, Plane, Plane]:
    """Return both means, both variances and the covariance of each window."""
    mean_t, mean_e = mean(truth), mean(estimate)
    var_t = mean(truth * truth) - mean_t * mean_t
    var_e = mean(estimate * estimate) - mean_e * mean_e
    covariance = mean(truth * estimate) - mean_t * mean_e
    return mean_t, mean_e, var_t, var_e, covariance


def _inside(values: NDArray[_Value], size: int) -> NDArray[_Value]:
    """Return the results of windows inside the image; scipy centres windows on size // 2."""
    before, after = size // 2, size - 1 - size // 2
    rows, columns = values.shape
    return values[before : rows - after, before : columns - after]
