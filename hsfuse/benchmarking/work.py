"""
Work of the processes of a benchmark: preparation of a case, and a run of one method with scores.

Both functions take picklable values, and return errors instead of raising them.
"""

from __future__ import annotations

import logging
import math
import shutil
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hsfuse.assessment import assess_fused
from hsfuse.benchmarking.cases import Case
from hsfuse.benchmarking.maps import write_maps
from hsfuse.benchmarking.preparation import PreparedCase, prepare_case
from hsfuse.benchmarking.rows import RunRow
from hsfuse.errors import HsfuseError, PlanError, WeightsError, message_of
from hsfuse.evaluation import evaluate
from hsfuse.fusion.digest import versions
from hsfuse.fusion.job import Job, Outcome
from hsfuse.fusion.run import execute, prepare
from hsfuse.methods import find_method
from hsfuse.nets.weights import Card

__all__ = ["prepare_or_report", "run_method"]

# Figures of a row, with the names of :class:`Score` and :class:`Assessment`.
_WITH_TRUTH = (
    "bands", "pixels", "peak", "rmse", "rmse_8bit", "psnr", "sam", "ssim", "ergas", "uiqi", "cc",
)  # fmt: skip
_WITHOUT_TRUTH = ("qnr", "hqnr", "d_lambda", "d_lambda_k", "d_s")

_LOG = logging.getLogger(__name__)


def prepare_or_report(case: Case, folder: Path, maps: Path | None) -> PreparedCase | str:
    """Return the files of a case, or an error message."""
    try:
        return prepare_case(case, folder, maps)
    except Exception as error:  # noqa: BLE001 - a pair must not stop the others
        return _reason(error, case.name)


def run_method(
    row: RunRow, case: Case, prepared: PreparedCase, weights: Sequence[Card], maps: Path | None
) -> RunRow:
    """
    Return the row of a run with its figures, or with an error message.

    Parameters
    ----------
    row : RunRow
        Pending row of the case and the method.
    case : Case
        The case.
    prepared : PreparedCase
        Files of the case.
    weights : sequence of Card
        Weights to try in order.
    maps : Path or None
        Folder of the maps for pictures; None for no maps.
    """
    out = prepared.folder / f"{row.method}.zarr"
    try:
        job, card = _planned(row.method, prepared, weights, out)
        outcome = execute(job)
        memory = peak_memory()  # before the output is compared
        row = _with_run(row, outcome, card, memory)
        if prepared.observed is not None:
            assessment, _ = assess_fused(out, prepared.observed)
            figures: dict[str, Any] = {
                name: _finite(getattr(assessment, name)) for name in _WITHOUT_TRUTH
            }
            return replace(row, **figures)
        if prepared.truth is None:
            return row
        score = evaluate(prepared.truth, out, ratio=prepared.ratio, peak=prepared.peak)
        if maps is not None:
            write_maps(prepared.truth, out, maps, case.name, row.method)
        return replace(row, **{name: getattr(score, name) for name in _WITH_TRUTH})
    except Exception as error:  # noqa: BLE001 - a method must not stop the others
        return replace(row, status="failed", message=_reason(error, f"{case.name} {row.method}"))
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _planned(
    method: str, prepared: PreparedCase, weights: Sequence[Card], out: Path
) -> tuple[Job, Card | None]:
    """Return the planned run with the first weights that fit the pair."""
    takes = find_method(method).takes_weights
    if takes and not weights:
        raise PlanError(
            f"{method}: all weights were trained on this scene, or there are none; expected others "
            f"by `--weights {method}=FILE`"
        )
    refused: WeightsError | None = None
    for card in weights if takes else [None]:
        settings = replace(
            prepared.settings,
            method=method,
            weights=None if card is None else card.path,
            overwrite=True,
        )
        try:
            job = prepare(prepared.scene, prepared.rgb, out, settings)
        except WeightsError as error:
            refused = error
            continue
        if job.plan.fuser.name != method:
            raise PlanError(
                f"{method}: {job.plan.fuser.name} would fuse this pair in its place "
                f"({'; '.join(job.plan.fuser.notes)})"
            )
        return job, card
    raise refused or PlanError(f"{method}: no weights fit this pair")


def _with_run(row: RunRow, outcome: Outcome, card: Card | None, memory: int) -> RunRow:
    return replace(
        row,
        status="finished",
        weights="" if card is None else f"{card.name} {card.sha256[:12]}",
        hs_consistency=_finite(outcome.spatial.relative),
        ms_consistency=_finite(outcome.spectral.relative),
        seconds=outcome.job.seconds + outcome.seconds,
        planning_seconds=outcome.job.seconds,
        memory_bytes=memory,
        gpu_bytes=_gpu_memory(),
        version=versions()["hsfuse"],
    )


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def peak_memory() -> int:
    """
    Return the peak resident memory of this process in bytes.

    On Linux it is the peak of the kernel: ``ru_maxrss`` includes the parent process.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def _gpu_memory() -> int | None:
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None


def _reason(error: Exception, name: str) -> str:
    """Return an error as one line; log unexpected errors with their traceback."""
    text = " ".join(message_of(error).split())
    if isinstance(error, HsfuseError):
        return text
    _LOG.error("%s: %s", name, traceback.format_exc())
    return f"{type(error).__name__}: {text}"
