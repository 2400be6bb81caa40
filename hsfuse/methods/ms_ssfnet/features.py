"""
Input of a network for any sensor: features of one principal component at a time.

A network of fixed bands fits one sensor. The principal components of a scene exist for every
sensor, and one after the other they pass through the same network. Its input are several estimates
of the component, the MS image and the leading components of the scene, normalised so that scenes of
different sensors have the same range: a component by its standard deviation, its detail by the
standard deviation of the detail, and differences of estimates by the prior standard deviation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Span
from hsfuse.methods.component_response import ComponentResponse
from hsfuse.methods.kriging.appearance import column
from hsfuse.methods.kriging.settings import DEFAULT as KRIGING
from hsfuse.methods.ms_ssfnet.comparison import interpolate_components
from hsfuse.methods.ms_ssfnet.estimators import (
    EstimateDifferences,
    Estimates,
    Estimators,
    FittedWindow,
)
from hsfuse.methods.ms_ssfnet.scales import MS_COMPONENTS, ComponentScales

__all__ = ["CHANNELS", "LEADING_COMPONENTS", "Features", "compute_features", "with_signs"]

# Weights are trained for this number and order of channels.
# Components whose initial estimates are input with every component.
LEADING_COMPONENTS = 3
# Channels of one component: the detail of the initial estimate, the residuals of the HS and of the
# MS image, the difference of each process, `guided`, its scene-wide part and `cnmf` from the
# initial estimate, the interpolated component; as constants, the noise of either image, the prior
# standard deviation and the ratio.
_CONSTANTS = 4
_COMPONENT_CHANNELS = 7 + len(KRIGING.processes) + _CONSTANTS
CHANNELS = MS_COMPONENTS + LEADING_COMPONENTS + _COMPONENT_CHANNELS


@dataclass(frozen=True)
class Features:
    """
    Features and estimates of some rows and columns of MS pixels.

    Attributes
    ----------
    estimates : Estimates
        All estimates; the network corrects the initial one.
    differences : EstimateDifferences
        Differences of the estimates.
    shared : Tensor of shape (6, rows, columns)
        Channels of every component: MS image and leading components.
    interpolated : Tensor of shape (components, rows, columns)
        Interpolated components of the HS image.
    ms_residual : Tensor of shape (MS bands, rows, columns)
        The MS image minus its response to the initial estimate; zero for no data.
    constants : ndarray of shape (4, components)
        Channels that have one value per component.
    scales : ComponentScales
        Units of the channels.
    """

    estimates: Estimates
    differences: EstimateDifferences
    shared: Tensor
    interpolated: Tensor
    ms_residual: Tensor
    constants: NDArray[np.float64]
    scales: ComponentScales

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.initial.shape[1]

    @property
    def initial(self) -> Tensor:
        """The estimate that the network corrects, shape (components, rows, columns)."""
        return self.estimates.initial

    def map(self, function: Callable[[Tensor], Tensor]) -> Features:
        """Return the features with a function applied to each map."""
        return Features(
            self.estimates.map(function),
            self.differences.map(function),
            function(self.shared),
            function(self.interpolated),
            function(self.ms_residual),
            self.constants,
            self.scales,
        )

    def component_channels(self, component: int) -> Tensor:
        """Return the channels of one component alone, shape (15, rows, columns)."""
        prior = float(self.scales.prior_deviation[component])
        initial, interpolated = self.initial[component], self.interpolated[component]
        # The most probable change of the component, given the residual of the MS image.
        gain = torch.from_numpy(self.scales.gain[component]).to(initial)
        change = torch.tensordot(gain, self.ms_residual, dims=1)
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

    def network_input(self, component: int) -> Tensor:
        """Return the network's input for a component, shape (CHANNELS, rows, columns)."""
        return torch.cat([self.shared, self.component_channels(component)])


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
        Window with a halo of the reach of the estimators around the area.
    area : tuple of Span
        Rows and columns of the MS image of the window.
    estimators : Estimators
        Estimators, prepared for the pair.
    scales : ComponentScales
        Scales of the components of the scene.
    """
    kriging, window = estimators.kriging, fitted.window
    estimates = estimators.estimate(fitted, area)
    initial = estimates.initial
    leading = torch.zeros((LEADING_COMPONENTS, *initial.shape[1:]), device=initial.device)
    deviation = column(scales.deviation, initial)[:LEADING_COMPONENTS]
    leading[: len(deviation)] = initial[:LEADING_COMPONENTS] / deviation
    bands = fitted.pixels.bands[:, area[0].slice, area[1].slice]
    fine = torch.tensordot(torch.from_numpy(scales.whitening).to(initial), bands, dims=1)
    return Features(
        estimates,
        estimates.differences(column(kriging.guided.subspace.power, initial)),
        torch.cat([fine, leading]),
        interpolate_components(window.geometry, fitted.observed, area),
        _ms_residual(window.fine[:, area[0].slice, area[1].slice], scales.response, initial),
        _constants(scales, kriging.noise, max(kriging.ratio)),
        scales,
    )


def _constants(
    scales: ComponentScales, noise: NDArray[np.float64], ratio: float
) -> NDArray[np.float64]:
    """Return ``constants`` of :class:`Features`."""
    noises = (
        np.log10(np.clip(deviation / scales.prior_deviation, 1e-3, 1e3))
        for deviation in (noise, scales.change_noise)
    )
    relative_prior = np.log10(scales.detail / scales.prior_deviation)
    # Two is the binary logarithm of a typical ratio.
    size = np.full(len(relative_prior), np.log2(ratio) - 2)
    return np.stack([*noises, relative_prior, size])


def _ms_residual(
    values: NDArray[np.float32], response: ComponentResponse, initial: Tensor
) -> Tensor:
    """Return ``ms_residual`` of :class:`Features`."""
    fine = torch.from_numpy(values).to(initial.device)
    residual = fine - column(response.mean, initial)
    matrix = torch.from_numpy(response.matrix).to(initial)
    return torch.nan_to_num(residual - torch.tensordot(matrix, initial, dims=1))


def with_signs(features: Tensor, sign: float, leading: NDArray[np.float64]) -> Tensor:
    """
    Return the input for a component with other signs of the components, which are arbitrary.

    Parameters
    ----------
    features : Tensor of shape (CHANNELS, rows, columns)
        From :meth:`Features.network_input`.
    sign : float
        1 or -1 for the component.
    leading : ndarray of shape (LEADING_COMPONENTS,)
        1 or -1 for each of the leading components.
    """
    signed = _COMPONENT_CHANNELS - _CONSTANTS
    signs = [*(1.0,) * MS_COMPONENTS, *leading, *(sign,) * signed, *(1.0,) * _CONSTANTS]
    factors = torch.tensor(signs, dtype=features.dtype, device=features.device)
    return features * factors[:, None, None]
