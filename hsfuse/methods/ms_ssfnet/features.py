"""
Input features of a network for any sensor: one principal component at a time.

A network of fixed bands fits one sensor. A scene's own components exist for every sensor, and
one after the other they pass through the same network: several estimates of the component, the
MS image and the scene's leading components, scaled so that scenes are alike. The interpolated
component is in its standard deviations, its detail in the standard deviation of the detail that
`guided` gives it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Span
from hsfuse.methods.kriging.settings import DEFAULT as KRIGING
from hsfuse.methods.ms_ssfnet.estimators import Estimates, Estimators, FittedWindow
from hsfuse.methods.ms_ssfnet.scales import FINE, ComponentScales, interpolate_components

__all__ = ["CHANNELS", "LEADING", "Features", "compute_features", "with_signs"]

# The channels are what weights are trained for.
# Components whose initial estimates are input with every component.
LEADING = 3
# Of one component: the detail of the initial estimate, the residuals of the HS and of the MS image,
# the difference of each process, `guided`, its scene-wide part and `cnmf` from the initial
# estimate, the interpolated component; as constants, the noise of either image, the prior standard
# deviation and the ratio.
_CONSTANTS = 4
_OWN = 7 + len(KRIGING.processes) + _CONSTANTS
CHANNELS = FINE + LEADING + _OWN


@dataclass(frozen=True)
class Features:
    """
    Features and estimates of some MS pixels.

    Attributes
    ----------
    estimates : Estimates
        All of them; the network corrects the initial one.
    shared : Tensor of shape (6, rows, columns)
        MS image and leading components.
    interpolated : Tensor of shape (components, rows, columns)
        The HS image's components.
    fine_residual : Tensor of shape (MS bands, rows, columns)
        The MS image less its response to the initial estimate; zero where it holds no data.
    constants : ndarray of shape (4, components)
        Channels that are one number for a component.
    scales : ComponentScales
        Units of the channels.
    offset : Tensor of shape (components, rows, columns)
        Mean difference of the other estimates from the initial one.
    disagreement : Tensor of shape (rows, columns)
        Squared differences of the other estimates from the initial one, summed over the good
        bands, mean over the estimates.
    unmixed : Tensor of shape (rows, columns)
        Squared difference of `cnmf` from the initial estimate, summed over the good bands.
    """

    estimates: Estimates
    shared: Tensor
    interpolated: Tensor
    fine_residual: Tensor
    constants: NDArray[np.float64]
    scales: ComponentScales
    offset: Tensor
    disagreement: Tensor
    unmixed: Tensor

    @property
    def rows(self) -> int:
        """Rows of MS pixels."""
        return self.initial.shape[1]

    def below(self, row: int) -> Features:
        """Return a copy of the rows from one on."""

        def part(values: Tensor) -> Tensor:
            return values[..., row:, :].clone()

        return replace(
            self,
            estimates=Estimates(
                part(self.initial),
                part(self.estimates.residual),
                tuple(map(part, self.estimates.others)),
            ),
            shared=part(self.shared),
            interpolated=part(self.interpolated),
            fine_residual=part(self.fine_residual),
            offset=part(self.offset),
            disagreement=part(self.disagreement),
            unmixed=part(self.unmixed),
        )

    @property
    def initial(self) -> Tensor:
        """The estimate that the network corrects, shape (components, rows, columns)."""
        return self.estimates.initial

    def own(self, component: int) -> Tensor:
        """Return the channels of a component alone, shape (15, rows, columns)."""
        prior = float(self.scales.prior_deviation[component])
        initial, interpolated = self.initial[component], self.interpolated[component]
        # The change of the component by which the residual of the MS image vanishes.
        gain = _like(self.scales.gain[component], initial)
        change = torch.tensordot(gain, self.fine_residual, dims=1)
        return torch.stack(
            [
                (initial - interpolated) / float(self.scales.detail[component]),
                self.estimates.residual[component] / prior,
                change / prior,
                *((other[component] - initial) / prior for other in self.estimates.others),
                interpolated / float(self.scales.deviation[component]),
                *(torch.full_like(initial, value) for value in self.constants[:, component]),
            ]
        )

    def of_component(self, component: int) -> Tensor:
        """Return the network's input for a component, (CHANNELS, rows, columns)."""
        return torch.cat([self.shared, self.own(component)])


