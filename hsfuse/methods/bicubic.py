"""`bicubic`: interpolation of the HS image to the fine grid, the baseline of comparisons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.methods import OnePass, Options, Window
from hsfuse.observe import Interpolate
from hsfuse.pair.survey import Survey

__all__ = ["METHOD", "Bicubic", "BicubicFuser", "interpolate"]


@dataclass(frozen=True)
class BicubicFuser(OnePass):
    """Cubic convolution of every band; pixels without data have no weight."""

    device: str = "cpu"
    name: str = "bicubic"
    step: int = 1
    gives_standard_error: bool = False
    reach: tuple[float, float] = (2.0, 2.0)
    channels: int = 0
    notes: tuple[str, ...] = ()

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {"method": self.name}

    def fuse_window(self, window: Window) -> NDArray[np.float32]:
        """See :class:`hsfuse.methods.OnePass`."""
        return interpolate(window, window.coarse, self.device).cpu().numpy()


def interpolate(window: Window, image: NDArray[np.float32], device: str = "cpu") -> Tensor:
    """
    Interpolate an image on the HS grid at the MS pixels of the core of a window.

    Parameters
    ----------
    window : Window
        Window with geometry and core.
    image : ndarray of shape (bands, coarse rows, coarse columns)
        NaN for no data, which is replaced by the mean of valid neighbours.
    device : str
        Device of the computation.

    Returns
    -------
    Tensor of shape (bands, core rows, core columns)
        Finite.
    """
    interpolation = Interpolate.between(window.geometry, device=device).cut(window.core)
    coarse = torch.from_numpy(image).to(device)
    valid = torch.isfinite(coarse)
    fused = interpolation.forward(torch.where(valid, coarse, torch.zeros_like(coarse)))
    if not bool(valid.all()):
        fused = _fill_near_gaps(window, interpolation, coarse, valid, fused)
    return fused


def _fill_near_gaps(
    window: Window, cubic: Interpolate, coarse: Tensor, valid: Tensor, fused: Tensor
) -> Tensor:
    """Return ``fused`` with the linear mean of valid neighbours where a gap has a weight."""
    linear = Interpolate.between(window.geometry, linear=True, device=coarse.device)
    linear = linear.cut(window.core)
    touched = Interpolate(cubic.rows.abs(), cubic.columns.abs()).forward((~valid).float()) > 0
    weight = linear.forward(valid.float())
    near = linear.forward(torch.where(valid, coarse, torch.zeros_like(coarse)))
    return torch.where(touched, near / weight.clamp_min(1e-6), fused)


@dataclass(frozen=True)
class Bicubic:
    """The method; it is the same for every scene."""

    def prepare(self, survey: Survey, options: Options) -> BicubicFuser:
        """See :class:`hsfuse.methods.Method`."""
        del survey
        return BicubicFuser(options.device)


METHOD = Bicubic()
