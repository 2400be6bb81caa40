"""`fuse` takes what a run takes and gives what a run gives."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

import hsfuse
from hsfuse.errors import PairError, PlanError, RasterError

CHOICES = {"method": "bicubic", "align": False, "tile": 64}


def values(path: Path) -> np.ndarray:
    """Return the pixels of a file."""
    return hsfuse.open_raster(path).compute(scheduler="synchronous").to_numpy()


@pytest.fixture(scope="module")
def mask(files: Path) -> Path:
    """Return a mask of the scene that hides some pixels."""
    with rasterio.open(files / "scene.tif") as source:
        flags = np.ones(source.shape, np.uint8)
        flags[4:7, 5:9] = 0
        profile = source.profile | {"count": 1, "dtype": "uint8", "nodata": None}
    with rasterio.open(files / "scene-mask.tif", "w", **profile) as target:
        target.write(flags, 1)
    return files / "scene-mask.tif"


def test_a_written_lazy_result_is_the_output_of_a_run(
    files: Path, mask: Path, tmp_path: Path
) -> None:
    """Paths or rasters, with a mask: the same pixels both ways."""
    scene, rgb = files / "scene.tif", files / "rgb.tif"
    done = hsfuse.run(scene, rgb, tmp_path / "run.zarr", hs_mask=mask, **CHOICES)
    expected = values(done.path)
    assert np.isnan(expected).any()
    assert np.isfinite(expected).any()
    rasters = hsfuse.open_raster(scene), hsfuse.open_raster(rgb)
    for name, pair in (("paths", (scene, rgb)), ("rasters", rasters)):
        lazy = hsfuse.fuse(*pair, hs_mask=mask, **CHOICES)
        assert lazy.data.numblocks[1:] == (3, 3)
        path = hsfuse.write_raster(lazy, tmp_path / f"{name}.zarr")
        assert np.array_equal(values(path), expected, equal_nan=True)


def test_a_mask_of_another_grid_is_refused(files: Path, mask: Path) -> None:
    """For a raster as for a file."""
    rgb = hsfuse.open_raster(files / "rgb.tif")
    for fine in (rgb, files / "rgb.tif"):
        with pytest.raises(RasterError, match="expected a mask of the same rows and columns"):
            hsfuse.fuse(files / "scene.tif", fine, rgb_mask=mask, **CHOICES)


def test_what_is_wrong_is_refused_before_the_survey(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options, files and a ratio of 1, in one line each."""

    def survey(*_: object, **__: object) -> None:
        pytest.fail("the pair was surveyed")

    monkeypatch.setattr("hsfuse.fusion.plan.survey_for", survey)
    scene, rgb = files / "scene.tif", files / "rgb.tif"
    for pair, choices, error, message in (
        ((scene, rgb), {"method": "magic"}, PlanError, "method must be one of"),
        ((scene, rgb), {"tile": 0}, PlanError, "tile must be at least 1"),
        ((scene, tmp_path / "no.tif"), {}, RasterError, "no such file"),
        ((scene, scene), {}, PairError, "spans 1 by 1"),
    ):
        with pytest.raises(error, match=message):
            hsfuse.fuse(*pair, **(CHOICES | choices))
    with pytest.raises(TypeError, match="overwrite"):
        hsfuse.fuse(scene, rgb, overwrite=True)
