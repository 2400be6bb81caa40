"""Markdown tables of a benchmark, with methods as rows, in the layout of the publication."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import NamedTuple

from hsfuse.benchmarking.rows import RunRow

__all__ = ["as_markdown"]


class _Figure(NamedTuple):
    """A column: its figure, its format, and which value is best."""

    title: str
    attribute: str
    digits: int
    best: Callable[[Sequence[float]], float] | None = None
    unit: float = 1.0


_QUALITY = (
    _Figure("RMSE", "rmse_8bit", 2, min),
    _Figure("PSNR", "psnr", 2, max),
    _Figure("SAM", "sam", 2, min),
    _Figure("SSIM", "ssim", 4, max),
)
_FURTHER = (
    _Figure("ERGAS", "ergas", 2, min),
    _Figure("UIQI", "uiqi", 4, max),
)
_WITHOUT_TRUTH = (
    _Figure("QNR", "qnr", 4, max),
    _Figure("HQNR", "hqnr", 4, max),
    _Figure("D_lambda", "d_lambda", 4, min),
    _Figure("D_lambda K", "d_lambda_k", 4, min),
    _Figure("D_s", "d_s", 4, min),
)
_CONSISTENCY = (
    _Figure("HS consistency %", "hs_consistency", 2, None, 0.01),
    _Figure("MS consistency %", "ms_consistency", 2, None, 0.01),
)
_COST = (
    _Figure("seconds", "seconds", 1),
    _Figure("peak MB", "memory_bytes", 0, None, 1e6),
)


@dataclass(frozen=True)
class _Group:
    """Runs whose figures are averaged in one table."""

    kind: str
    ratio: float | None
    rgb_sensor: str
    psf: str
    noise: tuple[float | None, float | None]

    @property
    def title(self) -> str:
        """Description of the common properties of the runs."""
        words = [
            f"ratio {self.ratio:.4g}" if self.ratio else "",
            self.rgb_sensor,
            f"PSF {self.psf}",
        ]
        if self.kind == "simulated":
            hs, ms = ("none" if snr is None else f"{snr:g} dB" for snr in self.noise)
            words.append("no noise" if self.noise == (None, None) else f"noise HS {hs}, MS {ms}")
        return f"{self.kind}, " + ", ".join(word for word in words if word)


def as_markdown(rows: Sequence[RunRow], notes: Sequence[str] = ()) -> str:
    """
    Return the tables of all runs, one for each ratio, sensor, PSF and noise.

    Parameters
    ----------
    rows : sequence of RunRow
        Rows in the order of the methods.
    notes : sequence of str
        Paragraphs before the tables.
    """
    groups: dict[_Group, list[RunRow]] = {}
    for row in rows:
        noise = row.hs_snr, row.ms_snr
        group = _Group(row.kind, row.ratio, row.rgb_sensor, row.psf, noise)
        groups.setdefault(group, []).append(row)
    parts = ["# Benchmark", *notes, _legend(rows)]
    for group, mine in groups.items():
        parts.append(f"## {group.title[0].upper()}{group.title[1:]}")
        if group.kind != "full resolution":
            parts.append(_table(mine, _QUALITY))
            parts.append(_table(mine, (*_FURTHER, *_COST)))
        else:
            parts.append(_table(mine, _WITHOUT_TRUTH))
            parts.append(_table(mine, (*_CONSISTENCY, *_COST)))
    failed = [row for row in rows if row.status == "failed"]
    if failed:
        lines = (
            f"- {row.method} on {row.scene} ({row.dataset}), {row.kind}, ratio "
            f"{'?' if row.ratio is None else format(row.ratio, 'g')}: {row.message}"
            for row in failed
        )
        parts.append("## Failed runs\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _legend(rows: Sequence[RunRow]) -> str:
    versions = sorted({row.version for row in rows if row.version})
    return (
        "Mean ± standard deviation over the scenes. RMSE on the scale 0 to 255, PSNR in dB, SAM in "
        "degrees, ERGAS in %; seconds include planning, the peak memory is that of a process of "
        "its own with its libraries. The best mean is bold; n is given where a method has not "
        f"finished all scenes. hsfuse {', '.join(versions) or 'has finished no run'}."
    )


def _table(rows: Sequence[RunRow], figures: Sequence[_Figure]) -> str:
    """Return one table, with the figures of each data set in adjacent columns."""
    sets = list(dict.fromkeys(row.dataset for row in rows))
    methods = list(dict.fromkeys(row.method for row in rows))
    scenes = {name: len({row.scene for row in rows if row.dataset == name}) for name in sets}
    header = ["method"] + [
        f"{name} ({scenes[name]}) {figure.title}" if index == 0 else figure.title
        for name in sets
        for index, figure in enumerate(figures)
    ]
    cells: dict[str, list[str]] = {method: [] for method in methods}
    for name in sets:
        for figure in figures:
            column = {method: _values(rows, name, method, figure.attribute) for method in methods}
            for method, text in _column(column, figure, scenes[name]).items():
                cells[method].append(text)
    lines = [header, ["---"] * len(header), *([method, *cells[method]] for method in methods)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _values(rows: Sequence[RunRow], dataset: str, method: str, attribute: str) -> list[float]:
    values = (
        getattr(row, attribute)
        for row in rows
        if (row.dataset, row.method) == (dataset, method) and row.status in ("finished", "done")
    )
    return [float(value) for value in values if value is not None and not math.isnan(value)]


def _column(column: dict[str, list[float]], figure: _Figure, scenes: int) -> dict[str, str]:
    """Return the cells of one column by method."""
    means = {method: mean(values) for method, values in column.items() if values}
    best = figure.best(list(means.values())) if figure.best and means else None
    cells = {}
    for method, values in column.items():
        if not values:
            cells[method] = "-"
            continue
        text = f"{means[method] / figure.unit:.{figure.digits}f}"
        if len(values) > 1:
            text += f" ± {stdev(values) / figure.unit:.{figure.digits}f}"
        if means[method] == best and len(means) > 1:
            text = f"**{text}**"
        cells[method] = text if len(values) == scenes else f"{text} (n = {len(values)})"
    return cells
