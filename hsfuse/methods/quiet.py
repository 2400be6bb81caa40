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

from hsfuse.core.noise import band_noise, explain_bands
from hsfuse.methods import Fuser, Method, Options, Window
from hsfuse.methods.bicubic import BicubicFuser
from hsfuse.survey import Survey

__all__ = ["Quiet", "QuietFuser"]

# Noise over a band's spread. On jasper_ridge at ratio 4, a band with stripes of 0.3 of its
# spread comes out of `guided` with 0.27 of their height as detail finer than an HS pixel; below
# half of that a clean band's own detail is larger (benchmarks/stripes.py).
_MOST_NOISE = 0.15
# Clean bands from which the others are told.
_FEWEST_CLEAN = 3


@dataclass(frozen=True)
class QuietFuser:
    """
    A fuser that sees noisy bands as the clean ones explain them.

    Attributes
    ----------
    inner : Fuser
        Prepared for such bands.
    noisy : ndarray of bool, shape (bands,)
        The bands that are seen so.
    weights : ndarray of shape (noisy bands, bands)
        How much of each band is in them; zero for those that are noisy.
    offset : ndarray of shape (noisy bands,)
        What is added, in HS units.
    """

    inner: Fuser
    noisy: NDArray[np.bool_]
    weights: NDArray[np.float64]
    offset: NDArray[np.float64]

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
    def sure(self) -> bool:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.inner.sure

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.inner.channels

    @property
    def notes(self) -> tuple[str, ...]:
        """See :class:`hsfuse.methods.Fuser`."""
        return (
            *self.inner.notes,
            f"{self.noisy.sum()} HS bands are noisy or striped: they are fused as their clean "
            "neighbours explain them",
        )

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {**self.inner.describe(), "noisy_bands": int(self.noisy.sum())}

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """See :class:`hsfuse.methods.Fuser`."""
        quiet = [replace(window, coarse=self._explained(window.coarse)) for window in windows]
        return self.inner.fuse(quiet)

    def quieted(self, survey: Survey) -> Survey:
        """Return a survey as the inner method sees it."""
        patches = (replace(p, coarse=self._explained(p.coarse)) for p in survey.patches)
        return replace(survey, patches=tuple(patches))

    def _explained(self, cube: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a cube with its noisy bands as the clean ones explain them."""
        used = self.weights.any(axis=0)
        told = np.tensordot(self.weights[:, used], cube[used], axes=1) + self.offset[:, None, None]
        quiet = cube.copy()
        # Where a neighbour has no data, what the band itself says is all there is.
        quiet[self.noisy] = np.where(np.isfinite(told + cube[self.noisy]), told, cube[self.noisy])
        return quiet


@dataclass(frozen=True)
class Quiet:
    """A method that sees noisy bands as the clean ones explain them, where there are any."""

    method: Method

    def prepare(self, survey: Survey, options: Options) -> Fuser:
        """See :class:`hsfuse.methods.Method`."""
        fuser = _quiet(survey)
        if fuser is None:
            return self.method.prepare(survey, options)
        return replace(fuser, inner=self.method.prepare(fuser.quieted(survey), options))


def _quiet(survey: Survey) -> QuietFuser | None:
    """Return how noisy bands are seen, without an inner fuser yet; None where there are none."""
    good = survey.good
    spectra = survey.spectra[good].astype(np.float64)
    noise = band_noise(spectra)
    noisy = np.zeros(good.size, dtype=bool)
    noisy[good] = noise > _MOST_NOISE * spectra.std(axis=1)
    clean = good & ~noisy
    if not noisy.any() or clean.sum() < _FEWEST_CLEAN:
        return None
    weights = np.zeros((int(noisy.sum()), good.size))
    weights[:, good], offset = explain_bands(spectra, noisy[good])
    return QuietFuser(BicubicFuser(), noisy, weights, offset)
