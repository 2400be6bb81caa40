"""Regression of D(Y) on the components of X."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsfuse.pair.alignment.settings import DEFAULT

__all__ = ["regression_basis", "unexplained_share"]

Array = NDArray[np.float64]


def regression_basis(
    components: Array, used: NDArray[np.bool_], weight: Array | None = None
) -> tuple[Array | None, NDArray[np.bool_]]:
    """
    Return an orthonormal basis of a constant and the leading components at the used pixels.

    Parameters
    ----------
    components : ndarray of shape (components, rows, columns), or (components, pixels)
    used : ndarray of bool, shape (rows, columns), or (pixels,)
    weight : ndarray of shape (used pixels,), optional
        Weights of the pixels.

    Returns
    -------
    tuple of (ndarray of shape (used pixels, columns) or None) and ndarray of bool
        The basis, None where too few pixels are used; and ``used``.
    """
    count = int(used.sum()) // DEFAULT.windows.pixels_per_column
    if count < 2:
        return None, used
    columns = np.concatenate([np.ones((1, int(used.sum()))), components[: count - 1, used]])
    if weight is not None:
        columns = columns * weight
    return np.linalg.qr(columns.T)[0], used


def unexplained_share(basis: Array, values: Array) -> float:
    """Return the unexplained share of the variance of values (rows, pixels), mean over rows."""
    values = values - values.mean(axis=1, keepdims=True)
    spread = np.maximum((values**2).sum(axis=1), 1e-300)
    explained = ((values @ basis) ** 2).sum(axis=1)
    return float(np.clip(1 - explained / spread, 0, 1).mean())
