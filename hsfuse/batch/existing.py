"""What there is of a pair's output: nothing, what was asked for, or something else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from hsfuse.batch.manifest import BatchPair
from hsfuse.fusion.digest import versions
from hsfuse.fusion.lazy import open_input
from hsfuse.fusion.request import differences, request_of
from hsfuse.io.provenance import read_provenance
from hsfuse.io.records import read_record

__all__ = ["Existing", "inspect_output"]

Record = Mapping[str, object]

_REPLACE = "pass --overwrite to replace it, or give the pair another output"


@dataclass(frozen=True, slots=True)
class Existing:
    """
    What there is under the name of an output.

    Attributes
    ----------
    state : str
        ``absent``; ``same``: finished with these inputs and options; ``other``: with others;
        ``unrecorded``: an output of hsfuse without its record, of which the plan has to be
        compared.
    message : str
        In what it differs, or with which versions it was made.
    plan : str
        Digest of its plan.
    record : mapping
        Its record, where that belongs to it.
    """

    state: Literal["absent", "same", "other", "unrecorded"]
    message: str = ""
    plan: str = ""
    record: Record = field(default_factory=dict)


def inspect_output(pair: BatchPair) -> Existing:
    """
    Return what there is of a pair's output, without planning it.

    Raises
    ------
    HsfuseError
        If there is an output, and an input that cannot be opened.
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
    """Return what is wrong with an output without a record whose plan is another."""
    return f"{out}: exists, of other inputs, options or versions, without a record; {_REPLACE}"


def _versions(record: Record) -> str:
    """Return the libraries that computed an output, as far as others are installed now."""
    before = cast("Mapping[str, str]", record.get("versions") or {})
    changed = [
        f"{name} {before[name]}" for name, now in versions().items() if before.get(name, now) != now
    ]
    return f"computed with {', '.join(changed)}" if changed else ""
