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

from hsfuse.methods import Window
from hsfuse.methods.kriging.kernels import PROCESSES
from hsfuse.methods.ms_ssfnet.estimators import Answers, Estimators
from hsfuse.methods.ms_ssfnet.units import FINE, Units, interpolate_components

__all__ = ["CHANNELS", "LEADING", "Evidence", "gather", "with_signs"]

# Components that every other one is shown beside.
LEADING = 3
# Of one component: the start's detail, what the processes miss of the HS image and of the fine
# image, how each of them, `guided`, its scene-wide part and `cnmf` differ from the start, the
# smooth part; the noise of either image, doubt and ratio as constants.
_CONSTANTS = 4
_OWN = 7 + len(PROCESSES) + _CONSTANTS
CHANNELS = FINE + LEADING + _OWN


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
    smooth = interpolate_components(window, stages)[:, rows, columns]
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
    signs = [*(1.0,) * FINE, *leading, *(own,) * (_OWN - _CONSTANTS), *constants]
    return seen * torch.tensor(signs, dtype=seen.dtype, device=seen.device)[:, None, None]
