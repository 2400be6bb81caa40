"""The JSON record of a run, stored beside its output."""

from __future__ import annotations

import json
from collections.abc import Mapping

from hsfuse.io.files.url import AnyPath

__all__ = ["read_record", "record_path"]


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
