"""
Pairs of a STAC ItemCollection on disk: an item holds both images as assets.

The file is read as plain JSON with checks: pystac would bring two dozen packages for four keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["stac_rows"]

# Keys and roles of assets (https://github.com/radiantearth/stac-spec, best practices) by which an
# image is found where no key is given, in the order in which they are looked for.
_SCENE = ("scene", "hs", "hsi", "hyperspectral")
_RGB = ("rgb", "ms", "msi", "multispectral", "visual")
# Roles of assets that are no data.
_PICTURES = {"thumbnail", "overview", "metadata", "browse"}


def stac_rows(
    path: Path, content: object, assets: tuple[str, str] | None
) -> tuple[list[tuple[str, Mapping[str, object]]], list[str]]:
    """
    Return a row for each item, with the place that messages name, and the faults.

    Parameters
    ----------
    path : Path
        Of the file, for messages.
    content : object
        The JSON of an ItemCollection, or of one item.
    assets : tuple of str, optional
        Keys of the assets that are HS and MS image; otherwise they are found by key or role.
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
            name, found = _identifier(item), _assets(item)
            place = f"{place} ({name})"
            keys = assets or (_find(found, _SCENE, "HS"), _find(found, _RGB, "MS"))
            hrefs = [_href(found, key) for key in keys]
            rows.append((place, {"name": name, "scene": hrefs[0], "rgb": hrefs[1]}))
        except ValueError as error:
            faults.append(f"{place}: {error}")
    return rows, faults


def _identifier(item: Any) -> str:
    name = item.get("id") if isinstance(item, Mapping) else None
    if not isinstance(name, str) or not name:
        raise ValueError(f"found id {name!r}; expected text")
    return name


def _assets(item: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    assets = item.get("assets")
    if not isinstance(assets, Mapping) or not all(isinstance(a, Mapping) for a in assets.values()):
        raise ValueError(f"found assets {assets!r:.60}; expected an object of objects")
    return assets


def _find(assets: Mapping[str, Mapping[str, Any]], names: tuple[str, ...], image: str) -> str:
    """Return the key of the asset that bears one of the names, as its key or a role."""
    data = {key: _roles(asset) for key, asset in assets.items() if not _roles(asset) & _PICTURES}
    for name in names:
        found = [key for key, roles in data.items() if name in {key.lower(), *roles}]
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(
                f"the assets {', '.join(found)} may each be the {image} image; name both assets "
                "with --assets"
            )
    raise ValueError(
        f"found the assets {', '.join(assets) or 'none'}; expected one for the {image} image "
        f"with the key or role {', '.join(names)}; or name both assets with --assets"
    )


def _roles(asset: Mapping[str, Any]) -> set[str]:
    roles = asset.get("roles")
    return {str(role).lower() for role in roles} if isinstance(roles, list) else set()


def _href(assets: Mapping[str, Mapping[str, Any]], key: str) -> str:
    if key not in assets:
        raise ValueError(f"found the assets {', '.join(assets) or 'none'}; expected {key!r}")
    href = assets[key].get("href")
    if not isinstance(href, str) or not href:
        raise ValueError(f"asset {key}: found href {href!r}; expected a path")
    return href
