"""
Error model: the standard error of a fused pixel from quantities known at full resolution.

Errors are large where estimates of different kinds differ and at edges of the MS image, and in
scenes whose spectra contain noise at the size of MS pixels. The logarithm of the error is a linear
function of the logarithms of these quantities (multiplicative heteroscedasticity, Harvey 1976,
doi:10.2307/1913974). The error is the root mean square over the good bands; its unit combines the
prior standard deviation and the noise of the reference spectra. Quantities and unit are hsfuse's
own, and the coefficients are fitted to pairs of many scenes (`benchmarks/uncertainty.py`). Nothing
of the level is fitted to the pair itself: beside the prior standard deviation, the error in the
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
    intercept: float = 0.086
    coefficients: tuple[float, ...] = (0.188, 0.253, 0.202, 0.185)
    # Root mean square error of the level of a scene, as a factor, by the model of other scenes.
    scene_factor: float = 1.5
    # Range of the calibration: ratios, and reference noise relative to the prior standard
    # deviation, above which lies one of the 33 pairs; the unit is not extrapolated beyond it.
    ratios: tuple[float, float] = (2.0, 16.0)
    maximum_noise: float = 1.5
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


_DEFAULT = ErrorModelSettings()


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """
    The error model of a pair.

    Attributes
    ----------
    prior : float
        Prior standard deviation of errors, root mean square over the good bands, in HS units.
    reference_noise : float
        From :func:`~hsfuse.methods.ms_ssfnet.reference_noise.reference_noise`.
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
    reference_noise: float
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
        Unit of errors in HS units: the variance of the reference noise is added to the prior one.

        Examples
        --------
        >>> ErrorModel(4.0, 3.0, 1.0, 4.0).unit
        5.0
        """
        return self.prior * math.hypot(1, min(self.relative_noise, self.settings.maximum_noise))

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
        >>> settings = ErrorModelSettings(0.0, (1.0, 0, 0, 0), log_offset=0.0)
        >>> model = ErrorModel(2.0, 0.0, 1.0, 4.0, settings=settings)
        >>> model.predict(ErrorMaps(3 * one, one, one, one))
        array([[3.]], dtype=float32)
        """
        coefficients = np.asarray(self.settings.coefficients)
        logarithm = np.tensordot(coefficients, self.regressors(maps), axes=1)
        return (self.unit * np.exp(self.settings.intercept + logarithm)).astype(np.float32)

    def sentence(self) -> str:
        """Return a note for the user on the accuracy of the standard errors, one sentence."""
        low, high = self.settings.ratios
        text = (
            "standard error: of 90 % of the pixels of a typical scene the root mean square error "
            "over the good bands is below 1.645 of it; for a single scene it is uncertain by a "
            f"factor of {self.settings.scene_factor:.2g}"
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
            "reference_noise": self.reference_noise,
            "brightness": self.brightness,
            "intercept": self.settings.intercept,
        }
