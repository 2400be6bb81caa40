"""
`ssf-cnn`, `ssf-resnet`, `spectral-resnet`: networks with a single pathway on the MS grid.

The networks and their publications are in :mod:`hsfuse.nets.single_pathway`. The HS image is
interpolated to the MS grid by cubic convolution and stacked with the MS image;
`spectral-resnet` takes the MS image alone. They fuse with weights that fit the pair, or refuse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.methods import OnePass, Options, Window
from hsfuse.methods.inference import (
    InputScaling,
    describe_network,
    fitting_weights,
    run_network,
    sensor_notes,
)
from hsfuse.nets.weights import Card
from hsfuse.observe import Interpolate
from hsfuse.pair.survey import Survey

__all__ = ["SPECTRAL_RESNET", "SSF_CNN", "SSF_RESNET", "SinglePathwayFuser", "SinglePathwayMethod"]

# Reach of cubic convolution in HS pixels.
_CUBIC = 2.0


@dataclass(frozen=True)
class SinglePathwayFuser(OnePass):
    """
    A network with a single pathway, for one pair.

    Attributes
    ----------
    card : Card
        Card of the weights, with their hash.
    scaling : InputScaling
        Scaling of the inputs.
    ratio : tuple of float
        MS pixels per HS pixel along y and x.
    options : Options
        Device and precision.
    """

    card: Card
    scaling: InputScaling
    ratio: tuple[float, float]
    options: Options
    notes: tuple[str, ...] = ()
    step: int = 1
    gives_standard_error: bool = False

    @property
    def name(self) -> str:
        """See :class:`hsfuse.methods.Fuser`: methods have the names of their networks."""
        return self.card.architecture.network

    @property
    def reach(self) -> tuple[float, float]:
        """See :class:`hsfuse.methods.Fuser`: the network's, then the interpolation's."""
        network_reach = self.card.architecture.reach
        return network_reach / self.ratio[0] + _CUBIC, network_reach / self.ratio[1] + _CUBIC

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`: both inputs and their stack, features of a block."""
        a = self.card.architecture
        return 3 * a.bands + 2 * a.fine_bands + 4 * a.width

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {"method": self.name, **describe_network(self.card, self.options)}

    def fuse_window(self, window: Window) -> NDArray[np.float32]:
        """See :class:`hsfuse.methods.OnePass`."""
        rows, columns = window.core
        coarse = self.scaling.coarse(window.coarse)
        if self.card.architecture.hs_input == "interpolated":
            coarse = interpolated(coarse, window)
        fine = self.scaling.fine(window.fine)
        cube = run_network(self.card, coarse[None], fine[None], self.options)[0]
        fused: NDArray[np.float32] = cube[:, rows.slice, columns.slice].cpu().numpy()
        return fused * np.float32(self.scaling.unit)


def interpolated(coarse: Tensor, window: Window) -> Tensor:
    """Interpolate the HS image of a window, without gaps, at all of its MS pixels."""
    return Interpolate.between(window.geometry, dtype=coarse.dtype).forward(coarse)


@dataclass(frozen=True)
class SinglePathwayMethod:
    """
    Method of a network with weights that fit the pair.

    Attributes
    ----------
    network : str
        Name of the network and of the method.
    """

    network: str

    def prepare(self, survey: Survey, options: Options) -> SinglePathwayFuser:
        """
        See :class:`hsfuse.methods.Method`.

        Raises
        ------
        WeightsError
            If no weights of this network that fit the pair are given.
        """
        card = fitting_weights(self.network, survey, options)
        scaling, notes = InputScaling.of(survey), sensor_notes(card)
        return SinglePathwayFuser(card, scaling, survey.ratio, options, notes)


SSF_CNN = SinglePathwayMethod("ssf-cnn")
SSF_RESNET = SinglePathwayMethod("ssf-resnet")
SPECTRAL_RESNET = SinglePathwayMethod("spectral-resnet")
