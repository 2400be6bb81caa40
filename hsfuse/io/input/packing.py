"""Unpacking of stored numbers: scale, offset and no-data values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsfuse.io.settings import PACKING

__all__ = ["all_nodata", "decode", "nodata_in_all_bands"]


def decode(
    stored: NDArray[Any], scale: float, offset: float, nodata: Sequence[float | None]
) -> NDArray[np.float32]:
    """Return ``stored * scale + offset`` as float32, with NaN for the no-data values."""
    # Overflow to infinity and signalling NaNs of damaged files must not warn.
    with np.errstate(over="ignore", invalid="ignore"):
        if (scale, offset) == (1.0, 0.0):
            values = stored.astype(np.float32)
        else:
            values = (stored * np.float64(scale) + np.float64(offset)).astype(np.float32)
    for number in nodata:
        equal = _equal_to(stored, number)
        if equal is not None:
            values[equal] = np.nan
    return values


def nodata_in_all_bands(dtypes: Sequence[np.dtype[np.generic] | str], bands: int) -> bool:
    """
    Return whether a pixel has no data only where every band holds the no-data value.

    In colour and multispectral images of unsigned integers the no-data value also occurs in valid
    pixels: 0 is black in one band, 255 white. Pixels without a measurement hold it in all bands.
    """
    return all(np.dtype(kind).kind == "u" for kind in dtypes) and 1 < bands <= PACKING.most_colours


def all_nodata(stored: NDArray[np.generic], nodata: tuple[float | None, ...]) -> NDArray[np.bool_]:
    """Return the mask (rows, columns) of pixels where all planes hold their no-data values."""
    empty = [
        found
        for plane, number in zip(stored, nodata, strict=True)
        if (found := _equal_to(plane, number)) is not None
    ]
    return np.all(empty, axis=0) if empty else np.zeros(stored.shape[1:], dtype=bool)


def _equal_to(stored: NDArray[np.generic], nodata: float | None) -> NDArray[np.bool_] | None:
    """Return the mask of pixels that hold the no-data value; None where the type cannot hold it."""
    if nodata is None or math.isnan(nodata):
        return None
    if stored.dtype.kind in "iu":
        limits = np.iinfo(stored.dtype)  # type: ignore[type-var]
        if not float(nodata).is_integer() or not limits.min <= nodata <= limits.max:
            return None
        return np.asarray(stored == int(nodata))
    if not math.isfinite(nodata):
        return np.asarray(stored == np.float64(nodata), dtype=bool)
    # Tags state the value with few digits, and float32 has fewer digits than the value written.
    slack = PACKING.rounding if abs(nodata) < PACKING.no_measurement else PACKING.rounding_of_limits
    with np.errstate(invalid="ignore"):
        away = np.abs(stored.astype(np.float64, copy=False) - nodata)
    return np.asarray(away <= slack * abs(nodata))
