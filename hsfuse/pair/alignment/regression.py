"""What the components of X explain of D(Y)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsfuse.pair.alignment.settings import DEFAULT

__all__ = ["basis_of", "left_by"]

Array = NDArray[np.float64]


def basis_of(
    components: Array, used: NDArray[np.bool_], weight: Array | None = None
) -> tuple[Array | None, NDArray[np.bool_]]:
    """Return orthonormal columns that span a constant and the components at the used pixels."""
    count = int(used.sum()) // DEFAULT.windows.pixels_per_column
    if count < 2:
        return None, used
    columns = np.concatenate([np.ones((1, int(used.sum()))), components[: count - 1, used]])
    if weight is not None:
        columns = columns * weight
    return np.linalg.qr(columns.T)[0], used


def left_by(basis: Array, values: Array) -> float:
    """Return the mean share of variance of rows of values that the basis does not explain."""
    values = values - values.mean(axis=1, keepdims=True)
    spread = np.maximum((values**2).sum(axis=1), 1e-300)
    explained = ((values @ basis) ** 2).sum(axis=1)
    return float(np.clip(1 - explained / spread, 0, 1).mean())
