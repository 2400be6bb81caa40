"""Quality of the fused raster: interpretation and maps."""

from __future__ import annotations

from typing import NamedTuple

import matplotlib
import numpy as np
from numpy.typing import NDArray

from hsfuse.assessment.comparison import assess_fused
from hsfuse.assessment.figures import Assessment
from hsfuse.errors import PairError, message_of
from hsfuse.io.input.labels import raster_band_names
from hsfuse.io.preview import preview_raster
from hsfuse.report.page.pictures import Extent, encode_png, hs_extent
from hsfuse.report.page.subject import Subject

__all__ = ["COLOURS", "Map", "Quality", "assess_subject"]

# Maximum number of values compared of a fused raster that is not in memory, in evenly spaced
# blocks: two seconds of one core, and as much to read them.
_MOST_VALUES = 16_000_000
# Percentiles of the first and last colour of a map, robust to a few extreme pixels.
_PERCENTILES = (2, 98)
# Maximum pixels of the longer side of the map of the standard error.
_LONGEST = 600

#: Colour map of all maps: perceptually uniform, colour-blind safe.
COLOURS = "cividis"


class Map(NamedTuple):
    """
    A map drawn in colours.

    Attributes
    ----------
    key, title, text, units : str
        Name of its HTML element, title, explanation in one sentence, and unit of the values.
    low, high : float
        Values of the first and the last colour.
    median : float
        Median of all values.
    png : bytes
        PNG, transparent where there is no value.
    extent : tuple of float
        Left, top, right and bottom in pixels of the fused raster.
    """

    key: str
    title: str
    text: str
    units: str
    low: float
    high: float
    median: float
    png: bytes
    extent: Extent


class Quality(NamedTuple):
    """
    The assessment of a report, None if no pixel could be compared, and its maps.

    ``scope`` states what was compared: the whole raster or which part of it.
    """

    assessment: Assessment | None
    scope: str
    maps: tuple[Map, ...]


def assess_subject(subject: Subject, *, most_values: int = _MOST_VALUES) -> Quality:
    """
    Return the quality of the fused raster, and maps of consistency and standard error.

    Parameters
    ----------
    subject : Subject
        Subject of the report.
    most_values : int
        Approximate maximum number of values compared of a fused raster that is not in memory.
    """
    most = None if subject.held else most_values
    maps: list[Map] = []
    try:
        assessment, rasters = assess_fused(subject.fused, subject.observed, maximum_values=most)
    except PairError as error:
        return Quality(None, f"not assessed: {message_of(error)}", tuple(_error_map(subject)))
    values = rasters.values
    names = raster_band_names(rasters)
    ms_units = str(subject.observed.pair.rgb.attrs.get("units") or "")
    for key, title, text, units in (
        (
            "hs_rmse",
            "Difference from the HS image",
            "RMSE over the bands, of the fused image blurred by the PSF against each HS pixel",
            subject.units,
        ),
        (
            "hs_sam",
            "Spectral angle to the HS image",
            "angle between the spectra of the fused image blurred by the PSF and of each HS pixel",
            "degrees",
        ),
        (
            "ms_rmse",
            "Difference from the MS image",
            "RMSE of the fused image seen through the SRF against the MS image, in each HS pixel",
            ms_units,
        ),
    ):
        plane = values[names.index(key)]
        if np.isfinite(plane).any():
            maps.append(_map(key, title, text, units, plane, hs_extent(subject)))
    whole = most is None or subject.fused.size <= most
    compared = f"{assessment.hs.pixels} HS pixels"
    scope = (
        f"the whole raster was compared: {compared}, all whose PSF lies within it"
        if whole
        else f"the raster is large, so areas spread evenly over it were compared: {compared}"
    )
    return Quality(assessment, scope, (*maps, *_error_map(subject)))


def _error_map(subject: Subject) -> list[Map]:
    error = subject.standard_error
    if error is None:
        return []
    plane = preview_raster(error.expand_dims("band"), [0], _LONGEST)[0]
    if not np.isfinite(plane).any():
        return []
    step = -(-max(error.shape) // _LONGEST)
    extent = (0.0, 0.0, float(plane.shape[1] * step), float(plane.shape[0] * step))
    text = "standard error of each fused pixel's spectrum, as the method states it"
    if step > 1:
        text += f"; mean of {step} x {step} pixels"
    return [_map("standard_error", "Standard error", text, subject.units, plane, extent)]


def _map(
    key: str, title: str, text: str, units: str, plane: NDArray[np.float32], extent: Extent
) -> Map:
    known = plane[np.isfinite(plane)]
    low, high = (float(value) for value in np.percentile(known, _PERCENTILES))
    high = max(high, low + max(abs(low), 1e-12) * 1e-6)
    share = np.clip((plane - low) / (high - low), 0, 1)
    colours = matplotlib.colormaps[COLOURS](np.nan_to_num(share)).astype(np.float32)
    colours[~np.isfinite(plane), 3] = 0
    return Map(
        key, title, text, units, low, high, float(np.median(known)), encode_png(colours), extent
    )
