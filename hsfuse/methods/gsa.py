"""
`gsa`: adaptive Gram-Schmidt sharpening, a component substitution.

B. Aiazzi, S. Baronti, M. Selva, "Improving Component Substitution Pansharpening Through
Multivariate Regression of MS + Pan Data", IEEE TGRS 45(10), 2007, doi:10.1109/TGRS.2007.901007.
With X the interpolated HS image and P a panchromatic band:

1. Intensity: ``I = sum_m a_m X_m + a_0``, the least-squares regression of ``D(P)`` on the HS bands
   (their eq. 4 and 5).
2. Gains: ``g_k = cov(I, X_k) / var(I)`` (their eq. 8).
3. ``Z_k = X_k + g_k (P - I)`` (their eq. 2).

For several MS bands each HS band has its own synthesised band P_k
(:mod:`hsfuse.methods.hypersharpening`, there for multiresolution analysis). All three steps are
linear, so I_k follows from one intensity for each MS band: ``Z = X + diag(g) W (Y - I)``. Nothing
is iterated.

Differences from the publication: statistics are those of the survey on the HS grid, so that tiles
equal the whole; the regression of step 1 has a weak ridge, since HS bands are many and collinear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hsfuse.core.synthesis import SynthesisedBands
from hsfuse.methods import OnePass, Options, Window
from hsfuse.methods.bicubic import interpolate
from hsfuse.pair.radiometry import paired_spectra
from hsfuse.pair.survey import Survey

__all__ = ["METHOD", "Gsa", "GsaFuser", "GsaSettings"]


@dataclass(frozen=True, slots=True)
class GsaSettings:
    """The one number of `gsa`."""

    # Weight of the ridge of step 1, in mean variances of the HS bands.
    ridge: float = 1e-4


DEFAULT = GsaSettings()


@dataclass(frozen=True)
class GsaFuser(OnePass):
    """
    The regressions of one pair.

    Attributes
    ----------
    good : ndarray of bool, shape (bands,)
        HS bands that make the intensities.
    intensity : ndarray of shape (MS bands, good bands)
        a.
    offset : ndarray of shape (MS bands,)
        a_0.
    injection : ndarray of shape (bands, MS bands)
        ``diag(g) W``.
    device : str
        Device of the computation.
    settings : GsaSettings
        Further settings of the method.
    """

    good: NDArray[np.bool_]
    intensity: NDArray[np.float32]
    offset: NDArray[np.float32]
    injection: NDArray[np.float32]
    device: str = "cpu"
    settings: GsaSettings = DEFAULT
    name: str = "gsa"
    step: int = 1
    gives_standard_error: bool = False
    reach: tuple[float, float] = (2.0, 2.0)
    notes: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return len(self.injection) + 3 * len(self.intensity)

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {"method": self.name, "ridge": self.settings.ridge}

    def fuse_window(self, window: Window) -> NDArray[np.float32]:
        """See :class:`hsfuse.methods.OnePass`."""
        coarse = np.tensordot(self.intensity, window.coarse[self.good], axes=1)
        coarse += self.offset[:, None, None]
        intensity = interpolate(window, coarse, self.device)
        rows, columns = (span.slice for span in window.core)
        fine = torch.from_numpy(window.fine[:, rows, columns]).to(self.device)
        # Where the MS image has no data there is no detail.
        detail = torch.nan_to_num(fine - intensity)
        fused = interpolate(window, window.coarse, self.device)
        fused += torch.tensordot(torch.from_numpy(self.injection).to(detail), detail, dims=1)
        return fused.cpu().numpy()


@dataclass(frozen=True)
class Gsa:
    """Method: regressions over the survey, the same detail rule everywhere."""

    settings: GsaSettings = DEFAULT

    def prepare(self, survey: Survey, options: Options) -> GsaFuser:
        """See :class:`hsfuse.methods.Method`."""
        good = survey.good
        spectra, fine = paired_spectra(survey, np.ones_like(good))
        bands = SynthesisedBands.fit(spectra, fine)
        weights, offset = _intensity(spectra[good], fine, self.settings.ridge)
        gains = _gains(spectra, bands.weights @ (weights @ spectra[good]))
        return GsaFuser(
            good,
            weights.astype(np.float32),
            offset.astype(np.float32),
            (gains[:, None] * bands.weights).astype(np.float32),
            options.device,
            self.settings,
        )


def _intensity(
    spectra: NDArray[np.float64], fine: NDArray[np.float64], ridge: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the regression of the MS bands on the HS bands: weights, and intercepts."""
    level, mean = fine.mean(axis=1), spectra.mean(axis=1)
    centred = spectra - mean[:, None]
    gram = centred @ centred.T
    gram += (ridge * np.trace(gram) / len(gram) + 1e-30) * np.eye(len(gram))
    weights = np.linalg.solve(gram, centred @ (fine - level[:, None]).T).T
    return weights, level - weights @ mean


def _gains(spectra: NDArray[np.float64], intensity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the covariance of each HS band and its intensity over the variance of that."""
    valid = np.isfinite(spectra)
    count = np.maximum(valid.sum(axis=1, keepdims=True), 1)
    values, weights = (
        np.where(valid, bands - np.where(valid, bands, 0).sum(axis=1, keepdims=True) / count, 0)
        for bands in (spectra, intensity)
    )
    variance = np.square(weights).sum(axis=1)
    product = (values * weights).sum(axis=1)
    return np.divide(product, variance, out=np.zeros_like(variance), where=variance > 0)


METHOD = Gsa()
