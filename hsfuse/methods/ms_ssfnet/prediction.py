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
from hsfuse.methods.ms_ssfnet.correction import NetworkCorrection
from hsfuse.methods.ms_ssfnet.estimators import Estimators
from hsfuse.methods.ms_ssfnet.features import Features, compute_features
from hsfuse.methods.ms_ssfnet.strips import (
    FeatureRows,
    Strip,
    compute_strips,
    plan_strips,
    strip_height,
    widened_span,
)

__all__ = ["EnsembleMaps", "Prediction", "predict"]


@dataclass(frozen=True)
class EnsembleMaps:
    """
    Differences of the estimates from the initial one over the core of a window.

    Attributes
    ----------
    initial : Tensor of shape (components, rows, columns)
        The initial estimate.
    mean_offset : Tensor of shape (components, rows, columns)
        Mean difference of the other estimates from it.
    variance : Tensor of shape (rows, columns)
        Squared difference of the other estimates from it, summed over the good bands, mean over the
        estimates.
    cnmf_difference : Tensor of shape (rows, columns)
        Squared difference of `cnmf` from it, summed over the good bands.
    power : Tensor of shape (components,)
        Sum of squares over the good bands of a unit of each component.
    """

    initial: Tensor
    mean_offset: Tensor
    variance: Tensor
    cnmf_difference: Tensor
    power: Tensor

    @classmethod
    def empty(cls, shape: tuple[int, int, int], power: Tensor) -> EnsembleMaps:
        """Return maps of a shape (components, rows, columns), to be filled by :meth:`store`."""
        initial, offset = (torch.empty(shape, device=power.device) for _ in range(2))
        variance, difference = (torch.empty(shape[1:], device=power.device) for _ in range(2))
        return cls(initial, offset, variance, difference, power)

    def store(self, features: FeatureRows, inside: tuple[slice, slice], rows: slice) -> None:
        """Store the part ``inside`` of some features as rows of the maps."""
        self.initial[:, rows] = features.join(lambda piece: piece.initial)[:, *inside]
        self.mean_offset[:, rows] = features.join(lambda piece: piece.mean_offset)[:, *inside]
        self.variance[rows] = features.join(lambda piece: piece.ensemble_variance)[inside]
        self.cnmf_difference[rows] = features.join(lambda piece: piece.cnmf_difference)[inside]

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
        added = self.power[:, None, None] * change * (change - 2 * self.mean_offset[:, *part])
        return (self.variance[part] + added.sum(dim=0)).clamp_min(0)


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
    ensemble : EnsembleMaps or None
        Differences of the estimates, where standard errors are computed.
    """

    components: Tensor
    relative_variance: Tensor
    ensemble: EnsembleMaps | None = None


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
        Whether to return the differences of the estimates.
    """
    fitted, scales = estimators.fit(window), correction.scales
    device = correction.options.device
    shape = len(scales.deviation), len(window.core[0]), len(window.core[1])
    components, relative = (torch.empty(size, device=device) for size in (shape, shape[1:]))
    power = torch.from_numpy(estimators.kriging.guided.subspace.power).to(components)
    scene_variance = float(scales.prior_deviation**2 @ power.cpu().double().numpy())
    ensemble = EnsembleMaps.empty(shape, power) if with_ensemble else None
    strips, columns = _plan(window, correction)

    def compute(rows: Span) -> Features:
        return compute_features(fitted, (rows, columns), estimators, scales)

    for strip, features in compute_strips(strips, compute):
        inside = strip.core.within(strip.rows), window.core[1].within(columns)
        rows = strip.core.within(window.core[0])
        variance = features.join(lambda piece: piece.ensemble_variance)[inside]
        relative[rows] = variance / scene_variance
        components[:, rows] = correction.apply(features, inside, relative[rows])
        if ensemble is not None:
            ensemble.store(features, inside, rows)
        del features  # before those of the next strip are computed
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
