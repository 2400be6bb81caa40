"""
The pair at reduced resolution, where the HS image is the reference (Wald's protocol).

Wald, Ranchin and Mangolini 1997: both images are degraded by the ratio and fused, and the result is
compared with the HS image. Parameters selected at reduced resolution are used at full resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.metrics import psnr, sam
from hsfuse.core.noise import signal_components
from hsfuse.core.psf import PSF
from hsfuse.core.subspace import Subspace
from hsfuse.methods import Window
from hsfuse.observe import Degrade
from hsfuse.pair.patch import Patch
from hsfuse.pair.survey import Survey

__all__ = ["Quality", "ReducedResolutionPair", "ReducedResolutionSettings", "reduce_resolution"]


@dataclass(frozen=True, slots=True)
class ReducedResolutionSettings:
    """Settings of the reduction and of the score."""

    # Side of a window in HS pixels. Each window is fused about thirty times; windows of 128 pixels
    # rank the candidates in seconds.
    largest_side: int = 128
    # Number of windows of the survey, which suffices to rank the candidates.
    maximum_windows: int = 5
    # Smallest side in reduced HS pixels, below which local windows do not differ.
    smallest_side: int = 6
    # Limits in degrees and decibels, so that an error-free window does not dominate the mean.
    smallest_angle: float = 1e-3
    largest_psnr: float = 120.0
    # Random seed of the noise added to the reduced HS image.
    seed: int = 0


DEFAULT = ReducedResolutionSettings()


class Quality(NamedTuple):
    """PSNR in decibels and spectral angle in degrees."""

    psnr: float
    angle: float

    @property
    def score(self) -> float:
        """
        PSNR minus the spectral angle in decibels, with equal weight; higher is better.

        Examples
        --------
        >>> Quality(30.0, 10.0).score
        10.0
        """
        return self.psnr - 20 * float(np.log10(self.angle))

    def __str__(self) -> str:
        return f"{self.psnr:.2f} dB {self.angle:.2f}°"


@dataclass(frozen=True)
class ReducedResolutionPair:
    """
    A pair at reduced resolution with its references.

    Attributes
    ----------
    survey : Survey
        Survey of the reduced pair: the degraded HS image is the coarse image, the MS image
        degraded to the HS grid is the fine image.
    references : tuple of ndarray of shape (bands, rows, columns)
        The HS image for each patch, NaN for no data.
    subspace : Subspace
        Components of the HS image above its noise.
    settings : ReducedResolutionSettings
        Limits of the score.
    """

    survey: Survey
    references: tuple[NDArray[np.float32], ...]
    subspace: Subspace
    settings: ReducedResolutionSettings = DEFAULT

    @property
    def windows(self) -> list[Window]:
        """The complete patches as windows for a fuser."""
        return [
            Window(p.coarse, p.fine, p.geometry, (Span(0, rows), Span(0, columns)), p.start)
            for p in self.survey.patches
            for rows, columns in [p.geometry.fine_shape]
        ]

    def quality(self, estimates: Sequence[NDArray[np.float32]]) -> Quality:
        """
        Return the mean quality over the patches.

        Parameters
        ----------
        estimates : sequence of ndarray of shape (bands, rows, columns)
            Estimate for each patch.
        """
        good, peak, limits = self.survey.good, self.survey.brightness, self.settings
        figures = []
        patches = zip(self.survey.patches, self.references, estimates, strict=True)
        for patch, reference, estimate in patches:
            masked = np.where(np.isfinite(patch.fine).all(axis=0), estimate, np.nan)[good]
            if not np.isfinite(reference[good] + masked).all(axis=0).any():
                continue
            decibels = min(psnr(reference[good], masked, peak=peak), limits.largest_psnr)
            figures.append((decibels, max(sam(reference[good], masked), limits.smallest_angle)))
        return _mean_quality(figures)

    def component_quality(
        self, estimates: Sequence[NDArray[np.floating]], subspace: Subspace
    ) -> Quality:
        """
        Return :meth:`quality` of components, computed from inner products of spectra.

        Parameters
        ----------
        estimates : sequence of ndarray of shape (components, rows, columns)
            Estimate for each patch.
        subspace : Subspace
            Subspace of the estimates.
        """
        good, limits, figures = self.survey.good, self.settings, []
        spectra = np.concatenate([_spectra(each)[:, good] for each in (self.subspace, subspace)])
        for (used, reference), components in zip(self._components, estimates, strict=True):
            if not used.any():
                continue
            estimate = _with_mean(components[:, used])
            decibels = _psnr(spectra, reference, estimate, self.survey.brightness)
            angle = _angle(spectra, reference, estimate)
            figures.append((min(decibels, limits.largest_psnr), max(angle, limits.smallest_angle)))
        return _mean_quality(figures)

    @cached_property
    def _components(self) -> list[tuple[NDArray[np.bool_], NDArray[np.float64]]]:
        """The mask of data in both images, and the components of the reference, of each patch."""
        parts = []
        for patch, reference in zip(self.survey.patches, self.references, strict=True):
            components, valid = self.subspace.project(reference)
            used = valid & np.isfinite(patch.fine).all(axis=0)
            parts.append((used, _with_mean(components[:, used])))
        return parts


def _mean_quality(figures: list[tuple[float, float]]) -> Quality:
    # The geometric mean of angles is the mean of their decibels, as the score counts them.
    decibels, angles = np.array(figures).T
    return Quality(float(decibels.mean()), float(np.exp(np.log(angles).mean())))


def _spectra(subspace: Subspace) -> NDArray[np.float64]:
    """Return the loading of each component and the mean, (components + 1, bands)."""
    return np.concatenate([subspace.loading, subspace.mean[None]])


def _with_mean(components: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return components and the weight of the mean spectrum, (components + 1, pixels)."""
    return np.concatenate([components, np.ones((1, components.shape[1]))]).astype(np.float64)


