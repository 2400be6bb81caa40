"""
A benchmark from cubes or a pair to tables and pictures: each method in a process of its own.

A pair is simulated, fused by one method after the other as :func:`hsfuse.run` does, and what comes
out is compared with the truth. Runs that are finished with the same inputs and options are kept,
and a run that fails costs its row.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from hsfuse.batch.pool import Ended, Pool
from hsfuse.benchmarking.cases import Case, list_cubes, list_pair
from hsfuse.benchmarking.pictures import draw_angles, draw_band
from hsfuse.benchmarking.preparation import Prepared
from hsfuse.benchmarking.protocol import PaperSplit, paper_settings, paper_split
from hsfuse.benchmarking.rows import (
    RunLog,
    RunRow,
    finished_rows,
    write_rows,
)
from hsfuse.benchmarking.settings import BenchmarkSettings
from hsfuse.benchmarking.tables import as_markdown
from hsfuse.benchmarking.weights import candidate_weights
from hsfuse.benchmarking.work import prepare_or_say, run_method
from hsfuse.core.text import html_table
from hsfuse.errors import OutputError, PlanError
from hsfuse.fusion.settings import PathLike
from hsfuse.io.reports import write_report
from hsfuse.methods import find_method
from hsfuse.nets.weights import Card
from hsfuse.parallel import ShownProgress, shown_progress

__all__ = [
    "Benchmark",
    "BenchmarkOutcome",
    "execute_benchmark",
    "plan_benchmark",
    "prepare_benchmark",
    "run_benchmark",
]

_LOG = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
#: Called with the runs that are over, all of them, and what the last one was.
RunProgress = Callable[[int, int, str], None]

#: The Markdown tables, and the folder of the planes from which pictures are drawn.
TABLES, MAPS = "benchmark.md", "maps"
#: Scenes for training and test, of the protocol of the paper.
SPLIT = "split.json"


@dataclass(frozen=True)
class Run:
    """One method on one pair."""

    case: Case
    weights: tuple[Card, ...]
    row: RunRow


@dataclass(frozen=True)
class Benchmark:
    """
    A benchmark that is checked and has not begun.

    Attributes
    ----------
    runs : tuple of Run
        Pair by pair, those of one pair in the order of the methods.
    folder : Path
        Of the tables and pictures.
    split : PaperSplit or None
        Scenes for training and test, where the protocol of the paper is followed.
    """

    runs: tuple[Run, ...]
    folder: Path
    split: PaperSplit | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the tables say beside the figures."""
        if self.split is None or not self.runs:
            return ()
        return (self.split.note(self.runs[0].case.settings),)


