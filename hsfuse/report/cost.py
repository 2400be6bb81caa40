"""Time and memory of the report of a run, estimated before the run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

from hsfuse.core.text import byte_size, duration

if TYPE_CHECKING:
    from hsfuse.fusion.job import Job

__all__ = [
    "HELD_VALUES",
    "Files",
    "ReportCost",
    "describe_memory",
    "describe_time",
    "report_cost",
    "report_files",
]

#: Maximum number of values of a fused raster held in memory: 256 MB of float32.
HELD_VALUES = 2**26

#: The files of a report: record, picture and page; record and picture; or none.
Files = Literal["page", "picture", "none"]

# CPU seconds on the machine of reference (hsfuse/core/pace): of the picture, of a page, and of a
# page for each value and each band of the output.
_PICTURE, _PAGE, _VALUE, _BAND = 2.5, 2.3, 5e-8, 0.012
# Bytes of the libraries with the drawing of pictures, of a page, and of a page for each byte of an
# output that it holds in memory; of a larger output, which is read by tiles, for each band.
_LIBRARIES, _SPECTRA, _HELD, _READ = 650_000_000, 200_000_000, 3.2, 2_400_000


class ReportCost(NamedTuple):
    """
    Cost of the report of a run.

    Attributes
    ----------
    seconds : float
        Time on one core of this machine, as busy as it was while planning.
    memory_bytes : int
        Peak memory of the process.
    """

    seconds: float
    memory_bytes: int


def report_files(*, picture: bool, page: bool) -> Files:
    """Return what a report consists of; a page comes with a picture."""
    return "page" if page else "picture" if picture else "none"


def report_cost(job: Job, files: Files = "page") -> ReportCost:
    """
    Return the cost of the report of a planned run.

    Parameters
    ----------
    job : Job
        From :func:`hsfuse.fusion.run.prepare`.
    files : {"page", "picture", "none"}
        What is written.
    """
    if files == "none":
        return ReportCost(0.0, 0)
    if files == "picture":
        return ReportCost(job.pace * _PICTURE, _LIBRARIES)
    size, bands = math.prod(job.plan.shape), job.plan.shape[0]
    values = min(size, HELD_VALUES)
    seconds = job.pace * (_PICTURE + _PAGE + _VALUE * values + _BAND * bands)
    pixels = int(_HELD * 4 * size) if size <= HELD_VALUES else _READ * bands
    return ReportCost(seconds, _LIBRARIES + _SPECTRA + pixels)


def describe_memory(job: Job, report: ReportCost) -> str:
    """Return the estimates of the peak memory of the run and of the report after it."""
    if job.cluster is not None:
        text = f"about {byte_size(job.memory_bytes)} a dask worker"
        return (
            f"{text}; the report about {byte_size(report.memory_bytes)}" if report.seconds else text
        )
    text = f"about {byte_size(max(job.memory_bytes, report.memory_bytes))}"
    return f"{text}, while the report is made" if report.memory_bytes > job.memory_bytes else text


def describe_time(job: Job, report: ReportCost) -> str:
    """Return the time of planning, and the estimates of what follows."""
    planning = f"{duration(job.seconds)} planning (done)"
    reporting = f"about {duration(report.seconds)} report" if report.seconds else ""
    if job.expected is None:
        where = "on a cluster" if job.cluster else "for an output this small"
        text = f"{planning}; the time of fusing and writing is not estimated {where}"
        return f"{text}; {reporting}" if reporting else text
    fusing = f"about {duration(job.expected.total)} fusing and writing"
    parts = ", ".join(part for part in (fusing, reporting) if part)
    return f"{planning}, then {parts} on this machine"
