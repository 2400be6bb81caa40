"""Shrunk views: the same from every kind of file, whatever the pieces."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import hsfuse.io.preview as preview
from hsfuse.core.grid import Span
from hsfuse.io.preview import preview_file, preview_raster, read_file_window, read_window
from hsfuse.io.read import open_raster
from hsfuse.io.settings import PreviewSettings
from hsfuse.io.write import write_raster


def raster() -> xr.DataArray:
    values = np.random.default_rng(0).uniform(size=(5, 70, 90)).astype(np.float32)
    values[:, 10:30, 40:60] = np.nan
    places = {"y": 70 - np.arange(70) - 0.5, "x": np.arange(90) + 0.5}
    array = xr.DataArray(values, dims=("band", "y", "x"), coords=places).chunk(y=32, x=32)
    return array.rio.write_crs("EPSG:32633")


def means(values: np.ndarray, step: int) -> np.ndarray:
    rows, columns = -(-values.shape[1] // step), -(-values.shape[2] // step)
    blocks = [
        [values[:, i * step : (i + 1) * step, j * step : (j + 1) * step] for j in range(columns)]
        for i in range(rows)
    ]
    found = np.full((len(values), rows, columns), np.nan)
    for i, j in np.ndindex(rows, columns):
        if np.isfinite(blocks[i][j]).any():
            found[:, i, j] = np.nanmean(blocks[i][j], axis=(1, 2))
    return found


@pytest.mark.parametrize("longest", [9, 20, 45, 90, 200])
def test_a_lazy_raster_is_averaged(longest: int):
    array = raster()
    found = preview_raster(array, [3, 0], longest)
    step = max(-(-90 // longest), 1)
    np.testing.assert_allclose(found, means(array.values[[3, 0]], step), rtol=1e-5)
    assert max(found.shape[1:]) <= longest


def test_pieces_leave_no_trace(monkeypatch: pytest.MonkeyPatch):
    whole = preview_raster(raster(), [1], 20)
    monkeypatch.setattr(preview, "PREVIEW", PreviewSettings(piece_values=650))
    np.testing.assert_array_equal(preview_raster(raster(), [1], 20), whole)


@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
@pytest.mark.parametrize("stored", [{}, {"dtype": "uint16", "scale": 1e-4}])
def test_a_file_shows_what_the_raster_shows(tmp_path: Path, name: str, stored: dict[str, object]):
    array = raster()
    path = write_raster(array, tmp_path / name, **stored)
    np.testing.assert_allclose(preview_file(path, [4, 2], 90), array.values[[4, 2]], atol=1e-4)
    shrunk = preview_file(path, [4], 18)
    assert shrunk.shape == (1, 14, 18)
    np.testing.assert_allclose(shrunk, means(array.values[[4]], 5), atol=0.02)


@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
def test_a_window_is_the_same_window(tmp_path: Path, name: str):
    array = raster()
    path = write_raster(array, tmp_path / name)
    window = Span(5, 25), Span(30, 44)
    found = read_window(open_raster(path), [2], *window)
    np.testing.assert_array_equal(found, array.values[[2], 5:25, 30:44])
    np.testing.assert_array_equal(read_file_window(path, *window), array.values[:, 5:25, 30:44])
