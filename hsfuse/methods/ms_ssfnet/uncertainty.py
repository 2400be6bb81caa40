"""
How far a fused pixel may be from the truth: an error model in two things that any pixel shows.

Estimates of different kinds that disagree are wrong somewhere, and edges of the fine image
are where they all may be. With d the disagreement and c the local contrast, the error is
``exp(a) d^b c^g``. One scale down, where the HS image is the truth, the three numbers are fitted,
and ``a`` is such that 68 % of the pixels have a smaller error. They are mixed with the usual
ones of other scenes, the more the less the trial has to say of the run.

It ranks the pixels of a scene; its level is a guess that some scenes miss by a factor of two, and
one in eleven by four. What all estimates miss alike, as detail that hides below the noise of the
HS image, shows in nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from hsfuse.core.subspace import Subspace

__all__ = ["BAND", "REACH", "Sureness", "fit", "hidden_variance", "local_contrast"]

# Name of the band that holds the standard error.
BAND = "standard error"
# Pixels about one whose contrast counts.
REACH = 2
# Share of pixels whose error is smaller than a standard error, as of a normal distribution.
_COVERED = 0.68
# Error over disagreement, chosen on eleven remote-sensing scenes at ratios 2 and 4 and four of CAVE
# at 8: so much, times this power of the ratio.
_USUAL, _POWER = 0.86, 0.4
# On the same scenes it grows from one scale down with this power of the two ratios.
_GROWTH = 0.2
# Pixels of a trial that say as much as is known before; neighbours share their errors.
_PIXELS = 200.0
# Doubt of a trial at the run's own ratio; it grows with the square of how the ratios differ.
_UNLIKE = 0.25
# Variance of the features that the fit needs, of logarithms.
_RIDGE = 0.05
# Contrast, in standard deviations of the fine bands, below which a surface is smooth.
_SMOOTH = 0.02
_TINY = 1e-30


@dataclass(frozen=True, slots=True)
class Sureness:
    """
    The error model of a pair.

    Attributes
    ----------
    offset : float
        a, the logarithm of what has the units' power that the slope leaves.
    slope : float
        b, not negative: more disagreement never means less error.
    contrast : float
        g.
    trusted : float
        How much of the model is the trial's, 0 to 1.
    """

    offset: float
    slope: float = 1.0
    contrast: float = 0.0
    trusted: float = 0.0

    @classmethod
    def usual(cls, ratio: float) -> Sureness:
        """Return what is usual at a ratio, without a trial."""
        return cls(math.log(_USUAL) + _POWER * math.log(ratio))

    def predict(
        self, disagreement: NDArray[np.floating], contrast: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        """
        Return the standard error of each pixel, in HS units.

        Parameters
        ----------
        disagreement : ndarray
            Root mean square over the good bands, in HS units.
        contrast : ndarray
            From :func:`local_contrast`; of the same shape.

        Examples
        --------
        >>> Sureness(offset=0.0, slope=1.0).predict(np.array([0.5]), np.array([1.0]))
        array([0.5], dtype=float32)
        """
        logarithm = self.offset + np.stack(_features(disagreement, contrast), axis=-1) @ (
            np.array([self.slope, self.contrast])
        )
        return np.exp(logarithm).astype(np.float32)

    def sentence(self) -> str:
        """Return what the user should know of the calibration."""
        if not self.trusted:
            return "standard error: the disagreement of the estimates, not calibrated on this pair"
        return (
            f"standard error: calibrated one scale down, where 68 % of the errors are smaller, "
            f"with a weight of {self.trusted:.0%} against what is usual"
        )


def fit(
    disagreement: NDArray[np.floating],
    contrast: NDArray[np.floating],
    error: NDArray[np.floating],
    *,
    usual: Sureness,
    alike: float = 1.0,
    scale: float = 1.0,
) -> Sureness:
    """
    Return the error model of a run, fitted to pixels of a trial whose error is known.

    Parameters
    ----------
    disagreement, contrast : ndarray of shape (pixels,)
        As :meth:`Sureness.predict`.
    error : ndarray of shape (pixels,)
        Root mean square over the good bands, in HS units; NaN where it is not known.
    usual : Sureness
        Toward which the fit is drawn.
    alike : float
        The run's ratio over the trial's: one scale down says less of a larger ratio.
    scale : float
        Disagreement of the run over that of the trial, about: errors are told in units of it.
    """
    known = np.isfinite(error)
    count = int(known.sum())
    if count == 0:
        return usual
    features = np.stack(_features(disagreement[known], contrast[known]))
    level = features[0].mean()
    features[0] -= level
    wanted = np.log(np.maximum(error[known].astype(np.float64), _TINY)) - level
    prior = np.array([usual.slope, usual.contrast])
    spread = features - features.mean(axis=1, keepdims=True)
    left = wanted - wanted.mean() - prior @ spread
    ridge = _RIDGE * np.eye(2)
    slopes = prior + np.linalg.solve(spread @ spread.T / count + ridge, spread @ left / count)
    slopes[0] = max(slopes[0], 0.0)
    offset = np.quantile(wanted - slopes @ features, _COVERED)
    offset += _GROWTH * math.log(alike)
    trusted = 1 / (1 + _UNLIKE * max(alike, 1 / alike) ** 2 + _PIXELS / count)
    slopes = trusted * slopes + (1 - trusted) * prior
    offset = trusted * offset + (1 - trusted) * usual.offset
    offset += (1 - slopes[0]) * (level + math.log(scale))
    return Sureness(float(offset), float(slopes[0]), float(slopes[1]), float(trusted))


def _features(
    disagreement: NDArray[np.floating], contrast: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the logarithms of both."""
    return (
        np.log(np.maximum(disagreement, _TINY).astype(np.float64)),
        np.log(contrast.astype(np.float64) + _SMOOTH),
    )


def local_contrast(fine: NDArray[np.floating], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """
    Return the standard deviation of the fine image about each pixel, shape (rows, columns).

    Parameters
    ----------
    fine : ndarray of shape (fine bands, rows, columns)
        Standardised.
    known : ndarray of shape (rows, columns), bool
        Where there is data; other pixels do not count.
    """
    size = 2 * REACH + 1
    share = uniform_filter(known.astype(np.float64), size, mode="nearest")
    total = np.zeros(known.shape)
    for band in fine:
        values = np.where(known, band, 0.0).astype(np.float64)
        mean, square = (
            uniform_filter(each, size, mode="nearest") / np.maximum(share, 1e-9)
            for each in (values, values**2)
        )
        total += np.maximum(square - mean**2, 0.0)
    return np.sqrt(total / len(fine))


def hidden_variance(
    spectra: NDArray[np.floating], subspace: Subspace, noise: NDArray[np.float64]
) -> float:
    """
    Return what a subspace leaves of spectra beyond their noise, mean square over the bands.

    Parameters
    ----------
    spectra : ndarray of shape (good bands, pixels)
        Less their mean.
    subspace : Subspace
        Of those bands.
    noise : ndarray of shape (good bands,)
        Standard deviations.
    """
    outside = np.eye(len(spectra)) - subspace.loading[:, subspace.good].T @ subspace.basis
    left = np.square(outside @ spectra).sum(axis=0).mean()
    share = np.sum(outside**2 @ noise**2)
    return max(float(left - share), 0.0) / len(spectra)
