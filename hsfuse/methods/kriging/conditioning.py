"""Conditioning of the processes of cells on the HS pixels of a unit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.methods.kriging.features import RandomFeatures
from hsfuse.methods.kriging.models import CellModel
from hsfuse.methods.kriging.regression import CellDesign, ridge_weights

__all__ = ["condition_cells"]


def condition_cells(
    design: CellDesign,
    observed: Tensor,
    areas: Sequence[tuple[slice, slice]],
    features: RandomFeatures,
    *,
    ridge: NDArray[np.float64],
    noise: NDArray[np.float64],
) -> list[CellModel]:
    """
    Return the models of the cells of a unit, whose features are computed once for all of them.

    Parameters
    ----------
    design : CellDesign
        HS pixels of the unit, with the MS pixels inside their PSF.
    observed : Tensor of shape (components, coarse rows, coarse columns)
        Components of these HS pixels.
    areas : sequence of tuple of slice
        HS rows and columns of each cell in the unit.
    features : RandomFeatures
        Random features of all processes.
    ridge : ndarray of shape (processes, components)
        Variance of the noise in the regression, in units of the variance of the component.
    noise : ndarray of shape (components,)
        Standard deviation of the noise of the HS image.
    """
    inside = [_mask(design.used, area)[design.used] for area in areas]
    target, weight = observed[:, design.used].double(), design.weight.double()
    residuals = [target[:, pixels] for pixels in inside]
    weights: list[list[Tensor]] = [[] for _ in areas]
    settings, linear = design.settings, design.linear_count
    for process, noises in enumerate(ridge):
        degraded = design.features(process, features)
        for cell, pixels in enumerate(inside):
            factor = weight[pixels]
            weighted = degraded[pixels] * factor[:, None]  # in float64
            solution = ridge_weights(weighted, target[:, pixels] * factor, noises, settings, linear)
            # The estimate is the mean of the processes.
            residuals[cell] -= (weighted @ solution.mT / factor[:, None]).mT / len(ridge)
            weights[cell].append(solution.float())
    models = []
    for area, solutions, remaining in zip(areas, weights, residuals, strict=True):
        residual = torch.zeros_like(observed[:, *area])
        residual[:, design.used[area]] = _without_noise(remaining, noise).float()
        models.append(CellModel(torch.stack(solutions), residual))
    return models


def _mask(like: Tensor, area: tuple[slice, slice]) -> Tensor:
    """Return a mask that is true inside an area."""
    mask = torch.zeros_like(like, dtype=torch.bool)
    mask[area] = True
    return mask


def _without_noise(residual: Tensor, noise: NDArray[np.float64]) -> Tensor:
    """Return a residual, (components, pixels), with the share of the noise removed."""
    power = residual.square().mean(dim=1, keepdim=True)
    variance = torch.from_numpy(noise).to(power)[:, None] ** 2
    return residual * (1 - variance / power.clamp_min(1e-30)).clamp_min(0)
