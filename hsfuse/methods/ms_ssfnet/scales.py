"""Scene-wide scales of principal components, for the input of the network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Geometry, Span
from hsfuse.methods.conditioning import middle_window, with_models
from hsfuse.methods.ms_ssfnet.component_response import component_response
from hsfuse.methods.ms_ssfnet.estimators import Estimators
from hsfuse.methods.ms_ssfnet.settings import ResponseSettings, ScaleSettings
from hsfuse.observe import Interpolate
from hsfuse.pair.patch import Patch
from hsfuse.pair.survey import Survey

__all__ = ["FINE", "ComponentScales", "interpolate_components", "measure_scales"]

# Principal components of the MS bands in the network's input: three contain most of the variance of
# RGB, Sentinel-2 and WorldView bands in most scenes. Weights are trained for this number.
FINE = 3
_DEFAULT, _DEFAULT_RESPONSE = ScaleSettings(), ResponseSettings()


@dataclass(frozen=True)
class ComponentScales:
    """
    Scales of the components of a scene, and the response of the MS sensor to them.

    Attributes
    ----------
    deviation : ndarray of shape (components,)
        Standard deviation of the HS image's components.
    detail : ndarray of shape (components,)
        Standard deviation of what `guided` adds to the interpolated HS image, or a quarter of
        ``deviation`` where it adds less: detail that the MS bands do not show varies as well.
    prior_deviation : ndarray of shape (components,)
        Prior standard deviation of errors: root mean square difference of the estimates from
        the initial one, outliers limited.
    whitening : ndarray of shape (3, MS bands)
        From standardised MS bands to their leading components, of variance one; rows of zeros
        where there are fewer bands.
    mean_response : ndarray of shape (MS bands,)
        What the MS sensor measures of the mean spectrum, offset included.
    response : ndarray of shape (MS bands, components)
        A: what it measures of each component, with the sensors' gain.
    gain : ndarray of shape (components, MS bands)
        From the residual of the MS image to the most probable change of components.
    fine_noise : ndarray of shape (components,)
        Standard deviation of that change by the noise of MS pixels.
    fine_residual : ndarray of shape (MS bands,)
        Root mean square of the MS image less its response to the initial estimate.
    """

    deviation: NDArray[np.float64]
    detail: NDArray[np.float64]
    prior_deviation: NDArray[np.float64]
    whitening: NDArray[np.float64]
    mean_response: NDArray[np.float64]
    response: NDArray[np.float64]
    gain: NDArray[np.float64]
    fine_noise: NDArray[np.float64]
    fine_residual: NDArray[np.float64]


def measure_scales(
    survey: Survey,
    estimators: Estimators,
    settings: ScaleSettings = _DEFAULT,
    response_settings: ResponseSettings = _DEFAULT_RESPONSE,
) -> ComponentScales:
    """Return the scales of a surveyed pair."""
    guided = estimators.kriging.guided
    mean_response, response = component_response(
        survey, guided.subspace, estimators.kriging.noise, response_settings
    )
    details, fine, squares, residuals = [], [], [], []
    for patch in survey.sample(settings.compared_windows, settings.pixels):
        bands, known = guided.standardised(patch.fine)
        fine.append(bands[:, known][:, :: settings.fine_step].double())
        difference, square, residual = _differences(
            patch, estimators, (mean_response, response), settings
        )
        details.append(difference)
        squares.append(square)
        residuals.append(residual)
    subspace, spectra = guided.subspace, survey.spectra[survey.good]
    observed = subspace.basis @ (spectra - subspace.mean[survey.good][:, None])
    deviation = observed.std(axis=1, ddof=int(observed.shape[1] > 1))
    deviation = np.maximum(deviation, 1e-6 * max(float(deviation.max()), 1e-30))
    added = torch.cat(details, dim=1)
    spread = added.std(dim=1, correction=int(added.shape[1] > 1)).cpu().numpy()
    detail = np.maximum(spread, settings.least_detail * deviation)
    compared = torch.cat(squares, dim=1).cpu().numpy()
    most = np.quantile(compared, settings.outliers, axis=1, keepdims=True)
    prior = np.sqrt(np.minimum(compared, most).mean(axis=1))
    prior = np.maximum(prior, settings.least_prior * detail)
    whitening = _whitening(torch.cat(fine, dim=1).cpu().numpy(), settings)
    gain = _component_gain(mean_response, response, deviation, detail, settings)
    noise = np.sqrt(gain**2 @ survey.fine_noise**2)
    left = torch.cat(residuals, dim=1).square().mean(dim=1).sqrt().cpu().numpy()
    return ComponentScales(
        deviation, detail, prior, whitening, mean_response, response, gain, noise, left
    )


def _differences(
    patch: Patch,
    estimators: Estimators,
    sensor: tuple[NDArray[np.float64], NDArray[np.float64]],
    settings: ScaleSettings,
) -> tuple[Tensor, Tensor, Tensor]:
    """
    Return what estimates differ by, and leave of the MS image, in the middle of a surveyed window.

    Returns
    -------
    tuple of Tensor
        `guided` less the interpolated HS image, and the squared differences of the estimates
        from the initial one, mean over these, each (components, pixels); and the MS image less
        what ``sensor`` (:func:`component_response`) measures of that one, (MS bands, pixels).
    """
    window = middle_window(patch, settings.compared_side)
    estimators = estimators.of_scene(window.geometry.coarse_shape)
    fitted = estimators.fit(with_models(estimators, window))
    area = _middle(window.core[0], settings), _middle(window.core[1], settings)
    known = np.isfinite(window.fine[:, area[0].slice, area[1].slice]).all(axis=0)
    if not known.any():
        area = Span(0, window.geometry.y.fine), Span(0, window.geometry.x.fine)
        known = np.isfinite(window.fine).all(axis=0)
    estimates = estimators.estimate(fitted, area)
    interpolated = interpolate_components(window.geometry, fitted.observed, area)
    mask = torch.from_numpy(known).to(interpolated.device)
    *_, guided, _, _ = estimates.others
    squares = torch.zeros_like(interpolated)
    for other in estimates.others:
        squares += (other - estimates.initial).square() / len(estimates.others)
    seen = window.fine[:, area[0].slice, area[1].slice][:, known].astype(np.float64)
    mean, response = (torch.from_numpy(each).to(mask.device) for each in sensor)
    shown = mean[:, None] + response @ estimates.initial[:, mask].double()
    residual = torch.from_numpy(seen).to(mask.device) - shown
    return (guided - interpolated)[:, mask].double(), squares[:, mask].double(), residual


def _middle(span: Span, settings: ScaleSettings) -> Span:
    """
    Return the pixels of a window along an axis on which the estimates are compared.

    Examples
    --------
    >>> _middle(Span(0, 256), ScaleSettings()), _middle(Span(8, 776), ScaleSettings())
    (Span(start=0, stop=256), Span(start=264, stop=520))
    """
    length = min(settings.compared_pixels, len(span))
    start = span.start + (len(span) - length) // 2
    return Span(start, start + length)


def _component_gain(
    mean_response: NDArray[np.float64],
    response: NDArray[np.float64],
    deviation: NDArray[np.float64],
    detail: NDArray[np.float64],
    settings: ScaleSettings,
) -> NDArray[np.float64]:
    """Return ``gain`` of :class:`ComponentScales`."""
    power = mean_response**2 + (response**2) @ deviation**2
    covariance = settings.initial_error * detail[:, None] ** 2 * response.T
    noise = np.diag(settings.fine_error**2 * power + 1e-30)
    return np.asarray(np.linalg.solve(response @ covariance + noise, covariance.T).T)


def _whitening(fine: NDArray[np.float64], settings: ScaleSettings) -> NDArray[np.float64]:
    bands, pixels = fine.shape
    values, vectors = np.linalg.eigh(fine @ fine.T / max(pixels, 1))
    scale = 1 / np.sqrt(np.maximum(values, settings.least_direction))
    # Signs are free: the sum of a direction's weights is made positive, so that runs agree.
    directions = (vectors * np.where(vectors.sum(axis=0) < 0, -scale, scale)).T[::-1]
    result = np.zeros((FINE, bands))
    result[: min(FINE, bands)] = directions[:FINE]
    return result


def interpolate_components(geometry: Geometry, observed: Tensor, area: tuple[Span, Span]) -> Tensor:
    """
    Return the HS image's components interpolated, shape (components, rows, columns).

    Parameters
    ----------
    geometry : Geometry
        Of a window.
    observed : Tensor of shape (components, coarse rows, coarse columns)
        Components of the window's HS pixels.
    area : tuple of Span
        Rows and columns of the window's MS image.
    """
    return Interpolate.between(geometry, device=str(observed.device)).cut(area).forward(observed)
