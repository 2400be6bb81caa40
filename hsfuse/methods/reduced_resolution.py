"""
The pair one scale down, where the HS image is the truth (Wald's protocol).

Wald, Ranchin and Mangolini 1997: degrade both images by one ratio more, fuse, and
compare with the HS image itself. What is chosen there is used at full scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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

__all__ = ["Trial", "judged", "step_down"]

# Choosing among some thirty settings reads each trial window some thirty times; 128 HS pixels
# square settle the order of the settings in seconds.
_LARGEST = 128
# Of the survey's windows this many, spread over it, are enough for that too.
_MOST_PATCHES = 5
# Fewer coarse pixels a side than this leave the local windows nothing to differ in.
_FEWEST = 6

# Perfection, as of a flat scene, would decide a mean by itself.
_SMALLEST_ANGLE = 1e-3
_LARGEST_PSNR = 120.0


@dataclass(frozen=True)
class Trial:
    """
    A pair one scale down and its truth.

    Attributes
    ----------
    survey : Survey
        Of the degraded pair: the HS image degraded once more is the coarse side, the fine
        image as the HS sensor would see it is the fine side.
    truths : tuple of ndarray of shape (bands, rows, columns)
        The HS image itself, one a patch, NaN where there is no data.
    subspace : Subspace
        The components of the HS image that rise above its noise.
    """

    survey: Survey
    truths: tuple[NDArray[np.float32], ...]
    subspace: Subspace

    @property
    def windows(self) -> list[Window]:
        """The patches, whole, as a method is given them."""
        return [
            Window(p.coarse, p.fine, p.geometry, (Span(0, rows), Span(0, columns)), p.start)
            for p in self.survey.patches
            for rows, columns in [p.geometry.fine_shape]
        ]

    def figures(self, estimates: Sequence[NDArray[np.float32]]) -> tuple[float, float]:
        """
        Return PSNR in decibels and spectral angle in degrees, means over the patches.

        Parameters
        ----------
        estimates : sequence of ndarray of shape (bands, rows, columns)
            One a patch.
        """
        good, unit = self.survey.good, self.survey.brightness
        scores = []
        for patch, truth, estimate in zip(self.survey.patches, self.truths, estimates, strict=True):
            masked = np.where(np.isfinite(patch.fine).all(axis=0), estimate, np.nan)
            if not np.isfinite(truth[good] + masked[good]).all(axis=0).any():
                continue
            error = max(sam(truth[good], masked[good]), _SMALLEST_ANGLE)
            scores.append((min(psnr(truth[good], masked[good], peak=unit), _LARGEST_PSNR), error))
        # Angles are averaged by their decibels, as they are judged.
        decibels, angles = np.array(scores).T
        return float(decibels.mean()), float(np.exp(np.log(angles).mean()))


def step_down(survey: Survey) -> Trial | None:
    """Return the pair one scale down, or None where the survey is too small for one."""
    noise, subspace = _signal(survey)
    generator = np.random.default_rng(0)
    patches, truths = [], []
    every = -(-len(survey.patches) // _MOST_PATCHES)
    for patch in survey.patches[::every]:
        truth = _denoised(patch.coarse[:, :_LARGEST, :_LARGEST], subspace)
        rows, columns = truth.shape[1:]
        if min(rows, columns) < 2 * _FEWEST:
            continue
        ratio = max(2, min(round(max(survey.ratio)), min(rows, columns) // (2 * _FEWEST)))
        seen, used = survey.degraded(patch)
        fine = np.where(used, seen, np.nan).astype(np.float32)[:, :rows, :columns]
        geometry = Geometry(
            Axis(rows, rows // ratio, float(ratio)), Axis(columns, columns // ratio, float(ratio))
        )
        coarse = _degraded(truth, geometry, survey.blur)
        coarse += generator.normal(size=coarse.shape).astype(np.float32) * noise[:, None, None]
        # A few pixels with data may leave none below that sees mostly them.
        if not np.isfinite(coarse[survey.good]).all(axis=0).any() or not np.isfinite(fine).any():
            continue
        patches.append(Patch(coarse, fine, geometry, (0, 0)))  # each a scene of its own
        truths.append(truth)
    if not patches:
        return None
    # Bands that are not good have no noise here; taken for good, they would lead a subspace.
    below = replace(survey, patches=tuple(patches), scene=None, marked=survey.good)
    return Trial(below, tuple(truths), subspace)


def _signal(survey: Survey) -> tuple[NDArray[np.float32], Subspace]:
    """
    Return each band's noise and the components that rise above it.

    The HS image is a truth with noise in it, and the degraded image would hold the same
    noise averaged: the trial would reward settings that copy noise. So the truth keeps only
    the components above the noise, and fresh noise of the sensor's level is added below.
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


def judged(figures: tuple[float, float]) -> float:
    """Return decibels of PSNR and of spectral angle together; more is better."""
    return figures[0] - 20 * float(np.log10(figures[1]))
