"""Estimation of values missing in single bands of a pixel from its neighbouring bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["SpectralGaps", "fit_gaps"]

Cube = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Settings:
    """Criteria of pixels whose missing values are estimated, and settings of the estimate."""

    # Largest share of missing good bands of a pixel.
    maximum_missing: float = 0.25
    # Largest number of adjacent missing bands, or share of all good bands: a longer gap may hide an
    # absorption feature.
    longest: int = 3
    longest_share: float = 0.05
    # Iterations of estimation and fitting.
    rounds: int = 3
    # Initial correlation of adjacent bands.
    first_correlation: float = 0.99
    # Ridge relative to the variance, for equal bands.
    ridge: float = 1e-6


_SETTINGS = _Settings()


@dataclass(frozen=True, eq=False)
class SpectralGaps:
    """
    Regression of each band on the nearest bands on both sides.

    Attributes
    ----------
    bands : ndarray of int, shape (good bands,)
        Good bands by increasing wavelength.
    mean, deviation : ndarray of shape (good bands,)
    correlation : ndarray of shape (good bands, good bands)
    pixels, values : float
        Shares of the pixels, and of all values, that are missing and can be estimated.
    """

    bands: NDArray[np.intp]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    correlation: NDArray[np.float64]
    pixels: float
    values: float

    def closed(self, cube: Cube) -> Cube:
        """
        Return a cube (bands, rows, columns) with its missing values estimated.

        Each pixel separately, by linear regression on the nearest bands with data on both sides.
        """
        spectra = cube[self.bands].reshape(len(self.bands), -1)
        missing = ~np.isfinite(spectra)
        pixels = np.flatnonzero(_closable(missing))
        if not pixels.size:
            return cube
        spectra, missing = spectra[:, pixels].astype(np.float64), missing[:, pixels]
        left, right = _neighbours(missing)
        normal = (spectra - self.mean[:, None]) / self.deviation[:, None]
        band, pixel = np.nonzero(missing)
        sides = np.stack([band, left[band, pixel], right[band, pixel]])
        cases, which = np.unique(sides, axis=1, return_inverse=True)
        for case, (target, low, high) in enumerate(cases.T):
            chosen = which.ravel() == case
            near = [side for side in (low, high) if 0 <= side < len(self.bands)]
            gram = self.correlation[np.ix_(near, near)] + _SETTINGS.ridge * np.eye(len(near))
            weights = np.linalg.solve(gram, self.correlation[near, target])
            estimate = weights @ normal[np.ix_(near, pixel[chosen])]
            spectra[target, pixel[chosen]] = self.mean[target] + self.deviation[target] * estimate
        whole = cube.copy()
        flat = whole.reshape(len(whole), -1)
        flat[np.ix_(self.bands, pixels)] = spectra.astype(np.float32)
        return whole


def fit_gaps(
    patches: Sequence[Cube], good: NDArray[np.bool_], wavelength: NDArray[np.float64]
) -> SpectralGaps | None:
    """
    Fit the regression for missing values of an image; None where windows have none.

    Parameters
    ----------
    patches : sequence of ndarray of shape (bands, rows, columns)
        NaN for no data.
    good : ndarray of bool, shape (bands,)
    wavelength : ndarray of shape (bands,)
        Wavelengths, NaN where unknown; then bands are taken in their order.
    """
    with_data = good & np.any([np.isfinite(p).any(axis=(1, 2)) for p in patches], axis=0)
    if all(np.isfinite(patch[with_data]).all() for patch in patches):
        return None
    flat = np.concatenate([patch.reshape(len(patch), -1) for patch in patches], axis=1)
    order = np.argsort(wavelength, kind="stable")
    if not np.isfinite(wavelength[with_data]).all():
        order = np.arange(len(good))
    bands = order[with_data[order]]
    if bands.size < 3:
        return None
    spectra = flat[bands]
    finite = np.isfinite(spectra)
    closable = _closable(~finite)
    if not closable.any():
        return None
    sample = flat[:, closable | finite.all(axis=0)][:, :, None]
    distance = np.abs(np.arange(bands.size)[:, None] - np.arange(bands.size))
    gaps = SpectralGaps(
        bands,
        np.nanmean(spectra, axis=1, dtype=np.float64),
        _deviation(np.nanstd(spectra, axis=1, dtype=np.float64)),
        _SETTINGS.first_correlation**distance,
        float(closable.mean()),
        float((~finite[:, closable]).sum() / finite.size),
    )
    # Initial correlations depend on the distance of bands only.
    for _ in range(_SETTINGS.rounds):
        closed = gaps.closed(sample)[bands, :, 0].astype(np.float64)
        mean, deviation = closed.mean(axis=1), _deviation(closed.std(axis=1))
        normal = (closed - mean[:, None]) / deviation[:, None]
        correlation = normal @ normal.T / normal.shape[1]
        gaps = replace(gaps, mean=mean, deviation=deviation, correlation=correlation)
    return gaps


def _deviation(spread: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(spread > 0, spread, 1.0)


def _closable(missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask (pixels,) of pixels with few missing values, from missing (bands, pixels)."""
    bands = len(missing)
    share = missing.sum(axis=0)
    run = np.zeros(missing.shape[1], dtype=np.intp)
    longest = run.copy()
    for band in missing:
        run = np.where(band, run + 1, 0)
        longest = np.maximum(longest, run)
    few = share <= max(1, _SETTINGS.maximum_missing * bands)
    return (share > 0) & few & (longest <= max(_SETTINGS.longest, _SETTINGS.longest_share * bands))


def _neighbours(missing: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the nearest band with data below (or -1) and above (or the number of bands) each."""
    bands = np.arange(len(missing))[:, None]
    left = np.maximum.accumulate(np.where(missing, -1, bands), axis=0)
    right = np.minimum.accumulate(np.where(missing, len(missing), bands)[::-1], axis=0)[::-1]
    return left, right
