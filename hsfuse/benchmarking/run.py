"""
Benchmarks: methods compared on pairs simulated from cubes, or on a real pair.

A pair is simulated and fused by one method after the other as by :func:`hsfuse.run`, and the
outputs are compared with the reference. Runs that finished with the same inputs and options are not
repeated, and a run that fails does not stop the others.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from hsfuse.benchmarking.cases import list_cubes, list_pair
from hsfuse.benchmarking.execution import Execution, RunProgress, draw_pictures, picture_files
from hsfuse.benchmarking.outcome import Benchmark, BenchmarkOutcome, Run
from hsfuse.benchmarking.protocol import PaperSplit, paper_settings, paper_split
from hsfuse.benchmarking.rows import (
    LOG,
    TABLE,
    RunLog,
    finished_rows,
    write_rows,
)
from hsfuse.benchmarking.settings import BenchmarkSettings
from hsfuse.benchmarking.tables import as_markdown
from hsfuse.benchmarking.weights import candidate_weights
from hsfuse.errors import OutputError, PlanError
from hsfuse.fusion.settings import PathLike
from hsfuse.io.files.reports import write_report
from hsfuse.io.output.input_files import check_not_input
from hsfuse.methods import find_method
from hsfuse.parallel import ShownProgress, shown_progress

__all__ = [
    "execute_benchmark",
    "plan_benchmark",
    "prepare_benchmark",
    "run_benchmark",
]

# The Markdown tables, and the scenes for training and test of the protocol of the paper.
_TABLES, _SPLIT = "benchmark.md", "split.json"


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

    A pair is simulated for every cube, sensor and ratio, and fused by every method, each run in a
    separate process; so a script must call this under ``if __name__ == "__main__":``.

    Parameters
    ----------
    cubes : sequence of path
        Paths of hyperspectral cubes with wavelengths, as in :func:`hsfuse.open_raster`.
    out : str or Path
        Folder of the tables and pictures; created if it does not exist.
    settings : BenchmarkSettings, optional
        Settings of the benchmark.
    pair : tuple of path, optional
        HS and MS image of a real pair instead of cubes. It is fused at reduced resolution, where
        the HS image is the reference, and at full resolution without a reference.
    protocol : {"paper"}, optional
        Follow the protocol of the publication of `ms-ssfnet`: ``cubes`` is the folder of Harvard,
        ICVL or NUS, see :mod:`hsfuse.benchmarking.protocol`. The split is written to
        ``split.json``.
    overwrite : bool
        Repeat runs that finished with the same inputs and options.
    pictures : bool
        Draw one band with its error, and the spectral angles, of all methods for each pair.
    progress : callable or True, optional
        Called with the number of ended runs and of all runs; True shows a progress bar.
    **choices
        Fields of :class:`~hsfuse.benchmarking.settings.BenchmarkSettings` that replace those of
        ``settings``.

    Returns
    -------
    BenchmarkOutcome
        A row for each run, also written to ``benchmark.csv``, and averaged over scenes to
        ``benchmark.md``. A run that fails does not stop the others.

    Raises
    ------
    HsfuseError
        If the settings or inputs of the benchmark are not valid.
    TypeError
        If an option is unknown.
    """
    options = [f.name for f in fields(BenchmarkSettings)]
    if unknown := [name for name in choices if name not in options]:
        raise TypeError(
            f"run_benchmark() got an unexpected option {unknown[0]!r}; expected "
            f"{', '.join(options)}"
        )
    settings = replace(settings or BenchmarkSettings(), **choices)
    benchmark = prepare_benchmark(cubes, out, settings, pair=pair, protocol=protocol)
    with shown_progress(progress, "runs") as bar:
        counted = None if bar is None else lambda done, total, _: bar(done, total)
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
    """Check a benchmark of :func:`run_benchmark` and list its runs; nothing is written."""
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
    written = [folder / name for name in (LOG, TABLE, _TABLES, _SPLIT)]
    written += [file for case in cases for file in picture_files(folder, case.name).values()]
    check_not_input(written, [file for case in cases for file in case.files])
    return Benchmark(tuple(runs), folder, split)


def _check_methods(settings: BenchmarkSettings) -> None:
    """Check that methods have the weights that they need, before a cube is read."""
    for method in settings.chosen_methods:
        files = settings.weights.get(method, ())
        if find_method(method).needs_weights and not files:
            raise PlanError(
                f"{method} needs weights, and none come with hsfuse; expected "
                f"`--weights {method}=FILE`"
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
    """Return the finished runs and those that would be executed; nothing is written."""
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
    Execute a benchmark; see :func:`run_benchmark`. ``progress`` also gets the title of each run.

    Raises
    ------
    KeyboardInterrupt
        On an interrupt, after the tables are written; the same call continues the benchmark.
    """
    started = time.monotonic()
    try:
        benchmark.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{benchmark.folder}: cannot be made ({error.strerror or error})"
        ) from error
    log = RunLog(benchmark.folder)
    execution = Execution(benchmark, log, pictures, progress)
    try:
        execution.execute({} if overwrite else finished_rows(benchmark.folder))
    finally:
        log.close()
        files = [
            write_rows(benchmark.folder, execution.rows),
            write_report(benchmark.folder / _TABLES, as_markdown(execution.rows, benchmark.notes)),
        ]
    if benchmark.split is not None:
        files.append(write_report(benchmark.folder / _SPLIT, benchmark.split.as_json()))
    if pictures:
        files += draw_pictures(benchmark, execution.rows)
    seconds = time.monotonic() - started
    return BenchmarkOutcome(
        benchmark.folder, tuple(execution.rows), seconds, tuple(files), benchmark.notes
    )
