"""
What a network that serves any sensor sees of a pair: one principal component at a time.

A network of fixed bands fits one sensor. A scene's own components are of every sensor,
and one after the other they pass through the same network: several estimates of it, the
fine image and the scene's leading components, in units that make scenes alike. A smooth
part is told in the component's standard deviations, a detail in the standard deviation of
the detail that `guided` gives it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Span
from hsfuse.methods import Options, Window
from hsfuse.methods.cnmf import METHOD as CNMF
from hsfuse.methods.cnmf import CnmfFuser
from hsfuse.methods.guided import GuidedFuser, Parameters, Stages
from hsfuse.methods.kriging import PROCESSES, KrigingFuser, average, krige
from hsfuse.observe import Interpolate
from hsfuse.pair.radiometry import measure_radiometry
from hsfuse.pair.survey import Survey

__all__ = [
    "CHANNELS",
    "LEADING",
    "Estimators",
    "Evidence",
    "Units",
    "gather",
    "measure_units",
    "with_signs",
]

# Three directions hold what RGB, Sentinel-2 and WorldView bands see of most scenes.
_FINE = 3
# Components that every other one is shown beside.
LEADING = 3
# Of one component: the start's detail, what the processes miss of the HS image and of the fine
# image, how each of them, `guided`, its scene-wide part and `cnmf` differ from the start, the
# smooth part; the noise of either image, doubt and ratio as constants.
_CONSTANTS = 4
_OWN = 7 + len(PROCESSES) + _CONSTANTS
# Error of a fine band in its own root mean square, and of the start in its detail's variances:
# what the fine image misses is shared out among the components by these.
_FINE_ERROR, _START_ERROR = 1e-2, 0.1
CHANNELS = _FINE + LEADING + _OWN
# Of a component's spread, and of its detail.
_LEAST_DETAIL, _LEAST_DOUBT = 0.25, 0.02
# Surveyed windows, spread over the scene, on which the estimates are compared.
_DOUBTED = 3


@dataclass(frozen=True)
class Answers:
    """
    Estimates of a window's components, each of shape (components, core rows, core columns).

    Attributes
    ----------
    start, guided, missing : Tensor
        The best one; that of `guided`; and what the processes miss of the HS image.
    others : tuple of Tensor
        Each process, `guided`, its scene-wide part and `cnmf`.
    """

    start: Tensor
    guided: Tensor
    missing: Tensor
    others: tuple[Tensor, ...]


@dataclass(frozen=True)
class Estimators:
    """The methods whose answers the network sees, prepared for one pair; `guided` in `kriging`."""

    kriging: KrigingFuser
    cnmf: CnmfFuser

    @classmethod
    def prepare(cls, survey: Survey, parameters: Parameters, device: str = "cpu") -> Estimators:
        """Return them for a survey; the parameters are `guided`'s."""
        return cls(krige(survey, parameters, device=device), CNMF.prepare(survey, Options()))

    def answers(self, window: Window, stages: Stages) -> Answers:
        """Return every estimate of the components over the core of a window."""
        rows, columns = (span.slice for span in window.core)
        processes = self.kriging.components(window, stages)
        parts = stages.fused[:, rows, columns], stages.scene_wide[:, rows, columns]
        others = (*processes[:-1], *parts, self.unmixed(window).to(processes))
        return Answers(average(processes), parts[0], processes[-1], others)

    def unmixed(self, window: Window) -> Tensor:
        """Return `cnmf`'s answer in components, shape (components, core rows, core columns)."""
        subspace = self.kriging.guided.subspace
        good = subspace.good
        loading = torch.from_numpy((subspace.basis @ self.cnmf.loading[good]).astype(np.float32))
        level = torch.from_numpy((subspace.basis @ subspace.mean[good]).astype(np.float32))
        spread = torch.tensordot(loading, self.cnmf.abundances(window), dims=1)
        return spread - level[:, None, None]


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


@dataclass(frozen=True)
class Evidence:
    """
    What is known of the core of a window.

    Attributes
    ----------
    start : Tensor of shape (components, rows, columns)
        The best estimate, which the network corrects.
    guided : Tensor of shape (components, rows, columns)
        The estimate of `guided` alone.
    shared : Tensor of shape (6, rows, columns)
        Fine image and leading components.
    own : Tensor of shape (components, channels, rows, columns)
        Of each component.
    pull : Tensor of shape (components, rows, columns)
        How far the mean of the other estimates lies from the start.
    disagreement : Tensor of shape (rows, columns)
        Squares of how the others differ from the start, summed over the good bands, their mean.
    """

    start: Tensor
    guided: Tensor
    shared: Tensor
    own: Tensor
    pull: Tensor
    disagreement: Tensor

    def of(self, component: int) -> Tensor:
        """Return what the network sees of a component, shape (CHANNELS, rows, columns)."""
        return torch.cat([self.shared, self.own[component]])


