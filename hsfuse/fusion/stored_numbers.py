"""Packing of an output: that of the settings, or that of the HS image."""

from __future__ import annotations

import math
from typing import NamedTuple, cast, get_args

import xarray as xr

from hsfuse.fusion.settings import Settings
from hsfuse.io.settings import StoredType

__all__ = ["StoredNumbers", "choose_numbers"]


class StoredNumbers(NamedTuple):
    """
    Number type, scale and offset of an output.

    Attributes
    ----------
    dtype : {"float32", "int16", "uint16"}
        The stored type.
    scale : float or None
        Value of one step of an integer type.
    offset : float
        Value of the stored number 0.
    reason : str
        Reason of an automatic choice, for reports; may be empty.
    """

    dtype: StoredType
    scale: float | None = None
    offset: float = 0.0
    reason: str = ""


def choose_numbers(settings: Settings, hs: xr.DataArray) -> StoredNumbers:
    """
    Return the packing of an output: that of the settings, or by default that of the HS image.

    The integers of an HS image are half the size of float32, and the rounding error is far below
    its noise. Where the file states no scale, the value of a step is unknown, and float32 is
    stored. So it is with standard errors, which may be as small as a step.

    Parameters
    ----------
    settings : Settings
        Settings of the run; ``dtype`` is ``input`` for the packing of the HS image.
    hs : DataArray
        The HS image, with the attributes of :func:`hsfuse.open_raster`.
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
        return StoredNumbers("float32", reason="since values are rounded to a stated precision")
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
