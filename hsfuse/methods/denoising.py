"""
Noise and stripes of the HS image are not made into detail of the fine grid.

A method takes what differs from band to band for a difference of what is on the ground, and
would sharpen a stripe along the edges of the fine image. So bands with much noise are given
to it as their clean neighbours explain them, and what is left of them is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.noise import explain_bands, likeness
from hsfuse.methods import Fuser, Method, Options, Window
from hsfuse.pair.survey import Survey

__all__ = ["Explained", "Quiet", "QuietFuser"]

# Noise over a band's spread. On jasper_ridge at ratio 4 `guided` leaves bands with stripes of half
# their spread an error of 0.22 of it, and 0.61 taken as they are (benchmarks/stripes.py). Of bands
# with half as much the own detail is worth more: at 0.15 one scene lost 3 dB before a band's
# shape was looked at, and 0.4 dB after.
_MOST_NOISE = 0.3
# Correlation of an HS pixel with its neighbour, along the axis where it is less. A Gaussian blur
# of one pixel gives it 0.25 even where the ground is white noise, and no ground is.
_LIKENESS = 0.2
# Clean bands from which the others are told.
_FEWEST_CLEAN = 3


@dataclass(frozen=True)
class Explained:
    """
    Noisy bands, and how the clean ones explain them.

    Attributes
    ----------
    noisy : ndarray of bool, shape (bands,)
        The bands that are explained.
    weights : ndarray of shape (noisy bands, bands)
        How much of each band is in them; zero for those that are noisy.
    offset : ndarray of shape (noisy bands,)
        What is added, in HS units.
    """

    noisy: NDArray[np.bool_]
    weights: NDArray[np.float64]
    offset: NDArray[np.float64]

    def cube(self, cube: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a cube, (bands, y, x), with its noisy bands as the clean ones explain them."""
        used = self.weights.any(axis=0)
        told = np.tensordot(self.weights[:, used], cube[used], axes=1) + self.offset[:, None, None]
        quiet = cube.copy()
        # Where a neighbour has no data, what the band itself says is all there is.
        quiet[self.noisy] = np.where(np.isfinite(told + cube[self.noisy]), told, cube[self.noisy])
        return quiet

    def survey(self, survey: Survey) -> Survey:
        """Return a survey whose patches are explained."""
        patches = (replace(p, coarse=self.cube(p.coarse)) for p in survey.patches)
        return replace(survey, patches=tuple(patches))


@dataclass(frozen=True)
class QuietFuser:
    """A fuser, prepared for noisy bands as the clean ones explain them, that sees them so."""

    inner: Fuser
    explained: Explained

    @property
    def name(self) -> str:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.inner.name

    @property
    def reach(self) -> tuple[float, float]:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.inner.reach

    @property
    def step(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.inner.step

    @property
    def gives_standard_error(self) -> bool:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.inner.gives_standard_error

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.inner.channels

    @property
    def notes(self) -> tuple[str, ...]:
        """See :class:`hsfuse.methods.Fuser`."""
        return (
            *self.inner.notes,
            f"{self.explained.noisy.sum()} HS bands are noisy or striped: they are fused as their "
            "clean neighbours explain them",
        )

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {**self.inner.describe(), "noisy_bands": int(self.explained.noisy.sum())}

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """See :class:`hsfuse.methods.Fuser`."""
        quiet = [replace(window, coarse=self.explained.cube(window.coarse)) for window in windows]
        return self.inner.fuse(quiet)


@dataclass(frozen=True)
class Quiet:
    """A method that sees noisy bands as the clean ones explain them, where there are any."""

    method: Method

    def prepare(self, survey: Survey, options: Options) -> Fuser:
        """See :class:`hsfuse.methods.Method`."""
        explained = _explained(survey)
        if explained is None:
            return self.method.prepare(survey, options)
        return QuietFuser(self.method.prepare(explained.survey(survey), options), explained)


def _explained(survey: Survey) -> Explained | None:
    """Return the noisy bands as their neighbours explain them; None where there are none."""
    good = survey.good
    spectra = survey.spectra[good].astype(np.float64)
    noisy = np.asarray(survey.noise[good] > _MOST_NOISE * spectra.std(axis=1))
    if not noisy.any() or (~noisy).sum() < _FEWEST_CLEAN:
        return None
    # A band of its own kind is not explained either, but what it shows has a shape.
    shaped = _shaped(survey, _by_neighbours(spectra, good, noisy))
    noisy[np.flatnonzero(noisy)[shaped]] = False
    return _by_neighbours(spectra, good, noisy) if noisy.any() else None


def _by_neighbours(
    spectra: NDArray[np.float64], good: NDArray[np.bool_], noisy: NDArray[np.bool_]
) -> Explained:
    weights = np.zeros((int(noisy.sum()), good.size))
    weights[:, good], offset = explain_bands(spectra, noisy)
    flags = np.zeros(good.size, dtype=bool)
    flags[good] = noisy
    return Explained(flags, weights, offset)


def _shaped(survey: Survey, explained: Explained) -> NDArray[np.bool_]:
    """Tell of which noisy bands the rest has a shape on the ground, shape (noisy bands,)."""
    quiet = explained.survey(survey).patches
    rest = (
        (patch.coarse - each.coarse)[explained.noisy]
        for patch, each in zip(survey.patches, quiet, strict=True)
    )
    return np.asarray(likeness(rest) > _LIKENESS)
