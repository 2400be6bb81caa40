"""
Prediction of components by estimators and network, before the update by both images.

The estimates are an ensemble: their variance about the initial one shows where it is uncertain.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hsfuse.core.grid import Span
from hsfuse.methods import Window
from hsfuse.methods.kriging.appearance import column
from hsfuse.methods.ms_ssfnet.correction import NetworkCorrection
from hsfuse.methods.ms_ssfnet.estimators import EstimateDifferences, Estimators
from hsfuse.methods.ms_ssfnet.features import Features, compute_features
from hsfuse.methods.ms_ssfnet.strips import (
    FeatureRows,
    Strip,
    compute_strips,
    plan_strips,
    strip_height,
    widened_span,
)
from hsfuse.parallel import release_memory

__all__ = ["Ensemble", "Prediction", "predict"]


@dataclass(frozen=True)
class Ensemble:
    """
    The estimates of the core of a window as an ensemble.

    Attributes
    ----------
    initial : Tensor of shape (components, rows, columns)
        The initial estimate.
    differences : EstimateDifferences
        Differences of the others from it.
    power : Tensor of shape (components, 1, 1)
        Sum of squares over the good bands of a unit of each component.
    """

    initial: Tensor
    differences: EstimateDifferences
    power: Tensor

    @classmethod
    def empty(cls, shape: tuple[int, int, int], power: Tensor) -> Ensemble:
        """Return an ensemble of a shape (components, rows, columns), for :meth:`store`."""
        shapes = shape, shape, shape[1:], shape[1:]
        initial, *maps = (torch.empty(size, device=power.device) for size in shapes)
        return cls(initial, EstimateDifferences(*maps), power)

    def store(self, features: FeatureRows, inside: tuple[slice, slice], rows: slice) -> None:
        """Store the part ``inside`` of some features as rows of the maps."""
        maps = self.differences
        self.initial[:, rows] = features.join(lambda piece: piece.initial)[:, *inside]
        maps.mean[:, rows] = features.join(lambda piece: piece.differences.mean)[:, *inside]
        maps.variance[rows] = features.join(lambda piece: piece.differences.variance)[inside]
        maps.cnmf[rows] = features.join(lambda piece: piece.differences.cnmf)[inside]

    def variance_about(self, reference: Tensor, part: tuple[slice, slice]) -> Tensor:
        """
        Return the variance of the estimates about another reference than the initial estimate.

        With d the differences of the estimates from the initial one and c that of the reference,
        the mean of (d - c)^2 is that of d^2, plus c (c - 2 mean(d)).

        Parameters
        ----------
        reference : Tensor of shape (components, part rows, part columns)
            Components over a part of the core.
        part : tuple of slice
            The part.

        Returns
        -------
        Tensor of shape (part rows, part columns)
            Squared difference summed over the good bands, mean over the estimates.
        """
        change = reference - self.initial[:, *part]
        added = self.power * change * (change - 2 * self.differences.mean[:, *part])
        return (self.differences.variance[part] + added.sum(dim=0)).clamp_min(0)


@dataclass(frozen=True)
class Prediction:
    """
    Components over the core of a window, predicted by estimators and network.

    Attributes
    ----------
    components : Tensor of shape (components, rows, columns)
        The components, corrected by the network.
    relative_variance : Tensor of shape (rows, columns)
        Variance of the estimates about the initial one, in units of that over the scene.
    ensemble : Ensemble or None
        The estimates, where standard errors are computed.
    """

    components: Tensor
    relative_variance: Tensor
    ensemble: Ensemble | None = None


def predict(
    window: Window,
    estimators: Estimators,
    correction: NetworkCorrection,
    *,
    with_ensemble: bool = False,
) -> Prediction:
    """
    Return the prediction for the core of a window, computed in strips.

    Parameters
    ----------
    window : Window
        Window with the halo of estimators and network, and with the models of its units.
    estimators : Estimators
        Estimators, prepared for the pair.
    correction : NetworkCorrection
        Correction of their initial estimate.
    with_ensemble : bool
        Whether to return the estimates.
    """
    fitted, scales = estimators.fit(window), correction.scales
    device = correction.options.device
    shape = len(scales.deviation), len(window.core[0]), len(window.core[1])
    components, relative = (torch.empty(size, device=device) for size in (shape, shape[1:]))
    power = column(estimators.kriging.guided.subspace.power, components)
    scene_variance = float(scales.prior_deviation**2 @ power.flatten().cpu().double().numpy())
    ensemble = Ensemble.empty(shape, power) if with_ensemble else None
    strips, columns = _plan(window, correction)

    def compute(rows: Span) -> Features:
        return compute_features(fitted, (rows, columns), estimators, scales)

    for strip, features in compute_strips(strips, compute):
        inside = strip.core.within(strip.rows), window.core[1].within(columns)
        rows = strip.core.within(window.core[0])
        variance = features.join(lambda piece: piece.differences.variance)[inside]
        relative[rows] = variance / scene_variance
        components[:, rows] = correction.apply(features, inside, relative[rows])
        if ensemble is not None:
            ensemble.store(features, inside, rows)
        del features  # before those of the next strip are computed
        release_memory()
    return Prediction(components, relative, ensemble)


def _plan(window: Window, correction: NetworkCorrection) -> tuple[list[Strip], Span]:
    """Return the strips of the core of a window, and the columns that the network needs."""
    margin, step = correction.margin, correction.step
    rows, columns = window.core
    wide = widened_span(columns, window.geometry.x.fine, margin=margin, step=step)
    pixels = correction.settings.strip_pixels
    height = strip_height(len(rows), len(wide), pixels=pixels, step=step)
    length = window.geometry.y.fine
    return plan_strips(rows, length, height=height, margin=margin, step=step), wide
