"""
Common functions of methods that factorise both images of a pair with the same spectra.

:class:`PairUnits` scales the pair, :func:`coupled_windows` returns the surveyed windows on which
spectra are learned, :func:`interpolate_abundances` interpolates abundances to the fine grid, and
:func:`band_loading` computes the spectra in the other bands.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.observe import Degrade, Interpolate
from hsfuse.pair.patch import Patch
from hsfuse.pair.survey import Survey

__all__ = [
    "CoupledWindow",
    "PairUnits",
    "band_loading",
    "coupled_windows",
    "interpolate_abundances",
    "regress_bands",
]

# Smallest value of a scaled image: multiplicative updates divide by sums of values.
_TINY = 1e-9


@dataclass(frozen=True)
class PairUnits:
    """
    Units in which both images are non-negative and ``Y = R X``.

    Attributes
    ----------
    good : ndarray of bool, shape (bands,)
        HS bands used for unmixing.
    unit : ndarray of shape (good bands,)
        HS value of one unit.
    response : ndarray of shape (MS bands, good bands)
        R from scaled HS bands to scaled MS bands.
    gain, offset : ndarray of shape (MS bands,)
        The MS image is ``gain * Y + offset``.
    """

    good: NDArray[np.bool_]
    unit: NDArray[np.float32]
    response: NDArray[np.float32]
    gain: NDArray[np.float64]
    offset: NDArray[np.float64]

    @classmethod
    def of(cls, survey: Survey, unit: NDArray[np.floating] | None = None) -> PairUnits:
        """
        Return the units of a surveyed pair.

        Parameters
        ----------
        survey : Survey
            Survey with the radiometry of the pair.
        unit : ndarray of shape (good bands,), optional
            HS value of one unit; by default, and for MS bands, the brightness of the scene.
        """
        radiometry, good = survey.radiometry, survey.good
        if unit is None:
            unit = np.full(int(good.sum()), survey.brightness)
        response = radiometry.response[:, good] * unit / survey.brightness
        return cls(
            good,
            unit.astype(np.float32),
            response.astype(np.float32),
            radiometry.gain * survey.brightness,
            radiometry.offset,
        )

    def coarse(self, values: NDArray[np.floating]) -> tuple[Tensor, Tensor]:
        """
        Return a scaled HS image from (bands, rows, columns), and the mask of good bands with data.

        Returns
        -------
        tuple of Tensor
            Tensors of shape (good bands, rows, columns), non-negative, and (rows, columns).
        """
        return _positive(values[self.good], self.unit)

    def spectra(self, values: NDArray[np.floating]) -> Tensor:
        """Return scaled HS pixels (good bands, pixels), non-negative, from (bands, pixels)."""
        return self.coarse(values[:, None])[0].flatten(1)

    def fine(self, values: NDArray[np.floating]) -> tuple[Tensor, Tensor]:
        """Return a scaled MS image, non-negative, and the mask where all its bands have data."""
        return _positive(values - self.offset[:, None, None], self.gain)

    def loading(
        self, endmembers: Tensor, spectra: NDArray[np.floating], codes: Callable[[], Tensor]
    ) -> NDArray[np.float32]:
        """
        Return endmembers in HS units with all bands; bad bands by least squares on codes.

        Parameters
        ----------
        endmembers : Tensor of shape (good bands, endmembers)
            Scaled endmembers.
        spectra : ndarray of shape (bands, pixels)
            HS pixels in HS units.
        codes : callable
            Returns the codes (endmembers, pixels) of these pixels; called if there are bad bands.

        Returns
        -------
        ndarray of shape (bands, endmembers)
            NaN for bands without data.
        """
        loading = np.empty((len(self.good), endmembers.shape[1]), np.float32)
        loading[self.good] = endmembers.cpu().numpy() * self.unit[:, None]
        if not self.good.all():
            loading[~self.good] = regress_bands(spectra[~self.good], codes().cpu().numpy())
        return loading


@dataclass(frozen=True)
class CoupledWindow:
    """
    A surveyed window, scaled.

    Attributes
    ----------
    raw : ndarray of shape (bands, pixels)
        HS pixels with data in both images, in HS units.
    coarse : Tensor of shape (good bands, pixels)
        The same pixels, scaled and non-negative.
    fine : Tensor of shape (MS bands, fine pixels)
        Scaled MS pixels, non-negative.
    used, fine_valid : Tensor of bool, shape (rows, columns) of HS and of MS pixels
        Masks of these HS and MS pixels.
    degrade, interpolation
        D and the interpolation to the fine grid.
    """

    raw: NDArray[np.float32]
    coarse: Tensor
    fine: Tensor
    used: Tensor
    fine_valid: Tensor
    degrade: Degrade
    interpolation: Interpolate

    def interpolated(self, abundances: Tensor) -> Tensor:
        """Interpolate abundances of HS pixels (endmembers, pixels) to all MS pixels."""
        image = torch.zeros((len(abundances), self.used.numel()))
        image[:, self.used.flatten()] = abundances
        image = image.unflatten(1, self.used.shape)
        return interpolate_abundances(self.interpolation, image, self.used).flatten(1)

    def degraded(self, abundances: Tensor) -> Tensor:
        """Return D of abundances of MS pixels (endmembers, fine pixels) at the HS pixels."""
        degraded, _ = self.degrade.forward_masked(
            abundances.unflatten(1, self.fine_valid.shape), self.fine_valid
        )
        return degraded[:, self.used]


def coupled_windows(
    survey: Survey, units: PairUnits, *, maximum_pixels: int, ratio: float
) -> list[CoupledWindow]:
    """
    Return the surveyed windows with data in both images, reduced to a largest total size.

    Parameters
    ----------
    survey : Survey
        Survey of the pair.
    units : PairUnits
        Units of both images.
    maximum_pixels : int
        Approximate number of MS pixels of all windows together.
    ratio : float
        A survey with more MS pixels is averaged down to this ratio, then cut.
    """
    pixels = sum(patch.fine[0].size for patch in survey.patches)
    factor = math.ceil(math.sqrt(pixels / maximum_pixels))
    ratio = max(min(survey.ratio) / factor, ratio)
    coupled = []
    for whole in survey.patches:
        patch = whole.averaged(ratio) if factor > 1 else whole
        patch = patch.middle(survey.psf, maximum_pixels / len(survey.patches))
        _, used = survey.degraded(patch)
        if used.any():
            coupled.append(_coupled(survey, units, patch, used))
    return coupled


def _coupled(
    survey: Survey, units: PairUnits, patch: Patch, used: NDArray[np.bool_]
) -> CoupledWindow:
    coarse, _ = units.coarse(patch.coarse)
    fine, fine_valid = units.fine(patch.fine)
    return CoupledWindow(
        patch.coarse[:, used],
        coarse[:, torch.from_numpy(used)],
        fine.flatten(1),
        torch.from_numpy(used),
        fine_valid,
        Degrade.between(patch.geometry, survey.psf),
        Interpolate.between(patch.geometry),
    )


def interpolate_abundances(
    interpolation: Interpolate, abundances: Tensor, valid: Tensor, minimum_weight: float = 0.25
) -> Tensor:
    """
    Interpolate HS abundances to the fine grid from valid pixels; equal abundances elsewhere.

    Parameters
    ----------
    interpolation : Interpolate
        Interpolation to the fine grid.
    abundances : Tensor of shape (endmembers, coarse rows, coarse columns)
        Abundances.
    valid : Tensor of bool, shape (coarse rows, coarse columns)
        Valid pixels.
    minimum_weight : float
        Smallest share of the weights of an interpolation on valid pixels.
    """
    weight = interpolation.forward(valid.to(abundances))
    total = interpolation.forward(torch.where(valid, abundances, torch.zeros_like(abundances)))
    equal = torch.full_like(total, 1 / len(abundances))
    return torch.where(weight > minimum_weight, total / weight.clamp_min(minimum_weight), equal)


def band_loading(
    windows: list[CoupledWindow], abundances: Tensor, units: PairUnits, endmembers: Tensor
) -> NDArray[np.float32]:
    """
    Return endmembers in HS units with all bands; bad bands by least squares.

    Parameters
    ----------
    windows : list of CoupledWindow
        Windows with the HS pixels.
    abundances : Tensor of shape (endmembers, pixels)
        Abundances of the pixels.
    units : PairUnits
        Units of the endmembers.
    endmembers : Tensor of shape (good bands, endmembers)
        Scaled endmembers.

    Returns
    -------
    ndarray of shape (bands, endmembers)
        NaN for bands without data.
    """
    spectra = np.concatenate([window.raw for window in windows], axis=1)
    return units.loading(endmembers, spectra, lambda: abundances)


def regress_bands(
    spectra: NDArray[np.floating], codes: NDArray[np.floating]
) -> NDArray[np.float32]:
    """
    Return the least-squares loading of bands on codes, shape (bands, endmembers).

    Parameters
    ----------
    spectra : ndarray of shape (bands, pixels)
        HS pixels in HS units; those that are not finite are excluded.
    codes : ndarray of shape (endmembers, pixels)
        Codes of the same pixels.

    Returns
    -------
    ndarray of shape (bands, endmembers)
        NaN for bands without data.
    """
    loading = np.full((len(spectra), len(codes)), np.nan, np.float32)
    for row, band in zip(loading, spectra, strict=True):
        valid = np.isfinite(band)
        if valid.any():
            row[:] = np.linalg.lstsq(codes[:, valid].T, band[valid], rcond=None)[0]
    return loading


def _positive(values: NDArray[np.floating], unit: NDArray[np.floating]) -> tuple[Tensor, Tensor]:
    """Return an image divided by units, non-negative, and the mask where all bands have data."""
    scaled = torch.from_numpy((values / unit[:, None, None]).astype(np.float32))
    valid = torch.isfinite(scaled).all(dim=0)
    return torch.nan_to_num(scaled, 0.0, 0.0, 0.0).clamp_min(_TINY), valid
