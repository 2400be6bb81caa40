"""What a principal component is measured in, over the whole scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Span
from hsfuse.methods import Window
from hsfuse.methods.guided.regression import GuidedFuser, Stages
from hsfuse.methods.ms_ssfnet.estimators import Estimators
from hsfuse.observe import Interpolate
from hsfuse.pair.radiometry import measure_radiometry
from hsfuse.pair.survey import Survey

__all__ = ["FINE", "Units", "measure_units", "interpolate_components"]

# Three directions hold what RGB, Sentinel-2 and WorldView bands see of most scenes.
FINE = 3
# Error of a fine band in its own root mean square, and of the start in its detail's variances:
# what the fine image misses is shared out among the components by these.
_FINE_ERROR, _START_ERROR = 1e-2, 0.1
# Of a component's spread, and of its detail.
_LEAST_DETAIL, _LEAST_DOUBT = 0.25, 0.02
# Surveyed windows, spread over the scene, on which the estimates are compared.
_DOUBTED = 3


@dataclass(frozen=True)
class Units:
    """
    What a component is measured in, over the whole scene.

    Attributes
    ----------
    spread : ndarray of shape (components,)
        Standard deviation of the HS image's components.
    detail : ndarray of shape (components,)
        Standard deviation of what `guided` adds to the interpolated HS image, or a quarter of
        the spread where it adds less: what the fine bands do not tell varies all the same.
    doubt : ndarray of shape (components,)
        Root mean square of how the estimates differ from the start: what an error is
        measured in.
    fine : ndarray of shape (3, fine bands)
        From standardised fine bands to their own leading components, of variance one;
        rows of zeros where there are fewer bands.
    level : ndarray of shape (fine bands,)
        What the fine sensor sees of the mean spectrum.
    seen : ndarray of shape (fine bands, components)
        What it sees of each component: R times the basis, with the sensors' gain.
    returned : ndarray of shape (components, fine bands)
        From what the fine image misses to the likeliest change of components.
    fine_noise : ndarray of shape (components,)
        What the noise of fine pixels makes of that change, standard deviation.
    """

    spread: NDArray[np.float64]
    detail: NDArray[np.float64]
    doubt: NDArray[np.float64]
    fine: NDArray[np.float64]
    level: NDArray[np.float64]
    seen: NDArray[np.float64]
    returned: NDArray[np.float64]
    fine_noise: NDArray[np.float64]


def measure_units(survey: Survey, estimators: Estimators) -> Units:
    """Return the units of a surveyed pair."""
    guided = estimators.kriging.guided
    details, wanted, fine, doubts = [], [], [], []
    every = -(-len(survey.patches) // _DOUBTED)
    for index, patch in enumerate(survey.patches):
        rows, columns = (Span(0, n) for n in patch.geometry.fine_shape)
        window = Window(patch.coarse, patch.fine, patch.geometry, (rows, columns), patch.start)
        stages = guided.stages(window)
        known = torch.from_numpy(np.isfinite(patch.fine).all(axis=0)).to(stages.fine.device)
        details.append((stages.fused - interpolate_components(window, stages))[:, known].double())
        fine.append(stages.fine[:, known].double())
        wanted.append(stages.wanted[:, stages.used].double())
        if index % every == 0 and known.any():
            answers = estimators.answers(window, stages)
            others = torch.stack(answers.others) - answers.start
            doubts.append(others[:, :, known].double().square().mean(dim=0))
    spread = _deviation(wanted)
    spread = np.maximum(spread, 1e-6 * max(float(spread.max()), 1e-30))
    detail = _deviation(details)
    detail = np.maximum(detail, _LEAST_DETAIL * spread)
    doubt = torch.cat(doubts, dim=1).mean(dim=1).sqrt().cpu().numpy()
    white = _whitening(torch.cat(fine, dim=1).cpu().numpy())
    doubt = np.maximum(doubt, _LEAST_DOUBT * detail)
    level, seen, returned = _fine_sensor(survey, guided, spread, detail)
    fine_noise = np.sqrt(returned**2 @ survey.fine_noise**2)
    return Units(spread, detail, doubt, white, level, seen, returned, fine_noise)


def _deviation(parts: list[torch.Tensor]) -> NDArray[np.float64]:
    """Return the standard deviation along all pixels; that of one pixel is 0."""
    whole = torch.cat(parts, dim=1)
    deviation: NDArray[np.float64] = whole.std(dim=1, correction=whole.shape[1] > 1).cpu().numpy()
    return deviation


def _fine_sensor(
    survey: Survey, guided: GuidedFuser, spread: NDArray[np.float64], detail: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return ``level``, ``seen`` and ``returned`` of :class:`Units`."""
    radiometry = measure_radiometry(survey)
    response = radiometry.gain[:, None] * radiometry.response[:, survey.good]
    subspace = guided.subspace
    seen = response @ subspace.loading[:, survey.good].T
    level = response @ subspace.mean[survey.good] + radiometry.offset
    power = level**2 + (seen**2) @ spread**2
    likely = _START_ERROR * detail[:, None] ** 2 * seen.T
    noise = np.diag(_FINE_ERROR**2 * power + 1e-30)
    return level, seen, np.asarray(np.linalg.solve(seen @ likely + noise, likely.T).T)


def _whitening(fine: NDArray[np.float64]) -> NDArray[np.float64]:
    bands, pixels = fine.shape
    values, vectors = np.linalg.eigh(fine @ fine.T / max(pixels, 1))
    # A direction that holds a thousandth of a band's variance is noise; it would fill a channel.
    scale = 1 / np.sqrt(np.maximum(values, 1e-3))
    # Signs are free: the sum of a direction's weights is made positive, so that runs agree.
    directions = (vectors * np.where(vectors.sum(axis=0) < 0, -scale, scale)).T[::-1]
    result = np.zeros((FINE, bands))
    result[: min(FINE, bands)] = directions[:FINE]
    return result


def interpolate_components(window: Window, stages: Stages) -> Tensor:
    """Return the HS image's components interpolated, shape (components, rows, columns)."""
    carry = Interpolate.between(window.geometry, device=str(stages.fused.device))
    return carry.forward(stages.wanted)
