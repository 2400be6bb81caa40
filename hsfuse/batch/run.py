"""
Many pairs from a manifest to finished outputs: pairs run in processes of their own, side by side.

A pair is planned first, which says what it takes, and fused as soon as memory and workers allow.
The bits of an output do not depend on either, so a batch gives what `hsfuse run` gives. What is
finished, with the same inputs and options, is left; what was interrupted is resumed.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hsfuse.batch.execution import Execution, Progress, Rows
from hsfuse.batch.index import write_index
from hsfuse.batch.manifest import BatchPair, Manifest, Pairs, read_manifest
from hsfuse.batch.memory import memory_budget
from hsfuse.batch.pool import Pool
from hsfuse.batch.schedule import (
    Limits,
    set_limits,
)
from hsfuse.batch.status import STATUS, PairStatus, StatusFile, write_summary
from hsfuse.core.text import html_table
from hsfuse.errors import OutputError, PlanError
from hsfuse.fusion.settings import Settings, with_choices
from hsfuse.io.url import Url, as_path
from hsfuse.nets.weights import find_weights
from hsfuse.parallel import ShownProgress, local_workers, pick_device, shown_progress
from hsfuse.sensor.catalogue import known_sensor

__all__ = ["Batch", "BatchOutcome", "execute_batch", "plan_batch", "prepare_batch", "run_batch"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """
    A batch that is checked and has not begun.

    Attributes
    ----------
    pairs : tuple of BatchPair
        In the order of the manifest.
    folder : Path
        Of the outputs.
    limits : Limits
        Memory, workers and processes.
    overwrite : bool
        Replace outputs of other inputs or options.
    notes : tuple of str
        Files that are in no pair.
    share_psf : bool
        Give the FWHM that the first pairs of a sensor couple show to its others.
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
    What became of a batch.

    Attributes
    ----------
    batch : Batch
        What was asked.
    pairs : tuple of PairStatus
        In the order of the manifest.
    seconds : float
        From the first pair to the last.
    shared : tuple of str
        What the pairs of each sensor couple share, a sentence each.
    status_file, summary, index : Path or None
        The three files of the batch; None for a dry run.
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
            "folder": str(self.batch.folder.absolute()),
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
        """The pairs whose outputs are not as asked."""
        return tuple(row for row in self.pairs if not row.good)

    def _repr_html_(self) -> str:
        """Return a row for each pair as a notebook shows them."""
        rows = [
            (
                Path(row.out).name,
                row.status,
                "" if row.hs_consistency is None else f"{row.hs_consistency:.2%}",
                "" if row.ms_consistency is None else f"{row.ms_consistency:.2%}",
                "" if row.seconds is None else f"{row.seconds:.1f}",
                row.message,
            )
            for row in self.pairs
        ]
        head = ("output", "status", "HS consistency", "MS consistency", "seconds", "message")
        return html_table(f"{len(rows)} pairs in {self.seconds:.0f} s", rows, head)


def run_batch(
    manifest: Pairs,
    out: str | Path,
    settings: Settings | None = None,
    *,
    memory: int | str | None = None,
    suffix: str = ".tif",
    assets: tuple[str, str] | None = None,
    share_psf: bool = False,
    quicklook: bool = True,
    page: bool = True,
    progress: ShownProgress | None = None,
    **choices: Any,
) -> BatchOutcome:
    """
    Fuse many pairs of files, each as :func:`hsfuse.run` does, in processes of their own.

    A script that calls it does so under ``if __name__ == "__main__":``, since the processes import
    the script.

    Parameters
    ----------
    manifest : path, tuple of str, or sequence of mappings
        CSV or JSON lines with the columns ``scene`` and ``rgb``, optionally ``out``, or ``name``
        for an output ``<name>_fused``, and options of a run; a STAC ItemCollection; two patterns
        of files with the same ``{names}``; or rows. Paths count from the folder of the manifest,
        otherwise from the current one.
    out : str or Path
        Folder of the outputs; made if there is none.
    settings : Settings, optional
        Of all pairs, as far as their rows do not say otherwise. ``workers`` are those of all pairs
        together. An output that is finished with the same inputs and options is left, and an
        interrupted one is resumed; ``overwrite`` replaces those of other inputs or options, which
        otherwise are failures.
    memory : int or str, optional
        That all processes together may take, such as ``"8GB"``; by default three quarters of
        what is available. What pairs take is estimated; it is no limit of the system.
    suffix : str
        ``.tif``, ``.zarr``, ``.dat`` or ``.nc``, of outputs that the manifest does not name.
    assets : tuple of str, optional
        Keys of the assets of STAC items that are HS and MS image; by default they are found by
        key or role (``hyperspectral``, ``rgb``, ``multispectral``, ...).
    share_psf : bool
        Where the width of the PSF is not known, estimate it from the first three pairs of a sensor
        couple, and give it to the others: their own estimates are left out.
    quicklook : bool
        Write ``<output>.png`` besides the record ``<output>.json``.
    page : bool
        Write the report ``<output>.html``, see :func:`hsfuse.write_html_report`.
    progress : callable or True, optional
        Called with the number of pairs that are over and of all; True shows a bar.
    **choices
        Fields of :class:`~hsfuse.fusion.settings.Settings` that replace those of ``settings``.

    Returns
    -------
    BatchOutcome
        What became of each pair; also in ``batch.jsonl``, to which a line is added for every
        event, in the table ``batch.csv``, and on the page ``index.html`` with links to all
        reports. A pair that fails stops no other.

    Raises
    ------
    ManifestError
        With all faults of the manifest, before anything runs.
    PlanError, OutputError
        If the batch as a whole cannot be done.
    TypeError
        If there is no such option.
    """
    settings = with_choices(settings or Settings(), choices, "run_batch")
    batch = prepare_batch(
        manifest, out, settings, memory=memory, suffix=suffix, assets=assets, share_psf=share_psf
    )
    with shown_progress(progress, "pairs") as shown:
        return execute_batch(batch, quicklook=quicklook, page=page, progress=shown)


