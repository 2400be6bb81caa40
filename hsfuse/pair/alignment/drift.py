"""A shift that changes over the scene: the HS image is resampled along it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hsfuse.core.drift import fit_drift
from hsfuse.io.displacement import displace
from hsfuse.io.labels import raster_label
from hsfuse.pair.alignment.fit import local_shifts
from hsfuse.pair.alignment.measurement import Alignment, measure_alignment
from hsfuse.pair.alignment.settings import DEFAULT
from hsfuse.pair.alignment.windows import survey_windows, window_pairs
from hsfuse.pair.geometry import Pair
from hsfuse.pair.pixels import PixelCache

__all__ = ["with_drift"]

_SETTINGS = DEFAULT.correction


def with_drift(
    pair: Pair, found: Alignment, notes: list[str], cache: PixelCache
) -> tuple[Pair, Alignment]:
    """Return the pair with the HS image resampled along its drift, and the width it then has."""
    if found.drift is None or found.drift.spread < _SETTINGS.smallest_drift:
        return pair, found
    # Once more, on the moved pair: the windows are then those of the image that is resampled.
    survey = survey_windows(pair, cache)
    local = local_shifts(window_pairs(survey), np.array([0.0, 0.0, *found.psf.fwhm]))
    drift = fit_drift(local, survey.coarse_shape)
    if drift is None:
        return pair, found
    if drift.spread < max(_SETTINGS.smallest_drift, _SETTINGS.drift_scatters * drift.scatter):
        return pair, found
    notes.append(
        f"co-registration: the shift of {raster_label(pair.hs)} varies over the scene by up to "
        f"{drift.spread:.2f} HS pixels ({drift.windows} windows, scatter {drift.scatter:.2f}); the "
        "HS image is resampled once to remove it, cubic"
    )
    pair = replace(pair, hs=displace(pair.hs, drift))
    found = replace(found, resampled=drift)
    cache.forget("hs")
    if found.psf.status == "given":
        return pair, found
    # A drift looks like blur to a width that is fitted over the whole scene.
    again = measure_alignment(survey_windows(pair, cache, DEFAULT.windows.fewest))
    if again is not None and again.reliable:
        found = replace(found, psf=again.psf)
    return pair, found
