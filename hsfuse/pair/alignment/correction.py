"""Correction of a pair by the estimates of shift, drift and PSF."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import xarray as xr

from hsfuse.core.grid import Span
from hsfuse.core.psf import PSF
from hsfuse.errors import PairError
from hsfuse.io.input.labels import raster_label
from hsfuse.pair.alignment.drift import correct_drift
from hsfuse.pair.alignment.measurement import Alignment, measure_alignment
from hsfuse.pair.alignment.psf import select_psf
from hsfuse.pair.alignment.settings import DEFAULT
from hsfuse.pair.alignment.windows import survey_windows
from hsfuse.pair.geometry import Pair, make_pair, shifted_by
from hsfuse.pair.notes import SHIFT_NOTE
from hsfuse.pair.pixels import PixelCache
from hsfuse.sensor.catalogue import Sensor

__all__ = ["align_pair"]

_SETTINGS = DEFAULT.correction


def align_pair(
    hs: xr.DataArray,
    rgb: xr.DataArray,
    *,
    hs_sensor: Sensor | None = None,
    rgb_sensor: Sensor | None = None,
    psf: PSF | None = None,
    window: tuple[Span, Span] | None = None,
    cache: PixelCache | None = None,
) -> tuple[Pair, Alignment | None]:
    """
    Return the co-registered pair of two rasters, with the estimates.

    The MS image is the reference, on whose grid the output is. The shift of the HS image is applied
    in the geometry of the pair, without resampling. The estimated width of the PSF is used where no
    sensor states one.

    Parameters
    ----------
    hs, rgb, hs_sensor, rgb_sensor, psf, window
        As in :func:`hsfuse.pair.geometry.make_pair`; a given PSF is not estimated.
    cache : PixelCache, optional
        Cache to which the pixels read are added, for the next survey.

    Returns
    -------
    tuple of Pair and (Alignment or None)
        The pair, whose notes report the corrections, and the estimates; None where the scene does
        not allow any.

    Raises
    ------
    PairError
        If the rasters are not a valid pair, or show different areas.
    """
    cache = cache or PixelCache()
    arguments: dict[str, Any] = {
        "hs_sensor": hs_sensor, "rgb_sensor": rgb_sensor, "psf": psf, "window": window
    }  # fmt: skip
    pair = make_pair(hs, rgb, **arguments)
    alignment = measure_alignment(survey_windows(pair, cache), psf)
    if alignment is None:
        return pair, None
    if alignment.mismatched:
        raise PairError(
            f"{raster_label(hs)} and {raster_label(rgb)}: the two images do not show the same "
            f"ground; at the best shift within {DEFAULT.search.largest_shift} HS pixels one "
            f"explains {1 - alignment.detail:.0%} of the other's detail; expected images of one "
            "place, displaced by less"
        )
    if not alignment.reliable:
        note = (
            "co-registration: no reliable estimate of the shift; the georeferencing of the files "
            "is used"
        )
        return replace(pair, notes=(*pair.notes, note)), alignment
    notes = []
    limits = [
        max(_SETTINGS.standard_errors * error, _SETTINGS.smallest_shift)
        for error in alignment.shift_error
    ]
    if any(abs(move) > limit for move, limit in zip(alignment.shift, limits, strict=True)):
        move = shifted_by(alignment.shift, pair.geometry)
        notes.append(
            f"{SHIFT_NOTE}: {alignment.description}, corrected in the output grid; the file is "
            "untouched"
        )
        pair = make_pair(hs, rgb, **arguments, move=move)
    pair, alignment = correct_drift(pair, alignment, notes, cache)
    pair = select_psf(pair, alignment, notes)
    if alignment.changed > _SETTINGS.reported_change:
        notes.append(
            f"{alignment.changed:.0%} of the surveyed HS pixels do not follow the MS image: "
            "cloud, shadow or change between the two"
        )
    return replace(pair, notes=(*pair.notes, *notes)), alignment
