"""The numbers in which an output is stored: as asked, or as those of the HS image."""

from __future__ import annotations

import math
from typing import NamedTuple, cast, get_args

import xarray as xr

from hsfuse.fusion.settings import Settings
from hsfuse.io.settings import StoredType

__all__ = ["StoredNumbers", "choose_numbers"]


class StoredNumbers(NamedTuple):
    """
    Number type of an output.

    Attributes
    ----------
    dtype : {"float32", "int16", "uint16"}
        The type.
    scale : float or None
        Value of one step of an integer.
    offset : float
        Value of the integer 0.
    reason : str
        Why, where nobody asked for it; empty where there is nothing to say.
    """

    dtype: StoredType
    scale: float | None = None
    offset: float = 0.0
    reason: str = ""


def choose_numbers(settings: Settings, hs: xr.DataArray) -> StoredNumbers:
    """
    Return the numbers of an output: those of the settings, or by default those of the HS image.

    A product that is stored as integers with a scale gives its fused bands no finer steps: the same
    numbers are half the size of float32, and what they round away is far below the noise. Where
    the file states no scale, nobody knows what a step is worth, and float32 is stored. So it is
    with standard errors, which may be of the size of a step.

    Parameters
    ----------
    settings : Settings
        ``dtype`` is ``input`` for the numbers of the HS image.
    hs : DataArray
        The HS image, with what :func:`hsfuse.open_raster` says of its file.
    """
    if settings.dtype != "input":
        return StoredNumbers(settings.dtype, settings.scale)
    stored, scale, offset = (
        hs.attrs.get(f"source_{name}") for name in ("dtype", "scale", "offset")
    )
    if "float" in str(stored) or stored is None:
        return StoredNumbers("float32")
    if settings.uncertainty:
        return StoredNumbers("float32", reason="since standard errors need finer steps")
    if settings.max_error:
        return StoredNumbers("float32", reason="since values are rounded by max_error")
    if stored not in get_args(StoredType):
        return StoredNumbers("float32", reason=f"since the HS image is {stored}")
    if scale is None:
        return StoredNumbers("float32", reason=f"since the HS image ({stored}) states no scale")
    if isinstance(scale, list) or isinstance(offset, list):
        reason = f"since the HS image ({stored}) has a scale for each band"
        return StoredNumbers("float32", reason=reason)
    if not (math.isfinite(scale) and scale > 0):
        return StoredNumbers("float32", reason=f"since the HS image ({stored}) has scale {scale:g}")
    dtype = cast("StoredType", stored)
    return StoredNumbers(dtype, float(scale), float(offset or 0.0), "as the HS image is stored")
