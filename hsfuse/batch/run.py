"""
Batches: many pairs of a manifest, fused in parallel processes.

A pair is planned first, which gives its memory, and fused as soon as memory and workers allow.
Outputs do not depend on these, so a batch gives the same outputs as `hsfuse run`. Outputs that are
finished with the same inputs and options are skipped; interrupted ones are resumed.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from hsfuse.batch.columns import is_missing
from hsfuse.batch.execution import Execution, Progress, Rows
from hsfuse.batch.index import INDEX, write_index
from hsfuse.batch.manifest import Manifest, Pairs, read_manifest
from hsfuse.batch.memory import memory_budget
from hsfuse.batch.outcome import Batch, BatchOutcome
from hsfuse.batch.pool import Pool
from hsfuse.batch.schedule import set_limits
from hsfuse.batch.status import STATUS, SUMMARY, StatusFile, write_summary
from hsfuse.errors import OutputError, PlanError, RasterError
from hsfuse.fusion.settings import Settings, with_choices
from hsfuse.io.files.url import Url, as_path
from hsfuse.io.output.input_files import check_not_input
from hsfuse.nets.weights import find_weights
from hsfuse.parallel import ShownProgress, local_workers, pick_device, shown_progress
from hsfuse.sensor.catalogue import known_sensor

__all__ = ["execute_batch", "plan_batch", "prepare_batch", "run_batch"]

_LOG = logging.getLogger(__name__)


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
    Fuse many pairs of files, each as by :func:`hsfuse.run`, in parallel processes.

    A script must call this under ``if __name__ == "__main__":``, since the processes import the
    script.

    Parameters
    ----------
    manifest : path, tuple of str, or sequence of mappings
        A file of CSV or JSON lines with the columns ``scene`` and ``rgb``, optionally ``out``, or
        ``name`` for an output ``<name>_fused``, and options of a run; a STAC ItemCollection; two
        patterns of file names with the same ``{names}``; or rows. Paths are relative to the folder
        of the manifest, otherwise to the current folder.
    out : str or Path
        Folder of the outputs; created if it does not exist.
    settings : Settings, optional
        Settings of all pairs, which rows may replace. ``workers`` is the number for all pairs
        together. Finished outputs with the same inputs and options are skipped, and interrupted
        ones are resumed; outputs with other inputs or options are errors unless ``overwrite`` is
        set, which replaces them.
    memory : int or str, optional
        Memory of all processes together, such as ``"8GB"``; by default three quarters of the
        available memory. It limits the estimated memory of the pairs; it is not enforced.
    suffix : str
        Suffix of outputs without a given name: ``.tif``, ``.zarr``, ``.dat`` or ``.nc``.
    assets : tuple of str, optional
        Keys of the assets of STAC items with the HS and the MS image; by default they are found
        by key or role (``hyperspectral``, ``rgb``, ``multispectral``, ...).
    share_psf : bool
        Where the width of the PSF is unknown, estimate it from the first three pairs of a sensor
        couple and use it for the others instead of separate estimates.
    quicklook : bool
        Write ``<output>.png`` in addition to the record ``<output>.json``.
    page : bool
        Write the report ``<output>.html``, see :func:`hsfuse.write_html_report`.
    progress : callable or True, optional
        Called with the number of ended pairs and of all pairs; True shows a progress bar.
    **choices
        Fields of :class:`~hsfuse.fusion.settings.Settings` that replace those of ``settings``.

    Returns
    -------
    BatchOutcome
        Status of each pair; also written to ``batch.jsonl``, a log of all events, to the table
        ``batch.csv``, and to ``index.html`` with links to all reports. A pair that fails
        does not stop the others.

    Raises
    ------
    ManifestError
        With all errors of the manifest, before anything runs. A pair with a missing file fails
        like one with a damaged file; that all pairs lack a file is an error of the manifest.
    PlanError, OutputError
        If the settings or the folder of the batch are not valid.
    TypeError
        If an option is unknown.
    """
    settings = with_choices(settings or Settings(), choices, "run_batch")
    batch = prepare_batch(
        manifest, out, settings, memory=memory, suffix=suffix, assets=assets, share_psf=share_psf
    )
    with shown_progress(progress, "pairs") as bar:
        return execute_batch(batch, quicklook=quicklook, page=page, progress=bar)


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
    """Check a batch of :func:`run_batch`; nothing is written."""
    if settings.scheduler != "local":
        raise PlanError(
            "the pairs of a batch run in processes of this machine: scheduler must be local, got "
            f"{settings.scheduler}"
        )
    for sensor in (settings.hs_sensor, settings.rgb_sensor):
        known_sensor(sensor, None)
    for mask in (settings.hs_mask, settings.rgb_mask):
        if mask is not None and is_missing(mask):
            raise RasterError(f"{mask}: no such file")
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
    contents: Manifest = read_manifest(manifest, folder, settings, suffix=suffix, assets=assets)
    inputs = [file for pair in contents.pairs for file in pair.inputs]
    if isinstance(manifest, str | os.PathLike):
        inputs.append(manifest)
    check_not_input([folder / name for name in (STATUS, SUMMARY, INDEX)], inputs)
    cores = local_workers(settings.workers, pick_device(settings.device))
    limits = set_limits(memory_budget(memory), cores, len(contents.pairs))
    workers = max(1, limits.workers // limits.processes)
    pairs = tuple(
        replace(pair, settings=replace(pair.settings, workers=workers)) for pair in contents.pairs
    )
    return Batch(pairs, folder, limits, settings.overwrite, contents.notes, share_psf)


def plan_batch(
    batch: Batch, *, quicklook: bool = True, page: bool = True, progress: Progress | None = None
) -> BatchOutcome:
    """Plan each pair of a batch, with size, memory and time; nothing is written."""
    started = time.monotonic()
    rows = Rows(batch.pairs, progress)
    with Pool(batch.limits.processes) as pool:
        execution = Execution(batch, pool, rows, quicklook=quicklook, page=page, dry_run=True)
        shared = execution.execute()
    return BatchOutcome(batch, tuple(rows.now), time.monotonic() - started, shared)


def execute_batch(
    batch: Batch,
    *,
    quicklook: bool = True,
    page: bool = True,
    progress: Progress | None = None,
) -> BatchOutcome:
    """
    Execute a batch; see :func:`run_batch`.

    Raises
    ------
    KeyboardInterrupt
        On an interrupt, after the summary is written; the same call continues the batch.
    """
    _make_folders(batch)
    started = time.monotonic()
    status = StatusFile(batch.folder)
    rows = Rows(batch.pairs, progress, status)
    try:
        with Pool(batch.limits.processes) as pool:
            shared = Execution(batch, pool, rows, quicklook=quicklook, page=page).execute()
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
