"""Exhaustive search of the shift in whole HS pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsfuse.pair.alignment.regression import regression_basis
from hsfuse.pair.alignment.settings import DEFAULT
from hsfuse.pair.alignment.windows import WindowPair

__all__ = ["search_shifts"]

Array = NDArray[np.float64]

_SETTINGS = DEFAULT.search


def search_shifts(windows: list[WindowPair]) -> list[tuple[int, int]]:
    """
    Return candidate shifts (y, x) in whole HS pixels, the best first, none adjacent to another.

    All shifts are compared on the same inner HS pixels. The criterion is the unexplained variance
    of the ranks of D(Y), which limits the influence of clouds, over the three quarters of the
    pixels with the smallest residuals (least trimmed squares, Rousseeuw 1984).
    """
    side = min(min(window.valid.shape) for window in windows)
    far = min(_SETTINGS.largest_shift, side // _SETTINGS.sides)
    if far < 1:
        return []
    steps = range(-far, far + 1)
    unexplained = np.zeros((len(steps), len(steps)))
    comparable = False
    draw = np.random.default_rng(0)
    for window in windows:
        inner = (slice(far, -far), slice(far, -far))
        degraded = _rank_values(
            window.degraded([0, 0, _SETTINGS.initial_fwhm, _SETTINGS.initial_fwhm])
        )
        valid = _subset(window.valid[inner], _SETTINGS.pixels // len(windows), draw)
        basis, used = regression_basis(window.components[(slice(None), *inner)], valid)
        if basis is None:
            continue
        comparable = True
        for row, down in enumerate(steps):
            for column, right in enumerate(steps):
                place = (
                    slice(far + down, degraded.shape[1] - far + down),
                    slice(far + right, degraded.shape[2] - far + right),
                )
                unexplained[row, column] += _trimmed_residual(
                    basis, degraded[(slice(None), *place)][:, used]
                )
    shifts: list[tuple[int, int]] = []
    for index in np.argsort(unexplained, axis=None, kind="stable") if comparable else ():
        down, right = steps[int(index) // len(steps)], steps[int(index) % len(steps)]
        if all(max(abs(down - y), abs(right - x)) > 1 for y, x in shifts):
            shifts.append((down, right))
    return shifts[: _SETTINGS.candidates]


def _subset(valid: NDArray[np.bool_], maximum: int, draw: np.random.Generator) -> NDArray[np.bool_]:
    """Return a random subset of a mask with at most ``maximum`` pixels."""
    places = np.flatnonzero(valid)
    if len(places) <= maximum:
        return valid
    subset = np.zeros(valid.shape, dtype=bool)
    subset.flat[draw.choice(places, maximum, replace=False)] = True
    return subset


def _trimmed_residual(columns: Array, values: Array) -> float:
    """Return the unexplained share of the variance over the pixels with the smallest residuals."""
    spread = np.maximum(values.var(axis=1), 1e-300)
    used = np.ones(len(columns), dtype=bool)
    ridge = 1e-9 * np.eye(columns.shape[1])
    for _ in range(_SETTINGS.trimmings):
        design, targets = columns[used], values[:, used]
        line = np.linalg.solve(design.T @ design + ridge, design.T @ targets.T)
        power = (values - (columns @ line).T) ** 2
        size = (power / spread[:, None]).mean(axis=0)
        used = size <= np.quantile(size, _SETTINGS.trimmed_share)
    unexplained = power[:, used].mean(axis=1) / np.maximum(values[:, used].var(axis=1), 1e-300)
    return float(np.clip(unexplained, 0, 1).mean())


def _rank_values(bands: Array) -> Array:
    """Return the ranks of each band from 1, the mean rank for ties; shape as given."""
    # Equivalent to scipy.stats.rankdata, which is slow to import.
    ranks = np.empty(bands.shape)
    for band, rank in zip(bands, ranks, strict=True):
        _, place, counts = np.unique(band, return_inverse=True, return_counts=True)
        rank[...] = (np.cumsum(counts) - (counts - 1) / 2)[place].reshape(band.shape)
    return ranks
