"""A batch that is to run, and its outcome."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from hsfuse.batch.manifest import BatchPair
from hsfuse.batch.schedule import Limits
from hsfuse.batch.status import PairStatus
from hsfuse.core.text import duration, html_table, percent
from hsfuse.errors import as_arguments
from hsfuse.io.files.location import full_path

__all__ = ["Batch", "BatchOutcome"]


@dataclass(frozen=True)
class Batch:
    """
    A checked batch that has not started.

    Attributes
    ----------
    pairs : tuple of BatchPair
        Pairs in the order of the manifest.
    folder : Path
        Folder of the outputs.
    limits : Limits
        Memory, workers and processes.
    overwrite : bool
        Replace outputs of other inputs or options.
    notes : tuple of str
        Notes on files that belong to no pair.
    share_psf : bool
        Use the FWHM of the PSF estimated from the first pairs of a sensor couple for its others.
    """

    pairs: tuple[BatchPair, ...]
    folder: Path
    limits: Limits
    overwrite: bool
    notes: tuple[str, ...] = ()
    share_psf: bool = False


@dataclass(frozen=True)
class BatchOutcome:
    """
    The outcome of a batch.

    Attributes
    ----------
    batch : Batch
        The batch.
    pairs : tuple of PairStatus
        Pairs in the order of the manifest.
    seconds : float
        Wall time from the first pair to the last.
    shared : tuple of str
        Descriptions of the FWHM that the pairs of each sensor couple share.
    status_file, summary, index : Path or None
        Report files of the batch; None for a dry run.
    """

    batch: Batch = field(repr=False)
    pairs: tuple[PairStatus, ...]
    seconds: float
    shared: tuple[str, ...] = ()
    status_file: Path | None = None
    summary: Path | None = None
    index: Path | None = None

    def as_dict(self) -> dict[str, object]:
        """Return the outcome in JSON types."""
        return {
            "folder": str(full_path(self.batch.folder)),
            "limits": self.batch.limits._asdict(),
            "notes": list(self.batch.notes),
            "seconds": self.seconds,
            "shared": list(self.shared),
            "status_file": None if self.status_file is None else str(self.status_file),
            "summary": None if self.summary is None else str(self.summary),
            "index": None if self.index is None else str(self.index),
            "failed": len(self.failed),
            "pairs": [asdict(row) for row in self.pairs],
        }

    @property
    def failed(self) -> tuple[PairStatus, ...]:
        """Pairs without the requested output."""
        return tuple(row for row in self.pairs if not row.good)

    def __str__(self) -> str:
        """Return the table of the pairs, as the command prints it."""
        from hsfuse.batch.text import summarise_batch, summarise_plans

        planned = self.status_file is None
        return as_arguments(summarise_plans(self) if planned else summarise_batch(self))

    def _repr_html_(self) -> str:
        """Return a table of the pairs for notebooks."""
        rows = [
            (
                Path(row.out).name,
                row.status,
                "" if row.hs_consistency is None else percent(row.hs_consistency),
                "" if row.ms_consistency is None else percent(row.ms_consistency),
                row.quality,
                "" if row.seconds is None else duration(row.seconds),
                as_arguments("; ".join(text for text in (row.message, *row.warnings) if text)),
            )
            for row in self.pairs
        ]
        head = (
            "output",
            "status",
            "HS consistency (all bands)",
            "MS consistency (all bands)",
            "quality",
            "time",
            "message",
        )
        return html_table(f"{len(rows)} pairs in {self.seconds:.0f} s", rows, head)
