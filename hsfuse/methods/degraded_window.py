"""A window as the data of a fusion problem: X, Y and D, with gaps filled by estimates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hsfuse.core.psf import PSF
from hsfuse.core.resample import share_inside
from hsfuse.methods import Window
from hsfuse.methods.coupled import PairUnits
from hsfuse.observe import Degrade
from hsfuse.pair.patch import Patch

__all__ = ["DegradedWindow"]

# Smallest share of the PSF of an HS pixel on the MS pixels of the window, along each axis.
_MINIMUM_INSIDE = 0.5


@dataclass(frozen=True)
class DegradedWindow:
    """
    A scaled window, and D between its grids.

    Pixels without data have the values of the current estimate in every iteration, which is
    equivalent to zero weight (expectation maximisation; Dempster et al. 1977) and keeps D
    separable.

    Attributes
    ----------
    coarse : Tensor of shape (good bands, coarse rows, coarse columns)
        X.
    coarse_valid : Tensor of bool, shape (coarse rows, coarse columns)
        Mask of pixels with data.
    fine : Tensor of shape (MS bands, rows, columns)
        Y.
    fine_valid : Tensor of bool, shape (rows, columns)
        Mask of pixels with data.
    degrade : Degrade
        D.
    """

    coarse: Tensor
    coarse_valid: Tensor
    fine: Tensor
    fine_valid: Tensor
    degrade: Degrade

    @classmethod
    def of(cls, window: Window | Patch, units: PairUnits, psf: PSF, device: str) -> DegradedWindow:
        """Return the scaled window on a device."""
        rows, columns = (
            torch.from_numpy(np.flatnonzero(share_inside(axis, width) > _MINIMUM_INSIDE))
            for axis, width in zip((window.geometry.y, window.geometry.x), psf.fwhm, strict=True)
        )
        operator = Degrade.between(window.geometry, psf)
        coarse, coarse_valid = units.coarse(window.coarse)
        fine, fine_valid = units.fine(window.fine)
        return cls(
            coarse[:, rows][:, :, columns].to(device),
            coarse_valid[rows][:, columns].to(device),
            fine.to(device),
            fine_valid.to(device),
            Degrade(operator.rows[rows].to(device), operator.columns[columns].to(device)),
        )

    @property
    def has_gaps(self) -> bool:
        """Whether a pixel of either image has no data."""
        return not bool(self.coarse_valid.all() and self.fine_valid.all())

    def image(self, pixels: Tensor) -> Tensor:
        """Reshape (bands, pixels) to (bands, rows, columns)."""
        return pixels.unflatten(1, self.fine_valid.shape)

    def filled_coarse(self, estimate: Tensor) -> Tensor:
        """Return X with gaps filled by D of an estimate (bands, pixels)."""
        if bool(self.coarse_valid.all()):
            return self.coarse
        return torch.where(
            self.coarse_valid, self.coarse, self.degrade.forward(self.image(estimate))
        )

    def filled_fine(self, estimate: Tensor) -> Tensor:
        """Return Y (MS bands, pixels) with gaps filled by R of an estimate, of the same shape."""
        if bool(self.fine_valid.all()):
            return self.fine.flatten(1)
        return torch.where(self.fine_valid.flatten(), self.fine.flatten(1), estimate)
