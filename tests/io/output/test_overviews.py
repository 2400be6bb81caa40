"""Overviews in stores of their own, computed in parts."""

from pathlib import Path

import numpy as np
import pytest
import zarr

from hsfuse.core.grid import Span
from hsfuse.core.overview import Halving, halve, halved_length
from hsfuse.io.output.layout import OutputLayout
from hsfuse.io.output.overviews import build_overviews
from hsfuse.io.output.planes import Piece, Planes
from hsfuse.io.output.zarr_layout import write_template

TRANSFORM = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)


def whole(planes: Planes) -> np.ndarray:
    """Return all values of some planes."""
    spans = Span(0, planes.rows), Span(0, planes.columns)
    return np.concatenate([planes.read(Piece(group, *spans)) for group in planes.groups])


def halved(values: np.ndarray, fill: float) -> np.ndarray:
    """Return the overview of an image in memory."""
    axes = [Halving(length, Span(0, halved_length(length))) for length in values.shape[1:]]
    margins = [(axis.margin, 0) for axis in axes]
    return halve(np.pad(values, ((0, 0), *margins), mode="edge"), axes[0], axes[1], fill)


@pytest.mark.parametrize(
    ("dtype", "rows", "columns", "chunk"),
    [
        ("float32", 96, 64, (2, 8, 8)),
        ("int16", 93, 71, (2, 8, 6)),
        ("float32", 99, 40, (5, 9, 7)),
        ("int16", 99, 40, (5, 9, 7)),
    ],
)
@pytest.mark.slow
def test_parts_make_the_overviews_of_the_whole(
    tmp_path: Path, dtype: str, rows: int, columns: int, chunk: tuple[int, int, int]
):
    """However many parts there are, odd sizes, chunks and a standard error included."""
    layout = OutputLayout(
        5, rows, columns, TRANSFORM, dtype=dtype, chunk=chunk, standard_error=True
    )
    write_template(tmp_path / "a.zarr", layout)
    draw = np.random.default_rng(0)
    values = (1000 * draw.standard_normal((6, rows, columns))).astype(dtype)
    values[:, draw.random((rows, columns)) < 0.2] = layout.fill
    zarr.open_array(tmp_path / "a.zarr", path="cube", mode="r+")[:] = values[:5]
    zarr.open_array(tmp_path / "a.zarr", path="standard_error", mode="r+")[:] = values[5]
    planes = Planes.open(tmp_path / "a.zarr")
    levels = build_overviews(
        planes,
        lambda number, *shape: planes.create(tmp_path / "levels" / str(number), *shape),
        longest=16,
        least=16,
        workers=2,
    )
    assert len(levels) == 3
    for level in levels:
        values = halved(values, layout.fill)
        assert level.count == 6
        np.testing.assert_allclose(whole(level), values, rtol=1e-6, atol=1e-3)
        values = whole(level)  # the next one is computed from it
