"""
Correction of the initial estimate by a network, one component at a time.

Which components are corrected, and the weight of a correction, depend on the scene and on the
pixel; the weights are hsfuse's own, with the constants and their reasons in
:class:`CorrectionSettings`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from hsfuse.methods import Options
from hsfuse.methods.inference import run_network
from hsfuse.methods.ms_ssfnet.kalman_gain import KalmanGain
from hsfuse.methods.ms_ssfnet.scales import ComponentScales
from hsfuse.methods.ms_ssfnet.strips import FeatureRows
from hsfuse.nets.weights import Card

__all__ = ["CorrectionSettings", "NetworkCorrection", "select_components"]


@dataclass(frozen=True, slots=True)
class CorrectionSettings:
    """Settings of the correction."""

    # Components are corrected until they hold this share of the squared differences between the
    # estimates, and at most so many; each costs as much as another. 0.995 loses 0.09 dB and 0.04
    # degrees in the mean of eleven scenes in colour at ratio 8, 0.99 0.23 dB on samson in colour.
    # Twelve gain 0.005 dB in the mean of nine pairs and take a third more, six lose 0.12 dB on
    # samson.
    difference_share: float = 0.998
    maximum_components: int = 8
    # HS pixels of a scene at which corrections have half their weight: scales of a scene of few
    # pixels are inaccurate. On crops of four scenes, four bands and colour at ratio 4, full
    # corrections cost 0.05 degrees with 64 to 240 HS pixels against half of them, and gain nothing
    # with 384 and 576 against three quarters.
    half_weight_pixels: float = 100.0
    # Decrease of the weight with the share of the variance of the MS image that the HS image leaves
    # unexplained: networks are trained on pairs that leave less. On real pairs, which leave 0.045
    # to 0.08, full corrections lose 0.02 to 0.16 dB against a quarter or half of them.
    unexplained_factor: float = 30.0
    # Relative variance of a pixel's errors at which its weight is half-way between one and the
    # minimum, which it has at large variances. On eight of eleven remote-sensing scenes 99 % of the
    # pixels lie below 10, so that networks hardly see more in training; beyond, corrections add
    # errors on seven of 22 scenes, 0.1 to 0.2 dB on four. A minimum of 0 loses 0.01 dB in colour.
    half_weight_variance: float = 15.0
    minimum_variance_weight: float = 0.3
    # The same for the increase of the misfit of the MS image by a correction, its squared residual
    # in units of N_Y, mean over the bands: a correction that one image contradicts is as wrong in
    # the directions that no image shows. It is above 1 only on pairs with little noise; there the
    # weight with the smallest squared error is 0.2 to 1.3 (mean 0.7 of ten scenes), else about 1.
    half_weight_misfit: float = 4.0
    minimum_misfit_weight: float = 0.5
    # MS pixels whose features are in memory at once.
    strip_pixels: int = 2**18

    def scene_weight(self, pixels: int, unexplained: float) -> float:
        """
        Return the weight of corrections over the scene.

        Parameters
        ----------
        pixels : int
            Number of HS pixels of the scene.
        unexplained : float
            Share of the variance of the MS image that the HS image leaves unexplained.

        Examples
        --------
        >>> settings = CorrectionSettings(half_weight_pixels=100.0, unexplained_factor=30.0)
        >>> settings.scene_weight(300, 0.1)
        0.1875
        """
        size = pixels / (pixels + self.half_weight_pixels)
        return size / (1 + self.unexplained_factor * unexplained)

    def pixel_weight(self, variance: Tensor, misfit: Tensor) -> Tensor:
        """
        Return the weight of the corrections of each pixel, a factor of that over the scene.

        Parameters
        ----------
        variance : Tensor
            Relative variance of the errors of a pixel.
        misfit : Tensor
            Increase of the misfit of the MS image (:meth:`KalmanGain.misfit`) by the correction.

        Examples
        --------
        >>> settings = CorrectionSettings()
        >>> variance, misfit = torch.tensor([0.0, 15.0, 0.0]), torch.tensor([0.0, 0.0, 4.0])
        >>> settings.pixel_weight(variance, misfit)
        tensor([1.0000, 0.6500, 0.7500])
        """
        certain = 1 / (1 + (variance / self.half_weight_variance).square())
        consistent = 1 / (1 + misfit.clamp_min(0) / self.half_weight_misfit)
        return _at_least(self.minimum_variance_weight, certain) * _at_least(
            self.minimum_misfit_weight, consistent
        )


def _at_least(minimum: float, weight: Tensor) -> Tensor:
    """Return a weight of 0 to 1 mapped linearly to the range from the minimum to one."""
    return minimum + (1 - minimum) * weight


def select_components(power: NDArray[np.float64], settings: CorrectionSettings) -> tuple[int, ...]:
    """
    Return the components that the network corrects: those in which the estimates differ most.

    Parameters
    ----------
    power : ndarray of shape (components,)
        Squared differences between the estimates, summed over the good bands.
    settings : CorrectionSettings
        Share of the differences, and maximum number of components.

    Examples
    --------
    >>> select_components(np.array([1.0, 6.0, 3.0]), CorrectionSettings(difference_share=0.8))
    (1, 2)
    """
    order = np.argsort(-power, kind="stable")
    before = np.cumsum(power[order]) - power[order]
    count = int((before < settings.difference_share * power.sum()).sum())
    return tuple(sorted(int(i) for i in order[: min(count, settings.maximum_components)]))


@dataclass(frozen=True)
class NetworkCorrection:
    """
    The network that corrects the initial estimate.

    Holds the name of the weights, not the weights: a plan is sent to workers, and each process
    loads them once.

    Attributes
    ----------
    card : Card
        Card of the weights, with their hash.
    components : tuple of int
        Components that are corrected.
    weight : float
        Weight of the corrections over the scene.
    scales : ComponentScales
        Scales of the components of the scene.
    gain : KalmanGain
        Gain of the MS image, which defines its misfit.
    options : Options
        Device and precision.
    settings : CorrectionSettings
        Settings of the correction.
    """

    card: Card
    components: tuple[int, ...]
    weight: float
    scales: ComponentScales
    gain: KalmanGain
    options: Options
    settings: CorrectionSettings = CorrectionSettings()

    @property
    def step(self) -> int:
        """MS pixels per coarse pixel of the network."""
        return self.card.architecture.ratio

    @property
    def margin(self) -> int:
        """Number of MS pixels around a pixel on which its correction depends."""
        return self.card.architecture.reach

    def apply(self, features: FeatureRows, inside: tuple[slice, slice], variance: Tensor) -> Tensor:
        """
        Return the corrected components of a part of some rows.

        Parameters
        ----------
        features : FeatureRows
            Features of the rows, with the margin of the network.
        inside : tuple of slice
            The part.
        variance : Tensor of shape (part rows, part columns)
            Relative variance of the errors of each pixel.

        Returns
        -------
        Tensor of shape (components, part rows, part columns)
        """
        corrected = features.join(lambda piece: piece.initial)[:, *inside].clone()
        selected = list(self.components)
        change = torch.stack([self._change(features, inside, index) for index in selected])
        residual = features.join(lambda piece: piece.ms_residual)[:, *inside]
        response = torch.from_numpy(self.scales.response.matrix[:, selected]).to(residual)
        remaining = residual - torch.tensordot(response, change, dims=1)
        misfit = self.gain.misfit(remaining) - self.gain.misfit(residual)
        corrected[selected] += self.settings.pixel_weight(variance, misfit) * change
        return corrected

    def _change(self, features: FeatureRows, inside: tuple[slice, slice], component: int) -> Tensor:
        """Return the change of a component, with its weight over the scene; see :meth:`apply`."""
        fine = features.join(lambda piece: piece.network_input(component))[None]
        rows, columns = fine.shape[2:]
        padding = -columns % self.step, -rows % self.step
        if any(padding):  # at the end of the scene; elsewhere rows and columns are multiples
            fine = pad(fine, (0, padding[0], 0, padding[1]), mode="replicate")
        output = run_network(self.card, avg_pool2d(fine, self.step), fine, self.options)
        unit = self.weight * self.scales.prior_deviation[component]
        return output[0, 0, :rows, :columns][inside] * float(unit)
