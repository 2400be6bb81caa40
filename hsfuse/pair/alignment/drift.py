"""A shift that changes over the scene: the HS image is resampled along it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hsfuse.core.drift import fit_drift
from hsfuse.io.displacement import displaced
from hsfuse.io.labels import raster_label
from hsfuse.pair.alignment.fit import local_shifts
from hsfuse.pair.alignment.measurement import Alignment, measure_alignment
from hsfuse.pair.alignment.windows import HALO, SURVEYED, views_of
from hsfuse.pair.geometry import Pair
from hsfuse.pair.pixels import PixelCache
from hsfuse.pair.survey import survey_pair

__all__ = ["with_drift"]

# A shift that changes by less over the scene is not worth a resampling, which blurs.
_SMALLEST_DRIFT = 0.1


def with_drift(
    pair: Pair, found: Alignment, notes: list[str], cache: PixelCache
) -> tuple[Pair, Alignment]:
    """Return the pair with the HS image resampled along its drift, and the width it then has."""
    if found.drift is None or found.drift.spread < _SMALLEST_DRIFT:
        return pair, found
    # Once more, on the moved pair: the windows are then those of the image that is resampled.
    survey = survey_pair(pair, SURVEYED, halo=HALO, cache=cache)
    local = local_shifts(views_of(survey), np.array([0.0, 0.0, *found.blur]))
    drift = fit_drift(local, survey.coarse_shape)
    if drift is None or drift.spread < max(_SMALLEST_DRIFT, 2 * drift.scatter):
        return pair, found
    notes.append(
        f"co-registration: the shift of {raster_label(pair.hs)} varies over the scene by up to "
        f"{drift.spread:.2f} HS pixels ({drift.windows} windows, scatter {drift.scatter:.2f}); the "
        "HS image is resampled once to remove it, cubic"
    )
    pair = replace(pair, hs=displaced(pair.hs, drift))
    cache.forget("hs")
    # A drift looks like blur to a width that is fitted over the whole scene.
    again = measure_alignment(survey_pair(pair, halo=HALO, cache=cache))
    if again is not None and again.found:
        found = replace(found, blur=again.blur, blur_error=again.blur_error)
    return pair, found
