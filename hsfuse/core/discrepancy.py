"""How far a fused cube contradicts its two inputs, summed block by block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Discrepancy"]


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """
    Sums of squares of what one input says and of how far the cube is from it.

    Attributes
    ----------
    error, signal : float
        Sum of squared differences, and of squared input values.
    count : int
        Values compared.
    """

    error: float = 0.0
    signal: float = 0.0
    count: int = 0

    @classmethod
    def between(cls, expected: NDArray[np.floating], found: NDArray[np.floating]) -> Discrepancy:
        """Return the sums over the values that are finite in both arrays of one shape."""
        known = np.isfinite(expected) & np.isfinite(found)
        wanted = expected[known].astype(np.float64)
        difference = found[known].astype(np.float64) - wanted
        return cls(
            float(difference @ difference), float(wanted @ wanted), int(np.count_nonzero(known))
        )

    def __add__(self, other: Discrepancy) -> Discrepancy:
        return Discrepancy(
            self.error + other.error, self.signal + other.signal, self.count + other.count
        )

    @property
    def rmse(self) -> float:
        """Root of the mean squared difference, in the input's units; NaN without values."""
        return float(np.sqrt(self.error / self.count)) if self.count else float("nan")

    @property
    def relative(self) -> float:
        """
        Root mean square of the difference over that of the input.

        Examples
        --------
        >>> Discrepancy.between(np.array([3.0, 4.0]), np.array([3.0, 3.0])).relative
        0.2
        """
        return float(np.sqrt(self.error / self.signal)) if self.signal else float("nan")