def measure_units(survey: Survey, estimators: Estimators) -> Units:
    """Return the units of a surveyed pair."""
    guided = estimators.kriging.guided
    details, wanted, fine, doubts = [], [], [], []
    every = -(-len(survey.patches) // _DOUBTED)
    for index, patch in enumerate(survey.patches):
        rows, columns = (Span(0, n) for n in patch.geometry.fine_shape)
        window = Window(patch.coarse, patch.fine, patch.geometry, (rows, columns))
        stages = guided.stages(window)
        known = torch.from_numpy(np.isfinite(patch.fine).all(axis=0)).to(stages.fine.device)
        details.append((stages.fused - _smooth(window, stages))[:, known].double())
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
    result = np.zeros((_FINE, bands))
    result[: min(_FINE, bands)] = directions[:_FINE]
    return result


def _smooth(window: Window, stages: Stages) -> Tensor:
    carry = Interpolate.between(window.geometry, device=str(stages.fused.device))
    return carry.forward(stages.wanted)


def gather(window: Window, estimators: Estimators, units: Units) -> Evidence:
    """
    Return what is known of the core of a window.

    Parameters
    ----------
    window : Window
        With a halo of the reach of ``kriging`` about the core.
    estimators : Estimators
        Prepared for the pair.
    units : Units
        Of the scene.
    """
    kriging = estimators.kriging
    stages = kriging.guided.stages(window)
    answers = estimators.answers(window, stages)
    start = answers.start
    rows, columns = (span.slice for span in window.core)
    smooth = _smooth(window, stages)[:, rows, columns]
    spread, detail, doubt = (
        _like(values, start)[:, None, None] for values in (units.spread, units.detail, units.doubt)
    )
    leading = torch.zeros((LEADING, *start.shape[1:]), device=start.device)
    leading[: min(LEADING, len(start))] = (start / spread)[:LEADING]
    fine = torch.tensordot(_like(units.fine, start), stages.fine[:, rows, columns], dims=1)
    noise, fine_noise = (
        np.log10(np.clip(each / units.doubt, 1e-3, 1e3))
        for each in (kriging.noise, units.fine_noise)
    )
    certainty = np.log10(units.detail / units.doubt)
    ratio = float(np.log2(max(kriging.ratio)) - 2)
    own = [
        (start - smooth) / detail,
        answers.missing / doubt,
        _returned(window, units, start) / doubt,
        *((other - start) / doubt for other in answers.others),
        smooth / spread,
        _like(noise, start)[:, None, None].expand_as(start),
        _like(fine_noise, start)[:, None, None].expand_as(start),
        _like(certainty, start)[:, None, None].expand_as(start),
        torch.full_like(start, ratio),
    ]
    seen = torch.cat([fine, leading]), torch.stack(own, dim=1)
    power = _like(kriging.guided.subspace.power, start)[:, None, None]
    return Evidence(start, answers.guided, *seen, *_apart(answers, power))


def _apart(answers: Answers, power: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``pull`` and ``disagreement`` of :class:`Evidence`."""
    pull = torch.zeros_like(answers.start)
    disagreement = torch.zeros_like(answers.start[0])
    for other in answers.others:
        step = other - answers.start
        pull += step / len(answers.others)
        disagreement += (power * step.square()).sum(dim=0) / len(answers.others)
    return pull, disagreement


def _returned(window: Window, units: Units, start: Tensor) -> Tensor:
    """Return the change of components that what the fine image misses asks for."""
    rows, columns = (span.slice for span in window.core)
    fine = torch.from_numpy(window.fine[:, rows, columns]).to(start.device)
    missing = fine - _like(units.level, start)[:, None, None]
    missing = missing - torch.tensordot(_like(units.seen, start), start, dims=1)
    return torch.tensordot(_like(units.returned, start), torch.nan_to_num(missing), dims=1)


def _like(values: NDArray[np.float64], other: Tensor) -> Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(other)


def with_signs(seen: Tensor, own: float, leading: NDArray[np.float64]) -> Tensor:
    """
    Return what the network sees of a component as if components pointed the other way.

    Parameters
    ----------
    seen : Tensor of shape (CHANNELS, rows, columns)
        From :meth:`Evidence.of`.
    own : float
        1 or -1 for the component.
    leading : ndarray of shape (LEADING,)
        1 or -1 for each of the leading ones.
    """
    constants = (1.0,) * _CONSTANTS
    signs = [*(1.0,) * _FINE, *leading, *(own,) * (_OWN - _CONSTANTS), *constants]
    return seen * torch.tensor(signs, dtype=seen.dtype, device=seen.device)[:, None, None]