def _psnr(
    spectra: NDArray[np.float64],
    reference: NDArray[np.float64],
    estimate: NDArray[np.float64],
    peak: float,
) -> float:
    """Return the PSNR of an estimate, both given as coefficients of ``spectra``."""
    error = np.concatenate([-reference, estimate])
    moment = error @ error.T / error.shape[1]
    power = np.einsum("ib,ij,jb->b", spectra, moment, spectra, optimize=True)
    return float((10 * np.log10(peak**2 / np.maximum(power, 1e-300))).mean())


def _angle(
    spectra: NDArray[np.float64], reference: NDArray[np.float64], estimate: NDArray[np.float64]
) -> float:
    """Return the mean spectral angle in degrees, both given as coefficients of ``spectra``."""
    gram = spectra @ spectra.T
    reference_rows, estimate_rows = slice(len(reference)), slice(len(reference), None)
    squares, estimated, product = (
        np.einsum("ip,ip->p", a, gram[rows, columns] @ b)
        for a, b, rows, columns in (
            (reference, reference, reference_rows, reference_rows),
            (estimate, estimate, estimate_rows, estimate_rows),
            (reference, estimate, reference_rows, estimate_rows),
        )
    )
    directed = squares > 0
    norm = np.sqrt(squares[directed] * np.maximum(estimated[directed], 1e-300))
    half = np.sqrt(np.clip(1 - product[directed] / norm, 0, 2) / 2)
    return float(np.degrees(2 * np.arcsin(half)).mean())


def reduce_resolution(
    survey: Survey, settings: ReducedResolutionSettings = DEFAULT
) -> ReducedResolutionPair | None:
    """Return the pair at reduced resolution; None where the survey is too small."""
    noise, subspace = _signal(survey)
    generator = np.random.default_rng(settings.seed)
    patches, references = [], []
    side, minimum_side = settings.largest_side, 2 * settings.smallest_side
    every = -(-len(survey.patches) // settings.maximum_windows)
    for patch in survey.patches[::every]:
        reference = _denoised(patch.coarse[:, :side, :side], subspace)
        rows, columns = reference.shape[1:]
        if min(rows, columns) < minimum_side:
            continue
        ratio = max(2, min(round(max(survey.ratio)), min(rows, columns) // minimum_side))
        degraded, used = survey.degraded(patch)
        fine = np.where(used, degraded, np.nan).astype(np.float32)[:, :rows, :columns]
        geometry = Geometry(
            Axis(rows, rows // ratio, float(ratio)), Axis(columns, columns // ratio, float(ratio))
        )
        coarse = _degraded(reference, geometry, survey.psf)
        coarse += generator.normal(size=coarse.shape).astype(np.float32) * noise[:, None, None]
        # With few pixels with data, no reduced pixel may have most of its PSF on data.
        if not np.isfinite(coarse[survey.good]).all(axis=0).any() or not np.isfinite(fine).any():
            continue
        patches.append(Patch(coarse, fine, geometry, (0, 0)))  # as separate scenes
        references.append(reference)
    if not patches:
        return None
    # Bad bands have zero noise here; if marked good, they would dominate a subspace.
    reduced = replace(survey, patches=tuple(patches), scene=None, marked=survey.good, windows=())
    return ReducedResolutionPair(reduced, tuple(references), subspace, settings)


def _signal(survey: Survey) -> tuple[NDArray[np.float32], Subspace]:
    """
    Return the noise of each band, and the components above it.

    The HS image is a noisy reference, and the degraded image has the same noise, averaged: the
    score would favour parameters that copy noise. So the reference has only the components above
    the noise, and independent noise of the same level is added to the reduced image.
    """
    good = survey.good
    count = signal_components(survey.spectra[good].astype(np.float64), survey.noise[good])
    subspace = Subspace.fit(survey.spectra, good, count, survey.noise)
    return survey.noise.astype(np.float32), subspace


def _denoised(cube: NDArray[np.float32], subspace: Subspace) -> NDArray[np.float32]:
    components, valid = subspace.project(cube)
    return np.where(valid, subspace.expand(components), np.float32(np.nan))


def _degraded(cube: NDArray[np.float32], geometry: Geometry, psf: PSF) -> NDArray[np.float32]:
    operator = Degrade.between(geometry, psf)
    values = torch.from_numpy(cube)
    valid = torch.isfinite(values)
    weight = operator.forward(valid.float())
    total = operator.forward(torch.where(valid, values, torch.zeros_like(values)))
    result = total / weight.clamp_min(1e-6)
    return torch.where(weight > 0.5, result, torch.full_like(result, torch.nan)).numpy()
