"""Drift: a shift that varies slowly over a scene, as a polynomial fitted to local shifts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from hsfuse.core.robust import NORMAL_MAD

__all__ = ["Drift", "fit_drift"]

Array = NDArray[np.float64]

# Terms of a polynomial in two variables, by its order.
_TERMS = {0: 1, 1: 3, 2: 6}


@dataclass(frozen=True, slots=True)
class _Settings:
    """Settings of the order of the polynomial and of its fit."""

    # Smallest number of windows per term, against the influence of outliers.
    windows_per_term: int = 2
    # Pixels added to the standard error of a window: the shift varies within the window, so that
    # its error is larger than estimated from the fit.
    minimum_error: float = 0.02
    # A higher order must reduce the scatter to this share, more than by chance.
    scatter_ratio: float = 0.75
    # Standard error of the polynomial at the corners of the scene, relative to that of its mean.
    corner_errors: float = 6.0


_SETTINGS = _Settings()


@dataclass(frozen=True)
class Drift:
    """
    Shifts along y and x as polynomials of the position.

    Attributes
    ----------
    size : tuple of int
        Rows and columns of the scene.
    terms : tuple of tuple of float
        Coefficients in pixels for y and for x, of 1, r, c, r², rc, c² up to the order, where r and
        c are the row and column scaled to -1 to 1 over the scene.
    scatter : float
        Robust standard deviation of the residuals, in pixels.
    windows : int
        Number of windows fitted.
    """

    size: tuple[int, int]
    terms: tuple[tuple[float, ...], tuple[float, ...]]
    scatter: float
    windows: int

    def at(self, rows: ArrayLike, columns: ArrayLike) -> Array:
        """
        Return the shifts (2, ...) along y and x at positions.

        Parameters
        ----------
        rows, columns : array_like of one shape
            Positions in pixels; 0.5 is the centre of the first pixel.

        Examples
        --------
        >>> Drift((10, 10), ((0.5, 0.1, 0.0), (0.0, 0.0, 0.0)), 0.0, 9).at(10, 5).tolist()
        [0.6, 0.0]
        """
        basis = _basis(np.asarray(rows, float), np.asarray(columns, float), self.size)
        along = [
            np.tensordot(np.array(coefficients), basis[: len(coefficients)], 1)
            for coefficients in self.terms
        ]
        return np.stack(along)

    @property
    def spread(self) -> float:
        """Largest deviation of the shift from its mean, in pixels."""
        rows, columns = np.meshgrid(*(np.linspace(0, n, 9) for n in self.size), indexing="ij")
        shifts = self.at(rows, columns)
        deviation = shifts - shifts.mean(axis=(1, 2), keepdims=True)
        return float(np.hypot(*deviation).max())


def _basis(rows: Array, columns: Array, size: tuple[int, int]) -> Array:
    r, c = 2 * rows / size[0] - 1, 2 * columns / size[1] - 1
    return np.stack([np.ones_like(r), r, c, r * r, r * c, c * c])


def fit_drift(local: Array, size: tuple[int, int]) -> Drift | None:
    """
    Fit the drift to the shifts of windows; return None for too few windows.

    The order is increased from 0 to 2 as long as there are enough windows, their scatter falls by a
    quarter, and the variation exceeds that due to the scatter. The soft L1 loss limits the
    influence of outliers.

    Parameters
    ----------
    local : ndarray of shape (windows, 6)
        Row and column of the centre of a window, shift along y and x, standard errors of these.
    size : tuple of int
        Rows and columns of the scene, in the same pixels.
    """
    best = None
    for count in _TERMS.values():
        if len(local) < _SETTINGS.windows_per_term * count:
            break
        trial = _fit_surface(local, size, count)
        error = _SETTINGS.corner_errors * trial.scatter * math.sqrt(count / len(local))
        if best is None or (
            trial.scatter < _SETTINGS.scatter_ratio * best.scatter
            and trial.spread - best.spread > error
        ):
            best = trial
    return best


def _fit_surface(local: Array, size: tuple[int, int], count: int) -> Drift:
    basis = _basis(local[:, 0], local[:, 1], size)[:count].T
    terms, scatters = [], []
    for shift, error in ((local[:, 2], local[:, 4]), (local[:, 3], local[:, 5])):
        weight = 1 / np.hypot(error, _SETTINGS.minimum_error)
        start = np.zeros(count)
        start[0] = np.median(shift)
        coefficients = least_squares(
            lambda x, s=shift, w=weight: (s - basis @ x) * w, start, loss="soft_l1"
        ).x
        terms.append(tuple(float(value) for value in coefficients))
        scatters.append(np.median(np.abs(shift - basis @ coefficients)) / NORMAL_MAD)
    # Residuals are scaled by the degrees of freedom.
    scatter = float(np.hypot(*scatters)) * len(local) / max(len(local) - count, 1)
    return Drift(size, (terms[0], terms[1]), scatter, len(local))
