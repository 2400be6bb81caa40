"""
Status of a batch: an append-only log of events, and a table of all pairs.

The log survives any interruption: a line is on the disk before the next event, and an incomplete
line is removed. One batch at a time writes to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from hsfuse.batch.manifest import BatchPair
from hsfuse.core.text import image_size
from hsfuse.io.files.reports import open_lines, write_table
from hsfuse.report.notes import plan_notes, result_warnings

__all__ = ["STATUS", "SUMMARY", "PairStatus", "State", "StatusFile", "write_summary"]

#: Names of the files in the folder of a batch.
STATUS, SUMMARY = "batch.jsonl", "batch.csv"

# Parts of an assessment, in the order of its findings.
_PARTS = ("HS consistency", "MS consistency", "HQNR", "QNR")

State = Literal["pending", "planned", "running", "finished", "done", "differs", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class PairStatus:
    """
    Status of a pair.

    Attributes
    ----------
    scene, rgb, out : str
        Inputs and output.
    status : str
        ``finished`` in this batch, ``done`` before it, ``failed``, ``differs`` (the output exists
        with other inputs or options), ``running``, ``stopped`` (while running), ``pending``, or
        ``planned`` (by a dry run).
    message : str
        Reason of a failure or difference.
    place : str
        File and line in the manifest.
    fwhm : str
        Shared FWHM of the PSF along y and x.
    planning_seconds, seconds : float or None
        Wall time of planning, and of fusing.
    expected_seconds, report_seconds : float or None
        Estimates of a dry run: of fusing and writing, None for an output too small for an estimate,
        and of the report, 0 without one.
    workers, memory_bytes : int or None
        Number of blocks fused in parallel, and estimate of their memory.
    bands, rows, columns, bytes : int or None
        Size of the output; bytes on disk, in a dry run before compression.
    blocks, resumed_blocks : int or None
        Number of blocks, and of those finished by an interrupted run.
    hs_consistency, ms_consistency : float or None
        RMSE of the degraded output relative to the HS and to the MS image, over all bands.
    missing_share : float or None
        Share of values without data.
    quality : str
        Lowest quality of the assessment and what has it; empty without a report.
    warnings, notes : tuple of str
        What was found while the pair was fused, and notes of its plan, one sentence each.
    """

    scene: str
    rgb: str
    out: str
    status: State = "pending"
    message: str = ""
    place: str = ""
    fwhm: str = ""
    planning_seconds: float | None = None
    seconds: float | None = None
    expected_seconds: float | None = None
    report_seconds: float | None = None
    workers: int | None = None
    memory_bytes: int | None = None
    bands: int | None = None
    rows: int | None = None
    columns: int | None = None
    bytes: int | None = None
    blocks: int | None = None
    resumed_blocks: int | None = None
    hs_consistency: float | None = None
    ms_consistency: float | None = None
    missing_share: float | None = None
    quality: str = ""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, pair: BatchPair, status: State = "pending", message: str = "", **facts: Any
    ) -> Self:
        """Return the status of a pair."""
        scene, rgb, out = str(pair.scene), str(pair.rgb), str(pair.out)
        fwhm = " ".join(f"{width:g}" for width in pair.settings.fwhm or ())
        return cls(scene, rgb, out, status, " ".join(message.split()), pair.place, fwhm, **facts)

    @classmethod
    def from_record(
        cls, pair: BatchPair, status: State, record: Mapping[str, Any], message: str = ""
    ) -> Self:
        """Return the status of a finished pair, with the figures of its record."""
        output, result = record.get("output") or {}, record.get("result") or {}
        bands, rows, columns = output.get("shape") or (None, None, None)
        return cls.of(
            pair,
            status,
            message,
            planning_seconds=result.get("planning_seconds"),
            seconds=result.get("seconds"),
            workers=record.get("workers"),
            memory_bytes=record.get("memory_bytes"),
            bands=bands,
            rows=rows,
            columns=columns,
            bytes=result.get("bytes"),
            blocks=result.get("blocks"),
            resumed_blocks=result.get("resumed_blocks"),
            hs_consistency=(result.get("spatial") or {}).get("relative"),
            ms_consistency=(result.get("spectral") or {}).get("relative"),
            missing_share=result.get("missing_share"),
            quality=lowest_quality(result.get("quality") or ()),
            warnings=tuple(result_warnings(record)),
            notes=tuple(plan_notes(record)),
        )

    @property
    def size(self) -> str:
        """Rows, columns and bands of the output as text; empty where unknown."""
        if self.rows is None or self.columns is None:
            return ""
        return f"{image_size(self.rows, self.columns)}, {self.bands} bands"

    @property
    def good(self) -> bool:
        """Whether the pair has the requested output, or in a dry run its plan."""
        return self.status in ("finished", "done", "planned")


class StatusFile:
    """
    The log of events of a batch, one line of JSON each, locked until it is closed.

    Parameters
    ----------
    folder : Path
        Folder of the outputs.

    Raises
    ------
    OutputError
        If another batch has locked it, or it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._lines = open_lines(folder / STATUS, "batch")
        self._last = self._read()

    def _read(self) -> dict[str, str]:
        """Return the last status of each output."""
        last = {}
        for line in self._lines:
            try:
                row = json.loads(line)
                last[row["out"]] = row["status"]
            except (ValueError, TypeError, KeyError):  # damaged, or not of a pair
                continue
        return last

    def append(self, row: PairStatus) -> None:
        """Append the status of a pair, unless it is unchanged."""
        over = ("finished", "done")
        if row.status == "done" and self._last.get(row.out) in over:
            return
        self._last[row.out] = row.status
        content = {
            name: value for name, value in asdict(row).items() if value not in (None, "", ())
        }
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._lines.append(json.dumps({"time": now, **content}, ensure_ascii=False).encode())

    def close(self) -> None:
        """Close the file and release its lock."""
        self._lines.close()


def lowest_quality(findings: Sequence[Mapping[str, Any]]) -> str:
    """
    Return the lowest quality of an assessment, and which of its four parts have it.

    Parameters
    ----------
    findings : sequence of mapping
        ``result.quality`` of a record, in its order.

    Examples
    --------
    >>> lowest_quality([{"quality": word} for word in ("good", "poor", "fair", "poor")])
    'poor (MS consistency, QNR)'
    >>> lowest_quality([{"quality": "good"}] * 4)
    'good'
    """
    words = [str(found["quality"]) for found in findings]
    lowest = next((word for word in ("poor", "fair", "good") if word in words), "")
    parts = [part for part, word in zip(_PARTS, words, strict=False) if word == lowest]
    return f"{lowest} ({', '.join(parts)})" if lowest in ("poor", "fair") else lowest


def write_summary(folder: Path, rows: Sequence[PairStatus]) -> Path:
    """
    Write the CSV table of a batch, one line for each pair in the order of the manifest.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    names = [field.name for field in fields(PairStatus)]
    return write_table(folder / SUMMARY, names, (_cells(row) for row in rows))


def _cells(row: PairStatus) -> dict[str, object]:
    """Return the cells of a pair; sentences are separated by a bar."""
    return {
        name: " | ".join(value) if isinstance(value, tuple) else value
        for name, value in asdict(row).items()
    }
