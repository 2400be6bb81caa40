"""
Execution of a benchmark: runs one after the other in separate processes, then pictures.

A separate process gives each run its own peak memory, and isolates the benchmark from a crash.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from hsfuse.batch.pool import Ended, Pool
from hsfuse.benchmarking.outcome import Benchmark
from hsfuse.benchmarking.pictures import draw_angles, draw_band
from hsfuse.benchmarking.preparation import PreparedCase
from hsfuse.benchmarking.rows import RunLog, RunRow
from hsfuse.benchmarking.work import prepare_or_report, run_method
from hsfuse.io.files.reports import write_report

__all__ = ["Execution", "RunProgress", "draw_pictures", "picture_files"]

_LOG = logging.getLogger(__name__)

#: Called with the number of runs that ended, the number of all runs, and the title of the last one.
RunProgress = Callable[[int, int, str], None]
# Folder of the planes from which pictures are drawn.
_MAPS = "maps"


class Execution:
    """
    The state of a benchmark in progress.

    Parameters
    ----------
    benchmark : Benchmark
        The runs.
    log : RunLog
        Log to which finished runs are appended.
    pictures : bool
        Whether to store the planes from which pictures are drawn.
    progress : callable, optional
        See :data:`RunProgress`.

    Attributes
    ----------
    rows : list of RunRow
        A row for each run, pending until it ends.
    """

    def __init__(
        self, benchmark: Benchmark, log: RunLog, pictures: bool, progress: RunProgress | None
    ) -> None:
        self.benchmark, self.log, self.progress = benchmark, log, progress
        self.maps = benchmark.folder / _MAPS if pictures else None
        self.rows = [run.row for run in benchmark.runs]
        self.ended = 0

    def execute(self, done: dict[str, RunRow]) -> None:
        """Execute all runs without a finished row."""
        cases: dict[str, list[int]] = {}
        for index, run in enumerate(self.benchmark.runs):
            if run.row.request in done:
                self._finish(index, replace(done[run.row.request], status="done"))
            else:
                cases.setdefault(run.case.name, []).append(index)
        for indexes in cases.values():
            folder = Path(tempfile.mkdtemp(prefix=".work-", dir=self.benchmark.folder))
            try:
                self._fuse(indexes, folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def _fuse(self, indexes: Sequence[int], folder: Path) -> None:
        """Prepare one pair and fuse it by some methods."""
        runs = [self.benchmark.runs[index] for index in indexes]
        prepared = _call_isolated(prepare_or_report, runs[0].case, folder, self.maps)
        for index, run in zip(indexes, runs, strict=True):
            if not isinstance(prepared, PreparedCase):
                result: object = prepared
            else:
                result = _call_isolated(
                    run_method, run.row, run.case, prepared, run.weights, self.maps
                )
            if isinstance(result, Ended):
                result = f"its process {result.reason}, such as when memory is short"
            if isinstance(result, str):
                result = replace(run.row, status="failed", message=result)
            assert isinstance(result, RunRow)
            self._finish(index, result)

    def _finish(self, index: int, row: RunRow) -> None:
        self.rows[index] = row
        if row.status == "finished":
            self.log.append(row)
        if not row.good:
            _LOG.warning("%s %s: %s", row.scene, row.method, row.message)
        self.ended += 1
        if self.progress is not None:
            self.progress(self.ended, len(self.rows), row.title)


def _call_isolated(function: Callable[..., object], *arguments: object) -> object:
    """Return the result of a function called in a separate process."""
    with Pool(1) as pool:
        while not pool.idle:
            list(pool.results())
        pool.submit(0, function, *arguments)
        while True:
            for _, result in pool.results():
                return result


def picture_files(folder: Path, name: str) -> dict[str, Path]:
    """Return the pictures of a pair: of one band, and of the spectral angles."""
    return {kind: folder / f"{name}_{kind}.png" for kind in ("band", "sam")}


def draw_pictures(benchmark: Benchmark, rows: Sequence[RunRow]) -> list[Path]:
    """Draw the pictures of all pairs with a finished run; return their files."""
    written, maps = [], benchmark.folder / _MAPS
    peaks = {
        run.case.name: row.peak
        for run, row in zip(benchmark.runs, rows, strict=True)
        if row.peak is not None
    }
    methods = list(dict.fromkeys(row.method for row in rows))
    for name, peak in peaks.items():
        for kind, picture in (
            ("band", draw_band(maps, name, methods, peak)),
            ("sam", draw_angles(maps, name, methods)),
        ):
            if picture is not None:
                path = picture_files(benchmark.folder, name)[kind]
                written.append(write_report(path, picture))
    return written
