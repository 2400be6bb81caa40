"""Pictures show all methods that have planes, on one scale."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from hsfuse.benchmarking import pictures
from hsfuse.benchmarking.maps import read_maps, read_truth, write_maps, write_truth
from hsfuse.core.metrics import spectral_angles

OFF = {"close": 0.01, "far": 0.1}


@pytest.fixture(scope="module")
def truth(made_cubes: list[xr.DataArray]) -> xr.DataArray:
    return made_cubes[0].assign_coords(good=("band", np.ones(8, bool)))


@pytest.fixture(scope="module")
def maps(truth: xr.DataArray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the planes of two methods, one ten times as far off as the other."""
    folder = tmp_path_factory.mktemp("maps")
    noise = np.random.default_rng(0).standard_normal(truth.shape).astype(np.float32)
    write_truth(truth, folder, "case")
    for name, level in OFF.items():
        write_maps(truth, truth + level * noise, folder, "case", name)
    return folder


def test_planes_are_those_of_the_cubes(maps, truth) -> None:
    """The band is at four fifths of the spectrum, and angles are those of the metric."""
    band, text = read_truth(maps, "case")
    np.testing.assert_array_equal(band, truth.values[5])
    assert text == "band 6 (700 nm)"
    far = read_maps(maps, "case", "far")
    assert far.band.shape == far.angle.shape == truth.shape[1:]
    rms = np.sqrt(np.mean((far.band - band) ** 2))
    assert rms == pytest.approx(OFF["far"], rel=0.1)
    assert far.angle.mean() > 5 * read_maps(maps, "case", "close").angle.mean()
    angle = spectral_angles(truth.values, truth.values)
    assert angle.max() < 1e-3


def test_all_methods_have_one_scale(maps, monkeypatch) -> None:
    """The scale ends where the errors of all methods do; methods without planes are left out."""
    kept: list[Figure] = []
    monkeypatch.setattr(pictures, "_png", lambda figure: kept.append(figure) or b"PNG")
    methods = ["close", "missing", "far"]
    assert pictures.draw_band(maps, "case", methods, 1.0) == b"PNG"
    assert pictures.draw_angles(maps, "case", methods) == b"PNG"
    errors, angles = (
        [image for axes in figure.axes for image in axes.images if image.colorbar or image.norm]
        for figure in kept
    )
    scales = {image.norm.vmax for image in errors if image.cmap.name == "inferno"}
    assert len(scales) == 1
    assert scales.pop() == pytest.approx(100 * OFF["far"] * 2.05, rel=0.15)
    assert len({image.norm.vmax for image in angles}) == 1
    assert len(angles) == 2


def test_without_planes_there_is_no_picture(tmp_path) -> None:
    assert pictures.draw_band(tmp_path, "case", ["close"], 1.0) is None
    assert pictures.draw_angles(tmp_path, "case", ["close"]) is None
