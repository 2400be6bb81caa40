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
        places = (
            (
                slice(far + down, degraded.shape[1] - far + down),
                slice(far + right, degraded.shape[2] - far + right),
            )
            for down in steps
            for right in steps
        )
        values = np.stack([degraded[(slice(None), *place)][:, used] for place in places])
        unexplained += _trimmed_residuals(basis, values).reshape(unexplained.shape)
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


def _trimmed_residuals(columns: Array, values: Array) -> Array:
    """
    Return the unexplained share of the variance over the pixels with the smallest residuals.

    Parameters
    ----------
    columns : ndarray of shape (pixels, columns)
        Regressors.
    values : ndarray of shape (shifts, bands, pixels)
        Bands for each shift; all shifts are computed together, since each takes little time.

    Returns
    -------
    ndarray of shape (shifts,)
    """
    spread = np.maximum(values.var(axis=2), 1e-300)
    used = np.ones((len(values), 1, len(columns)))
    products = (columns[:, :, None] * columns[:, None]).reshape(len(columns), -1)
    ridge = 1e-9 * np.eye(columns.shape[1])
    for _ in range(_SETTINGS.trimmings):
        gram = (used[:, 0] @ products).reshape(-1, *ridge.shape) + ridge
        line = np.linalg.solve(gram, ((used * values) @ columns).transpose(0, 2, 1))
        power = (values - (columns @ line).transpose(0, 2, 1)) ** 2
        size = (power / spread[..., None]).mean(axis=1)
        limit = np.quantile(size, _SETTINGS.trimmed_share, axis=1, keepdims=True)
        used = (size <= limit)[:, None].astype(np.float64)
    count = used.sum(axis=2)
    centred = values - ((used * values).sum(axis=2) / count)[..., None]
    variance = (used * centred**2).sum(axis=2) / count
    unexplained = (used * power).sum(axis=2) / count / np.maximum(variance, 1e-300)
    return np.asarray(np.clip(unexplained, 0, 1).mean(axis=1))


def _rank_values(bands: Array) -> Array:
    """Return the ranks of each band from 1, the mean rank for ties; shape as given."""
    # Equivalent to scipy.stats.rankdata, which is slow to import.
    ranks = np.empty(bands.shape)
    for band, rank in zip(bands, ranks, strict=True):
        _, place, counts = np.unique(band, return_inverse=True, return_counts=True)
        rank[...] = (np.cumsum(counts) - (counts - 1) / 2)[place].reshape(band.shape)
    return ranks
