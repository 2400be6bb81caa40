"""
Response of the MS sensor to principal components, as far as the pair confirms the stated one.

The stated R may be off by some nanometres. What it leaves of the MS image on the grid of the HS
image is regressed on the components: Bayesian linear regression with a normal prior, whose variance
maximises the marginal likelihood (MacKay 1992, doi:10.1162/neco.1992.4.3.415), so that a response
that fits stays as it is. The components have noise, which R passes to the residual (errors in
variables, Fuller 1987, "Measurement Error Models", section 2.3): this is subtracted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.robust import tukey_biweight
from hsfuse.core.subspace import Subspace
from hsfuse.methods.ms_ssfnet.settings import ResponseSettings
from hsfuse.pair.survey import Survey

__all__ = ["component_response", "response_correction", "surveyed_components"]

Array = NDArray[np.float64]
_DEFAULT = ResponseSettings()


def component_response(
    survey: Survey, subspace: Subspace, noise: Array, settings: ResponseSettings = _DEFAULT
) -> tuple[Array, Array]:
    """
    Return what the MS sensor measures of the mean spectrum and of each component.

    Parameters
    ----------
    survey : Survey
        Of the pair.
    subspace : Subspace
        Of the components.
    noise : ndarray of shape (components,)
        Standard deviation of the HS image's noise.
    settings : ResponseSettings
        The numbers.

    Returns
    -------
    tuple of ndarray
        Of shape (MS bands,), offset included, and (MS bands, components).
    """
    radiometry, good = survey.radiometry, survey.good
    bands = radiometry.gain[:, None] * radiometry.response[:, good]
    mean = bands @ subspace.mean[good] + radiometry.offset
    response = bands @ subspace.loading[:, good].T
    components, seen = surveyed_components(survey, subspace)
    residual = seen - mean[:, None] - response @ components
    shifted = residual - np.median(residual, axis=1, keepdims=True)
    kept = tukey_biweight(shifted, seen) > settings.least_weight
    if kept.sum() * settings.independent <= len(components):
        return mean, response
    prior = _prior(survey.wavelength[good], subspace.loading[:, good], settings)
    components = components[:, kept]
    centre = components.mean(axis=1)
    correction = response_correction(
        components - centre[:, None], residual[:, kept], response, noise, prior, settings=settings
    )
    return mean + residual[:, kept].mean(axis=1) - correction @ centre, response + correction


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
        Of the HS image, less their mean.
    residual : ndarray of shape (MS bands, pixels)
        The degraded MS image less its response to the components.
    response : ndarray of shape (MS bands, components)
        The stated one.
    noise : ndarray of shape (components,)
        Standard deviation of the noise of ``components``.
    prior : ndarray of shape (components, components)
        Covariance of its error, in any unit.
    settings : ResponseSettings
        The numbers.
    """
    pixels = components.shape[1]
    root = np.linalg.cholesky(prior + 1e-12 * np.trace(prior) * np.eye(len(prior)))
    covariance = _without_noise(components @ components.T / pixels, noise, settings)
    values, vectors = np.linalg.eigh(root.T @ covariance @ root)
    directions = root @ vectors
    values = np.maximum(values, 0) + 1e-300
    count = settings.independent * pixels
    corrections = []
    for band, own in zip(residual - residual.mean(axis=1, keepdims=True), response, strict=True):
        moment = directions.T @ (components @ band / pixels + noise**2 * own)
        power = float(band @ band) / pixels
        shrinkage = _shrinkage(values, moment, max(power, 1e-300), count, settings)
        corrections.append(directions @ (shrinkage * moment / values))
    return np.stack(corrections)


def surveyed_components(survey: Survey, subspace: Subspace) -> tuple[Array, Array]:
    """
    Return what both sensors measured of the surveyed HS pixels with data in both images.

    Parameters
    ----------
    survey : Survey
        Of the pair.
    subspace : Subspace
        Of the components.

    Returns
    -------
    tuple of ndarray
        Components, (components, pixels), and degraded MS bands, (MS bands, pixels).
    """
    components, seen = [], []
    for patch in survey.patches:
        degraded, used = survey.degraded(patch)
        components.append(subspace.project(patch.coarse)[0][:, used].astype(np.float64))
        seen.append(degraded[:, used])
    return np.concatenate(components, axis=1), np.concatenate(seen, axis=1)


def _prior(wavelength: Array, loading: Array, settings: ResponseSettings) -> Array:
    """Return the covariance of errors by component, from those of bands, alike if near."""
    if not np.isfinite(wavelength).all():
        return np.asarray(loading @ loading.T)
    distance = (wavelength[:, None] - wavelength) / settings.correlation
    return np.asarray(loading @ np.exp(-(distance**2) / 2) @ loading.T)


def _without_noise(covariance: Array, noise: Array, settings: ResponseSettings) -> Array:
    """Return the covariance of noise-free components, positive definite."""
    values, vectors = np.linalg.eigh(covariance - np.diag(noise**2))
    least = settings.least_signal * np.einsum("ij,ik,kj->j", vectors, covariance, vectors)
    return np.asarray((vectors * np.maximum(values, least)) @ vectors.T)


def _shrinkage(
    values: Array, moment: Array, power: float, count: float, settings: ResponseSettings
) -> Array:
    """
    Return the factors of the least-squares solution at the largest marginal likelihood.

    Parameters
    ----------
    values : ndarray of shape (components,)
        Variance of the regressors, which are uncorrelated.
    moment : ndarray of shape (components,)
        Their covariance with the residual.
    power : float
        Variance of the residual.
    count : float
        Independent pixels.
    settings : ResponseSettings
        The numbers.
    """
    best, found = -0.5 * count * np.log(power), np.zeros_like(values)
    # Variance of the prior times the pixels, in that of the residual over the largest regressor.
    for ratio in np.logspace(-3, 8, 45) / values.max():
        shrinkage = ratio * values / (1 + ratio * values)
        left = power - float(shrinkage @ (moment**2 / values))
        if left <= settings.least_left * power:
            break
        likelihood = -0.5 * (count * np.log(left) + np.log1p(ratio * values).sum())
        if likelihood > best:
            best, found = likelihood, shrinkage
    return found
