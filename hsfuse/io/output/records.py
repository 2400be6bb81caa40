"""The JSON record of a run, stored beside its output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hsfuse.io.files.identity import STORE_FILES
from hsfuse.io.files.location import full_path
from hsfuse.io.files.url import AnyPath, as_path

__all__ = ["read_record", "record_path", "recorded_images"]


def record_path(out: AnyPath) -> AnyPath:
    """Return the path of the record of an output."""
    return out.with_name(f"{out.name}.json")


def read_record(out: AnyPath) -> Mapping[str, object]:
    """Return the record of an output; empty where it is missing or damaged."""
    try:
        record = json.loads(record_path(out).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, Mapping) else {}


def recorded_images(record: Mapping[str, Any]) -> tuple[AnyPath, AnyPath] | None:
    """
    Return the HS and the MS image of a record, as absolute paths or URLs.

    None for a record that names none. The images may no longer exist.
    """
    try:
        names = [str(record[name]["file"]["path"]) for name in ("scene", "rgb")]
    except (KeyError, TypeError):
        return None
    hs, ms = (full_path(as_path(name)) for name in names)
    # Of a store the record names the file of its metadata.
    hs, ms = (path.parent if path.name in STORE_FILES else path for path in (hs, ms))
    return hs, ms