def prepare_batch(
    manifest: Pairs,
    out: str | Path,
    settings: Settings,
    *,
    memory: int | str | None = None,
    suffix: str = ".tif",
    assets: tuple[str, str] | None = None,
    share_psf: bool = False,
) -> Batch:
    """Return the checked batch of :func:`run_batch`; nothing is written yet."""
    if settings.scheduler != "local":
        raise PlanError(
            "the pairs of a batch run in processes of this machine: scheduler must be local, got "
            f"{settings.scheduler}"
        )
    for sensor in (settings.hs_sensor, settings.rgb_sensor):
        known_sensor(sensor, None)
    if settings.weights is not None:
        find_weights(os.fspath(settings.weights))
    folder = as_path(out)
    if isinstance(folder, Url):
        raise OutputError(
            f"{folder}: expected a folder on this machine for the outputs of a batch; `hsfuse run` "
            "writes to an object store"
        )
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is no folder; expected the folder of the outputs")
    found: Manifest = read_manifest(manifest, folder, settings, suffix=suffix, assets=assets)
    cores = local_workers(settings.workers, pick_device(settings.device))
    limits = set_limits(memory_budget(memory), cores, len(found.pairs))
    each = max(1, limits.workers // limits.processes)
    pairs = tuple(
        replace(pair, settings=replace(pair.settings, workers=each)) for pair in found.pairs
    )
    return Batch(pairs, folder, limits, settings.overwrite, found.notes, share_psf)


def plan_batch(batch: Batch, *, progress: Progress | None = None) -> BatchOutcome:
    """Return the plan of each pair of a batch: size, memory and time; nothing is written."""
    started = time.monotonic()
    rows = Rows(batch.pairs, progress)
    with Pool(batch.limits.processes) as pool:
        shared = Execution(batch, pool, rows, dry_run=True).work()
    return BatchOutcome(batch, tuple(rows.now), time.monotonic() - started, shared)


def execute_batch(
    batch: Batch,
    *,
    quicklook: bool = True,
    page: bool = True,
    progress: Progress | None = None,
) -> BatchOutcome:
    """
    Carry out a batch; see :func:`run_batch`.

    Raises
    ------
    KeyboardInterrupt
        As it came; the summary is written first, and another batch goes on from there.
    """
    _make_folders(batch)
    started = time.monotonic()
    status = StatusFile(batch.folder)
    rows = Rows(batch.pairs, progress, status)
    try:
        with Pool(batch.limits.processes) as pool:
            shared = Execution(batch, pool, rows, quicklook=quicklook, page=page).work()
    except BaseException:
        rows.stop()
        raise
    finally:
        status.close()
        summary = write_summary(batch.folder, rows.now)
        index = write_index(batch.folder, rows.now)
    seconds = time.monotonic() - started
    files = batch.folder / STATUS, summary, index
    return BatchOutcome(batch, tuple(rows.now), seconds, shared, *files)


def _make_folders(batch: Batch) -> None:
    for folder in dict.fromkeys([batch.folder, *(pair.out.parent for pair in batch.pairs)]):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be made ({error.strerror or error})") from error
