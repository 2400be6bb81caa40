"""Differences of a fused cube from its inputs (data consistency), as sums over blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.text import percent

__all__ = ["Discrepancy", "describe_compared", "describe_difference", "describe_rmse"]


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """
    Sums of squares of an input and of its difference from the degraded cube.

    The sums of blocks add up to those of the whole, in float64.

    Attributes
    ----------
    error, signal : float
        Sum of squared differences, and of squared input values, in squared input units.
    count : int
        Number of values compared.
    """

    error: float = 0.0
    signal: float = 0.0
    count: int = 0

    @classmethod
    def between(
        cls, expected: NDArray[np.floating], predicted: NDArray[np.floating]
    ) -> Discrepancy:
        """
        Return the sums over the values that are finite in both arrays.

        Parameters
        ----------
        expected, predicted : ndarray of the same shape
            The input, and its prediction from the cube.
        """
        valid = np.isfinite(expected) & np.isfinite(predicted)
        reference = expected[valid].astype(np.float64)
        difference = predicted[valid].astype(np.float64) - reference
        return cls(
            float(difference @ difference),
            float(reference @ reference),
            int(np.count_nonzero(valid)),
        )

    def __add__(self, other: Discrepancy) -> Discrepancy:
        return Discrepancy(
            self.error + other.error, self.signal + other.signal, self.count + other.count
        )

    @property
    def rmse(self) -> float:
        """Root mean square of the difference in the input's units; NaN without values."""
        return float(np.sqrt(self.error / self.count)) if self.count else float("nan")

    @property
    def relative(self) -> float:
        """
        Root mean square of the difference divided by that of the input; NaN without signal.

        Examples
        --------
        >>> Discrepancy.between(np.array([3.0, 4.0]), np.array([3.0, 3.0])).relative
        0.2
        """
        return float(np.sqrt(self.error / self.signal)) if self.signal else float("nan")

    @property
    def sre(self) -> float:
        """
        Signal-to-reconstruction error in decibels; infinite without difference, NaN without signal.

        Examples
        --------
        >>> round(Discrepancy.between(np.array([3.0, 4.0]), np.array([3.0, 3.0])).sre, 2)
        13.98
        """
        if not self.signal:
            return float("nan")
        return -20 * math.log10(self.relative) if self.error else math.inf


def describe_difference(rmse: float, relative: float, units: str = "") -> str:
    """
    Return the difference of a fused image from an input image.

    Parameters
    ----------
    rmse : float
        Root mean square error.
    relative : float
        Error relative to the root mean square of the input.
    units : str
        Unit of ``rmse``.

    Examples
    --------
    >>> describe_difference(0.0025, 0.0104, "reflectance")
    'RMSE 0.0025 reflectance, 1.04% of the root mean square of the image'
    """
    share = f"{percent(relative)} of the root mean square of the image"
    return f"{describe_rmse(rmse, units)}, {share}"


def describe_rmse(rmse: float, units: str = "") -> str:
    """
    Return a root mean square error with its unit.

    Examples
    --------
    >>> describe_rmse(0.0025, "reflectance")
    'RMSE 0.0025 reflectance'
    """
    return f"RMSE {rmse:.4g} {units}".strip()


def describe_compared(blocks: int = 1) -> str:
    """
    Return what the sums over the blocks of an output cover.

    Parameters
    ----------
    blocks : int
        Number of blocks, the tiles of a run, of which each was degraded by the PSF alone; 1 for the
        MS image, of which all pixels are compared.

    Examples
    --------
    >>> describe_compared()
    'over all bands'
    >>> describe_compared(2)
    'over all bands, of the HS pixels whose PSF lies within one of the 2 tiles'
    """
    part = f", of the HS pixels whose PSF lies within one of the {blocks} tiles"
    return f"over all bands{part if blocks > 1 else ''}"
