"""
Standard errors of fused pixels: a model of the error in two quantities of each pixel.

Estimates of different kinds that disagree are wrong somewhere, and most errors are at edges of the
MS image. With d the disagreement and c the local contrast, the error is modelled as
``exp(a) d^b c^g``. At reduced resolution, where the HS image is the reference, the three numbers
are fitted, with ``a`` such that 68 % of the pixels have a smaller error. The fit is averaged with
a default model of other scenes, with the less weight the fewer its pixels and the more its ratio
differs.

It ranks the pixels of a scene; its level is wrong by a factor of two in some scenes, and by four in
one of eleven. An error that all estimates share, such as detail below the noise of the HS image,
does not show in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from hsfuse.core.subspace import Subspace
from hsfuse.methods.ms_ssfnet.settings import ErrorModelSettings

__all__ = [
    "BAND",
    "ErrorModel",
    "fit_error_model",
    "local_contrast",
    "variance_outside_subspace",
]

# Name of the band that holds the standard error.
BAND = "standard error"
_DEFAULT = ErrorModelSettings()
_TINY = 1e-30


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """
    The error model of a pair.

    Attributes
    ----------
    offset : float
        a: a logarithm, in units of HS values to the power of 1 - ``slope``.
    slope : float
        b, not negative: more disagreement never means less error.
    contrast : float
        g.
    weight : float
        Of the fit on the pair against the default model, 0 to 1.
    smooth : float
        Contrast below which a surface is smooth, in standard deviations of the MS bands.
    """

    offset: float
    slope: float = 1.0
    contrast: float = 0.0
    weight: float = 0.0
    smooth: float = _DEFAULT.smooth

    @classmethod
    def default(cls, ratio: float, settings: ErrorModelSettings = _DEFAULT) -> ErrorModel:
        """Return the default model for a ratio, which is not fitted to the pair."""
        offset = math.log(settings.level) + settings.power * math.log(ratio)
        return cls(offset, smooth=settings.smooth)

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
        >>> ErrorModel(offset=0.0, slope=1.0).predict(np.array([0.5]), np.array([1.0]))
        array([0.5], dtype=float32)
        """
        regressors = np.stack(_regressors(disagreement, contrast, self.smooth), axis=-1)
        logarithm = self.offset + regressors @ np.array([self.slope, self.contrast])
        return np.exp(logarithm).astype(np.float32)

    def sentence(self) -> str:
        """Return what the user should know of the calibration."""
        if not self.weight:
            return (
                "standard error: from the disagreement of several estimates by a default model, "
                "not calibrated on this pair"
            )
        return (
            "standard error: from the disagreement of several estimates, calibrated in the "
            "reduced-resolution test to cover 68 % of the errors; this calibration has a weight of "
            f"{100 * self.weight:.0f} %, a default model the rest"
        )

    def describe(self) -> dict[str, float]:
        """Return the numbers in JSON types."""
        return {
            "offset": self.offset,
            "slope": self.slope,
            "contrast": self.contrast,
            "weight": self.weight,
        }


def fit_error_model(
    disagreement: NDArray[np.floating],
    contrast: NDArray[np.floating],
    error: NDArray[np.floating],
    *,
    default: ErrorModel,
    ratio_change: float = 1.0,
    scale: float = 1.0,
    settings: ErrorModelSettings = _DEFAULT,
) -> ErrorModel:
    """
    Return the error model for full resolution, fitted to reduced-resolution pixels.

    Parameters
    ----------
    disagreement, contrast : ndarray of shape (pixels,)
        As :meth:`ErrorModel.predict`.
    error : ndarray of shape (pixels,)
        Root mean square over the good bands, in HS units; NaN where it is not known.
    default : ErrorModel
        Toward which the fit is shrunk.
    ratio_change : float
        The ratio at full resolution over the reduced one: a smaller ratio predicts less.
    scale : float
        Typical disagreement at full resolution over that at reduced resolution.
    settings : ErrorModelSettings
        The other numbers.
    """
    known = np.isfinite(error)
    count = int(known.sum())
    if count == 0:
        return default
    regressors = np.stack(_regressors(disagreement[known], contrast[known], settings.smooth))
    level = regressors[0].mean()
    regressors[0] -= level
    target = np.log(np.maximum(error[known].astype(np.float64), _TINY)) - level
    prior = np.array([default.slope, default.contrast])
    centred = regressors - regressors.mean(axis=1, keepdims=True)
    residual = target - target.mean() - prior @ centred
    ridge = settings.ridge * np.eye(2)
    moments = centred @ centred.T / count + ridge
    slopes = prior + np.linalg.solve(moments, centred @ residual / count)
    slopes[0] = max(slopes[0], 0.0)
    offset = np.quantile(target - slopes @ regressors, settings.coverage)
    offset += settings.growth * math.log(ratio_change)
    change = max(ratio_change, 1 / ratio_change) ** 2
    weight = 1 / (1 + settings.fit_variance * change + settings.prior_pixels / count)
    slopes = weight * slopes + (1 - weight) * prior
    offset = weight * offset + (1 - weight) * default.offset
    offset += (1 - slopes[0]) * (level + math.log(scale))
    return ErrorModel(
        float(offset), float(slopes[0]), float(slopes[1]), float(weight), settings.smooth
    )


def _regressors(
    disagreement: NDArray[np.floating], contrast: NDArray[np.floating], smooth: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the logarithms of both."""
    return (
        np.log(np.maximum(disagreement, _TINY).astype(np.float64)),
        np.log(contrast.astype(np.float64) + smooth),
    )


def local_contrast(
    fine: NDArray[np.floating],
    known: NDArray[np.bool_],
    radius: int = _DEFAULT.contrast_radius,
) -> NDArray[np.float64]:
    """
    Return the standard deviation of the MS image about each pixel, shape (rows, columns).

    Parameters
    ----------
    fine : ndarray of shape (MS bands, rows, columns)
        Standardised.
    known : ndarray of shape (rows, columns), bool
        Where there is data; other pixels have no weight.
    radius : int
        Pixels on either side.
    """
    size = 2 * radius + 1
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


def variance_outside_subspace(
    spectra: NDArray[np.floating], subspace: Subspace, noise: NDArray[np.float64]
) -> float:
    """
    Return the variance of spectra outside a subspace less that of noise, mean over the bands.

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
    variance = np.square(outside @ spectra).sum(axis=0).mean()
    of_noise = np.sum(outside**2 @ noise**2)
    return max(float(variance - of_noise), 0.0) / len(spectra)
