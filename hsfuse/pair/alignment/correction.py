"""Co-registration of a pair, and its PSF, from what the two images show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import xarray as xr

from hsfuse.core.grid import Span
from hsfuse.core.psf import PSF
from hsfuse.errors import PairError
from hsfuse.io.labels import raster_label
from hsfuse.pair.alignment.drift import with_drift
from hsfuse.pair.alignment.measurement import Alignment, measure_alignment
from hsfuse.pair.alignment.psf import with_psf
from hsfuse.pair.alignment.settings import DEFAULT
from hsfuse.pair.alignment.windows import survey_windows
from hsfuse.pair.geometry import Pair, make_pair, shifted_by
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
    Return the pair that two rasters make, co-registered by what the images show.

    The HS image is moved; the MS image is the reference and its grid the output's. The move is
    part of the pair's geometry: nothing is resampled for it. The width of the point spread
    function is taken from the pair where it was a mere assumption.

    Parameters
    ----------
    hs, rgb, hs_sensor, rgb_sensor, psf, window
        As :func:`hsfuse.pair.geometry.make_pair`; a PSF that is given is not estimated.
    cache : PixelCache, optional
        To which the pixels that are read are added, for the next survey.

    Returns
    -------
    tuple of Pair and (Alignment or None)
        What was found and what was used of it are among the pair's notes.

    Raises
    ------
    PairError
        If the rasters make no pair, or show different things.
    """
    cache = cache or PixelCache()
    known: dict[str, Any] = {
        "hs_sensor": hs_sensor, "rgb_sensor": rgb_sensor, "psf": psf, "window": window
    }  # fmt: skip
    pair = make_pair(hs, rgb, **known)
    found = measure_alignment(survey_windows(pair, cache), psf)
    if found is None:
        return pair, None
    if found.mismatched:
        raise PairError(
            f"{raster_label(hs)} and {raster_label(rgb)}: the two images do not show the same "
            f"ground; at the best shift within {DEFAULT.search.largest_shift} HS pixels one "
            f"explains {1 - found.detail:.0%} of the other's detail; expected images of one "
            "place, displaced by less"
        )
    if not found.reliable:
        note = (
            "co-registration: no reliable estimate of the shift; the georeferencing of the files "
            "is used"
        )
        return replace(pair, notes=(*pair.notes, note)), found
    notes = []
    limit = [
        max(_SETTINGS.standard_errors * error, _SETTINGS.smallest_shift)
        for error in found.shift_error
    ]
    if any(abs(move) > least for move, least in zip(found.shift, limit, strict=True)):
        move = shifted_by(found.shift, pair.geometry)
        notes.append(
            f"co-registration: estimated shift of {raster_label(hs)} {found.description}, from "
            "the place that its file states; corrected in the output grid, the file is untouched"
        )
        pair = make_pair(hs, rgb, **known, move=move)
    pair, found = with_drift(pair, found, notes, cache)
    pair = with_psf(pair, found, notes)
    if found.changed > _SETTINGS.reported_change:
        notes.append(
            f"{found.changed:.0%} of the surveyed HS pixels do not follow the MS image: "
            "cloud, shadow or change between the two"
        )
    return replace(pair, notes=(*pair.notes, *notes)), found
