"""Inspection of an existing output of a pair: absent, of the same request, or of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from hsfuse.batch.manifest import BatchPair
from hsfuse.fusion.digest import versions
from hsfuse.fusion.lazy import open_input
from hsfuse.fusion.request import differences, request_of
from hsfuse.io.output.provenance import read_provenance
from hsfuse.io.output.records import read_record

__all__ = ["Existing", "inspect_output"]

Record = Mapping[str, object]

_REPLACE = "pass `--overwrite` to replace it, or give the pair another output"


@dataclass(frozen=True, slots=True)
class Existing:
    """
    State of the output of a pair before the batch.

    Attributes
    ----------
    state : str
        ``absent``; ``same``: finished with the same inputs and options; ``other``: with others;
        ``unrecorded``: an output of hsfuse without its record, whose plan must be compared.
    message : str
        Differences, or other versions of the libraries.
    plan : str
        Digest of the plan.
    record : mapping
        Record of the output, if it belongs to it.
    """

    state: Literal["absent", "same", "other", "unrecorded"]
    message: str = ""
    plan: str = ""
    record: Record = field(default_factory=dict)


def inspect_output(pair: BatchPair) -> Existing:
    """
    Inspect the output of a pair, without planning it.

    Raises
    ------
    HsfuseError
        If there is an output, and an input cannot be opened.
    """
    if not pair.out.exists():
        return Existing("absent")
    plan = read_provenance(pair.out).get("plan")
    if not isinstance(plan, str):
        return Existing("other", f"{pair.out}: exists and is no output of hsfuse run; {_REPLACE}")
    record = read_record(pair.out)
    request = record.get("request")
    if record.get("digest") != plan or not isinstance(request, Mapping):
        return Existing("unrecorded", plan=plan)
    hs = open_input(pair.scene, pair.settings, "hs")
    rgb = open_input(pair.rgb, pair.settings, "rgb")
    other = differences(request, request_of(hs, rgb, pair.settings))
    if other:
        message = f"{pair.out}: exists and differs: {'; '.join(other)}; {_REPLACE}"
        return Existing("other", message, plan, record)
    return Existing("same", _versions(record), plan, record)


def unrecorded_message(out: Path) -> str:
    """Return the message for an output without a record and with another plan."""
    return f"{out}: exists, of other inputs, options or versions, without a record; {_REPLACE}"


def _versions(record: Record) -> str:
    """Return the versions of libraries of an output that differ from those installed."""
    before = cast("Mapping[str, str]", record.get("versions") or {})
    changed = [
        f"{name} {before[name]}" for name, now in versions().items() if before.get(name, now) != now
    ]
    return f"computed with {', '.join(changed)}" if changed else ""
