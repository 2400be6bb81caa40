"""Pairs of a STAC ItemCollection, with both images as assets of one item."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hsfuse.io.stac import pick_asset

__all__ = ["stac_rows"]


def stac_rows(
    path: Path, content: object, assets: tuple[str, str] | None
) -> tuple[list[tuple[str, Mapping[str, object]]], list[str]]:
    """
    Return a row for each item, with its identifier for messages, and the errors.

    Parameters
    ----------
    path : Path
        The file, for messages.
    content : object
        Parsed JSON of an ItemCollection or an item.
    assets : tuple of str, optional
        Keys of the assets of the HS and the MS image; otherwise see :mod:`hsfuse.io.stac`.
    """
    kind = content.get("type") if isinstance(content, Mapping) else type(content).__name__
    items = content.get("features") if isinstance(content, Mapping) else None
    if kind == "Feature":
        items = [content]
    elif kind != "FeatureCollection" or not isinstance(items, list):
        expected = "a STAC ItemCollection (type FeatureCollection, features) or an item"
        return [], [f"{path}: found {kind!r}; expected {expected}"]
    rows: list[tuple[str, Mapping[str, object]]] = []
    faults = []
    for number, item in enumerate(items, start=1):
        place = f"{path}, item {number}"
        try:
            name = _identifier(item)
            place = f"{place} ({name})"
            keys = assets or (None, None)
            scene, rgb = pick_asset(item, "HS", keys[0]), pick_asset(item, "MS", keys[1])
            rows.append((place, {"name": name, "scene": scene, "rgb": rgb}))
        except ValueError as error:
            faults.append(f"{place}: {error}")
    return rows, faults


def _identifier(item: Any) -> str:
    name = item.get("id") if isinstance(item, Mapping) else None
    if not isinstance(name, str) or not name:
        raise ValueError(f"found id {name!r}; expected text")
    return name
