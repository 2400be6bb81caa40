"""Correction of a shift that varies over the scene, by resampling the HS image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hsfuse.core.drift import fit_drift
from hsfuse.io.displacement import displace
from hsfuse.io.input.labels import raster_label
from hsfuse.pair.alignment.fit import local_shifts
from hsfuse.pair.alignment.measurement import Alignment, measure_alignment
from hsfuse.pair.alignment.settings import DEFAULT
from hsfuse.pair.alignment.windows import survey_windows, window_pairs
from hsfuse.pair.geometry import Pair
from hsfuse.pair.pixels import PixelCache

__all__ = ["correct_drift"]

_SETTINGS = DEFAULT.correction


def correct_drift(
    pair: Pair, alignment: Alignment, notes: list[str], cache: PixelCache
) -> tuple[Pair, Alignment]:
    """Return the pair with the HS image resampled by its drift, and the updated estimates."""
    if alignment.drift is None or alignment.drift.spread < _SETTINGS.smallest_drift:
        return pair, alignment
    # Estimated again on the shifted pair, whose windows are those of the image to be resampled.
    survey = survey_windows(pair, cache)
    local = local_shifts(window_pairs(survey), np.array([0.0, 0.0, *alignment.psf.fwhm]))
    drift = fit_drift(local, survey.coarse_shape)
    if drift is None:
        return pair, alignment
    if drift.spread < max(_SETTINGS.smallest_drift, _SETTINGS.drift_scatters * drift.scatter):
        return pair, alignment
    notes.append(
        f"co-registration: the shift of {raster_label(pair.hs)} varies over the scene by up to "
        f"{drift.spread:.2f} HS pixels ({drift.windows} windows, scatter {drift.scatter:.2f}); the "
        "HS image is resampled once to remove it, cubic"
    )
    pair = replace(pair, hs=displace(pair.hs, drift))
    alignment = replace(alignment, resampled=drift)
    cache.forget("hs")
    if alignment.psf.status == "given":
        return pair, alignment
    # The drift had widened the PSF estimated over the whole scene.
    again = measure_alignment(survey_windows(pair, cache, DEFAULT.windows.fewest))
    if again is not None and again.reliable:
        alignment = replace(alignment, psf=again.psf)
    return pair, alignment
