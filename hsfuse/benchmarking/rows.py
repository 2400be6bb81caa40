"""Rows: the figures, or the error, of each run of a benchmark."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from hsfuse.io.files.reports import open_lines, write_table

__all__ = ["LOG", "TABLE", "RunLog", "RunRow", "finished_rows", "write_rows"]

#: Names of the files in the folder of a benchmark.
LOG, TABLE = "benchmark.jsonl", "benchmark.csv"

Status = Literal["pending", "planned", "finished", "done", "failed"]


@dataclass(frozen=True, slots=True)
class RunRow:
    """
    The result of one method on one pair.

    Attributes
    ----------
    status : str
        ``finished`` in this benchmark, ``done`` in an earlier one, ``failed``, ``planned`` (by a
        dry run) or ``pending``.
    message : str
        Reason of a failure.
    dataset, scene, kind : str
        Data set, scene, and kind of the pair: ``simulated``, ``reduced resolution`` or
        ``full resolution``.
    ratio : float or None
        MS pixels per HS pixel.
    rgb_sensor, psf : str
        MS sensor and PSF of the HS sensor.
    hs_snr, ms_snr : float or None
        Signal-to-noise ratios in decibels; None without added noise.
    method, weights : str
        Method, and the name and hash of its weights.
    bands, pixels : int or None
        Number of bands and pixels compared.
    peak : float or None
        The largest possible value.
    rmse, rmse_8bit, psnr, sam, ssim, ergas, uiqi, cc : float or None
        See :class:`hsfuse.core.metrics.Score`; None without truth.
    qnr, hqnr, d_lambda, d_lambda_k, d_s : float or None
        See :class:`hsfuse.assessment.Assessment`; only at full resolution.
    hs_consistency, ms_consistency : float or None
        RMSE of the degraded output relative to the HS and to the MS image.
    seconds, planning_seconds : float or None
        Wall time of the run including planning, and of planning.
    memory_bytes, gpu_bytes : int or None
        Peak resident memory of the process including libraries, and peak memory of the GPU.
    version, request : str
        Version of hsfuse; hash of the request.
    """

    status: Status
    message: str
    dataset: str
    scene: str
    kind: str
    ratio: float | None
    rgb_sensor: str
    psf: str
    hs_snr: float | None
    ms_snr: float | None
    method: str
    weights: str = ""
    bands: int | None = None
    pixels: int | None = None
    peak: float | None = None
    rmse: float | None = None
    rmse_8bit: float | None = None
    psnr: float | None = None
    sam: float | None = None
    ssim: float | None = None
    ergas: float | None = None
    uiqi: float | None = None
    cc: float | None = None
    qnr: float | None = None
    hqnr: float | None = None
    d_lambda: float | None = None
    d_lambda_k: float | None = None
    d_s: float | None = None
    hs_consistency: float | None = None
    ms_consistency: float | None = None
    seconds: float | None = None
    planning_seconds: float | None = None
    memory_bytes: int | None = None
    gpu_bytes: int | None = None
    version: str = ""
    request: str = ""

    @property
    def title(self) -> str:
        """Case, method and status, for progress."""
        figure = "" if self.psnr is None else f", PSNR {self.psnr:.2f} dB"
        where = (
            f"{self.scene}, {self.kind}, ratio {'?' if self.ratio is None else f'{self.ratio:g}'}"
        )
        return f"{self.method} on {where}: {self.status}{figure}"

    @property
    def good(self) -> bool:
        """Whether the run did not fail."""
        return self.status != "failed"

    def as_dict(self) -> dict[str, object]:
        """Return the row in JSON types."""
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in asdict(self).items()
        }


class RunLog:
    """
    The log of finished runs of a folder, one line of JSON each, locked until it is closed.

    Parameters
    ----------
    folder : Path
        Folder of the benchmark.

    Raises
    ------
    OutputError
        If another benchmark has locked it, or it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._lines = open_lines(folder / LOG, "benchmark")

    def append(self, row: RunRow) -> None:
        """Append a run."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        line = json.dumps({"time": now, **row.as_dict()}, ensure_ascii=False)
        self._lines.append(line.encode())

    def close(self) -> None:
        """Close the file and release its lock."""
        self._lines.close()


def finished_rows(folder: Path) -> dict[str, RunRow]:
    """Return the last finished run of each request in the log of a folder."""
    path = folder / LOG
    names = {field.name for field in fields(RunRow)}
    finished = {}
    for line in path.read_bytes().splitlines() if path.is_file() else []:
        try:
            attributes = {name: value for name, value in json.loads(line).items() if name in names}
            row = RunRow(**attributes)
        except (ValueError, TypeError, AttributeError):  # truncated, or from another version
            continue
        if row.status == "finished":
            finished[row.request] = row
    return finished


def write_rows(folder: Path, rows: Sequence[RunRow]) -> Path:
    """
    Write the CSV table of a benchmark, one line for each run.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    names = [field.name for field in fields(RunRow)]
    return write_table(folder / TABLE, names, (row.as_dict() for row in rows))
