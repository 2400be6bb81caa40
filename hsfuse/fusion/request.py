"""
What was asked of a run, known without planning it: the inputs by their content, and the options.

A record holds it, so that a later run with the same request can be told from any other. How the
pixels are computed (scheduler, workers) and whether an output is replaced or resumed is no part of
it, since none of these changes the output.
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
# Known by their content instead: part of the inputs, or hashed.
_FILES = ("hs_mask", "rgb_mask", "hs_sensor", "rgb_sensor", "weights")


def request_of(hs: xr.DataArray, rgb: xr.DataArray, settings: Settings) -> dict[str, object]:
    """
    Return the request of a run, in JSON types.

    Parameters
    ----------
    hs, rgb : DataArray
        The inputs with sensor and mask, from :func:`hsfuse.fusion.lazy.open_input`.
    settings : Settings
        As asked.

    Raises
    ------
    SensorError, WeightsError
        If a sensor or the weights that are named cannot be read.
    """
    sensors = (
        known_sensor(asked, raster.attrs.get("sensor"))
        for asked, raster in ((settings.hs_sensor, hs), (settings.rgb_sensor, rgb))
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
        field.name: _plain(getattr(settings, field.name))
        for field in fields(settings)
        if field.name not in (*WITHOUT_EFFECT, *_FILES)
    }
    return {**files, **options, "creation_options": dict(settings.creation_options)}


def _plain(value: object) -> object:
    """Return a value as JSON holds it, which knows no tuple and no number that is not finite."""
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def differences(before: Request, now: Request) -> list[str]:
    """
    Return in what a request differs from an earlier one, a phrase each.

    Parameters
    ----------
    before, now : mapping
        From :func:`request_of`; the device ``auto`` now is any that there was.
    """
    if now.get("device") == "auto":
        now = {**now, "device": before.get("device")}
    return find_differences(before, now)
