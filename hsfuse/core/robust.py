"""Which pixels follow the others, and how far."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["steadiness"]

# Tukey's weight, for 95 % efficiency.
_TUKEY = 4.685
# Share of a band's largest value that arithmetic may leave where nothing is left.
_ROUNDING = 1e-9
# Median absolute deviation of a normal distribution of deviation one.
_MEDIAN = 0.6745


def steadiness(left: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return less weight for pixels that do not follow the others (Beaton and Tukey 1974).

    Parameters
    ----------
    left : ndarray of shape (bands, pixels)
        What a fit leaves of the values.
    values : ndarray of shape (bands, pixels)

    Returns
    -------
    ndarray of shape (pixels,)
        0 to 1, by the root mean square over the bands, each in units of its own scatter.

    Examples
    --------
    >>> steadiness(np.array([[1.0, -1.0, 1.0, 50.0]]), np.ones((1, 4))).round(2).tolist()
    [0.96, 0.96, 0.96, 0.0]
    """
    unit = np.median(np.abs(left), axis=1, keepdims=True) / _MEDIAN
    # A band of one value leaves rounding errors alone; they tell no pixel from another.
    least = _ROUNDING * np.abs(values).max(axis=1, keepdims=True, initial=0) + 1e-300
    size = np.sqrt(((left / np.maximum(unit, least)) ** 2).mean(axis=0))
    return np.asarray((1 - np.clip(size / _TUKEY, 0, 1) ** 2) ** 2)
