"""Cross-validation of `kriging` over the HS pixels: its error where it has not seen the pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.methods.kriging.fuser import KrigingFuser
from hsfuse.methods.kriging.method import trial_cells
from hsfuse.methods.kriging.regression import CellDesign, ridge_factors
from hsfuse.pair.survey import Survey

__all__ = ["CrossValidation", "cross_validate", "leave_one_out"]

# Share of the squared error that is left after noise, at least: noise is an estimate.
_LEAST_SIGNAL = 0.01
# Weight of the other pixels in a prediction, at least.
_LEAST_FREEDOM = 1e-3


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """
    Leave-one-out cross-validation of a surveyed pair.

    Attributes
    ----------
    error : float
        Of an HS pixel predicted from the others and the MS image: root mean square over pixels and
        good bands, in HS units, less noise.
    pixels : int
        HS pixels with data in both images that were left out in turn.
    """

    error: float
    pixels: int


def cross_validate(kriging: KrigingFuser, survey: Survey) -> CrossValidation:
    """
    Return the error of `kriging` at HS pixels that it has not seen.

    Parameters
    ----------
    kriging : KrigingFuser
        Prepared for the survey.
    survey : Survey
        The middle of some of its windows is predicted, each a cell of its own.
    """
    subspace = kriging.guided.subspace
    power = subspace.power / int(subspace.good.sum())
    total, pixels = 0.0, 0
    for cell, observed in trial_cells(kriging, survey):
        squares = _residual(kriging, cell, observed).square().sum(dim=1).cpu().numpy()
        total += float(power @ squares)
        pixels += int(cell.used.sum())
    square = total / max(pixels, 1)
    noise = float(power @ kriging.noise**2)
    return CrossValidation(math.sqrt(max(square - noise, _LEAST_SIGNAL * square)), pixels)


def _residual(kriging: KrigingFuser, cell: CellDesign, observed: Tensor) -> Tensor:
    """Return what the mean of the processes leaves of each HS pixel, (components, HS pixels)."""
    target, weight = observed[:, cell.used].double(), cell.weight.double()
    residual = torch.zeros_like(target)
    for process, noise in enumerate(kriging.ridge):
        if not len(weight):
            break
        design = cell.features(process, kriging.features).double() * weight
        residual += leave_one_out(design, target * weight, noise) / weight
    return residual / len(kriging.ridge)


def leave_one_out(design: Tensor, observed: Tensor, noise: NDArray[np.float64]) -> Tensor:
    """
    Return the residual of each pixel in the regression on all others.

    By the leverage of a pixel, without a regression for each (Allen 1974, "The relationship
    between variable selection and data augmentation", Technometrics 16).

    Parameters
    ----------
    design : Tensor of shape (features, pixels)
        float64.
    observed : Tensor of shape (components, pixels)
        float64.
    noise : ndarray of shape (components,)
        Ridge of each component.

    Returns
    -------
    Tensor of shape (components, pixels)
    """
    residual = torch.empty_like(observed)
    for chosen, factor in ridge_factors(design, noise):
        basis = torch.linalg.solve_triangular(factor, design, upper=False)
        freedom = (1 - basis.square().sum(dim=0)).clamp_min(_LEAST_FREEDOM)
        fitted = (observed[chosen] @ basis.mT) @ basis
        residual[chosen] = (observed[chosen] - fitted) / freedom
    return residual
