"""
Error model: the standard error of a fused pixel from quantities known at full resolution.

Errors are large where estimates of different kinds differ and at edges of the MS image. The
logarithm of this part of the error is a linear function of the logarithms of these quantities
(multiplicative heteroscedasticity, Harvey 1976, doi:10.2307/1913974), in a unit that combines the
prior standard deviation and the difference of a typical estimate. To its square are added those of
errors that all estimates share: the noise of the MS image, the noise of the reference spectra, and
the residual of the HS image, each with a weight. The error is the root mean square over the good
bands. Quantities and unit are hsfuse's own, and the coefficients are fitted to pairs of many scenes
(`benchmarks/uncertainty.py`). Nothing of the level is fitted to the pair itself: the error in the
reduced-resolution test does not predict it better.

The level is such that 90 % of the pixels of a typical scene have an error below 1.645 standard
errors, as of a normal distribution. It does not contain what the images do not show: detail that
neither of them resolves, and noise of the reference spectra that all bands share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsfuse.methods.ms_ssfnet.error_maps import ErrorMaps

__all__ = ["NORMAL_90", "ErrorModel", "ErrorModelSettings"]

# Half-width of the interval around the mean of a normal distribution that contains 90 % of it, in
# standard deviations.
NORMAL_90 = 1.645
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class ErrorModelSettings:
    """Coefficients and limits of the error model."""

    # Coefficients of the logarithms of the spread of the estimates, the difference of `cnmf`,
    # contrast and brightness. `python benchmarks/uncertainty.py --scenes CUBES --cave CUBES`, 33
    # pairs of eleven remote-sensing and eleven CAVE scenes at ratios 4 and 8.
    intercept: float = 0.034
    coefficients: tuple[float, ...] = (0.176, 0.544, 0.153, 0.277)
    # Weights of the noise of the MS image, of the reference noise and of the residual of the HS
    # image, fitted with them.
    noise_weights: tuple[float, float, float] = (0.809, 0.673, 1.58)
    # Root mean square error of the level of a scene, as a factor, by the model of other scenes;
    # eleven more pairs at ratio 8 count, which are not fitted.
    scene_factor: float = 1.4
    # Range of the calibration: ratios; reference noise relative to the prior standard deviation,
    # above which lies one of the 33 pairs; and noise of an MS band relative to what errors of the
    # prior standard deviation change in it, of which none has more.
    ratios: tuple[float, float] = (2.0, 16.0)
    maximum_noise: float = 1.5
    maximum_ms_noise: float = 2.0
    # Smallest number of HS pixels with data in both images, for which prior standard deviation and
    # noise are determined.
    minimum_pixels: int = 100
    # Standard errors of the noise of a band within which it counts as typical. With fewer, sampling
    # errors of the few HS pixels of a large ratio are taken for noise of the reference spectra.
    noise_tolerance: float = 2.5
    # Added to each quantity of a pixel, in its unit, before its logarithm: nothing is certain where
    # estimates agree by chance. The unit of contrast is the standard deviation of the MS bands.
    log_offset: float = 0.02
    # Pixels on either side over which contrast and difference of `cnmf` are averaged.
    radius: int = 2

    def log_error(
        self, regressors: NDArray[np.float64], unit: float, noise: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """
        Return the logarithm of the standard errors in HS units.

        Parameters
        ----------
        regressors : ndarray of shape (regressors, ...)
            From :meth:`ErrorModel.regressors`.
        unit : float
            Of the errors that differ from estimate to estimate, in HS units.
        noise : ndarray of shape (3,)
            Errors that all estimates share, in HS units.
        """
        slopes = np.tensordot(np.asarray(self.coefficients), regressors, axes=1)
        shared = float(np.square(np.asarray(self.noise_weights) * noise).sum())
        differing = 2 * (math.log(max(unit, _TINY)) + self.intercept + slopes)
        return np.asarray(0.5 * np.logaddexp(differing, math.log(max(shared, _TINY**2))))


_DEFAULT = ErrorModelSettings()


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """
    The error model of a pair.

    Attributes
    ----------
    prior : float
        Prior standard deviation of errors, root mean square over the good bands, in HS units.
    estimate_difference : float
        Geometric mean of the root mean square differences of the estimates, in HS units: how far a
        typical one is from the initial estimate. The prior standard deviation is determined by the
        one that is farthest.
    ms_noise, reference_noise : float
        From :mod:`~hsfuse.methods.ms_ssfnet.reference_noise`.
    hs_residual : float
        Root mean square of the interpolated residual of the HS image, in HS units.
    brightness : float
        Unit of brightness of the scene, in HS units.
    ratio : float
        MS pixels per HS pixel.
    outside_variance : float
        Variance of the HS spectra outside the subspace minus that of noise, mean over the good
        bands, in squared HS units.
    settings : ErrorModelSettings
        Coefficients and limits.
    """

    prior: float
    estimate_difference: float
    ms_noise: float
    reference_noise: float
    hs_residual: float
    brightness: float
    ratio: float
    outside_variance: float = 0.0
    settings: ErrorModelSettings = _DEFAULT

    @property
    def relative_noise(self) -> float:
        """Reference noise relative to the prior standard deviation."""
        return self.reference_noise / max(self.prior, _TINY)

    @property
    def unit(self) -> float:
        """
        Unit of errors in HS units, without those that all estimates share.

        Examples
        --------
        >>> ErrorModel(8.0, 2.0, 0.0, 0.0, 0.0, 1.0, 4.0).unit
        4.0
        """
        return math.sqrt(self.prior * self.estimate_difference)

    @property
    def noise(self) -> NDArray[np.float64]:
        """
        Errors that all estimates share, in HS units.

        Their order is that of :attr:`ErrorModelSettings.noise_weights`.
        """
        return np.array([self.ms_noise, self.reference_noise, self.hs_residual])

    def regressors(self, maps: ErrorMaps) -> NDArray[np.float64]:
        """
        Return the logarithms of the quantities in units of the scene, (regressors, rows, columns).

        Their order is that of :attr:`ErrorModelSettings.coefficients`.
        """
        units = self.prior, self.prior, 1.0, self.brightness
        quantities = maps.spread, maps.cnmf_difference, maps.contrast, maps.brightness
        return np.stack(
            [
                np.log(np.asarray(values, np.float64) / max(unit, _TINY) + self.settings.log_offset)
                for values, unit in zip(quantities, units, strict=True)
            ]
        )

    def predict(self, maps: ErrorMaps) -> NDArray[np.float32]:
        """
        Return the standard error of each pixel, (rows, columns), in HS units.

        Examples
        --------
        >>> one = np.ones((1, 1))
        >>> settings = ErrorModelSettings(0.0, (1.0, 0, 0, 0), (1.0, 0, 0), log_offset=0.0)
        >>> model = ErrorModel(3.0, 3.0, 4.0, 0.0, 0.0, 1.0, 4.0, settings=settings)
        >>> model.predict(ErrorMaps(3 * one, one, one, one))
        array([[5.]], dtype=float32)
        """
        logarithm = self.settings.log_error(self.regressors(maps), self.unit, self.noise)
        return np.exp(logarithm).astype(np.float32)

    def sentence(self) -> str:
        """Return a note for the user on the accuracy of the standard errors, one sentence."""
        low, high = self.settings.ratios
        text = (
            "standard error: in 90% of the pixels of a typical scene the root mean square error "
            "over the good bands is below 1.645 times the standard error; for a single scene it is "
            f"uncertain by a factor of {self.settings.scene_factor:.2g}"
        )
        if self.relative_noise > self.settings.maximum_noise:
            text += (
                "; it may be too small for this one, in some of whose HS bands MS pixels vary by "
                f"{self.relative_noise:.1f} times what the estimates differ by"
            )
        if not low <= self.ratio <= high:
            text += f"; calibrated at ratios of {low:g} to {high:g}, not at {self.ratio:.3g}"
        return text

    def describe(self) -> dict[str, float]:
        """Return the parameters in JSON types, for the plan and the record."""
        return {
            "prior": self.prior,
            "estimate_difference": self.estimate_difference,
            "ms_noise": self.ms_noise,
            "reference_noise": self.reference_noise,
            "hs_residual": self.hs_residual,
            "brightness": self.brightness,
            "intercept": self.settings.intercept,
        }
