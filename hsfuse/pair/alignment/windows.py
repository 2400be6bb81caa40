"""Windows of the co-registration: principal components of X, and the reduced MS image Y."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.grid import Axis, Geometry
from hsfuse.core.resample import FWHM_PER_SIGMA, degrade_matrix
from hsfuse.pair.alignment.settings import DEFAULT
from hsfuse.pair.geometry import Pair
from hsfuse.pair.patch import Patch
from hsfuse.pair.pixels import PixelCache
from hsfuse.pair.sampling import survey_pair
from hsfuse.pair.survey import Survey

__all__ = ["WindowPair", "survey_windows", "window_pairs"]

Array = NDArray[np.float64]

_SETTINGS = DEFAULT.windows


@dataclass(frozen=True)
class WindowPair:
    """
    A window of X and Y for the co-registration.

    Attributes
    ----------
    components : ndarray of shape (components, rows, columns)
        Leading principal components of X.
    valid : ndarray of bool, shape (rows, columns)
        HS pixels with data.
    fine : ndarray of shape (MS bands, fine rows, fine columns)
        Y, averaged at large ratios, with missing pixels filled by the mean.
    fine_valid : ndarray of shape (fine rows, fine columns)
        1 where Y has data, else 0.
    geometry : Geometry
        Grid of X relative to ``fine``.
    averaged : tuple of float
        FWHM of the averaging of Y along y and x, in HS pixels.
    centre : tuple of float
        Row and column of the centre in the scene, in HS pixels.
    """

    components: Array
    valid: NDArray[np.bool_]
    fine: Array
    fine_valid: Array
    geometry: Geometry
    averaged: tuple[float, float]
    centre: tuple[float, float]

    def degraded(self, parameters: Sequence[float] | Array) -> Array:
        """Return D(Y) (MS bands, rows, columns) for (shift y, shift x, FWHM y, FWHM x)."""
        rows, columns = self.weights(parameters)
        degraded: Array = rows @ self.fine @ columns.T
        return degraded

    def weights(self, parameters: Sequence[float] | Array) -> tuple[Array, Array]:
        """Return the matrices of D along y and x."""
        axes = (self.geometry.y, self.geometry.x)
        rows, columns = (
            degrade_matrix(_moved(axis, move), math.sqrt(max(wide**2 - less**2, 1e-4)))
            for axis, move, wide, less in zip(
                axes, parameters[:2], parameters[2:], self.averaged, strict=True
            )
        )
        return rows, columns

    def usable(self, shift: tuple[float, float], slack: float) -> NDArray[np.bool_]:
        """Return the mask of HS pixels whose PSF is on data, with ``slack`` in HS pixels."""
        rows, columns = self.weights([*shift, _SETTINGS.widest_psf, _SETTINGS.widest_psf])
        used = self.valid & (rows @ self.fine_valid @ columns.T > _SETTINGS.minimum_coverage)
        for axis, grid, moved in ((0, self.geometry.y, shift[0]), (1, self.geometry.x, shift[1])):
            centre = _moved(grid, moved).centres()
            margin = (_SETTINGS.psf_reach + slack) * grid.ratio
            inside = (centre >= margin) & (centre <= grid.fine - margin)
            used &= inside[:, None] if axis == 0 else inside[None, :]
        return used


def _moved(axis: Axis, shift: float) -> Axis:
    return replace(axis, origin=axis.origin + float(shift) * axis.ratio)


def survey_windows(pair: Pair, cache: PixelCache, count: int = _SETTINGS.along_axis) -> Survey:
    """Read the survey of the co-registration, with at most ``count`` windows along each axis."""
    return survey_pair(
        pair, count, halo=_SETTINGS.halo, fine_values=_SETTINGS.fine_values, cache=cache
    )


def window_pairs(survey: Survey) -> list[WindowPair]:
    """Return the surveyed windows with enough HS pixels with data."""
    mean, axes = _leading(survey)
    windows = (_window_pair(survey, patch, mean, axes) for patch in survey.patches)
    return [window for window in windows if window is not None]


def _window_pair(survey: Survey, patch: Patch, mean: Array, axes: Array) -> WindowPair | None:
    valid = survey.valid(patch)
    if valid.sum() < 2 * _SETTINGS.pixels_per_column:
        return None
    spectra = patch.coarse[survey.good].astype(np.float64)
    centred = np.where(valid, spectra - mean[:, None, None], 0)
    components = np.tensordot(axes, centred, 1)
    fine, fine_valid, geometry, averaged = _reduced(patch)
    centre = (
        patch.start[0] + patch.geometry.y.coarse / 2,
        patch.start[1] + patch.geometry.x.coarse / 2,
    )
    return WindowPair(components, valid, fine, fine_valid, geometry, averaged, centre)


def _leading(survey: Survey) -> tuple[Array, Array]:
    """Return the mean (bands,) and principal axes (components, bands) of the surveyed spectra."""
    spectra = survey.spectra[survey.good].astype(np.float64)
    mean = spectra.mean(axis=1)
    spectra -= mean[:, None]
    _, vectors = np.linalg.eigh(spectra @ spectra.T)
    count = max(1, min(_SETTINGS.components, spectra.shape[1] // _SETTINGS.pixels_per_column))
    return mean, np.ascontiguousarray(vectors[:, ::-1][:, :count].T)


def _reduced(patch: Patch) -> tuple[Array, Array, Geometry, tuple[float, float]]:
    """Return the averaged Y, its mask of data, its geometry, and the FWHM of the averaging."""
    reduced = patch.averaged(_SETTINGS.ratio)
    widths = [
        FWHM_PER_SIGMA * math.sqrt(((axis.ratio / less.ratio) ** 2 - 1) / 12) / axis.ratio
        for axis, less in (
            (patch.geometry.y, reduced.geometry.y),
            (patch.geometry.x, reduced.geometry.x),
        )
    ]
    fine = reduced.fine.astype(np.float64)
    valid = np.isfinite(fine).all(axis=0)
    mean = fine[:, valid].mean(axis=1) if valid.any() else np.zeros(len(fine))
    filled = np.asarray(np.where(valid, fine, mean[:, None, None]))
    return filled, np.asarray(valid, dtype=np.float64), reduced.geometry, (widths[0], widths[1])
