"""
Pictures of a benchmark, in the layout of figures 3 and 4 of the publication.

For each pair: one band of every method with its error image, and the spectral angles, all methods
on a common scale.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hsfuse.benchmarking.maps import Maps, read_maps, read_truth
from hsfuse.core.picture import stretch_limits

__all__ = ["draw_angles", "draw_band"]

Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Style:
    """Style of the pictures."""

    # Panels in a row, side of a panel in inches, pixels per inch, and font size in points.
    columns: int = 6
    width: float = 2.1
    dpi: int = 110
    text: float = 9.0
    # Percentile of the values of all methods at the upper end of the scale of errors and angles, so
    # that few large values do not darken the rest.
    top: float = 98.0
    errors: str = "inferno"


_STYLE = _Style()


def draw_band(folder: Path, case: str, methods: Sequence[str], peak: float) -> bytes | None:
    """
    Draw one band of every method, and its absolute error in % of the peak.

    Parameters
    ----------
    folder : Path
        Folder of the maps, see :mod:`hsfuse.benchmarking.maps`.
    case : str
        Name of the pair.
    methods : sequence of str
        Methods in order; those without maps are omitted.
    peak : float
        Largest possible value.

    Returns
    -------
    bytes or None
        PNG image; None where there are no maps.
    """
    truth, maps_by_method = read_truth(folder, case), _read_all_maps(folder, case, methods)
    if truth is None or not maps_by_method:
        return None
    reference, text = truth
    low, high = (float(limit[0]) for limit in stretch_limits(reference[None]))
    errors = {
        name: 100 / peak * np.abs(maps.band - reference) for name, maps in maps_by_method.items()
    }
    panels = {"reference": reference, **{name: maps.band for name, maps in maps_by_method.items()}}
    figure, axes = _sheet(len(panels), rows_per_panel=2, shape=reference.shape)
    figure.suptitle(f"{case}: {text}; below, absolute error", x=0.01, ha="left", fontsize=11)
    scale = Normalize(0, _top(list(errors.values())))
    for (name, plane), (above, below) in zip(panels.items(), axes, strict=False):
        above.imshow(plane, cmap="gray", vmin=low, vmax=high)
        above.set_title(name, fontsize=_STYLE.text)
        if name in errors:
            drawn = below.imshow(errors[name], cmap=_STYLE.errors, norm=scale)
    bar = figure.colorbar(drawn, ax=figure.axes, extend="max", shrink=0.6)
    bar.set_label("% of the peak", fontsize=_STYLE.text)
    return _png(figure)


def draw_angles(folder: Path, case: str, methods: Sequence[str]) -> bytes | None:
    """
    Draw the spectral angles of every method; parameters as in :func:`draw_band`.

    Returns
    -------
    bytes or None
        PNG image; None where there are no maps.
    """
    maps_by_method = _read_all_maps(folder, case, methods)
    if not maps_by_method:
        return None
    angles = {name: maps.angle for name, maps in maps_by_method.items()}
    shape = next(iter(angles.values())).shape
    figure, axes = _sheet(len(angles), rows_per_panel=1, shape=shape)
    figure.suptitle(f"{case}: spectral angle", x=0.01, ha="left", fontsize=11)
    scale = Normalize(0, _top(list(angles.values())))
    for (name, plane), (panel,) in zip(angles.items(), axes, strict=False):
        drawn = panel.imshow(plane, cmap=_STYLE.errors, norm=scale)
        valid = plane[np.isfinite(plane)]
        title = f"{name}, mean {valid.mean():.2f}°" if valid.size else name
        panel.set_title(title, fontsize=_STYLE.text)
    bar = figure.colorbar(drawn, ax=figure.axes, extend="max", shrink=0.6)
    bar.set_label("degrees", fontsize=_STYLE.text)
    return _png(figure)


def _read_all_maps(folder: Path, case: str, methods: Sequence[str]) -> dict[str, Maps]:
    maps_by_method = {name: read_maps(folder, case, name) for name in methods}
    return {name: maps for name, maps in maps_by_method.items() if maps is not None}


def _top(planes: Sequence[NDArray[np.floating]]) -> float:
    """Return the upper end of the common scale."""
    values = np.concatenate([plane[np.isfinite(plane)] for plane in planes])
    return max(float(np.percentile(values, _STYLE.top)), 1e-9) if values.size else 1.0


def _sheet(
    panels: int, *, rows_per_panel: int, shape: tuple[int, ...]
) -> tuple[Figure, list[tuple[Axes, ...]]]:
    """Return a figure and the axes of each panel, ``rows_per_panel`` in a column."""
    columns = min(panels, _STYLE.columns)
    lines = math.ceil(panels / columns)
    height = _STYLE.width * min(max(shape[0] / shape[1], 0.4), 2.0) + 0.25
    size = columns * _STYLE.width + 1.2, lines * rows_per_panel * height + 0.5
    figure = Figure(figsize=size, dpi=_STYLE.dpi, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(lines * rows_per_panel, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    places = [divmod(index, columns) for index in range(panels)]
    panel_axes = [
        tuple(grid[line * rows_per_panel + below][column] for below in range(rows_per_panel))
        for line, column in places
    ]
    return figure, panel_axes


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()
