"""
A pair at reduced resolution, where the HS image is the reference (Wald's protocol).

Wald, Ranchin and Mangolini 1997: both images are degraded by the ratio, fused, and the result
is compared with the HS image itself. Parameters that are selected there are used at full
resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.metrics import psnr, sam
from hsfuse.core.noise import signal_components
from hsfuse.core.subspace import Subspace
from hsfuse.methods import Window
from hsfuse.observe import Degrade
from hsfuse.pair.survey import Patch, Survey

__all__ = ["Quality", "ReducedResolutionPair", "ReducedResolutionSettings", "reduce_resolution"]


@dataclass(frozen=True, slots=True)
class ReducedResolutionSettings:
    """How the pair is reduced and scored."""

    # HS pixels a side of a window. Selection fuses each window some thirty times; 128 pixels
    # square order the candidates in seconds.
    largest_side: int = 128
    # Of the survey's windows, spread over it: enough to order the candidates.
    most_windows: int = 5
    # Reduced HS pixels a side. With fewer, local windows do not differ.
    smallest_side: int = 6
    # Limits in degrees and decibels: a perfect window, as of a flat scene, would decide the mean.
    smallest_angle: float = 1e-3
    largest_psnr: float = 120.0
    # Of the noise that is added to the reduced HS image.
    seed: int = 0


DEFAULT = ReducedResolutionSettings()


class Quality(NamedTuple):
    """PSNR in decibels and spectral angle in degrees."""

    psnr: float
    angle: float

    @property
    def score(self) -> float:
        """
        Decibels of PSNR and of spectral angle together; more is better.

        A wrong shape of the spectrum is as bad as a wrong brightness.

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
    A reduced pair and its references.

    Attributes
    ----------
    survey : Survey
        Of the reduced pair: the HS image degraded once more is the coarse side, the MS image
        as the HS sensor would observe it is the fine side.
    references : tuple of ndarray of shape (bands, rows, columns)
        The HS image itself, one for each patch, NaN where there is no data.
    subspace : Subspace
        The components of the HS image that rise above its noise.
    settings : ReducedResolutionSettings
        Limits of the score.
    """

    survey: Survey
    references: tuple[NDArray[np.float32], ...]
    subspace: Subspace
    settings: ReducedResolutionSettings = DEFAULT

    @property
    def windows(self) -> list[Window]:
        """The patches, whole, as windows for a fuser."""
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
            One for each patch.
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
        # The geometric mean of angles is the mean of their decibels, as the score counts them.
        decibels, angles = np.array(figures).T
        return Quality(float(decibels.mean()), float(np.exp(np.log(angles).mean())))


def reduce_resolution(
    survey: Survey, settings: ReducedResolutionSettings = DEFAULT
) -> ReducedResolutionPair | None:
    """Return the pair at reduced resolution, or None where the survey is too small for it."""
    noise, subspace = _signal(survey)
    generator = np.random.default_rng(settings.seed)
    patches, references = [], []
    side, least = settings.largest_side, 2 * settings.smallest_side
    every = -(-len(survey.patches) // settings.most_windows)
    for patch in survey.patches[::every]:
        reference = _denoised(patch.coarse[:, :side, :side], subspace)
        rows, columns = reference.shape[1:]
        if min(rows, columns) < least:
            continue
        ratio = max(2, min(round(max(survey.ratio)), min(rows, columns) // least))
        degraded, used = survey.degraded(patch)
        fine = np.where(used, degraded, np.nan).astype(np.float32)[:, :rows, :columns]
        geometry = Geometry(
            Axis(rows, rows // ratio, float(ratio)), Axis(columns, columns // ratio, float(ratio))
        )
        coarse = _degraded(reference, geometry, survey.blur)
        coarse += generator.normal(size=coarse.shape).astype(np.float32) * noise[:, None, None]
        # A few pixels with data may leave no reduced pixel that lies mostly on them.
        if not np.isfinite(coarse[survey.good]).all(axis=0).any() or not np.isfinite(fine).any():
            continue
        patches.append(Patch(coarse, fine, geometry, (0, 0)))  # each a scene of its own
        references.append(reference)
    if not patches:
        return None
    # Bands that are not good have no noise here; taken for good, they would lead a subspace.
    reduced = replace(survey, patches=tuple(patches), scene=None, marked=survey.good)
    return ReducedResolutionPair(reduced, tuple(references), subspace, settings)


def _signal(survey: Survey) -> tuple[NDArray[np.float32], Subspace]:
    """
    Return each band's noise and the components that rise above it.

    The HS image is a noisy reference, and the degraded image would hold the same noise
    averaged: the score would reward parameters that copy noise. So the reference has only the
    components above the noise, and new noise of the sensor's level is added to the reduced
    image.
    """
    good = survey.good
    count = signal_components(survey.spectra[good].astype(np.float64), survey.noise[good])
    subspace = Subspace.fit(survey.spectra, good, count, survey.noise)
    return survey.noise.astype(np.float32), subspace


def _denoised(cube: NDArray[np.float32], subspace: Subspace) -> NDArray[np.float32]:
    components, valid = subspace.project(cube)
    return np.where(valid, subspace.expand(components), np.float32(np.nan))


def _degraded(
    cube: NDArray[np.float32], geometry: Geometry, blur: tuple[float, float]
) -> NDArray[np.float32]:
    operator = Degrade.between(geometry, blur)
    values = torch.from_numpy(cube)
    known = torch.isfinite(values)
    weight = operator.forward(known.float())
    total = operator.forward(torch.where(known, values, torch.zeros_like(values)))
    result = total / weight.clamp_min(1e-6)
    return torch.where(weight > 0.5, result, torch.full_like(result, torch.nan)).numpy()
