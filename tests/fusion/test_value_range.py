"""The output does not leave the physical range of the HS image, and what was limited is counted."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr

import hsfuse
from hsfuse.core.grid import Axis, Geometry
from hsfuse.core.psf import PSF
from hsfuse.fusion.block import fuse_block, fuse_input, read_block
from hsfuse.fusion.job import Outcome
from hsfuse.fusion.plan import plan_fusion
from hsfuse.fusion.run import run
from hsfuse.fusion.settings import Settings
from hsfuse.fusion.value_range import apply_lower_limit, find_lower_limit
from hsfuse.io.write import write_raster
from hsfuse.pair.patch import Patch
from hsfuse.pair.survey import Survey
from hsfuse.report.record import outcome_as_dict
from hsfuse.report.text import summarise

SETTINGS = Settings(method="bicubic", tile=64, align=False)


def survey_of(*bands: np.ndarray) -> Survey:
    """Return the survey of one window of HS bands."""
    coarse = np.stack(bands).astype(np.float32)
    axis = Axis(16, 8, 2.0)
    patch = Patch(coarse, np.ones((1, 16, 16), np.float32), Geometry(axis, axis), (0, 0))
    return Survey((patch,), PSF((1.0, 1.0)), np.ones(len(bands), bool), np.full(len(bands), np.nan))


@pytest.fixture
def spectra() -> np.ndarray:
    """Return three positive bands of 8 by 8 HS pixels."""
    draw = np.random.default_rng(0)
    return 1 + draw.uniform(size=(3, 1, 1)) * draw.uniform(size=(8, 8))


def test_the_limit_is_zero_or_the_smallest_value_of_a_band(spectra: np.ndarray):
    """A few negative values count for their own band; no data takes no part."""
    spectra[1, 2, 3], spectra[2, 4, 4] = -0.25, np.nan
    empty = np.full((8, 8), np.nan)
    found = find_lower_limit(survey_of(*spectra, empty))
    assert found.tolist() == [0.0, -0.25, 0.0, -np.inf]


def test_signed_data_have_no_limit(spectra: np.ndarray):
    """Standardised values are negative without being wrong."""
    signed = spectra - spectra.mean(axis=(1, 2), keepdims=True)
    assert np.isneginf(find_lower_limit(survey_of(*signed))).all()


def test_what_is_below_is_set_to_the_limit_and_counted():
    """Exactly, without no-data values and the band of standard errors after the others."""
    values = np.array([[[-1, 2, np.nan]], [[-0.5, -2, 0]], [[-9, -9, -9]]], np.float32)
    assert apply_lower_limit(values, np.array([0, -0.5], np.float32)) == 2
    expected = [[[0, 2, np.nan]], [[-0.5, -0.5, 0]], [[-9, -9, -9]]]
    assert np.array_equal(values, np.array(expected, np.float32), equal_nan=True)


@pytest.fixture(scope="module")
def dark(tmp_path_factory: pytest.TempPathFactory) -> Callable[[float], tuple[Path, Path]]:
    """Return what writes a pair of black and bright fields with an offset on the HS values."""

    def write(offset: float) -> tuple[Path, Path]:
        folder = tmp_path_factory.mktemp("dark")
        rows, columns = np.mgrid[:24, :28]
        fields = ((rows // 4 + columns // 6) % 2).astype(np.float32)
        coarse = np.stack([fields, 0.5 * fields, 0.2 + fields]) + np.float32(offset)
        fine = np.kron(fields, np.ones((4, 4), np.float32))[None]
        paths = folder / "scene.tif", folder / "rgb.tif"
        for path, values, pixel in zip(paths, (coarse, fine), (4.0, 1.0), strict=True):
            raster = xr.DataArray(
                values,
                dims=("band", "y", "x"),
                coords={
                    "y": 100 - pixel * (np.arange(values.shape[1]) + 0.5),
                    "x": pixel * (np.arange(values.shape[2]) + 0.5),
                },
            ).rio.write_crs("EPSG:32633")
            write_raster(raster, path)
        return paths

    return write


def pixels(outcome: Outcome) -> np.ndarray:
    """Return the cube of an output."""
    return hsfuse.open_raster(outcome.path).compute(scheduler="synchronous").to_numpy()


@pytest.mark.parametrize("method", ["bicubic", "guided"])
def test_no_value_is_below_zero_where_the_hs_image_has_none(
    dark: Callable[[float], tuple[Path, Path]], tmp_path: Path, method: str
):
    """Overshoots at edges are set to 0; summary and record count them, those resumed included."""
    settings, files = replace(SETTINGS, method=method), dark(0.0)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(*files, tmp_path / "out.zarr", settings, progress=interrupt)
    outcome = run(*files, tmp_path / "out.zarr", settings, resume=True)
    assert 0 < outcome.resumed < outcome.blocks
    plan = outcome.job.plan
    free = replace(plan, lower_limit=np.full(3, -np.inf, np.float32))
    below = 0
    for index in plan.blocks:
        unlimited, none = fuse_input(free, read_block(plan, *index))
        assert none == 0
        below += int(np.count_nonzero(unlimited < 0))
        assert np.array_equal(fuse_block(plan, *index), np.maximum(unlimited, 0))
    assert outcome.limited == below > 0
    assert pixels(outcome).min() == 0
    record = outcome_as_dict(outcome)["result"]
    assert isinstance(record, dict)
    assert record["limited_values"] == below
    share = f"{100 * outcome.limited_share:.2g}%"
    assert f"{share} of the fused values were below 0" in summarise(outcome)


def test_signed_data_are_as_they_were(dark: Callable[[float], tuple[Path, Path]], tmp_path: Path):
    """The same pair with an offset: the same values with that offset, overshoots included."""
    outcome = run(*dark(-0.4), tmp_path / "out.zarr", SETTINGS)
    assert outcome.limited == 0
    assert pixels(outcome).min() < -0.4
    assert "below" not in summarise(outcome)


def test_the_limit_is_part_of_the_plan(dark: Callable[[float], tuple[Path, Path]]):
    """A run with another limit is another run."""
    plan = plan_fusion(*map(hsfuse.open_raster, dark(0.0)), SETTINGS)
    assert replace(plan, lower_limit=plan.lower_limit - 1).digest != plan.digest
