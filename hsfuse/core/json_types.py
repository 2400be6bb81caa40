"""Conversion of values to JSON types, for records and provenance."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

__all__ = ["json_mapping", "json_value"]


def json_mapping(values: Mapping[str, object]) -> dict[str, object]:
    """
    Convert a mapping to JSON types.

    Examples
    --------
    >>> json_mapping({"sizes": np.array([1, 2]), "share": float("nan"), "of": ("a", 0.5)})
    {'sizes': [1, 2], 'share': None, 'of': ['a', 0.5]}
    """
    return {str(key): json_value(value) for key, value in values.items()}


def json_value(value: object) -> object:
    """Convert a value to JSON types; NaN and infinite numbers become None."""
    if isinstance(value, Mapping):
        return json_mapping(value)
    if isinstance(value, np.ndarray | np.generic):
        return json_value(value.tolist())
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)
