"""
Hypersharpening: pansharpening of each HS band with a band synthesised from all MS bands.

M. Selva, B. Aiazzi, F. Butera, L. Chiarantini, S. Baronti, "Hyper-Sharpening: A First Approach on
SIM-GA Data", IEEE JSTARS 8(6), 2015, doi:10.1109/JSTARS.2015.2440092. A method for one
panchromatic band is used for each HS band k with ``P_k = sum_j w_kj Y_j + b_k``, the least-squares
regression of the HS band on the MS bands at the resolution of the HS image. It needs no R and
takes any number of bands; gain and offset of the MS bands are in the regression.

High-pass modulation is ``Z_k = X_k P_k / P_L,k = X_k + g (P_k - P_L,k)`` with the local gain
``g = X_k / P_L,k``, X the interpolated HS image and P_L the low-pass version of P. Publications and
the toolbox of Vivone et al. 2021, doi:10.1109/MGRS.2020.3019315, divide by ``P_L + eps``, so that g
has no bound where P_L is near zero, in water and shadow. Haze correction (Lolli et al. 2017,
doi:10.1109/LGRS.2017.2761021) subtracts the darkest value of each band first, and so divides by
less. Here g minimises

    (X_k - g P_L,k)^2 + s_k^2 (g - 1)^2,  g = (X_k P_L,k + s_k^2) / (P_L,k^2 + s_k^2),

with s_k the standard deviation of the residuals of the regression. Where ``P_L >> s`` this is the
quotient of the publications; where ``P_L << s`` the quotient says nothing, and details are added
with the gain of the regression, one. ``|g - 1|`` is at most ``|X_k - P_L,k| / (2 s_k)``.
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

# Smallest value of both sides of the quotient, relative to the brightness of the scene: one step of
# a 10-bit sensor. A synthesised band has negative values where its regression has negative weights.
_MINIMUM_DIVISOR = 1e-3


@dataclass(frozen=True)
class Modulation(OnePass):
    """
    Base of fusers that modulate each HS band by a synthesised band over its low-pass version.

    ``Z_k = X_k + g (P_k - P_L,k)`` with X the interpolated HS image and the local gain g. The
    low-pass filter is linear, so it is applied to the MS bands alone: P_L is synthesised from
    these.

    Attributes
    ----------
    bands : SynthesisedBands
        P of Y.
    deviation : ndarray of shape (bands,)
        s, standard deviation of the residuals of the regression, in HS units.
    minimum : float
        Lower limit of P and P_L, in HS units.
    """

    bands: SynthesisedBands
    deviation: NDArray[np.float64]
    minimum: float
    device: str = "cpu"
    step: int = 1
    gives_standard_error: bool = False
    notes: tuple[str, ...] = ()

    @classmethod
    def settings_of(
        cls, survey: Survey, device: str
    ) -> tuple[SynthesisedBands, NDArray[np.float64], float, str]:
        """Return the values of the first four attributes for a survey."""
        spectra, fine = paired_spectra(survey, np.ones_like(survey.good))
        bands = SynthesisedBands.fit(spectra, fine)
        deviation = _deviation(spectra - bands.weights @ fine - bands.offset[:, None])
        return bands, deviation, _MINIMUM_DIVISOR * survey.brightness, device

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return 4 * len(self.bands.weights) + 3 * self.bands.weights.shape[1]

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
        smooth = interpolate(window, window.coarse, self.device)
        low_pass, detail = self._synthesised(low), self._synthesised(sharp)
        detail -= low_pass
        variance = torch.from_numpy(self.deviation**2).to(smooth)[:, None, None]
        gain = torch.addcmul(variance, smooth, low_pass)
        gain /= low_pass.square_().add_(variance)
        return smooth.addcmul_(gain, detail).cpu().numpy()

    def _synthesised(self, image: Tensor) -> Tensor:
        """Return P (bands, rows, columns) of (MS bands, rows, columns), at least the limit."""
        weights, offset = (torch.from_numpy(array).to(image) for array in self.bands)
        synthesised = torch.tensordot(weights, image, dims=1) + offset[:, None, None]
        return synthesised.clamp_min_(self.minimum)


def _deviation(residuals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the root mean square of each band (bands, pixels) over pixels with data, or zero."""
    valid = np.isfinite(residuals)
    total = np.square(np.where(valid, residuals, 0)).sum(axis=1)
    return np.sqrt(total / np.maximum(valid.sum(axis=1), 1))
