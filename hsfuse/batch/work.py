"""
Work of the processes of a batch: find the sensor couple of a pair, plan it, or execute its plan.

All functions take picklable values, and return errors instead of raising them.
"""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from hsfuse.batch.existing import inspect_output, unrecorded_message
from hsfuse.batch.manifest import BatchPair
from hsfuse.batch.sharing import Couple, WidthEstimate, find_couple, width_of_plan
from hsfuse.batch.status import PairStatus
from hsfuse.errors import HsfuseError
from hsfuse.fusion.job import LIBRARY_BYTES, Job
from hsfuse.fusion.run import execute, prepare
from hsfuse.io.files.replacement import write_file
from hsfuse.io.output.creation import count_partial
from hsfuse.io.output.journal import PartialOutput
from hsfuse.io.output.leftover import find_leftover, remove_leftover
from hsfuse.io.output.records import read_record, record_path
from hsfuse.io.output.store import Store
from hsfuse.report.cost import Files, report_cost
from hsfuse.report.files import write_page, write_quicklook, write_sidecar
from hsfuse.report.record import as_json, plan_as_dict

__all__ = ["Planned", "fuse_pair", "look_up_pair", "plan_pair"]

_LOG = logging.getLogger(__name__)

_Words = ParamSpec("_Words")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Planned:
    """
    A planned pair.

    Attributes
    ----------
    status : PairStatus
        Status with the figures of the plan.
    worker_bytes : int
        Estimate of the memory of each worker in bytes.
    report_bytes : int
        Estimate of the memory of its report in bytes, without libraries.
    blocks : int
        Number of blocks of the output.
    job : bytes
        The pickled :class:`hsfuse.fusion.job.Job`, which the main process does not unpickle; empty
        in a dry run.
    width : WidthEstimate or None
        Estimate of the FWHM of its PSF.
    """

    status: PairStatus
    worker_bytes: int
    report_bytes: int
    blocks: int
    job: bytes
    width: WidthEstimate | None


def _reported(
    function: Callable[Concatenate[BatchPair, _Words], _Result],
) -> Callable[Concatenate[BatchPair, _Words], _Result | PairStatus]:
    """Return a function that returns a failed status instead of raising an error."""

    @wraps(function)
    def call(
        pair: BatchPair, /, *words: _Words.args, **options: _Words.kwargs
    ) -> _Result | PairStatus:
        try:
            return function(pair, *words, **options)
        except HsfuseError as error:
            return PairStatus.of(pair, "failed", error.message)
        except Exception as error:  # noqa: BLE001 - a pair must not stop the others
            _LOG.error("%s: %s", pair.out, traceback.format_exc())
            return PairStatus.of(pair, "failed", f"{type(error).__name__}: {error}")

    return call


@_reported
def look_up_pair(pair: BatchPair) -> Couple:
    """Return the sensor couple of a pair."""
    return find_couple(pair)


@_reported
def plan_pair(
    pair: BatchPair, overwrite: bool, files: Files = "none", dry_run: bool = False
) -> PairStatus | Planned:
    """
    Plan a pair, unless its output is finished.

    Parameters
    ----------
    pair : BatchPair
        The pair.
    overwrite : bool
        Replace an output, or a partial output, of other inputs or options.
    files : {"page", "picture", "none"}
        Files of its report.
    dry_run : bool
        Write nothing, and return no job.
    """
    existing = inspect_output(pair)
    if existing.state == "same":
        if not dry_run:
            remove_leftover(pair.out)
        return PairStatus.from_record(pair, "done", existing.record, existing.message)
    if existing.state == "other" and not overwrite:
        return PairStatus.of(pair, "differs", existing.message)
    replaced = existing.state != "absent"
    unfinished = find_leftover(pair.out) or any(count_partial(pair.out))
    settings = replace(pair.settings, overwrite=replaced, resume=unfinished)
    out = pair.out
    if dry_run:  # the folder may not exist
        out = next(parent for parent in out.absolute().parents if parent.is_dir()) / out.name
    job = prepare(pair.scene, pair.rgb, out, settings, dry_run=dry_run)
    if existing.state == "unrecorded":
        same = existing.plan == job.plan.digest
        if same and not unfinished:
            return PairStatus.of(pair, "done") if dry_run else _record_plan(pair, job)
        if not (same or overwrite):
            return PairStatus.of(pair, "differs", unrecorded_message(pair.out))
    if settings.resume and not Store(job.out, job.layout, job.plan.digest).is_resumable():
        if not overwrite:
            message = (
                f"{PartialOutput(pair.out).partial}: left by a run with other inputs, options or "
                "versions; pass `--overwrite` to start this pair again"
            )
            return PairStatus.of(pair, "differs", message)
        job = replace(job, settings=replace(settings, overwrite=True, resume=False))
    return _planned(pair, job, files, dry_run)


@_reported
def fuse_pair(pair: BatchPair, job: bytes, workers: int, quicklook: bool, page: bool) -> PairStatus:
    """
    Execute the plan of a pair, and write its record.

    Parameters
    ----------
    pair : BatchPair
        The pair.
    job : bytes
        Pickled job of :func:`plan_pair`.
    workers : int
        Number of blocks fused in parallel.
    quicklook, page : bool
        Whether to write the quicklook and the report.
    """
    planned: Job = pickle.loads(job)
    outcome = execute(replace(planned, settings=replace(planned.settings, workers=workers)))
    write_sidecar(outcome)  # first: the record marks the output as finished
    if quicklook:
        write_quicklook(outcome)
    if page:
        write_page(outcome)
    return PairStatus.from_record(pair, "finished", read_record(outcome.path))


def _planned(pair: BatchPair, job: Job, files: Files, dry_run: bool) -> Planned:
    bands, rows, columns = job.plan.shape
    report = report_cost(job, files)
    status = PairStatus.of(
        pair,
        "planned",
        planning_seconds=job.seconds,
        expected_seconds=None if job.expected is None else job.expected.total,
        report_seconds=report.seconds,
        workers=min(job.workers, len(job.plan.blocks)),
        memory_bytes=max(job.memory_bytes, report.memory_bytes),
        bands=bands,
        rows=rows,
        columns=columns,
        bytes=job.output_bytes,
        blocks=len(job.plan.blocks),
        warnings=tuple(filter(None, (job.plan.radiometry.warning,))),
        notes=job.plan.notes,
    )
    content = b"" if dry_run else pickle.dumps(job)
    width = width_of_plan(job.plan)
    reporting = max(0, report.memory_bytes - LIBRARY_BYTES)
    return Planned(status, job.block_bytes, reporting, len(job.plan.blocks), content, width)


def _record_plan(pair: BatchPair, job: Job) -> PairStatus:
    """Write the missing record of a finished output, whose batch was stopped before it."""
    record = plan_as_dict(job)
    write_file(record_path(pair.out), f"{as_json(record)}\n".encode())
    message = "finished earlier, and its record was not written: there are no figures"
    return PairStatus.from_record(pair, "done", json.loads(as_json(record)), message)
