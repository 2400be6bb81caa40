"""
Hypersharpening: pansharpening of each HS band with a band synthesised from all MS bands.

M. Selva, B. Aiazzi, F. Butera, L. Chiarantini, S. Baronti, "Hyper-Sharpening: A First Approach on
SIM-GA Data", IEEE JSTARS 8(6), 2015, doi:10.1109/JSTARS.2015.2440092. A method for one
panchromatic band is used for each HS band k with ``P_k = sum_j w_kj Y_j + b_k``, the least-squares
regression of the HS band on the MS bands at the resolution of the HS image. It needs no R and
takes any number of bands; gain and offset of the MS bands are in the regression.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.synthesis import SynthesisedBands
from hsfuse.methods import OnePass, Window
from hsfuse.methods.bicubic import interpolate
from hsfuse.pair.radiometry import paired_spectra
from hsfuse.pair.survey import Survey

__all__ = ["Modulation"]

# Smallest divisor, relative to the brightness of the scene: one step of a 10-bit sensor. Below it,
# in water and shadow, quotients would be noise.
_MINIMUM_DIVISOR = 1e-3


@dataclass(frozen=True)
class Modulation(OnePass):
    """
    Base of fusers that modulate each HS band by a synthesised band over its low-pass version.

    ``Z_k = X_k P_k / P_L,k`` with X the interpolated HS image. The low-pass filter is linear, so
    it is applied to the MS bands alone: P_L is synthesised from these.

    Attributes
    ----------
    bands : SynthesisedBands
        P of Y.
    minimum : float
        Lower limit of both sides of the quotient, in HS units; not in the publications, where a
        dark pixel may divide by zero or change its sign.
    """

    bands: SynthesisedBands
    minimum: float
    device: str = "cpu"
    step: int = 1
    gives_standard_error: bool = False
    notes: tuple[str, ...] = ()

    @classmethod
    def settings_of(cls, survey: Survey, device: str) -> tuple[SynthesisedBands, float, str]:
        """Return the values of the first three attributes for a survey."""
        all_bands = np.ones_like(survey.good)
        bands = SynthesisedBands.fit(*paired_spectra(survey, all_bands))
        return bands, _MINIMUM_DIVISOR * survey.brightness, device

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return 2 * len(self.bands.weights) + 3 * self.bands.weights.shape[1]

    def low_pass(self, window: Window, fine: Tensor, valid: Tensor) -> Tensor:
        """
        Return the low-pass version of the MS bands over the core.

        Parameters
        ----------
        window : Window
            Window of the pair.
        fine : Tensor of shape (MS bands, rows, columns)
            MS pixels of the window.
        valid : Tensor of shape (rows, columns)
            Mask of pixels with data.
        """
        raise NotImplementedError

    def fuse_window(self, window: Window) -> NDArray[np.float32]:
        """See :class:`hsfuse.methods.OnePass`."""
        fine = torch.from_numpy(window.fine).to(self.device)
        valid = torch.isfinite(fine).all(dim=0)
        low = self.low_pass(window, fine, valid)
        rows, columns = (span.slice for span in window.core)
        sharp = torch.where(valid, fine, torch.zeros_like(fine))[:, rows, columns]
        sharp = torch.where(valid[rows, columns], sharp, low)
        fused = interpolate(window, window.coarse, self.device)
        fused *= self._synthesised(sharp)
        fused /= self._synthesised(low)
        return fused.cpu().numpy()

    def _synthesised(self, image: Tensor) -> Tensor:
        """Return P (bands, rows, columns) of (MS bands, rows, columns), at least the limit."""
        weights, offset = (torch.from_numpy(array).to(image) for array in self.bands)
        synthesised = torch.tensordot(weights, image, dims=1) + offset[:, None, None]
        return synthesised.clamp_min_(self.minimum)
