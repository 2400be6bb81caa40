"""
Linear observation model of the components of a scene, for subspace methods.

With ``Z = H U + m`` (H the loading of a subspace, m its mean, U the components), the HS image is
``X = H D(U) + m`` and the MS image ``Y = L U + l`` with ``L = gain R H``. The noise of both is
independent, with one standard deviation for each band.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.noise import signal_components
from hsfuse.core.psf import PSF
from hsfuse.core.subspace import Subspace
from hsfuse.methods import Window
from hsfuse.methods.component_response import ComponentResponse
from hsfuse.observe import unseen_share
from hsfuse.pair.radiometry import paired_spectra
from hsfuse.pair.survey import Survey

__all__ = ["ComponentModel"]

# Smallest ratio of the noise of a band to its root mean square: 60 dB, the effect of quantisation
# and registration in an image without noise.
_MINIMUM_NOISE = 1e-3
# Share of the PSF of an HS pixel beyond the MS pixels of a window above which it is not used.
_MAXIMUM_UNSEEN = 0.5


@dataclass(frozen=True)
class ComponentModel:
    """
    The two observations of the components of a scene, weighted by their noise.

    Attributes
    ----------
    subspace : Subspace
        H and m.
    coarse_weight : ndarray of shape (components, components)
        ``H' N^-1 H``, N the noise variances of the HS bands.
    fine_weight : ndarray of shape (components, components)
        ``L' M^-1 L``, M the noise variances of the MS bands.
    coarse_match : ndarray of shape (components, good bands)
        ``H' N^-1``.
    fine_match : ndarray of shape (components, MS bands)
        ``L' M^-1``.
    fine_level : ndarray of shape (MS bands,)
        l.
    """

    subspace: Subspace
    coarse_weight: NDArray[np.float64]
    fine_weight: NDArray[np.float64]
    coarse_match: NDArray[np.float64]
    fine_match: NDArray[np.float64]
    fine_level: NDArray[np.float64]

    @classmethod
    def fit(cls, survey: Survey, maximum: int) -> ComponentModel:
        """
        Return the model of the components above the noise.

        Parameters
        ----------
        survey : Survey
            Survey of the pair.
        maximum : int
            Maximum number of components.
        """
        good = survey.good
        spectra = survey.spectra[good].astype(np.float64)
        noise = _limited(survey.noise[good], np.sqrt(np.square(spectra).mean(axis=1)))
        count = min(maximum, signal_components(spectra, noise))
        subspace = Subspace.fit(survey.spectra, good, count, survey.noise)
        response = ComponentResponse.of(survey.radiometry, subspace)
        loading, fine_noise = subspace.loading[:, good].T, _fine_noise(survey)
        match = (loading / noise[:, None] ** 2).T
        fine_match = (response.matrix / fine_noise[:, None] ** 2).T
        weights = match @ loading, fine_match @ response.matrix
        return cls(subspace, *weights, match, fine_match, response.mean)

    @property
    def count(self) -> int:
        """Number of components."""
        return len(self.coarse_weight)

    def coarse_residual(self, window: Window, predicted: Tensor, psf: PSF) -> Tensor:
        """
        Return ``H' N^-1 (X - m - H D(U))``, shape (components, coarse rows, coarse columns).

        Zero for no data, and where most of the PSF is beyond the MS pixels of the window.

        Parameters
        ----------
        window : Window
            Window of the pair.
        predicted : Tensor of shape (components, coarse rows, coarse columns)
            ``D(U)``.
        psf : PSF
            PSF of the HS sensor.
        """
        good = self.subspace.good
        valid = torch.from_numpy(np.isfinite(window.coarse[good]).all(axis=0))
        inside = unseen_share(window.geometry, psf, torch.ones(valid.shape)) < _MAXIMUM_UNSEEN
        level = self.subspace.mean[good]
        matched = _apply_match(self.coarse_match, window.coarse[good], level).to(predicted)
        matched -= _apply_weight(self.coarse_weight, predicted)
        return matched.nan_to_num_() * (valid & inside).to(predicted)

    def fine_residual(self, window: Window, components: Tensor) -> Tensor:
        """
        Return ``L' M^-1 (Y - l - L U)``, shape (components, rows, columns), zero without data.

        Parameters
        ----------
        window : Window
            Window of the pair.
        components : Tensor of shape (components, rows, columns)
            U.
        """
        matched = _apply_match(self.fine_match, window.fine, self.fine_level).to(components)
        return matched.sub_(_apply_weight(self.fine_weight, components)).nan_to_num_()


def _fine_noise(survey: Survey) -> NDArray[np.float64]:
    """
    Return the standard deviation of the residuals of the model for each MS band.

    It combines the pixel noise and the residual of R on the HS grid: the images of a real pair
    differ by more than noise.
    """
    _, fine = paired_spectra(survey)
    unexplained = (1 - survey.radiometry.correlation**2) * fine.var(axis=1)
    noise = np.sqrt(np.square(survey.fine_noise) + unexplained)
    return _limited(noise, np.sqrt(np.square(fine).mean(axis=1)))


def _limited(noise: NDArray[np.float64], level: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the noise of bands, limited to at least a share of their level and above zero."""
    limited: NDArray[np.float64] = np.maximum(noise, _MINIMUM_NOISE * level)
    return np.maximum(limited, 1e-12 * max(float(limited.max()), 1e-30))


def _apply_match(
    match: NDArray[np.float64], image: NDArray[np.float32], level: NDArray[np.float64]
) -> Tensor:
    """Return ``match`` applied to an image minus its level; NaN where a band has no data."""
    offset = (match @ level).astype(np.float32)[:, None, None]
    return torch.from_numpy(np.tensordot(match.astype(np.float32), image, axes=1) - offset)


def _apply_weight(weight: NDArray[np.float64], components: Tensor) -> Tensor:
    return torch.tensordot(torch.from_numpy(weight).to(components), components, dims=1)
