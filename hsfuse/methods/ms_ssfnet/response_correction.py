"""
Correction of the stated response of the MS sensor, as far as the pair shows that it is wrong.

The centres and widths of MS bands may be wrong by some nanometres. The residual of the MS image on
the HS grid is therefore regressed on the components: Bayesian linear regression with a normal
prior, whose variance maximises the marginal likelihood (MacKay 1992,
doi:10.1162/neco.1992.4.3.415), so that a correct response remains as stated. The components contain
noise, through which a response enters the residual (errors in variables, Fuller 1987, "Measurement
Error Models", section 2.3); covariance and moments are corrected for it. The prior covariance of
the response errors, a squared exponential of the difference in wavelength, is hsfuse's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.robust import tukey_biweight
from hsfuse.core.subspace import Subspace
from hsfuse.methods.component_response import ComponentResponse
from hsfuse.pair.survey import Survey

__all__ = ["ResponseSettings", "correct_response", "paired_components", "response_correction"]

Array = NDArray[np.float64]
# Smallest positive variance, so that an image without any divides.
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class ResponseSettings:
    """Settings of the correction of the stated response."""

    # Correlation length, in nanometres, of the error of a response: the error of a band whose
    # centre or width is wrong by some nanometres is at its edges.
    correlation_length: float = 15.0
    # Share of the HS pixels that count as independent: neighbours share ground, and errors of D
    # and of single objects are no white noise. On eleven scenes with the right response a share of
    # 1 loses 0.04 dB in the mean, a quarter 0.04 dB on one, a tenth 0.001 dB.
    independent_share: float = 0.1
    # Smallest biweight of a pixel in the regression.
    minimum_weight: float = 0.01
    # Smallest variance of the noise-free components, relative to that of the noisy ones; and
    # smallest variance of the residual of the regression, relative to that of its target, below
    # which the subtracted noise would determine the result.
    minimum_signal: float = 1e-3
    minimum_residual: float = 0.05
    # Candidates for the variance of the prior times the number of pixels, in units of the variance
    # of the residual over that of the largest regressor.
    prior_ratios: tuple[float, ...] = tuple(map(float, np.logspace(-3, 8, 45)))


_DEFAULT = ResponseSettings()


def correct_response(
    survey: Survey, subspace: Subspace, noise: Array, settings: ResponseSettings = _DEFAULT
) -> ComponentResponse:
    """
    Return the response of the MS sensor to components, corrected by the pair.

    Parameters
    ----------
    survey : Survey
        Survey of the pair.
    subspace : Subspace
        Subspace of the components.
    noise : ndarray of shape (components,)
        Standard deviation of the noise of the components of the HS image.
    settings : ResponseSettings
        Settings of the correction.

    Returns
    -------
    ComponentResponse
        The stated response where too few pixels remain for a regression.
    """
    stated = ComponentResponse.of(survey.radiometry, subspace)
    components, fine = paired_components(survey, subspace)
    residual = stated.residual(fine, components)
    centred = residual - np.median(residual, axis=1, keepdims=True)
    inliers = tukey_biweight(centred, fine) > settings.minimum_weight
    if inliers.sum() * settings.independent_share <= len(components):
        return stated
    good = survey.good
    prior = _prior_covariance(survey.wavelength[good], subspace.loading[:, good], settings)
    components, residual = components[:, inliers], residual[:, inliers]
    mean = components.mean(axis=1)
    correction = response_correction(
        components - mean[:, None], residual, stated.matrix, noise, prior, settings=settings
    )
    offset = stated.mean + residual.mean(axis=1) - correction @ mean
    return ComponentResponse(offset, stated.matrix + correction)


def response_correction(
    components: Array,
    residual: Array,
    response: Array,
    noise: Array,
    prior: Array,
    *,
    settings: ResponseSettings = _DEFAULT,
) -> Array:
    """
    Return the most probable error of a response, shape (MS bands, components).

    Parameters
    ----------
    components : ndarray of shape (components, pixels)
        Components of the HS image, minus their mean.
    residual : ndarray of shape (MS bands, pixels)
        The degraded MS image minus the stated response to the components.
    response : ndarray of shape (MS bands, components)
        The stated response.
    noise : ndarray of shape (components,)
        Standard deviation of the noise of ``components``.
    prior : ndarray of shape (components, components)
        Covariance of the error of a response, in any unit.
    settings : ResponseSettings
        Settings of the correction.
    """
    pixels = components.shape[1]
    root = np.linalg.cholesky(prior + 1e-12 * np.trace(prior) * np.eye(len(prior)))
    covariance = _noise_free(components @ components.T / pixels, noise, settings)
    values, vectors = np.linalg.eigh(root.T @ covariance @ root)
    directions = root @ vectors
    values = np.maximum(values, 0) + _TINY
    count = settings.independent_share * pixels
    corrections = []
    for target, stated in zip(
        residual - residual.mean(axis=1, keepdims=True), response, strict=True
    ):
        # The noise of the components times the stated response is part of the residual.
        moment = directions.T @ (components @ target / pixels + noise**2 * stated)
        variance = max(float(target @ target) / pixels, _TINY)
        shrinkage = _shrinkage(values, moment, variance, count, settings)
        corrections.append(directions @ (shrinkage * moment / values))
    return np.stack(corrections)


def paired_components(survey: Survey, subspace: Subspace) -> tuple[Array, Array]:
    """
    Return the observations of both sensors at the surveyed HS pixels with data in both images.

    Parameters
    ----------
    survey : Survey
        Survey of the pair.
    subspace : Subspace
        Subspace of the components.

    Returns
    -------
    tuple of ndarray
        Components of the HS image, (components, pixels), and D(Y), (MS bands, pixels).
    """
    components, fine = [], []
    for patch in survey.patches:
        degraded, used = survey.degraded(patch)
        components.append(subspace.project(patch.coarse)[0][:, used].astype(np.float64))
        fine.append(degraded[:, used])
    return np.concatenate(components, axis=1), np.concatenate(fine, axis=1)


def _prior_covariance(wavelength: Array, loading: Array, settings: ResponseSettings) -> Array:
    """
    Return the prior covariance of the errors of a response to components.

    Errors at HS bands of neighbouring wavelengths are correlated; without wavelengths they are
    independent.
    """
    if not np.isfinite(wavelength).all():
        return np.asarray(loading @ loading.T)
    distance = (wavelength[:, None] - wavelength) / settings.correlation_length
    return np.asarray(loading @ np.exp(-(distance**2) / 2) @ loading.T)


def _noise_free(covariance: Array, noise: Array, settings: ResponseSettings) -> Array:
    """Return the covariance of the noise-free components, positive definite."""
    values, vectors = np.linalg.eigh(covariance - np.diag(noise**2))
    noisy = np.einsum("ij,ik,kj->j", vectors, covariance, vectors)
    return np.asarray((vectors * np.maximum(values, settings.minimum_signal * noisy)) @ vectors.T)


def _shrinkage(
    values: Array, moment: Array, variance: float, count: float, settings: ResponseSettings
) -> Array:
    """
    Return the factors of the least-squares solution at the maximum of the marginal likelihood.

    Parameters
    ----------
    values : ndarray of shape (components,)
        Variances of the regressors, which are uncorrelated.
    moment : ndarray of shape (components,)
        Covariances of the regressors with the residual.
    variance : float
        Variance of the residual.
    count : float
        Number of independent pixels.
    settings : ResponseSettings
        Settings of the correction.

    Returns
    -------
    ndarray of shape (components,)
        0 to 1; zeros where the likelihood is largest without a correction.
    """
    maximum, best = -0.5 * count * np.log(variance), np.zeros_like(values)
    for ratio in np.asarray(settings.prior_ratios) / values.max():
        shrinkage = ratio * values / (1 + ratio * values)
        remaining = variance - float(shrinkage @ (moment**2 / values))
        if remaining <= settings.minimum_residual * variance:
            break
        likelihood = -0.5 * (count * np.log(remaining) + np.log1p(ratio * values).sum())
        if likelihood > maximum:
            maximum, best = likelihood, shrinkage
    return best
