"""Scene-wide scales of principal components, in which the input of the network is expressed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.methods.component_response import ComponentResponse
from hsfuse.methods.guided.regression import GuidedFuser
from hsfuse.methods.kriging.method import SampledScene
from hsfuse.methods.ms_ssfnet.comparison import ComparisonSettings, EstimateComparison
from hsfuse.methods.ms_ssfnet.estimators import Estimators
from hsfuse.methods.ms_ssfnet.response_correction import ResponseSettings, correct_response
from hsfuse.pair.survey import Survey

__all__ = ["MS_COMPONENTS", "ComponentScales", "ScaleSettings", "measure_scales"]

Array = NDArray[np.float64]
# Principal components of the MS bands in the network's input: three contain most of the variance of
# RGB, Sentinel-2 and WorldView bands in most scenes. Weights are trained for this number.
MS_COMPONENTS = 3


@dataclass(frozen=True, slots=True)
class ScaleSettings:
    """Settings of the scales of the network's input; weights are trained with them."""

    comparison: ComparisonSettings = field(default_factory=ComparisonSettings)
    # Standard deviation of the error of an MS band, relative to its root mean square, and variance
    # of the error of the initial estimate, relative to that of its detail: they determine how the
    # residual of the MS image is distributed over the components.
    ms_error: float = 1e-2
    initial_error: float = 0.1
    # Smallest standard deviation of the detail, relative to that of the component, and smallest
    # prior standard deviation, relative to that of the detail.
    minimum_detail: float = 0.25
    minimum_prior: float = 0.02
    # Quantile at which the squared differences of the estimates are winsorised: in a scene of water
    # and a few roofs the largest determine the root mean square, in units of which the noise then
    # seems small. On one (`abu_beach_1`) it gains 0.85 dB in the darkest tenth; on another
    # (`pavia_centre_crop` in colour) it loses 0.04 dB.
    winsorised_quantile: float = 0.95
    # Smallest variance of a principal component of the MS bands, relative to that of a band; one
    # with less is noise, and would fill a channel.
    minimum_ms_variance: float = 1e-3
    # Surveyed windows from which the covariance of the MS bands is computed, approximate number of
    # MS pixels of all of them, and step between those used.
    covariance_windows: int = 3
    covariance_pixels: int = 2**19
    covariance_step: int = 7


_DEFAULT, _DEFAULT_RESPONSE = ScaleSettings(), ResponseSettings()


@dataclass(frozen=True)
class ComponentScales:
    """
    Scales of the components of a scene, and the response of the MS sensor to them.

    Attributes
    ----------
    deviation : ndarray of shape (components,)
        Standard deviation of the components of the HS image.
    detail : ndarray of shape (components,)
        Standard deviation of the detail: of the difference between `guided` and the interpolated HS
        image, or a quarter of ``deviation`` where that is larger, because detail that the MS bands
        do not show varies as well.
    prior_deviation : ndarray of shape (components,)
        Prior standard deviation of the errors: winsorised root mean square difference of the
        estimates from the initial one.
    whitening : ndarray of shape (3, MS bands)
        From standardised MS bands to their leading principal components, of variance one; rows of
        zeros where there are fewer bands.
    response : ComponentResponse
        Response of the MS sensor, with its gain and offset.
    gain : ndarray of shape (components, MS bands)
        From the residual of the MS image to the most probable change of the components.
    change_noise : ndarray of shape (components,)
        Standard deviation of that change due to the noise of the MS image.
    ms_residual : ndarray of shape (MS bands,)
        Root mean square of the MS image minus its response to the initial estimate.
    estimate_difference : float
        Geometric mean, over the other estimates, of their winsorised root mean square difference
        from the initial one, over pixels and good bands, in HS units.
    hs_residual : float
        Winsorised root mean square of the interpolated residual of the HS image, likewise.
    """

    deviation: Array
    detail: Array
    prior_deviation: Array
    whitening: Array
    response: ComponentResponse
    gain: Array
    change_noise: Array
    ms_residual: Array
    estimate_difference: float
    hs_residual: float


