"""
Degradation and interpolation between a coarse and a fine grid, with one matrix for each axis.

PSF and interpolation kernel are separable, so each is a pair of small matrices that follow from
an :class:`~hsfuse.core.grid.Axis`. They are computed in float64 from absolute coordinates: the
matrix of a window is the same part of the matrix of the whole scene.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from hsfuse.core.grid import Axis, Span

__all__ = ["FWHM_PER_SIGMA", "degrade_matrix", "interpolation_matrix", "psf_reach", "share_inside"]

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))

# 6e-5 of a Gaussian is beyond four sigma, less than the noise of any sensor.
_SIGMAS = 4.0
# Keys (1981), doi:10.1109/TASSP.1981.1163711: a = -1/2 is the cubic of third-order accuracy.
_KEYS = -0.5


def psf_reach(fwhm: float) -> float:
    """Return the radius of the PSF in coarse pixels, for an FWHM in coarse pixels."""
    return max(_SIGMAS * fwhm / FWHM_PER_SIGMA, 0.5)


def degrade_matrix(
    axis: Axis, fwhm: float, coarse: Span | None = None, fine: Span | None = None
) -> NDArray[np.float64]:
    """
    Return the weights of fine pixels in coarse ones: one axis of D (eq. 1).

    The point spread function is a Gaussian at the centre of the coarse pixel, integrated over the
    area of each fine pixel and truncated at four sigma. An FWHM of zero is the mean over the area
    of the coarse pixel.

    Parameters
    ----------
    axis : Axis
        The two grids.
    fwhm : float
        Full width at half maximum in coarse pixels; 0 for the mean over the pixel.
    coarse, fine : Span, optional
        The window; the whole axis by default.

    Returns
    -------
    ndarray of shape (len(coarse), len(fine))
        Rows sum to one over the fine pixels of the window; a coarse pixel whose PSF covers
        none of them has a row of zeros.

    Examples
    --------
    >>> degrade_matrix(Axis(fine=4, coarse=2, ratio=2.0), fwhm=0.0).tolist()
    [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
    """
    fine = fine or Span(0, axis.fine)
    edges = np.arange(fine.start, fine.stop + 1, dtype=np.float64)
    weights = np.diff(_cumulative(axis, fwhm, coarse or Span(0, axis.coarse), edges), axis=1)
    # A weight under a millionth of the largest is rounding of the transform.
    weights[weights < 1e-6 * weights.max(axis=1, keepdims=True)] = 0.0
    total = weights.sum(axis=1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 1e-9)


def share_inside(axis: Axis, fwhm: float) -> NDArray[np.float64]:
    """
    Return the share of the PSF of each coarse pixel on the fine grid, shape (coarse,).

    The rows of :func:`degrade_matrix` are divided by it.

    Examples
    --------
    >>> share_inside(Axis(fine=7, coarse=2, ratio=4.0), fwhm=0.0).tolist()
    [1.0, 0.75]
    """
    coarse, edges = Span(0, axis.coarse), np.array([0.0, axis.fine])
    inside = np.diff(_cumulative(axis, fwhm, coarse, edges), axis=1)[:, 0]
    whole = 2 * ndtr(_SIGMAS) - 1 if fwhm > 0 else 1.0
    return np.asarray(inside / whole)


def _cumulative(
    axis: Axis, fwhm: float, coarse: Span, positions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the integral of the PSF of each coarse pixel (rows) up to fine positions."""
    distance = positions - axis.centres(coarse)[:, None]
    if fwhm > 0:
        sigma = max(fwhm / FWHM_PER_SIGMA * axis.ratio, 1e-6)
        limit = _SIGMAS * sigma
        return np.asarray(ndtr(np.clip(distance, -limit, limit) / sigma))
    half = axis.ratio / 2
    return np.clip(distance, -half, half) / axis.ratio


def interpolation_matrix(
    axis: Axis, fine: Span | None = None, coarse: Span | None = None, *, linear: bool = False
) -> NDArray[np.float64]:
    """
    Return the weights that interpolate coarse values at the centres of fine pixels.

    Cubic convolution (Keys 1981, a = -1/2, doi:10.1109/TASSP.1981.1163711), or linear. Beyond
    the outermost coarse centres the edge value is repeated, so that a constant stays constant.

    Parameters
    ----------
    axis : Axis
        The two grids.
    fine, coarse : Span, optional
        The window; the whole axis by default.
    linear : bool
        Interpolate linearly.

    Returns
    -------
    ndarray of shape (len(fine), len(coarse))
        Rows sum to one.
    """
    fine = fine or Span(0, axis.fine)
    coarse = coarse or Span(0, axis.coarse)
    position = (np.arange(fine.start, fine.stop) + 0.5 - axis.origin) / axis.ratio - 0.5
    # Extrapolation would amplify noise: beyond the outermost centre the edge value is repeated.
    position = np.clip(position, 0.0, axis.coarse - 1.0)
    base = np.floor(position).astype(np.int64)
    fraction = position - base
    weights = np.zeros((len(fine), len(coarse)))
    rows = np.arange(len(fine))
    for tap in (0, 1) if linear else (-1, 0, 1, 2):
        columns = np.clip(base + tap, 0, axis.coarse - 1) - coarse.start
        inside = (columns >= 0) & (columns < len(coarse))
        value = _linear(fraction - tap) if linear else _cubic(fraction - tap)
        np.add.at(weights, (rows[inside], columns[inside]), value[inside])
    total = weights.sum(axis=1, keepdims=True)
    return np.divide(weights, total, out=weights, where=np.abs(total) > 1e-9)


def _linear(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(1.0 - np.abs(distance), 0.0)


def _cubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    t = np.abs(distance)
    near = (_KEYS + 2) * t**3 - (_KEYS + 3) * t**2 + 1
    far = _KEYS * (t**3 - 5 * t**2 + 8 * t - 4)
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))
