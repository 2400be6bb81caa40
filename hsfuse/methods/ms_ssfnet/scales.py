"""Scene-wide scales of principal components, for the input of the network."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Axis, Span
from hsfuse.methods import Window
from hsfuse.methods.guided.regression import Stages
from hsfuse.methods.ms_ssfnet.estimators import Estimators
from hsfuse.methods.ms_ssfnet.settings import ScaleSettings
from hsfuse.observe import Interpolate
from hsfuse.pair.survey import Survey

__all__ = ["FINE", "ComponentScales", "interpolate_components", "measure_scales"]

# Principal components of the MS bands in the network's input: three contain most of the variance of
# RGB, Sentinel-2 and WorldView bands in most scenes. Weights are trained for this number.
FINE = 3
_DEFAULT = ScaleSettings()


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
        the initial one.
    whitening : ndarray of shape (3, MS bands)
        From standardised MS bands to their leading components, of variance one; rows of zeros
        where there are fewer bands.
    mean_response : ndarray of shape (MS bands,)
        What the MS sensor measures of the mean spectrum, offset included.
    response : ndarray of shape (MS bands, components)
        A: what it measures of each component, R times the loading, with the sensors' gain.
    gain : ndarray of shape (components, MS bands)
        From the residual of the MS image to the most probable change of components.
    fine_noise : ndarray of shape (components,)
        Standard deviation of that change by the noise of MS pixels.
    """

    deviation: NDArray[np.float64]
    detail: NDArray[np.float64]
    prior_deviation: NDArray[np.float64]
    whitening: NDArray[np.float64]
    mean_response: NDArray[np.float64]
    response: NDArray[np.float64]
    gain: NDArray[np.float64]
    fine_noise: NDArray[np.float64]


def measure_scales(
    survey: Survey, estimators: Estimators, settings: ScaleSettings = _DEFAULT
) -> ComponentScales:
    """Return the scales of a surveyed pair."""
    guided = estimators.kriging.guided
    details, fine, squares = [], [], []
    patches = survey.sample(settings.compared_windows, settings.pixels)
    most = settings.compared_pixels / len(patches)
    for patch in patches:
        rows, columns = (Span(0, n) for n in patch.geometry.fine_shape)
        window = Window(patch.coarse, patch.fine, patch.geometry, (rows, columns), patch.start)
        stages = guided.stages(window)
        known = torch.from_numpy(np.isfinite(patch.fine).all(axis=0)).to(stages.fine.device)
        if not known.any():
            continue
        details.append((stages.fused - interpolate_components(window, stages))[:, known].double())
        fine.append(stages.fine[:, known].double())
        axes = patch.geometry.y, patch.geometry.x
        core = _middle(axes[0], most, settings), _middle(axes[1], most, settings)
        squares.append(_squared_differences(window, stages, estimators, core))
    subspace, spectra = guided.subspace, survey.spectra[survey.good]
    observed = subspace.basis @ (spectra - subspace.mean[survey.good][:, None])
    deviation = observed.std(axis=1, ddof=int(observed.shape[1] > 1))
    deviation = np.maximum(deviation, 1e-6 * max(float(deviation.max()), 1e-30))
    added = torch.cat(details, dim=1)
    spread = added.std(dim=1, correction=int(added.shape[1] > 1)).cpu().numpy()
    detail = np.maximum(spread, settings.least_detail * deviation)
    prior = torch.cat(squares, dim=1).mean(dim=1).sqrt().cpu().numpy()
    prior = np.maximum(prior, settings.least_prior * detail)
    whitening = _whitening(torch.cat(fine, dim=1).cpu().numpy(), settings)
    mean_response, response = _component_response(survey, estimators)
    gain = _component_gain(mean_response, response, deviation, detail, settings)
    noise = np.sqrt(gain**2 @ survey.fine_noise**2)
    return ComponentScales(
        deviation, detail, prior, whitening, mean_response, response, gain, noise
    )


def _squared_differences(
    window: Window, stages: Stages, estimators: Estimators, core: tuple[Span, Span]
) -> Tensor:
    """
    Return squared differences of the estimates from the initial one, (components, pixels).

    Over the data of a core, or where that holds none over those of the whole window.
    """
    inside = core[0].slice, core[1].slice
    known = torch.from_numpy(np.isfinite(window.fine[:, *inside]).all(axis=0))
    if not known.any():
        core = window.core
        known = torch.from_numpy(np.isfinite(window.fine).all(axis=0))
    estimates = estimators.estimate(replace(window, core=core), stages)
    differences = torch.stack(estimates.others) - estimates.initial
    known = known.to(differences.device)
    return differences[:, :, known].double().square().mean(dim=0)


def _middle(axis: Axis, pixels: float, settings: ScaleSettings) -> Span:
    """
    Return the pixels of a window along an axis on which the estimates are compared.

    Parameters
    ----------
    axis : Axis
        Of the window.
    pixels : float
        MS pixels of the window that are compared at most.
    settings : ScaleSettings
        Sides in HS pixels.

    Examples
    --------
    >>> settings = ScaleSettings()
    >>> _middle(Axis(256, 64, 4.0), 2**16, settings), _middle(Axis(256, 64, 4.0), 2**14, settings)
    (Span(start=0, stop=256), Span(start=64, stop=192))
    >>> _middle(Axis(400, 100, 4.0), 2**18, settings)
    Span(start=104, stop=296)
    """
    whole = axis.coarse <= settings.whole_side
    side = axis.fine if whole else round(settings.compared_side * axis.ratio)
    length = min(side, round(pixels**0.5), axis.fine)
    start = (axis.fine - length) // 2
    return Span(start, start + length)


def _component_response(
    survey: Survey, estimators: Estimators
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ``mean_response`` and ``response`` of :class:`ComponentScales`."""
    radiometry = survey.radiometry
    bands = radiometry.gain[:, None] * radiometry.response[:, survey.good]
    subspace = estimators.kriging.guided.subspace
    response = bands @ subspace.loading[:, survey.good].T
    return bands @ subspace.mean[survey.good] + radiometry.offset, response


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


def interpolate_components(window: Window, stages: Stages) -> Tensor:
    """Return the HS image's components interpolated, shape (components, rows, columns)."""
    interpolation = Interpolate.between(window.geometry, device=str(stages.fused.device))
    return interpolation.forward(stages.observed)
