"""Robust weights of pixels in a fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["NORMAL_MAD", "tukey_biweight"]

# Tuning constant of the biweight: 95 % efficiency for normal errors.
_TUKEY = 4.685
# Residuals below this fraction of the largest value of a band are rounding errors.
_ROUNDING = 1e-9
# Median absolute deviation of the standard normal distribution.
NORMAL_MAD = 0.6745


def tukey_biweight(
    residuals: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """
    Return Tukey's biweight of every pixel, which is low or zero for outliers of a fit.

    Beaton and Tukey 1974, doi:10.1080/00401706.1974.10489171. The residual of a pixel is the
    root mean square over its bands, each in units of its normalised median absolute deviation.

    Parameters
    ----------
    residuals : ndarray of shape (bands, pixels)
        Values minus fit.
    values : ndarray of shape (bands, pixels)
        Values in the same units, for the size of rounding errors.

    Returns
    -------
    ndarray of shape (pixels,)
        Weights, 0 to 1.

    Examples
    --------
    >>> tukey_biweight(np.array([[1.0, -1.0, 1.0, 50.0]]), np.ones((1, 4))).round(2).tolist()
    [0.96, 0.96, 0.96, 0.0]
    """
    unit = np.median(np.abs(residuals), axis=1, keepdims=True) / NORMAL_MAD
    # The residuals of a constant band are rounding errors, which must not weight pixels.
    minimum = _ROUNDING * np.abs(values).max(axis=1, keepdims=True, initial=0) + 1e-300
    size = np.sqrt(((residuals / np.maximum(unit, minimum)) ** 2).mean(axis=0))
    return np.asarray((1 - np.clip(size / _TUKEY, 0, 1) ** 2) ** 2)
