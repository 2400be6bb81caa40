"""Checks of a surveyed pair: value range, and data in both rasters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.errors import PairError
from hsfuse.io.input.labels import raster_band_labels, raster_label

if TYPE_CHECKING:
    from hsfuse.pair.geometry import Pair
    from hsfuse.pair.survey import Survey

__all__ = ["check_survey"]

# Squares of such values, summed over a scene, fit float32; no radiometric unit comes close.
_LARGEST = 1e15


def check_survey(pair: Pair, survey: Survey) -> None:
    """
    Refuse a pair whose survey shows that it cannot be fused.

    Parameters
    ----------
    pair : Pair
        The pair, for the names of its rasters.
    survey : Survey
        Survey of the pair.

    Raises
    ------
    PairError
        If no HS pixel has data in both rasters, or values are too large for float32.
    """
    _refuse_extremes(pair, survey)
    _refuse_empty(pair, survey)


def _refuse_extremes(pair: Pair, survey: Survey) -> None:
    for raster, arrays in _surveyed_pixels(pair, survey):
        largest = max(float(np.abs(a[np.isfinite(a)]).max(initial=0)) for a in arrays)
        if largest > _LARGEST:
            raise PairError(
                f"{raster_label(raster)}: values reach {largest:.3g}; expected at most "
                f"{_LARGEST:g}: is a no-data number not declared, or the byte "
                "order or data type another?"
            )


def _refuse_empty(pair: Pair, survey: Survey) -> None:
    for raster, arrays in _surveyed_pixels(pair, survey):
        if not any(np.isfinite(array).any() for array in arrays):
            raise PairError(
                f"{raster_label(raster)}: no pixel holds data where the two "
                "rasters overlap; a pair needs data in both"
            )
    for band, label in enumerate(raster_band_labels(pair.rgb)):
        if not any(np.isfinite(patch.fine[band]).any() for patch in survey.patches):
            raise PairError(
                f"{raster_label(pair.rgb)}: {label} holds no data where the two rasters "
                "overlap; expected a raster without this band"
            )
    if not any(survey.degraded(patch)[1].any() for patch in survey.patches):
        raise PairError(
            f"{raster_label(pair.hs)} and {raster_label(pair.rgb)}: "
            "no HS pixel holds data in both rasters; a pair needs some place that both cover"
        )


def _surveyed_pixels(
    pair: Pair, survey: Survey
) -> tuple[tuple[xr.DataArray, list[NDArray[np.float32]]], ...]:
    """Return both rasters, each with its surveyed pixels."""
    return (
        (pair.hs, list(survey.images)),
        (pair.rgb, [patch.fine for patch in survey.patches]),
    )
