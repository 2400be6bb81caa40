"""Texts of a benchmark for the terminal."""

from __future__ import annotations

from collections import Counter

from hsfuse.benchmarking.outcome import Benchmark, BenchmarkOutcome
from hsfuse.benchmarking.tables import as_markdown

__all__ = ["describe_benchmark", "summarise_benchmark", "summarise_plan"]


def describe_benchmark(benchmark: Benchmark) -> str:
    """Return a description of the compared methods and pairs."""
    cases = {run.case.name for run in benchmark.runs}
    methods = list(dict.fromkeys(run.row.method for run in benchmark.runs))
    return (
        f"pairs: {len(cases)}; methods: {', '.join(methods)}\n"
        f"tables and pictures are written to {benchmark.folder}"
    )


def summarise_plan(outcome: BenchmarkOutcome) -> str:
    """Return a line for each run, and the number of finished runs."""
    lines = [
        f"{row.status:<9}{row.method:<18}{row.scene} ({row.dataset}), {row.kind}, "
        f"ratio {row.ratio:.4g} {row.rgb_sensor}".rstrip()
        for row in outcome.rows
    ]
    return "\n".join([*lines, _count(outcome)])


def summarise_benchmark(outcome: BenchmarkOutcome) -> str:
    """Return the tables and the list of files written."""
    files = "\n".join(f"  {path}" for path in outcome.files)
    return f"{as_markdown(outcome.rows, outcome.notes)}\n{_count(outcome)}\nwritten:\n{files}"


def _count(outcome: BenchmarkOutcome) -> str:
    counts = Counter(row.status for row in outcome.rows)
    return ", ".join(f"{number} {status}" for status, number in counts.items())