@dataclass(frozen=True)
class BenchmarkOutcome:
    """
    What became of a benchmark.

    Attributes
    ----------
    folder : Path
        Of the tables and pictures.
    rows : tuple of RunRow
        One for each run.
    seconds : float
        That it took.
    files : tuple of Path
        That were written.
    notes : tuple of str
        What the tables say beside the figures.
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

    def _repr_html_(self) -> str:
        """Return a row for each run as a notebook shows them."""
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
            "folder": str(self.folder.absolute()),
            "seconds": self.seconds,
            "files": [str(path) for path in self.files],
            "failed": len(self.failed),
            "notes": list(self.notes),
            "runs": [row.as_dict() for row in self.rows],
        }


def run_benchmark(
    cubes: Sequence[PathLike] = (),
    out: str | Path = "benchmark",
    settings: BenchmarkSettings | None = None,
    *,
    pair: tuple[PathLike, PathLike] | None = None,
    protocol: str | None = None,
    overwrite: bool = False,
    pictures: bool = True,
    progress: ShownProgress | None = None,
    **choices: Any,
) -> BenchmarkOutcome:
    """
    Compare methods on pairs simulated from cubes, or on a real pair.

    Every cube is observed by every sensor at every ratio and fused by every method, each in a
    process of its own; a script that calls it does so under ``if __name__ == "__main__":``.

    Parameters
    ----------
    cubes : sequence of path
        Hyperspectral cubes with wavelengths, as :func:`hsfuse.open_raster` takes them.
    out : str or Path
        Folder of the tables and pictures; made if there is none.
    settings : BenchmarkSettings, optional
        What is asked.
    pair : tuple of path, optional
        HS and MS image of a real pair in place of cubes: it is fused at reduced resolution, where
        the HS image is the truth, and at full resolution, where there is none.
    protocol : {"paper"}, optional
        Follow the protocol of the publication of `ms-ssfnet`: ``cubes`` is the folder of Harvard,
        ICVL or NUS, see :mod:`hsfuse.benchmarking.protocol`. The split is written to
        ``split.json``.
    overwrite : bool
        Run again what is finished with the same inputs and options.
    pictures : bool
        Draw one band with its error and the spectral angles of all methods, for each pair.
    progress : callable or True, optional
        Called with the number of runs that are over and of all; True shows a bar.
    **choices
        Fields of :class:`~hsfuse.benchmarking.settings.BenchmarkSettings` that replace those of
        ``settings``.

    Returns
    -------
    BenchmarkOutcome
        A row for each run; also in ``benchmark.csv``, averaged over scenes in ``benchmark.md``. A
        run that fails stops no other.

    Raises
    ------
    HsfuseError
        If the benchmark as a whole cannot be done.
    TypeError
        If there is no such option.
    """
    known = [each.name for each in fields(BenchmarkSettings)]
    if unknown := [name for name in choices if name not in known]:
        raise TypeError(
            f"run_benchmark() got an unexpected option {unknown[0]!r}; expected {', '.join(known)}"
        )
    settings = replace(settings or BenchmarkSettings(), **choices)
    benchmark = prepare_benchmark(cubes, out, settings, pair=pair, protocol=protocol)
    with shown_progress(progress, "runs") as shown:
        counted = None if shown is None else lambda done, total, _: shown(done, total)
        return execute_benchmark(
            benchmark, overwrite=overwrite, pictures=pictures, progress=counted
        )


def prepare_benchmark(
    cubes: Sequence[PathLike],
    out: str | Path,
    settings: BenchmarkSettings,
    *,
    pair: tuple[PathLike, PathLike] | None = None,
    protocol: str | None = None,
) -> Benchmark:
    """Return the checked benchmark of :func:`run_benchmark`; nothing is written yet."""
    if bool(cubes) == (pair is not None):
        raise PlanError("expected either cubes or a pair")
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is no folder; expected the folder of the tables")
    _check_methods(settings)
    split = None
    if protocol is not None:
        split = _split(cubes, settings, protocol)
        cubes, settings = split.test, paper_settings(settings, split.dataset)
    cases = list_cubes(cubes, settings) if pair is None else list_pair(*pair, settings)
    runs = []
    for case in cases:
        for method in settings.chosen_methods:
            weights = candidate_weights(method, settings.weights.get(method, ()), case.scene)
            runs.append(Run(case, tuple(weights), case.row(method, weights)))
    return Benchmark(tuple(runs), folder, split)


def _check_methods(settings: BenchmarkSettings) -> None:
    """Refuse methods without the weights that they need, before any cube is read."""
    for method in settings.chosen_methods:
        files = settings.weights.get(method, ())
        if find_method(method).needs_weights and not files:
            raise PlanError(
                f"{method} needs weights, and none come with hsfuse; expected --weights "
                f"{method}=FILE"
            )
        candidate_weights(method, files, scene="")


def _split(cubes: Sequence[PathLike], settings: BenchmarkSettings, protocol: str) -> PaperSplit:
    if protocol != "paper":
        raise PlanError(f"protocol must be paper, got {protocol!r}")
    folders = [Path(cube) for cube in cubes]
    if len(folders) != 1 or not folders[0].is_dir():
        raise PlanError(
            "the protocol of the paper takes one folder, of Harvard, ICVL or NUS; got "
            f"{', '.join(map(str, folders)) or 'a pair'}"
        )
    return paper_split(folders[0], settings.seed)


def plan_benchmark(benchmark: Benchmark, *, overwrite: bool = False) -> BenchmarkOutcome:
    """Return which runs are done and which would be carried out; nothing is written."""
    done = {} if overwrite else finished_rows(benchmark.folder)
    rows = tuple(
        replace(done[run.row.request], status="done")
        if run.row.request in done
        else replace(run.row, status="planned")
        for run in benchmark.runs
    )
    return BenchmarkOutcome(benchmark.folder, rows, 0.0, notes=benchmark.notes)


def execute_benchmark(
    benchmark: Benchmark,
    *,
    overwrite: bool = False,
    pictures: bool = True,
    progress: RunProgress | None = None,
) -> BenchmarkOutcome:
    """
    Carry out a benchmark; see :func:`run_benchmark`. ``progress`` gets a text of each run as well.

    Raises
    ------
    KeyboardInterrupt
        As it came; the tables are written first, and the same benchmark goes on from there.
    """
    started = time.monotonic()
    try:
        benchmark.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{benchmark.folder}: cannot be made ({error.strerror or error})"
        ) from error
    log = RunLog(benchmark.folder)
    work = _Work(benchmark, log, pictures, progress)
    try:
        work.carry_out({} if overwrite else finished_rows(benchmark.folder))
    finally:
        log.close()
        files = [
            write_rows(benchmark.folder, work.rows),
            write_report(benchmark.folder / TABLES, as_markdown(work.rows, benchmark.notes)),
        ]
    if benchmark.split is not None:
        files.append(write_report(benchmark.folder / SPLIT, benchmark.split.as_json()))
    if pictures:
        files += _draw(benchmark, work.rows)
    seconds = time.monotonic() - started
    return BenchmarkOutcome(
        benchmark.folder, tuple(work.rows), seconds, tuple(files), benchmark.notes
    )


class _Work:
    """The runs of a benchmark on their way."""

    def __init__(
        self, benchmark: Benchmark, log: RunLog, pictures: bool, progress: RunProgress | None
    ) -> None:
        self.benchmark, self.log, self.progress = benchmark, log, progress
        self.maps = benchmark.folder / MAPS if pictures else None
        self.rows = [run.row for run in benchmark.runs]
        self.over = 0

    def carry_out(self, done: dict[str, RunRow]) -> None:
        """Carry out all runs that are not done."""
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
        """Fuse one pair by some methods."""
        runs = [self.benchmark.runs[index] for index in indexes]
        prepared = _alone(prepare_or_say, runs[0].case, folder, self.maps)
        for index, run in zip(indexes, runs, strict=True):
            if not isinstance(prepared, Prepared):
                found: object = prepared
            else:
                found = _alone(run_method, run.row, run.case, prepared, run.weights, self.maps)
            if isinstance(found, Ended):
                found = f"its process {found.reason}, such as when memory is short"
            if isinstance(found, str):
                found = replace(run.row, status="failed", message=found)
            assert isinstance(found, RunRow)
            self._finish(index, found)

    def _finish(self, index: int, row: RunRow) -> None:
        self.rows[index] = row
        if row.status == "finished":
            self.log.append(row)
        if not row.good:
            _LOG.warning("%s %s: %s", row.scene, row.method, row.message)
        self.over += 1
        if self.progress is not None:
            self.progress(self.over, len(self.rows), row.title)


def _alone(function: Callable[..., object], *words: object) -> object:
    """Return the result of a function that is called in a process of its own."""
    with Pool(1) as pool:
        while not pool.idle:
            list(pool.results())
        pool.submit(0, function, *words)
        while True:
            for _, result in pool.results():
                return result


def _draw(benchmark: Benchmark, rows: Sequence[RunRow]) -> list[Path]:
    """Draw the pictures of all pairs of which a method has finished."""
    written, maps = [], benchmark.folder / MAPS
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
                path = benchmark.folder / f"{name}_{kind}.png"
                written.append(write_report(path, picture))
    return written
