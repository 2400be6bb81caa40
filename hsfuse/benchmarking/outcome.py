"""A checked benchmark, its runs, and its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hsfuse.benchmarking.cases import Case
from hsfuse.benchmarking.protocol import PaperSplit
from hsfuse.benchmarking.rows import RunRow
from hsfuse.core.text import html_table
from hsfuse.io.files.location import full_path
from hsfuse.nets.weights import Card

__all__ = ["Benchmark", "BenchmarkOutcome", "Run"]


@dataclass(frozen=True)
class Run:
    """One method on one pair."""

    case: Case
    weights: tuple[Card, ...]
    row: RunRow


@dataclass(frozen=True)
class Benchmark:
    """
    A checked benchmark that has not started.

    Attributes
    ----------
    runs : tuple of Run
        Runs pair by pair, those of one pair in the order of the methods.
    folder : Path
        Folder of the tables and pictures.
    split : PaperSplit or None
        Scenes for training and test, if the protocol of the paper is followed.
    """

    runs: tuple[Run, ...]
    folder: Path
    split: PaperSplit | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes that are printed with the tables."""
        if self.split is None or not self.runs:
            return ()
        return (self.split.note(self.runs[0].case.settings),)


@dataclass(frozen=True)
class BenchmarkOutcome:
    """
    The outcome of a benchmark.

    Attributes
    ----------
    folder : Path
        Folder of the tables and pictures.
    rows : tuple of RunRow
        A row for each run.
    seconds : float
        Wall time.
    files : tuple of Path
        Files written.
    notes : tuple of str
        Notes that are printed with the tables.
    """

    folder: Path
    rows: tuple[RunRow, ...]
    seconds: float
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[RunRow, ...]:
        """The runs without figures."""
        return tuple(row for row in self.rows if not row.good)

    def __str__(self) -> str:
        """Return the tables of the runs, as the command prints them."""
        from hsfuse.benchmarking.text import summarise_benchmark

        return summarise_benchmark(self)

    def _repr_html_(self) -> str:
        """Return a table of the runs for notebooks."""
        rows = [
            (
                row.method,
                row.scene,
                row.kind,
                row.status,
                "" if row.psnr is None else f"{row.psnr:.2f}",
                "" if row.sam is None else f"{row.sam:.3f}",
                row.message,
            )
            for row in self.rows
        ]
        head = ("method", "scene", "pair", "status", "PSNR [dB]", "SAM [degrees]", "message")
        return html_table(f"{len(rows)} runs in {self.seconds:.0f} s", rows, head)

    def as_dict(self) -> dict[str, object]:
        """Return the outcome in JSON types."""
        return {
            "folder": str(full_path(self.folder)),
            "seconds": self.seconds,
            "files": [str(path) for path in self.files],
            "failed": len(self.failed),
            "notes": list(self.notes),
            "runs": [row.as_dict() for row in self.rows],
        }
