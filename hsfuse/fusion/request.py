"""
The request of a run: identities of its inputs, and its options, known without planning.

It is stored in the record of a run, to recognise a later run with the same request. Options that do
not change the output (scheduler, workers, overwrite, resume) are not part of it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import fields

import xarray as xr
from dask.base import tokenize

from hsfuse.core.differences import find_differences
from hsfuse.fusion.digest import identify
from hsfuse.fusion.settings import Settings
from hsfuse.nets.weights import find_weights
from hsfuse.sensor.catalogue import known_sensor

__all__ = ["WITHOUT_EFFECT", "Request", "differences", "request_of"]

Request = Mapping[str, object]

#: Settings that do not change an output.
WITHOUT_EFFECT = ("scheduler", "workers", "overwrite", "resume", "temporary")
# Identified by their content instead: part of the inputs, or hashed.
_FILES = ("hs_mask", "rgb_mask", "hs_sensor", "rgb_sensor", "weights")


def request_of(hs: xr.DataArray, rgb: xr.DataArray, settings: Settings) -> dict[str, object]:
    """
    Return the request of a run, in JSON types.

    Parameters
    ----------
    hs, rgb : DataArray
        The inputs with sensor and mask, from :func:`hsfuse.fusion.lazy.open_input`.
    settings : Settings
        Settings of the run.

    Raises
    ------
    SensorError, WeightsError
        If a sensor or the weights cannot be read.
    """
    sensors = (
        known_sensor(requested, raster.attrs.get("sensor"))
        for requested, raster in ((settings.hs_sensor, hs), (settings.rgb_sensor, rgb))
    )
    weights = settings.weights
    files = {
        "HS image": identify(hs),
        "MS image": identify(rgb),
        **{
            name: None if sensor is None else str(tokenize(sensor, ensure_deterministic=True))
            for name, sensor in zip(("HS sensor", "MS sensor"), sensors, strict=True)
        },
        "weights": None if weights is None else find_weights(os.fspath(weights)).sha256,
    }
    options = {
        field.name: _json_value(getattr(settings, field.name))
        for field in fields(settings)
        if field.name not in (*WITHOUT_EFFECT, *_FILES)
    }
    return {**files, **options, "creation_options": dict(settings.creation_options)}


def _json_value(value: object) -> object:
    """Convert a value to JSON types, which have no tuples and no infinite or NaN numbers."""
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def differences(before: Request, now: Request) -> list[str]:
    """
    Return descriptions of the differences of a request from an earlier one.

    Parameters
    ----------
    before, now : mapping
        Requests of :func:`request_of`; the device ``auto`` in ``now`` equals any earlier device.
    """
    if now.get("device") == "auto":
        now = {**now, "device": before.get("device")}
    return find_differences(before, now)