def compute_features(
    fitted: FittedWindow,
    area: tuple[Span, Span],
    estimators: Estimators,
    scales: ComponentScales,
) -> Features:
    """
    Return the features of some rows and columns of a window.

    Parameters
    ----------
    fitted : FittedWindow
        With a halo of the reach of the estimators about the area.
    area : tuple of Span
        Rows and columns of the window's MS image.
    estimators : Estimators
        Prepared for the pair.
    scales : ComponentScales
        Of the scene.
    """
    kriging, window = estimators.kriging, fitted.window
    estimates = estimators.estimate(fitted, area)
    initial = estimates.initial
    deviation = _like(scales.deviation, initial)[:, None, None]
    leading = torch.zeros((LEADING, *initial.shape[1:]), device=initial.device)
    leading[: min(LEADING, len(initial))] = initial[:LEADING] / deviation[:LEADING]
    bands = fitted.pixels.bands[:, area[0].slice, area[1].slice]
    fine = torch.tensordot(_like(scales.whitening, initial), bands, dims=1)
    power = _like(kriging.guided.subspace.power, initial)[:, None, None]
    return Features(
        estimates,
        torch.cat([fine, leading]),
        interpolate_components(window.geometry, fitted.observed, area),
        _fine_residual(window.fine[:, area[0].slice, area[1].slice], scales, initial),
        _constants(scales, kriging.noise, max(kriging.ratio)),
        scales,
        *_differences(estimates, power),
    )


def _constants(
    scales: ComponentScales, noise: NDArray[np.float64], ratio: float
) -> NDArray[np.float64]:
    """Return ``constants`` of :class:`Features`."""
    hs_noise, fine_noise = (
        np.log10(np.clip(each / scales.prior_deviation, 1e-3, 1e3))
        for each in (noise, scales.fine_noise)
    )
    certainty = np.log10(scales.detail / scales.prior_deviation)
    size = np.full(len(certainty), np.log2(ratio) - 2)
    return np.stack([hs_noise, fine_noise, certainty, size])


def _differences(estimates: Estimates, power: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``offset``, ``disagreement`` and ``unmixed`` of :class:`Features`."""
    offset = torch.zeros_like(estimates.initial)
    disagreement = torch.zeros_like(estimates.initial[0])
    for other in estimates.others:  # `cnmf` is the last
        difference = other - estimates.initial
        square = (power * difference.square()).sum(dim=0)
        offset += difference / len(estimates.others)
        disagreement += square / len(estimates.others)
    return offset, disagreement, square


def _fine_residual(values: NDArray[np.float32], scales: ComponentScales, initial: Tensor) -> Tensor:
    """Return ``fine_residual`` of :class:`Features`."""
    fine = torch.from_numpy(values).to(initial.device)
    residual = fine - _like(scales.mean_response, initial)[:, None, None]
    residual = residual - torch.tensordot(_like(scales.response, initial), initial, dims=1)
    return torch.nan_to_num(residual)


def _like(values: NDArray[np.float64], other: Tensor) -> Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(other)


def with_signs(features: Tensor, own: float, leading: NDArray[np.float64]) -> Tensor:
    """
    Return the features of a component for other signs of the components, which are arbitrary.

    Parameters
    ----------
    features : Tensor of shape (CHANNELS, rows, columns)
        From :meth:`Features.of_component`.
    own : float
        1 or -1 for the component.
    leading : ndarray of shape (LEADING,)
        1 or -1 for each of the leading ones.
    """
    constants = (1.0,) * _CONSTANTS
    signs = [*(1.0,) * FINE, *leading, *(own,) * (_OWN - _CONSTANTS), *constants]
    factors = torch.tensor(signs, dtype=features.dtype, device=features.device)
    return features * factors[:, None, None]
