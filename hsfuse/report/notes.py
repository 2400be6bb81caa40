"""Notes and warnings of a record, one sentence each: for the page of a run and a batch of runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hsfuse.fusion.undeclared import UndeclaredFill
from hsfuse.report.wording import describe_clipped, describe_excess

__all__ = ["plan_notes", "result_warnings"]


def plan_notes(record: Mapping[str, Any]) -> list[str]:
    """Return the notes of the plan on assumptions and choices."""
    return [str(note) for note in record.get("notes") or () if note]


def result_warnings(record: Mapping[str, Any]) -> list[str]:
    """Return the warning about the response, and what was found in the values of the output."""
    result = record.get("result") or {}
    units = str((record.get("scene") or {}).get("units") or "")
    found = [
        str((record.get("response") or {}).get("warning") or ""),
        describe_excess(result.get("excess") or {}, units),
        *(UndeclaredFill(**fill).advice for fill in result.get("undeclared_fill") or ()),
        describe_clipped(result.get("clipped_values") or 0),
    ]
    return [text for text in found if text]
