"""
Standard errors of fused pixels: a regression of the error on what is known at full resolution.

Errors are large where estimates of different kinds disagree and at edges of the MS image, and in
scenes whose spectra have noise of their own at the size of MS pixels. The logarithm of the error,
root mean square over the good bands in units of what the prior standard deviation and that noise
add up to, is a linear function of the logarithms of the others. Its coefficients are those of many
scenes (`benchmarks/uncertainty.py`). Nothing of its level is fitted to the pair itself: beside the
prior standard deviation, the error in the reduced-resolution test does not predict it better.

The level is such that 90 % of the pixels of a typical scene have an error below 1.645 standard
errors, as of a normal distribution. What nothing shows is not in it: detail that neither image
resolves, and noise of the reference spectra that all bands share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from hsfuse.core.grid import Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.core.resample import degrade_matrix
from hsfuse.core.subspace import Subspace
from hsfuse.methods.ms_ssfnet.settings import ErrorModelSettings
from hsfuse.pair.survey import Survey

__all__ = [
    "NORMAL_90",
    "ErrorMaps",
    "ErrorModel",
    "local_contrast",
    "local_rms",
    "noise_gain",
    "reference_noise",
    "variance_outside_subspace",
]

# Standard errors on either side of a normal distribution's mean that hold 90 % of it.
NORMAL_90 = 1.645
_DEFAULT = ErrorModelSettings()
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class ErrorMaps:
    """
    What the error of a pixel depends on, each of shape (rows, columns).

    Attributes
    ----------
    spread : ndarray
        Of the estimates about the fused components: root mean square over the good bands, in HS
        units.
    unmixed : ndarray
        Difference of `cnmf` from the initial estimate, over a pixel and its neighbours; likewise.
    contrast : ndarray
        From :func:`local_contrast`.
    brightness : ndarray
        Of the fused pixel; likewise.
    """

    spread: NDArray[np.float32]
    unmixed: NDArray[np.float32]
    contrast: NDArray[np.float64]
    brightness: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """
    The error model of a pair.

    Attributes
    ----------
    prior : float
        Prior standard deviation of errors, root mean square over the good bands, in HS units.
    reference_noise : float
        From :func:`reference_noise`.
    brightness : float
        The scene's unit of brightness, in HS units.
    ratio : float
        MS pixels per HS pixel.
    settings : ErrorModelSettings
        The coefficients.
    """

    prior: float
    reference_noise: float
    brightness: float
    ratio: float
    settings: ErrorModelSettings = _DEFAULT

    @property
    def relative_noise(self) -> float:
        """Reference noise in the prior standard deviation."""
        return self.reference_noise / max(self.prior, _TINY)

    @property
    def unit(self) -> float:
        """
        The unit of errors, in HS units: the variance of the reference noise adds to the prior one.

        Examples
        --------
        >>> ErrorModel(4.0, 3.0, 1.0, 4.0).unit
        5.0
        """
        return self.prior * math.hypot(1, min(self.relative_noise, self.settings.most_noise))

    def regressors(self, maps: ErrorMaps) -> NDArray[np.float64]:
        """
        Return what the logarithm of the error is linear in, (regressors, rows, columns).

        In the order of :attr:`ErrorModelSettings.coefficients`; logarithms in units of the scene.
        """
        units = self.prior, self.prior, 1.0, self.brightness
        quantities = maps.spread, maps.unmixed, maps.contrast, maps.brightness
        return np.stack(
            [
                np.log(np.asarray(values, np.float64) / max(unit, _TINY) + self.settings.least)
                for values, unit in zip(quantities, units, strict=True)
            ]
        )

    def predict(self, maps: ErrorMaps) -> NDArray[np.float32]:
        """
        Return the standard error of each pixel, (rows, columns), in HS units.

        Examples
        --------
        >>> one = np.ones((1, 1))
        >>> plain = ErrorModelSettings(0.0, (1.0, 0, 0, 0), least=0.0)
        >>> ErrorModel(2.0, 0.0, 1.0, 4.0, plain).predict(ErrorMaps(3 * one, one, one, one))
        array([[3.]], dtype=float32)
        """
        weights = np.asarray(self.settings.coefficients)
        logarithm = np.tensordot(weights, self.regressors(maps), axes=1)
        return (self.unit * np.exp(self.settings.intercept + logarithm)).astype(np.float32)

    def sentence(self) -> str:
        """Return what the user should know of the calibration."""
        low, high = self.settings.ratios
        text = (
            "standard error: of 90 % of the pixels of a typical scene the root mean square error "
            "over the good bands is below 1.645 of it; for a single scene it is uncertain by a "
            f"factor of {self.settings.scene_factor:.2g}"
        )
        if self.relative_noise > self.settings.most_noise:
            text += (
                "; it may be too small for this one, in some of whose HS bands MS pixels vary by "
                f"{self.relative_noise:.1f} times what the estimates differ by"
            )
        if not low <= self.ratio <= high:
            text += f"; calibrated at ratios of {low:g} to {high:g}, not at {self.ratio:.3g}"
        return text

    def describe(self) -> dict[str, float]:
        """Return the numbers in JSON types."""
        return {
            "prior": self.prior,
            "reference_noise": self.reference_noise,
            "brightness": self.brightness,
            "intercept": self.settings.intercept,
        }


def local_rms(values: NDArray[np.floating], radius: int) -> NDArray[np.float32]:
    """
    Return the root mean square about each pixel, (rows, columns).

    Parameters
    ----------
    values : ndarray of shape (rows, columns)
    radius : int
        Pixels on either side.
    """
    squares = np.square(values, dtype=np.float64)
    mean = uniform_filter(squares, 2 * radius + 1, mode="nearest")
    return np.sqrt(np.maximum(mean, 0)).astype(np.float32)


def local_contrast(
    fine: NDArray[np.floating],
    known: NDArray[np.bool_],
    radius: int = _DEFAULT.radius,
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


def noise_gain(geometry: Geometry, psf: PSF) -> float:
    """
    Return the standard deviation of white noise of variance one after D.

    Parameters
    ----------
    geometry : Geometry
        Of HS pixels over MS pixels.
    psf : PSF
        Of the HS sensor.

    Examples
    --------
    >>> from hsfuse.core.grid import Axis
    >>> axis = Axis(64, 16, 4.0)
    >>> noise_gain(Geometry(axis, axis), PSF((0.0, 0.0)))
    0.25
    """
    power = 1.0
    for axis, width in zip((geometry.y, geometry.x), psf.fwhm, strict=True):
        middle = Span(axis.coarse // 2, axis.coarse // 2 + 1)
        power *= float(np.square(degrade_matrix(axis, width, middle)).sum())
    return math.sqrt(power)


def reference_noise(survey: Survey, settings: ErrorModelSettings = _DEFAULT) -> float:
    """
    Return the noise of the ground's spectra at the size of MS pixels, as far as it is seen.

    An imaging spectrometer has about one signal-to-noise ratio. Bands whose noise is larger show
    what varies from MS pixel to MS pixel in these bands alone, of which D leaves a known share. It
    is part of the MS image's noise as well, which limits it.

    Parameters
    ----------
    survey : Survey
        Of the pair.
    settings : ErrorModelSettings
        The numbers.

    Returns
    -------
    float
        Root mean square over the good bands, in HS units.
    """
    good, radiometry = survey.good, survey.radiometry
    noise = survey.noise[good]
    signal = np.sqrt(np.square(survey.spectra[good], dtype=np.float64).mean(axis=1))
    typical = float(np.median(noise / np.maximum(signal, _TINY)))
    # The relative standard error of a standard deviation from n values is 1 / sqrt(2 n).
    same = 1 + settings.noise_errors / math.sqrt(2 * max(survey.spectra.shape[1], 1))
    excess = np.maximum(noise**2 - (same * typical * signal) ** 2, 0.0).mean()
    response = radiometry.gain[:, None] * radiometry.response[:, good]
    passed = np.square(response).sum(axis=1)
    most = np.mean(survey.fine_noise**2 / np.maximum(passed, _TINY))
    gain = noise_gain(survey.patches[0].geometry, survey.psf)
    return math.sqrt(min(float(excess) / max(gain, _TINY) ** 2, float(most)))


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
