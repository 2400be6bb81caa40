"""The shift in whole HS pixels: all of them are tried."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsfuse.pair.alignment.regression import basis_of
from hsfuse.pair.alignment.settings import DEFAULT
from hsfuse.pair.alignment.windows import WindowPair

__all__ = ["search_shifts"]

Array = NDArray[np.float64]

_SETTINGS = DEFAULT.search


def search_shifts(windows: list[WindowPair]) -> list[tuple[int, int]]:
    """
    Return the likeliest shifts in whole HS pixels, the best first, none beside another.

    All shifts are judged on the same HS pixels, the inner ones, so that they can be compared;
    by the ranks of D(Y), among which a cloud is not larger than the share it covers; and by the
    three quarters of the pixels that agree best (least trimmed squares, Rousseeuw 1984).
    """
    side = min(min(window.known.shape) for window in windows)
    far = min(_SETTINGS.largest_shift, side // _SETTINGS.sides)
    if far < 1:
        return []
    steps = range(-far, far + 1)
    left = np.zeros((len(steps), len(steps)))
    seen_any = False
    draw = np.random.default_rng(0)
    for window in windows:
        inner = (slice(far, -far), slice(far, -far))
        seen = _ranked(window.degraded([0, 0, _SETTINGS.initial_fwhm, _SETTINGS.initial_fwhm]))
        known = _subset(window.known[inner], _SETTINGS.pixels // len(windows), draw)
        basis, used = basis_of(window.components[(slice(None), *inner)], known)
        if basis is None:
            continue
        seen_any = True
        for row, down in enumerate(steps):
            for column, right in enumerate(steps):
                place = (
                    slice(far + down, seen.shape[1] - far + down),
                    slice(far + right, seen.shape[2] - far + right),
                )
                left[row, column] += _trimmed_left(basis, seen[(slice(None), *place)][:, used])
    places: list[tuple[int, int]] = []
    for index in np.argsort(left, axis=None, kind="stable") if seen_any else ():
        down, right = steps[int(index) // len(steps)], steps[int(index) % len(steps)]
        if all(max(abs(down - y), abs(right - x)) > 1 for y, x in places):
            places.append((down, right))
    return places[: _SETTINGS.candidates]


def _subset(known: NDArray[np.bool_], most: int, draw: np.random.Generator) -> NDArray[np.bool_]:
    """Return a mask of at most so many of the pixels of a mask, drawn at random."""
    places = np.flatnonzero(known)
    if len(places) <= most:
        return known
    subset = np.zeros(known.shape, dtype=bool)
    subset.flat[draw.choice(places, most, replace=False)] = True
    return subset


def _trimmed_left(columns: Array, values: Array) -> float:
    """Return the share of variance that columns leave of the rows that they explain best."""
    spread = np.maximum(values.var(axis=1), 1e-300)
    kept = np.ones(len(columns), dtype=bool)
    ridge = 1e-9 * np.eye(columns.shape[1])
    for _ in range(_SETTINGS.trimmings):
        own, wanted = columns[kept], values[:, kept]
        line = np.linalg.solve(own.T @ own + ridge, own.T @ wanted.T)
        power = (values - (columns @ line).T) ** 2
        size = (power / spread[:, None]).mean(axis=0)
        kept = size <= np.quantile(size, _SETTINGS.trimmed_share)
    rest = power[:, kept].mean(axis=1) / np.maximum(values[:, kept].var(axis=1), 1e-300)
    return float(np.clip(rest, 0, 1).mean())


def _ranked(bands: Array) -> Array:
    """Return each band's ranks from 1, of equal values the mean of theirs; shape as given."""
    # As scipy.stats.rankdata, which takes a while to load.
    ranks = np.empty(bands.shape)
    for band, own in zip(bands, ranks, strict=True):
        _, place, counts = np.unique(band, return_inverse=True, return_counts=True)
        own[...] = (np.cumsum(counts) - (counts - 1) / 2)[place].reshape(band.shape)
    return ranks
