"""Texts of a batch for the terminal: resources, and a table of pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hsfuse.batch.outcome import Batch, BatchOutcome
from hsfuse.batch.status import PairStatus, State
from hsfuse.core.text import byte_size, duration, listed, percent, table

__all__ = ["describe_batch", "summarise_batch", "summarise_plans"]

# Legend of the columns of consistency.
_CONSISTENCY = (
    "RMSE of the output, degraded by the PSF or seen through the SRF, relative to the root mean "
    "square of the image, over all bands; the quality leaves out HS bands much noisier than others"
)
_NOT_ESTIMATED = "not estimated"
# Largest number of printed rows; the file has all.
_MAXIMUM_ROWS = 40
# The same of warnings and of notes.
_MAXIMUM_TEXTS = 10
_STATES: dict[State, str] = {
    "finished": "finished",
    "done": "done before",
    "planned": "planned",
    "differs": "exist and differ",
    "failed": "failed",
    "stopped": "stopped",
    "pending": "not begun",
}


def describe_batch(batch: Batch) -> str:
    """Return the resources of a batch, and notes on omitted files."""
    limits = batch.limits
    lines = [
        ("pairs", f"{len(batch.pairs)}, outputs in {batch.folder}"),
        ("memory", f"limit {byte_size(limits.memory)} for all pairs together"),
        (
            "processes",
            f"{limits.processes}, with {limits.workers} "
            f"{'worker' if limits.workers == 1 else 'workers'} in all",
        ),
    ]
    missing = [pair.place for pair in batch.pairs if pair.missing]
    if missing:
        lines.append(
            (
                "missing",
                f"files of {len(missing)} of {len(batch.pairs)} pairs, which count as failed: "
                f"{listed(missing)}",
            )
        )
    return table([*lines, *(("note", note) for note in batch.notes)])


def summarise_batch(outcome: BatchOutcome) -> str:
    """Return the table of pairs, their number by status, and the paths of the files."""
    rows = [
        (
            _name(row, outcome.batch.folder),
            _STATES[row.status],
            _seconds(row.seconds),
            _share(row.hs_consistency),
            _share(row.ms_consistency),
            row.quality,
            _count_notes(row),
            _bytes(row.bytes),
        )
        for row in _printed_rows(outcome.pairs)
    ]
    header = (
        *("output", "status", "time", "HS consistency", "MS consistency", "quality"),
        *("warnings, notes", "size on disk"),
    )
    lines = [
        ("pairs", _counts(outcome)),
        ("time", f"{duration(outcome.seconds)} in all; that of a pair is fusing and writing"),
        ("consistency", _CONSISTENCY),
        *(("shared PSF", text) for text in outcome.shared),
        *_messages(outcome),
        *_warnings(outcome),
        *_notes(outcome.pairs),
        ("table", str(outcome.summary)),
        ("reports", str(outcome.index)),
        ("status file", str(outcome.status_file)),
    ]
    return f"{_columns([header, *rows])}\n{_more(outcome)}\n{table(lines)}"


def summarise_plans(outcome: BatchOutcome) -> str:
    """Return the table of the plans of the pairs, and their totals."""
    rows = [
        (
            _name(row, outcome.batch.folder),
            _STATES[row.status],
            row.size,
            _bytes(row.bytes),
            _bytes(row.memory_bytes),
            *_estimates(row),
            _count_notes(row),
        )
        for row in _printed_rows(outcome.pairs)
    ]
    header = (
        *("output", "status", "size", "before compression", "memory", "fusing, writing"),
        *("report", "warnings, notes"),
    )
    planned = [row for row in outcome.pairs if row.status == "planned"]
    size = sum(row.bytes or 0 for row in planned)
    lines = [
        ("pairs", _counts(outcome)),
        ("size", f"{byte_size(size)} before compression"),
        ("time", _expected_time(planned, outcome.batch.limits.processes)),
        *(("shared PSF", text) for text in outcome.shared),
        *_messages(outcome),
        *_warnings(outcome),
        *_notes(outcome.pairs),
    ]
    return f"{_columns([header, *rows])}\n{_more(outcome)}\n{table(lines)}"


def _estimates(row: PairStatus) -> tuple[str, str]:
    """Return the estimated times of fusing and writing, and of the report."""
    if row.status != "planned":
        return "", ""
    fusing = _NOT_ESTIMATED if row.expected_seconds is None else duration(row.expected_seconds)
    return fusing, duration(row.report_seconds) if row.report_seconds else "none"


def _expected_time(planned: Sequence[PairStatus], processes: int) -> str:
    """Return the estimated time of a batch, and what it leaves out."""
    if not planned:
        return ""
    parts = [
        (row.planning_seconds or 0, row.expected_seconds or 0, row.report_seconds or 0)
        for row in planned
    ]
    counted = "planning, fusing and writing" + (
        ", reports" if any(part[2] for part in parts) else ""
    )
    text = f"about {duration(sum(map(sum, parts)) / processes)} on this machine: {counted}"
    small = sum(row.expected_seconds is None for row in planned)
    if not small:
        return text
    pairs = "1 pair, whose output is" if small == 1 else f"{small} pairs, whose outputs are"
    return (
        f"{text}; without fusing and writing of {pairs} too small for an estimate "
        f"(in the table {_NOT_ESTIMATED!r})"
    )


def _printed_rows(pairs: Sequence[PairStatus]) -> Sequence[PairStatus]:
    """Return the rows to print: pairs without the requested output first."""
    bad = [row for row in pairs if not row.good]
    good = [row for row in pairs if row.good][: max(0, _MAXIMUM_ROWS - len(bad))]
    printed = {row.out for row in (*bad[:_MAXIMUM_ROWS], *good)}
    return [row for row in pairs if row.out in printed]


def _more(outcome: BatchOutcome) -> str:
    hidden = len(outcome.pairs) - len(_printed_rows(outcome.pairs))
    return f"and {hidden} more\n" if hidden else ""


def _messages(outcome: BatchOutcome) -> list[tuple[str, str]]:
    return [(row.status, f"{row.place}: {row.message}") for row in outcome.failed if row.message]


def _count_notes(row: PairStatus) -> str:
    return f"{len(row.warnings)}, {len(row.notes)}" if row.good else ""


def _warnings(outcome: BatchOutcome) -> list[tuple[str, str]]:
    """Return the warnings of each pair, at most so many."""
    folder = outcome.batch.folder
    found = [f"{_name(row, folder)}: {text}" for row in outcome.pairs for text in row.warnings]
    return _limited("warning", found)


def _notes(pairs: Sequence[PairStatus]) -> list[tuple[str, str]]:
    """Return the notes of the plans, the same one once with the number of its pairs."""
    counts = Counter(_general(note, row) for row in pairs for note in dict.fromkeys(row.notes))
    total = sum(bool(row.notes) for row in pairs)
    found = [
        text if total == 1 else f"{text} ({count} of {len(pairs)} pairs)"
        for text, count in counts.most_common()
    ]
    return _limited("note", found)


def _general(note: str, row: PairStatus) -> str:
    """Return a note without the names of the files, which differ between pairs."""
    for path, image in ((row.scene, "the HS image"), (row.rgb, "the MS image")):
        note = note.replace(path, image)
    return note


def _limited(label: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    more = len(texts) - _MAXIMUM_TEXTS
    lines = [(label, text) for text in texts[:_MAXIMUM_TEXTS]]
    return lines + ([(label, f"and {more} more, in the table and the records")] if more > 0 else [])


def _counts(outcome: BatchOutcome) -> str:
    counts = Counter(row.status for row in outcome.pairs)
    return ", ".join(f"{counts[state]} {text}" for state, text in _STATES.items() if counts[state])


def _columns(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _name(row: PairStatus, folder: Path) -> str:
    path = Path(row.out)
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else row.out


def _seconds(value: float | None) -> str:
    return "" if value is None else duration(value)


def _share(value: float | None) -> str:
    return "" if value is None else percent(value)


def _bytes(value: int | None) -> str:
    return "" if value is None else byte_size(value)
