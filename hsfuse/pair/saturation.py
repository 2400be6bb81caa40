"""
Saturation of the MS image: pixels at the largest value, without detail.

A saturated band holds its largest value in many pixels, or several bands hold the same largest
value in more pixels than the values below it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsfuse.pair.survey import Survey

__all__ = ["saturation_notes"]


@dataclass(frozen=True, slots=True)
class _Settings:
    # Share of the surveyed pixels at the largest value of a band above which it is saturated.
    saturated: float = 0.01
    # Bands with the same largest value are saturated if this many times as many values are equal
    # to it as to the next smaller one of each band: of measured values fewer are. Four bands of a
    # real image with 17 pixels at 9000 are 4.2 times.
    times_below: float = 3.0


_SETTINGS = _Settings()


def saturation_notes(survey: Survey) -> tuple[str, ...]:
    """Return a note for each largest value at which bands of the MS image are saturated."""
    bands = range(len(survey.patches[0].fine))
    largest, counts, below = (
        np.array(column) for column in zip(*(_largest(survey, b) for b in bands), strict=True)
    )
    pixels = sum(int(np.isfinite(patch.fine).any(axis=0).sum()) for patch in survey.patches)
    saturated = (below > 0) & (counts > _SETTINGS.saturated * pixels)
    for value in np.unique(largest[below > 0]):
        same = (largest == value) & (below > 0)
        if same.sum() > 1 and counts[same].sum() >= _SETTINGS.times_below * below[same].sum():
            saturated |= same
    return tuple(
        _note(survey, float(value), np.flatnonzero(saturated & (largest == value)), counts / pixels)
        for value in np.unique(largest[saturated])
    )


def _largest(survey: Survey, band: int) -> tuple[float, int, int]:
    """Return the largest value of a band, its count, and that of the next one, 0 for none."""
    values = np.concatenate([p.fine[band][np.isfinite(p.fine[band])] for p in survey.patches])
    if not values.size:
        return np.nan, 0, 0
    largest = values.max()
    lower = values[values < largest]
    below = int(np.count_nonzero(lower == lower.max())) if lower.size else 0
    return float(largest), values.size - lower.size, below


def _note(survey: Survey, value: float, bands: NDArray[np.intp], share: NDArray[np.float64]) -> str:
    names = ", ".join(survey.ms_label(band) for band in bands)
    several = len(bands) > 1
    return (
        f"{names}: {'up to ' if several else ''}{100 * share[bands].max():.2g}% of the surveyed "
        f"pixels hold the largest value, {value:g}: they are saturated and have no detail"
    )