def measure_scales(
    survey: Survey,
    estimators: Estimators,
    scenes: Sequence[SampledScene],
    settings: ScaleSettings = _DEFAULT,
    response_settings: ResponseSettings = _DEFAULT_RESPONSE,
) -> ComponentScales:
    """
    Return the scales of a surveyed pair.

    Parameters
    ----------
    survey : Survey
        Survey of the pair.
    estimators : Estimators
        Estimators, prepared for the pair.
    scenes : sequence of SampledScene
        Scenes of :meth:`Estimators.prepare`, on which the estimates are compared.
    settings : ScaleSettings
        Settings of the scales.
    response_settings : ResponseSettings
        Settings of the correction of the response.
    """
    kriging = estimators.kriging
    response = correct_response(survey, kriging.guided.subspace, kriging.noise, response_settings)
    comparison = EstimateComparison.of_scenes(scenes, estimators, response, settings.comparison)
    deviation = _deviation(survey, kriging.guided)
    detail = np.maximum(_detail(comparison), settings.minimum_detail * deviation)
    prior = np.maximum(_prior_deviation(comparison, settings), settings.minimum_prior * detail)
    power = kriging.guided.subspace.power / survey.good.sum()
    smallest = settings.minimum_prior**2 * float(detail**2 @ power)
    gain = _gain(response, deviation, detail, settings)
    return ComponentScales(
        deviation=deviation,
        detail=detail,
        prior_deviation=prior,
        whitening=_whitening(survey, kriging.guided, settings),
        response=response,
        gain=gain,
        change_noise=np.sqrt(gain**2 @ survey.fine_noise**2),
        ms_residual=comparison.ms_residual.square().mean(dim=1).sqrt().cpu().numpy(),
        estimate_difference=_geometric_mean(
            np.sqrt(np.maximum(_mean_square(comparison.estimate_difference, settings), smallest))
        ),
        hs_residual=float(np.sqrt(_mean_square(comparison.hs_residual, settings))),
    )


def _deviation(survey: Survey, guided: GuidedFuser) -> Array:
    """Return the standard deviation of the components of the surveyed spectra, positive."""
    subspace, good = guided.subspace, survey.good
    components = subspace.basis @ (survey.spectra[good] - subspace.mean[good][:, None])
    deviation = components.std(axis=1, ddof=int(components.shape[1] > 1))
    return np.maximum(deviation, 1e-6 * max(float(deviation.max()), 1e-30))


def _detail(comparison: EstimateComparison) -> Array:
    """Return the standard deviation of the detail that `guided` adds to each component."""
    detail = comparison.detail
    return np.asarray(detail.std(dim=1, correction=int(detail.shape[1] > 1)).cpu().numpy())


def _prior_deviation(comparison: EstimateComparison, settings: ScaleSettings) -> Array:
    """Return the winsorised root mean square difference of the estimates."""
    return np.sqrt(_mean_square(comparison.squared_difference, settings))


def _mean_square(squares: Tensor, settings: ScaleSettings) -> Array:
    """Return the winsorised mean over the last axis, the pixels."""
    values = squares.cpu().numpy()
    limit = np.quantile(values, settings.winsorised_quantile, axis=-1, keepdims=True)
    return np.asarray(np.minimum(values, limit).mean(axis=-1))


def _geometric_mean(values: Array) -> float:
    return float(np.exp(np.log(np.maximum(values, 1e-30)).mean()))


def _gain(
    response: ComponentResponse, deviation: Array, detail: Array, settings: ScaleSettings
) -> Array:
    """
    Return ``C A' (A C A' + N_Y)^-1``, the gain of the MS image at the initial estimate.

    It is the Kalman gain of :mod:`~hsfuse.methods.ms_ssfnet.kalman_gain` with variances in fixed
    proportion to those of the detail (C) and of the MS bands (N_Y).
    """
    matrix = response.matrix
    power = response.mean**2 + (matrix**2) @ deviation**2
    covariance = settings.initial_error * detail[:, None] ** 2 * matrix.T
    noise = np.diag(settings.ms_error**2 * power + 1e-30)
    return np.asarray(np.linalg.solve(matrix @ covariance + noise, covariance.T).T)


def _whitening(survey: Survey, guided: GuidedFuser, settings: ScaleSettings) -> Array:
    """Return the whitening of the leading principal components of the MS bands."""
    sampled = []
    for patch in survey.sample(settings.covariance_windows, settings.covariance_pixels):
        bands, valid = guided.standardised(patch.fine)
        sampled.append(bands[:, valid][:, :: settings.covariance_step].double())
    fine = torch.cat(sampled, dim=1).cpu().numpy()
    count, pixels = fine.shape
    values, vectors = np.linalg.eigh(fine @ fine.T / max(pixels, 1))
    scale = 1 / np.sqrt(np.maximum(values, settings.minimum_ms_variance))
    # The sign of an eigenvector is arbitrary: the sum of its weights is made positive, so that runs
    # agree.
    directions = (vectors * np.where(vectors.sum(axis=0) < 0, -scale, scale)).T[::-1]
    whitening = np.zeros((MS_COMPONENTS, count))
    whitening[: min(MS_COMPONENTS, count)] = directions[:MS_COMPONENTS]
    return whitening
