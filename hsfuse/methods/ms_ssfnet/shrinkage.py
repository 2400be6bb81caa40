"""
Shrinkage of the network's corrections toward `guided`, fitted at reduced resolution.

There the HS image is the reference. Each component's correction is used with the weight by which
it brings the estimate nearer to the reference than `guided` is, so that it does no harm; and the
figures predict what it gains at full resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.methods.guided.regression import GuidedFuser
from hsfuse.methods.ms_ssfnet.consistency import (
    CANDIDATES,
    ConsistencyTerms,
    Observations,
    apply_consistency,
)
from hsfuse.methods.ms_ssfnet.settings import DEFAULT, ComponentSettings, ShrinkageSettings
from hsfuse.methods.reduced_resolution import Quality, ReducedResolutionPair

__all__ = ["Correction", "Shrinkage", "fit_shrinkage", "fit_weights", "shrink"]


@dataclass(frozen=True)
class Correction:
    """
    Components of a reduced-resolution window before and after the network.

    Attributes
    ----------
    guided, corrected : Tensor of shape (components, rows, columns)
        By `guided` and by the network.
    variance : Tensor of shape (rows, columns)
        Of the errors of ``corrected``, as
        :func:`~hsfuse.methods.ms_ssfnet.consistency.apply_consistency` takes it.
    observations : Observations
        What both sensors measured of the window.
    """

    guided: Tensor
    corrected: Tensor
    variance: Tensor
    observations: Observations


@dataclass(frozen=True)
class Shrinkage:
    """
    Weights and data consistency terms, and their figures in the reduced-resolution test.

    Attributes
    ----------
    weights : tuple of float
        Of the correction of each component, 0 to 1.
    terms : ConsistencyTerms
        The selected ones.
    guided, corrected, result : Quality
        Of `guided`, of the full correction, and with weights and data consistency.
    """

    weights: tuple[float, ...]
    terms: ConsistencyTerms
    guided: Quality
    corrected: Quality
    result: Quality

    def sentence(self, name: str) -> str:
        """Return what the user should know."""
        mean = 100 * sum(self.weights) / len(self.weights)
        return (
            f"reduced-resolution test (Wald): guided {self.guided}, {name} {self.corrected}; "
            f"{mean:.0f} % of the network's corrections are used, {self.result} "
            f"{self.terms.sentence()}"
        )


def fit_shrinkage(
    pair: ReducedResolutionPair,
    guided: GuidedFuser,
    corrections: Sequence[Correction],
    count: int,
    *,
    prior: float = 1.0,
    candidates: Sequence[ConsistencyTerms] = CANDIDATES,
    settings: ComponentSettings = DEFAULT,
) -> Shrinkage:
    """
    Return the weights of corrections and the data consistency terms that do best.

    Parameters
    ----------
    pair : ReducedResolutionPair
        With the references.
    guided : GuidedFuser
        Fitted to the pair; expands components to a cube.
    corrections : sequence of Correction
        One for each window of the pair.
    count : int
        Components at full resolution; those that the pair lacks have a weight of one.
    prior : float
        Weight of the prior that a correction is right, in units of the test's: more where the
        reduced ratio differs from the full one.
    candidates : sequence of ConsistencyTerms
        The first is used unless another one does clearly better.
    settings : ComponentSettings
        The other numbers.
    """
    weights = fit_weights(pair, guided, corrections, count, prior, settings.shrinkage)

    def quality(cubes: Sequence[Tensor]) -> Quality:
        return pair.component_quality([cube.cpu().numpy() for cube in cubes], guided.subspace)

    shrunk = [shrink(each.guided, each.corrected, weights) for each in corrections]
    figures = {
        terms: quality(
            [
                apply_consistency(
                    cube, each.variance, each.observations, terms, settings.consistency
                )
                for cube, each in zip(shrunk, corrections, strict=True)
            ]
        )
        for terms in candidates
    }
    margin = settings.shrinkage.margin
    best = max(figures, key=lambda terms: figures[terms].score + margin * (terms == candidates[0]))
    return Shrinkage(
        tuple(weights.tolist()),
        best,
        quality([each.guided for each in corrections]),
        quality([each.corrected for each in corrections]),
        figures[best],
    )


def fit_weights(
    pair: ReducedResolutionPair,
    guided: GuidedFuser,
    corrections: Sequence[Correction],
    count: int,
    prior: float,
    settings: ShrinkageSettings,
) -> Tensor:
    """
    Return the weight of each component's correction, shape (count,).

    The regression coefficient of the true correction on the network's, shrunk toward one;
    parameters as :func:`fit_shrinkage`.
    """
    product, power = torch.zeros(count), torch.zeros(count)
    patches = zip(pair.survey.patches, pair.references, corrections, strict=True)
    for patch, reference, each in patches:
        base = each.guided.cpu()
        components, valid = guided.subspace.project(reference)
        known = torch.from_numpy(valid & np.isfinite(patch.fine).all(axis=0))
        correction = (each.corrected.cpu() - base)[:, known]
        truth = (torch.from_numpy(components) - base)[:, known]
        n = min(count, len(correction))
        product[:n] += (correction * truth).sum(dim=1)[:n]
        power[:n] += correction.square().sum(dim=1)[:n]
    coefficient = product / power.clamp_min(1e-30)
    shrunk = ((coefficient + prior) / (1 + prior)).clamp(0, 1)
    full = (coefficient > settings.full) | (power == 0)
    return torch.where(full, torch.ones(count), shrunk)


def shrink(guided: Tensor, corrected: Tensor, weights: Tensor | NDArray[np.float32]) -> Tensor:
    """
    Return components between `guided` and the corrected ones, by the weight of each.

    Parameters
    ----------
    guided, corrected : Tensor of shape (components, rows, columns)
    weights : Tensor or ndarray of shape (at least components,)
    """
    within = torch.as_tensor(weights)[: len(guided), None, None].to(guided.device)
    return guided + within * (corrected - guided)
