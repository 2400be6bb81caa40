"""Packing of output values: scale, offset, rounding and no data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.rounding import round_values
from hsfuse.io.output.layout import OutputLayout

__all__ = ["encode"]


def encode(values: NDArray[np.floating], layout: OutputLayout) -> tuple[NDArray[np.generic], int]:
    """
    Convert values to stored numbers, rounded and clipped to the range of the type.

    Parameters
    ----------
    values : ndarray of shape (bands, rows, columns)
        NaN for no data.
    layout : OutputLayout
        Layout with ``dtype``, ``scale``, ``offset``, ``max_error`` and ``nodata``.

    Returns
    -------
    stored : ndarray of shape (bands, rows, columns)
        NaN is stored as ``nodata``; no other value is.
    clipped : int
        Number of values outside the range of the type, which were clipped.

    Examples
    --------
    >>> from hsfuse.io.output.layout import OutputLayout
    >>> layout = OutputLayout(1, 1, 3, (1, 0, 0, 0, -1, 0), dtype="uint16", scale=0.0001)
    >>> encode(np.array([[[0.25, np.nan, 9.0]]]), layout)
    (array([[[ 2500, 65535, 65534]]], dtype=uint16), 1)
    """
    if layout.dtype == "float32":
        floats = np.ascontiguousarray(values, dtype=np.float32)
        return round_values(floats, layout.max_error), 0
    limits = np.iinfo(layout.dtype)
    low = limits.min + (layout.fill == limits.min)
    high = limits.max - (layout.fill == limits.max)
    stored = np.empty(values.shape, dtype=layout.dtype)
    clipped = 0
    for band, plane in enumerate(values):  # one band at a time bounds the float64 copy
        steps = np.rint((plane.astype(np.float64) - layout.offset) / layout.scale)
        clipped += int(np.count_nonzero((steps < low) | (steps > high)))
        stored[band] = np.where(np.isnan(steps), layout.fill, np.clip(steps, low, high))
    return stored, clipped
