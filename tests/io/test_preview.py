"""Shrunk views: the same from every kind of file, whatever the pieces."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import hsfuse.io.preview as preview
from hsfuse.core.grid import Span
from hsfuse.io.levels import preview_file
from hsfuse.io.preview import preview_raster, read_file_window, read_window
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
    step = 8  # a power of two, as those of overviews
    shrunk = preview_file(path, [4], 18)
    assert shrunk.shape == (1, -(-70 // step), -(-90 // step))
    np.testing.assert_allclose(shrunk, means(array.values[[4]], step), atol=0.02)


def test_a_store_is_shown_from_its_levels(tmp_path: Path):
    """Of a store without the pixels of full resolution as of the whole one."""
    values = np.random.default_rng(1).uniform(size=(2, 300, 520)).astype(np.float32)
    places = {"y": 300 - np.arange(300) - 0.5, "x": np.arange(520) + 0.5}
    array = xr.DataArray(values, dims=("band", "y", "x"), coords=places).chunk(y=128, x=128)
    path = write_raster(array.rio.write_crs("EPSG:32633"), tmp_path / "out.zarr")
    whole = preview_file(path, [1], 260)
    np.testing.assert_allclose(whole, means(values[[1]], 2), rtol=1e-4)
    shutil.rmtree(path / "cube" / "c")
    np.testing.assert_array_equal(preview_file(path, [1], 260), whole)


@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
def test_a_window_is_the_same_window(tmp_path: Path, name: str):
    array = raster()
    path = write_raster(array, tmp_path / name)
    window = Span(5, 25), Span(30, 44)
    found = read_window(open_raster(path), [2], *window)
    np.testing.assert_array_equal(found, array.values[[2], 5:25, 30:44])
    np.testing.assert_array_equal(read_file_window(path, *window), array.values[:, 5:25, 30:44])
