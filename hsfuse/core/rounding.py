"""Values rounded to a stated precision, so that they compress better."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["round_values"]

_MANTISSA = 23  # bits of float32 after the leading one
_LARGEST = 2.0**127  # power of two that float32 holds


def round_values(values: NDArray[np.float32], max_error: float) -> NDArray[np.float32]:
    """
    Round values to multiples of the largest power of two with an error within a bound.

    The trailing bits of such values are zero, as by ``numcodecs.Quantize``, which rounds to decimal
    digits. Rounding is idempotent.

    Parameters
    ----------
    values : ndarray of float32
        Values of any shape; NaN and infinite values are unchanged.
    max_error : float
        Largest rounding error, in the unit of the values; 0 for no rounding.

    Examples
    --------
    >>> round_values(np.array([0.3, 1.4, np.nan], np.float32), 0.5)
    array([ 0.,  1., nan], dtype=float32)
    """
    if not max_error:
        return values
    step = min(2.0 ** math.floor(math.log2(2 * max_error)), _LARGEST)
    if step < np.finfo(np.float32).tiny:
        return values
    with np.errstate(over="ignore"):
        rounded = np.rint(values / np.float32(step))
        rounded *= np.float32(step)
    rounded += 0  # no negative zeros
    # From here on adjacent float32 numbers are at least as far apart as the multiples.
    large = np.abs(values) >= step * 2.0**_MANTISSA
    if large.any():
        rounded[large] = values[large]
    return rounded
