"""Conditioning of the processes of cells on the HS pixels of a unit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.methods.kriging.features import RandomFeatures
from hsfuse.methods.kriging.models import CellModel
from hsfuse.methods.kriging.regression import CellDesign, ridge_weights
from hsfuse.methods.kriging.settings import KrigingSettings

__all__ = ["CellRegression", "condition_cells"]


@dataclass(frozen=True)
class CellRegression:
    """
    Regression of the HS pixels of a window on the features of each process.

    Attributes
    ----------
    observed : Tensor of shape (components, coarse rows, coarse columns)
        Components of the HS pixels.
    used : Tensor of shape (coarse rows, coarse columns)
        Mask of HS pixels with data in both images.
    weight : Tensor of shape (HS pixels,)
        Weight of each used HS pixel.
    designs : iterable of Tensor of shape (HS pixels, features)
        Result of :meth:`CellDesign.features` for each process; an iterator computes them one by
        one and only once.
    linear : int
        Number of linear features, which come first.
    settings : KrigingSettings
        Settings of the method.
    """

    observed: Tensor
    used: Tensor
    weight: Tensor
    designs: Iterable[Tensor]
    linear: int
    settings: KrigingSettings

    @classmethod
    def of(cls, design: CellDesign, observed: Tensor, features: RandomFeatures) -> CellRegression:
        """
        Return the regression of a design, whose features are computed when they are needed.

        Parameters
        ----------
        design : CellDesign
            HS pixels of a window, with the MS pixels inside their PSF.
        observed : Tensor of shape (components, coarse rows, coarse columns)
            Components of these HS pixels.
        features : RandomFeatures
            Random features of all processes.
        """
        return cls(
            observed,
            design.used,
            design.weight,
            _each_design(design, features),
            design.linear_count,
            design.settings,
        )

    def in_memory(self) -> CellRegression:
        """Return the regression with the designs of all processes, which can be used repeatedly."""
        return replace(self, designs=tuple(self.designs))


def _each_design(design: CellDesign, features: RandomFeatures) -> Iterator[Tensor]:
    for process in range(len(design.settings.processes)):
        yield design.features(process, features)


def condition_cells(
    regression: CellRegression,
    areas: Sequence[tuple[slice, slice]],
    *,
    ridge: NDArray[np.float64],
    noise: NDArray[np.float64],
) -> list[CellModel]:
    """
    Return the models of the cells of a unit, whose features are computed once for all of them.

    Parameters
    ----------
    regression : CellRegression
        Regression of the HS pixels of the unit.
    areas : sequence of tuple of slice
        HS rows and columns of each cell in the unit.
    ridge : ndarray of shape (processes, components)
        Variance of the noise in the regression, in units of the variance of the component.
    noise : ndarray of shape (components,)
        Standard deviation of the noise of the HS image.
    """
    used, observed = regression.used, regression.observed
    inside = [_mask(used, area)[used] for area in areas]
    target, weight = observed[:, used].double(), regression.weight.double()
    residuals = [target[:, pixels] for pixels in inside]
    weights: list[list[Tensor]] = [[] for _ in areas]
    settings, linear = regression.settings, regression.linear
    for design, noises in zip(regression.designs, ridge, strict=True):
        for cell, pixels in enumerate(inside):
            factor = weight[pixels]
            weighted = design[pixels] * factor[:, None]  # in float64
            solution = ridge_weights(weighted, target[:, pixels] * factor, noises, settings, linear)
            # The estimate is the mean of the processes.
            residuals[cell] -= (weighted @ solution.mT / factor[:, None]).mT / len(ridge)
            weights[cell].append(solution.float())
    models = []
    for area, solutions, remaining in zip(areas, weights, residuals, strict=True):
        residual = torch.zeros_like(observed[:, *area])
        residual[:, used[area]] = _without_noise(remaining, noise).float()
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
