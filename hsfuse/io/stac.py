"""
Reading of STAC items: the assets of the HS and the MS image, and their acquisition times.

Items are read as plain JSON with checks; pystac would add two dozen dependencies for a few keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hsfuse.errors import RasterError
from hsfuse.io.files.location import full_path
from hsfuse.io.files.url import AnyPath, Url, as_path

__all__ = [
    "StacAsset",
    "find_asset",
    "find_image",
    "Times",
    "is_item",
    "item_times",
    "joined_times",
    "parse_time",
    "pick_asset",
]

#: Image of a pair.
Image = Literal["HS", "MS"]
#: Start and end of the acquisition of an image.
Times = tuple[datetime, datetime]

# Keys and roles of assets (https://github.com/radiantearth/stac-spec, best practices) that identify
# an image where no key is given, in order of precedence.
_NAMES: dict[Image, tuple[str, ...]] = {
    "HS": ("scene", "hs", "hsi", "hyperspectral"),
    "MS": ("rgb", "ms", "msi", "multispectral", "visual"),
}
# Roles of assets that are not data.
_PICTURES = {"thumbnail", "overview", "metadata", "browse"}
_SUFFIXES = (".json", ".geojson")
# Largest size of an item in bytes; the list of bands is its longest part.
_LARGEST = 2**24


class StacAsset(NamedTuple):
    """An asset of an item: its path, and its acquisition times, None where not stated."""

    path: AnyPath
    times: Times | None


def is_item(path: AnyPath) -> bool:
    """
    Return whether a path is a STAC item: a JSON file, or an item of a STAC API.

    Examples
    --------
    >>> is_item(as_path("https://host/collections/s2/items/S2A_1")), is_item(Path("a.tif"))
    (True, False)
    """
    api = isinstance(path, Url) and path.parent.name == "items" and not path.suffix
    return api or path.suffix.lower() in _SUFFIXES


def find_asset(item: AnyPath, image: Image, key: str | None = None) -> StacAsset:
    """
    Return the asset of an item that holds an image of a pair.

    Parameters
    ----------
    item : Path or Url
        The STAC item.
    image : {"HS", "MS"}
        The image of the pair.
    key : str, optional
        Key of the asset; by default it is selected by its key or role.

    Raises
    ------
    RasterError
        If the file is not an item, or has no such asset.
    """
    content = _read(item)
    try:
        href = pick_asset(content, image, key)
        return StacAsset(_resolved(href, item), item_times(content))
    except ValueError as error:
        raise RasterError(f"{item}: {error}") from error


def find_image(path: AnyPath, image: Image) -> AnyPath:
    """
    Return the path of the asset of a STAC item; any other path unchanged.

    Raises
    ------
    RasterError
        As :func:`find_asset`.
    """
    return find_asset(path, image).path if is_item(path) else path


def _read(path: AnyPath) -> Mapping[str, Any]:
    try:
        size = path.stat().st_size
        if size > _LARGEST:
            raise RasterError(f"{path}: has {size} bytes; expected a STAC item")
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise RasterError(f"{path}: cannot be read ({error})") from error
    except (ValueError, RecursionError) as error:
        raise RasterError(f"{path}: is not JSON ({error}); expected a STAC item") from error
    kind = content.get("type") if isinstance(content, Mapping) else type(content).__name__
    if kind != "Feature":
        hint = "; `hsfuse batch` takes collections" if kind == "FeatureCollection" else ""
        raise RasterError(f"{path}: found {kind!r}; expected a STAC item (type Feature){hint}")
    item: Mapping[str, Any] = content
    return item


def _resolved(href: str, item: AnyPath) -> AnyPath:
    """Resolve the reference of an asset relative to its item."""
    url = as_path(href)
    if isinstance(url, Url) or (isinstance(item, Path) and url.is_absolute()):
        return url
    if isinstance(item, Path):
        return full_path(item.parent / href) if ".." in Path(href).parts else item.parent / href
    folder = item.parent
    parts = [part for part in href.split("/") if part not in ("", ".")]
    for part in parts:
        folder = folder.parent if part == ".." else folder / part
    return folder


def pick_asset(item: Mapping[str, Any], image: Image, key: str | None = None) -> str:
    """
    Return the reference (href) of the asset of an image; see :func:`find_asset`.

    Raises
    ------
    ValueError
        If there is none, or more than one.
    """
    assets = _assets(item)
    key = key or _find(assets, image)
    if key not in assets:
        raise ValueError(f"found the assets {', '.join(assets) or 'none'}; expected {key!r}")
    href = assets[key].get("href")
    if not isinstance(href, str) or not href:
        raise ValueError(f"asset {key}: found href {href!r}; expected a path")
    return href


def item_times(item: Mapping[str, Any]) -> Times | None:
    """
    Return the acquisition times of an item: its datetime, or start and end; None if not stated.

    Raises
    ------
    ValueError
        If a time is invalid.
    """
    stated = item.get("properties")
    properties = stated if isinstance(stated, Mapping) else {}
    single = properties.get("datetime")
    both = (
        (single, single)
        if single is not None
        else (properties.get("start_datetime"), properties.get("end_datetime"))
    )
    if None in both:
        return None
    start, end = (parse_time(each) for each in both)
    return start, end


def joined_times(*times: Times | None) -> Times | None:
    """Return the interval that covers all; None where one is unknown."""
    known = [each for each in times if each is not None]
    if not known or len(known) < len(times):
        return None
    return min(start for start, _ in known), max(end for _, end in known)


def parse_time(text: object) -> datetime:
    """
    Parse an ISO 8601 time with its time zone.

    Raises
    ------
    ValueError
        If the text is not such a time.

    Examples
    --------
    >>> parse_time("2020-06-01T10:30:00Z").isoformat()
    '2020-06-01T10:30:00+00:00'
    """
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise ValueError(f"found the time {text!r}; expected one such as 2020-06-01T10:30:00Z")
    return time


def _assets(item: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    assets = item.get("assets")
    if not isinstance(assets, Mapping) or not all(isinstance(a, Mapping) for a in assets.values()):
        raise ValueError(f"found assets {assets!r:.60}; expected an object of objects")
    return assets


def _find(assets: Mapping[str, Mapping[str, Any]], image: Image) -> str:
    """Return the key of the asset whose key or role identifies the image."""
    data = {key: _roles(asset) for key, asset in assets.items() if not _roles(asset) & _PICTURES}
    names = _NAMES[image]
    for name in names:
        keys = [key for key, roles in data.items() if name in {key.lower(), *roles}]
        if len(keys) == 1:
            return keys[0]
        if keys:
            raise ValueError(
                f"the assets {', '.join(keys)} may each be the {image} image; name both assets "
                "with `--assets`"
            )
    others = {name for other in _NAMES.values() for name in other}
    rest = [key for key, roles in data.items() if not others & {key.lower(), *roles}]
    if len(rest) == 1 and len(data) == 1:  # the item has a single image
        return rest[0]
    raise ValueError(
        f"found the assets {', '.join(assets) or 'none'}; expected one for the {image} image "
        f"with the key or role {', '.join(names)}; or name both assets with `--assets`"
    )


def _roles(asset: Mapping[str, Any]) -> set[str]:
    roles = asset.get("roles")
    return {str(role).lower() for role in roles} if isinstance(roles, list) else set()
