"""
Survey: a sample of a pair of bounded size, from which scene-wide quantities are estimated.

A scene may be larger than memory; its mean, subspace, regressions and radiometry do not need every
pixel. :mod:`hsfuse.pair.sampling` selects and reads the windows.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from hsfuse.core.band_labels import band_label
from hsfuse.core.noise import (
    band_noise,
    lag_one_autocorrelation,
    neighbour_weights,
    pixel_noise,
)
from hsfuse.core.psf import PSF
from hsfuse.observe import Degrade
from hsfuse.pair.patch import Patch

if TYPE_CHECKING:
    from hsfuse.pair.radiometry import Radiometry

__all__ = ["Survey", "brightness"]


@dataclass(frozen=True, slots=True)
class _Settings:
    """Settings of the estimates of noise, bad bands and brightness."""

    # Largest number of spectra for the estimates of noise and bad bands: all of nine windows.
    maximum_spectra: int = 40_000
    # Ratio of the noise to the standard deviation of a band above which it is bad. On twelve real
    # scenes every band in water vapour absorption is above, and eight of 2500 others, all noisy.
    maximum_noise: float = 0.7
    # Lag-one autocorrelation of the noise-free residual of a band; and the smallest share of the
    # power of a residual that counts as noise.
    signal_autocorrelation: float = 0.5
    minimum_white: float = 0.01
    # Smallest share of the PSF of an HS pixel on MS pixels with data.
    minimum_psf_share: float = 0.5
    # Quantile of the HS values used as the brightness of the scene; above it are glints.
    bright: float = 0.999


_SETTINGS = _Settings()


@dataclass(frozen=True)
class Survey:
    """
    The surveyed windows of a pair with its PSF, bands and response.

    Attributes
    ----------
    patches : tuple of Patch
        The windows.
    psf : PSF
        PSF of the HS sensor, in HS pixels.
    marked : ndarray of shape (bands,), bool
        False for bands that the file or the sensor flags as bad.
    wavelength : ndarray of shape (bands,)
        Centres of the HS bands in nanometres, NaN where unknown.
    response : ndarray of shape (MS bands, bands) or None
        R from the sensors; None where it has to be estimated.
    scene : tuple of int or None
        Rows and columns of the whole HS image; None where the only patch is the whole image.
    denoised : ndarray of shape (bands,), bool, or None
        Noisy bands whose values in the patches were replaced by a regression on the good bands;
        they are marked as bad (:mod:`hsfuse.methods.denoising`). None where there are none.
    ms_labels : tuple of str
        Label of each MS band for messages (:mod:`hsfuse.core.band_labels`).
    windows : tuple of ndarray of shape (bands, rows, columns)
        The HS image in the windows for the estimates of bad bands, subspace and noise; empty where
        these are the windows of the patches.
    """

    patches: tuple[Patch, ...]
    psf: PSF
    marked: NDArray[np.bool_]
    wavelength: NDArray[np.float64]
    response: NDArray[np.float64] | None = None
    scene: tuple[int, int] | None = None
    denoised: NDArray[np.bool_] | None = None
    ms_labels: tuple[str, ...] = ()
    windows: tuple[NDArray[np.float32], ...] = ()

    @property
    def images(self) -> tuple[NDArray[np.float32], ...]:
        """The HS image in all windows, including those without MS pixels."""
        return self.windows or tuple(patch.coarse for patch in self.patches)

    @property
    def coarse_shape(self) -> tuple[int, int]:
        """Rows and columns of the whole HS image."""
        return self.scene or self.patches[0].geometry.coarse_shape

    @property
    def ratio(self) -> tuple[float, float]:
        """Fine pixels per HS pixel along y and x."""
        geometry = self.patches[0].geometry
        return geometry.y.ratio, geometry.x.ratio

    @cached_property
    def good(self) -> NDArray[np.bool_]:
        """
        Usable bands, shape (bands,): marked good, with data, and not dominated by noise.

        A band without data in the survey is bad whatever its flag, and so is one whose variance is
        mostly noise by a regression on its neighbours.
        """
        usable = self._usable
        spectra = self._spectra(usable)[usable].astype(np.float64)
        clear = usable.copy()
        clear[usable] = band_noise(spectra) <= _SETTINGS.maximum_noise * spectra.std(axis=1)
        return clear if clear.sum() > 1 else usable

    @cached_property
    def _usable(self) -> NDArray[np.bool_]:
        """Bands that are marked good and have data."""
        data = np.zeros(self.marked.size, dtype=bool)
        for image in self.images:
            data |= np.isfinite(image).any(axis=(1, 2))
        both = self.marked & data
        return both if both.any() else data

    def valid(self, patch: Patch) -> NDArray[np.bool_]:
        """Return the mask (rows, columns) of HS pixels of a patch with data in every good band."""
        return np.asarray(np.isfinite(patch.coarse[self.good]).all(axis=0))

    @cached_property
    def spectra(self) -> NDArray[np.float32]:
        """The surveyed spectra with data in all good bands, shape (bands, pixels)."""
        return self._spectra(self.good)

    @property
    def fine_pixels(self) -> NDArray[np.float64]:
        """The surveyed MS pixels with data in all bands, shape (MS bands, pixels)."""
        pixels = [p.fine[:, np.isfinite(p.fine).all(axis=0)] for p in self.patches]
        return np.concatenate(pixels, axis=1).astype(np.float64)

    def _spectra(self, bands: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the spectra with data in all ``bands``, thinned to the largest number."""
        masks = [np.isfinite(image[bands]).all(axis=0) for image in self.images]
        every = -(-sum(int(mask.sum()) for mask in masks) // _SETTINGS.maximum_spectra)
        return np.concatenate(
            [
                image[:, mask][:, :: max(every, 1)]
                for image, mask in zip(self.images, masks, strict=True)
            ],
            axis=1,
        )

    @cached_property
    def noise(self) -> NDArray[np.float64]:
        """
        Standard deviation of the noise of each HS band (bands,), zero for bad bands.

        It is the spatially uncorrelated part of the residual of a regression on neighbouring bands.
        """
        good = self.good
        spectra = self.spectra[good].astype(np.float64)
        residual_matrix = np.eye(len(spectra)) - neighbour_weights(spectra)
        mean = spectra.mean(axis=1)[:, None, None]
        residuals = (
            np.tensordot(residual_matrix, image[good] - mean, axes=1) for image in self.images
        )
        white = np.clip(
            1 - lag_one_autocorrelation(residuals) / _SETTINGS.signal_autocorrelation,
            _SETTINGS.minimum_white,
            1,
        )
        noise = np.zeros(good.size)
        noise[good] = band_noise(spectra) * np.sqrt(white)
        return noise

    @cached_property
    def brightness(self) -> float:
        """Unit of the scene for networks: the 99.9th percentile of the HS values."""
        return brightness(self.spectra[self.good])

    @cached_property
    def fine_noise(self) -> NDArray[np.float64]:
        """Standard deviation of the noise of each MS band, shape (MS bands,)."""
        power = [np.square(pixel_noise(patch.fine)) for patch in self.patches]
        deviation: NDArray[np.float64] = np.sqrt(np.mean(power, axis=0))
        return deviation

    def degraded(self, patch: Patch) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """
        Return the MS bands degraded to the HS grid, and the mask of usable HS pixels.

        Returns
        -------
        tuple of ndarray
            D(Y) of shape (MS bands, rows, columns), and a mask of shape (rows, columns): true where
            every good HS band has data and most of the PSF is on MS pixels with data.
        """
        index = next((i for i, candidate in enumerate(self.patches) if candidate is patch), None)
        if index is None:
            degraded, covered = _degrade(patch, self.psf)
        else:
            if index not in self._degraded:
                self._degraded[index] = _degrade(patch, self.psf)
            degraded, covered = self._degraded[index]
        return degraded, covered & self.valid(patch)

    @cached_property
    def _degraded(self) -> dict[int, tuple[NDArray[np.float64], NDArray[np.bool_]]]:
        """Cache of D(Y) and its mask for each patch, by index."""
        return {}

    def sample(self, maximum: int, pixels: int) -> list[Patch]:
        """
        Return some of the patches with MS data, spread over the survey, each cut to its centre.

        Parameters
        ----------
        maximum : int
            Largest number of patches.
        pixels : int
            Approximate number of MS pixels of all patches together.
        """
        some = self.spread(maximum)
        return [patch.middle(self.psf, pixels / len(some)) for patch in some]

    def spread(self, maximum: int) -> list[Patch]:
        """Return at most ``maximum`` of the patches with MS data, spread over the survey."""
        patches = [p for p in self.patches if np.isfinite(p.fine).all(axis=0).any()]
        indexes = np.linspace(0, len(patches) - 1, min(maximum, len(patches))).round().astype(int)
        return [patches[index] for index in indexes]

    def ms_label(self, band: int) -> str:
        """Return the number of an MS band, with its name and wavelength where they are known."""
        return f"MS {self.ms_labels[band] if self.ms_labels else band_label(band + 1)}"

    @cached_property
    def radiometry(self) -> Radiometry:
        """Response, gain and offset between the two sensors."""
        from hsfuse.pair.radiometry import measure_radiometry  # which imports this module

        return measure_radiometry(self)

    def with_response(self) -> Survey:
        """
        Return the survey with the response of its radiometry.

        Cached estimates (noise, D(Y), radiometry) are copied, since they depend on the patches
        only.
        """
        survey = replace(self, response=self.radiometry.response)
        names = {f.name for f in fields(self)}
        survey.__dict__.update({k: v for k, v in self.__dict__.items() if k not in names})
        return survey


def _degrade(patch: Patch, psf: PSF) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return D(Y) of a patch, and where more than half of the PSF is on MS pixels with data."""
    operator = Degrade.between(patch.geometry, psf, dtype=torch.float64)
    fine = torch.from_numpy(patch.fine.astype(np.float64))
    degraded, share = operator.forward_masked(fine, torch.isfinite(fine).all(dim=0))
    return degraded.numpy(), share.numpy() > _SETTINGS.minimum_psf_share


def brightness(spectra: NDArray[np.float32]) -> float:
    """Return the 99.9th percentile of the finite values."""
    return max(float(np.quantile(spectra[np.isfinite(spectra)], _SETTINGS.bright)), 1e-12)
