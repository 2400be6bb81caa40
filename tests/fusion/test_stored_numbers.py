"""The numbers of an output follow those of the HS image where it is an integer product."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
import zarr

from hsfuse.errors import PlanError
from hsfuse.fusion.run import prepare, run
from hsfuse.fusion.settings import Settings
from hsfuse.fusion.stored_numbers import StoredNumbers, choose_numbers
from hsfuse.io.read import open_raster
from hsfuse.io.write import write_raster
from hsfuse.report.text import describe_plan


def image(**source: Any) -> xr.DataArray:
    """Return an HS image of whose file that much is known."""
    return xr.DataArray(np.zeros(1), attrs={f"source_{k}": v for k, v in source.items()})


@pytest.mark.parametrize(
    ("choices", "source", "dtype", "reason"),
    [
        ({}, {"dtype": "int16", "scale": 1e-4}, "int16", "as the HS image is stored"),
        ({}, {"dtype": "float32"}, "float32", ""),
        ({}, {"dtype": "int16"}, "float32", "int16.*no scale"),
        ({}, {"dtype": "uint8", "scale": 0.1}, "float32", "uint8"),
        ({}, {"dtype": "uint16", "scale": [0.1, 0.2]}, "float32", "scale for each band"),
        ({}, {"dtype": "uint16", "scale": -1.0}, "float32", "scale -1"),
        ({"max_error": 1e-4}, {"dtype": "int16", "scale": 1e-4}, "float32", "stated precision"),
        ({"uncertainty": True}, {"dtype": "int16", "scale": 1e-4}, "float32", "standard errors"),
        ({"dtype": "float32"}, {"dtype": "int16", "scale": 1e-4}, "float32", ""),
        ({"dtype": "uint16", "scale": 0.5}, {"dtype": "int16", "scale": 1e-4}, "uint16", ""),
    ],
)
def test_only_integers_with_one_scale_are_followed_and_the_reason_is_given(
    choices: dict[str, Any], source: dict[str, Any], dtype: str, reason: str
) -> None:
    """What is asked for is done whatever the input is."""
    found = choose_numbers(Settings(**choices), image(**source))
    assert found.dtype == dtype
    assert bool(found.reason) == bool(reason)
    assert re.search(reason, found.reason)
    if dtype == "int16":
        assert found == StoredNumbers("int16", 1e-4, 0.0, found.reason)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"max_error": -1.0}, "`max_error` is a positive number"),
        ({"dtype": "int16", "scale": 1.0, "max_error": 0.1}, "`max_error` is for float32"),
        ({"scale": 0.1}, "without scaling"),
    ],
)
def test_numbers_that_contradict_each_other_are_refused(
    choices: dict[str, Any], message: str
) -> None:
    """Before anything is read."""
    with pytest.raises(PlanError, match=message):
        Settings(**choices)


@pytest.fixture(scope="module")
def packed(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the HS image of the pair, stored as integers with a scale and an offset."""
    path = tmp_path_factory.mktemp("packed") / "scene.tif"
    return write_raster(
        open_raster(files / "scene.tif"), path, dtype="int16", scale=2e-4, offset=0.1
    )


@pytest.mark.parametrize("name", ["out.tif", "out.zarr"])
def test_the_output_has_the_numbers_of_the_hs_image(
    files: Path, packed: Path, tmp_path: Path, name: str
) -> None:
    """They are half a step from the values of float32, and the plan says so, with both sizes."""
    settings = Settings(method="bicubic", align=False)
    plan = describe_plan(prepare(packed, files / "rgb.tif", tmp_path / name, settings))
    assert "int16 x 0.0002 + 0.1 as the HS image is stored" in plan
    assert "with --dtype float32" in plan
    values = []
    for dtype in ("input", "float32"):
        out = tmp_path / f"{dtype}-{name}"
        run(packed, files / "rgb.tif", out, settings, dtype=dtype)
        raster = open_raster(out)
        assert raster.attrs["source_dtype"] == ("int16" if dtype == "input" else "float32")
        values.append(raster.to_numpy())
    assert np.nanmax(np.abs(values[0] - values[1])) <= 1.01e-4


@pytest.mark.slow
def test_rounded_values_are_those_of_both_formats(files: Path, tmp_path: Path) -> None:
    """
    Within the stated error of the unrounded ones, and the same in zarr and GeoTIFF.

    So are the overviews, which are rounded as well.
    """
    settings = Settings(method="bicubic", align=False)
    exact, rounded = (
        run(files / "scene.tif", files / "rgb.tif", tmp_path / name, settings, max_error=error).path
        for name, error in (("exact.zarr", 0.0), ("rounded.zarr", 1e-3))
    )
    tiff = run(
        files / "scene.tif",
        files / "rgb.tif",
        tmp_path / "rounded.tif",
        settings,
        max_error=1e-3,
        creation_options={"BLOCKSIZE": "32"},
    ).path
    stored = zarr.open_array(rounded, path="cube", mode="r")[:]
    with rasterio.open(tiff) as source:
        np.testing.assert_array_equal(source.read(), stored)
        assert '"max_error": 0.001' in source.tags()["HSFUSE_PROVENANCE"]
        levels = [source.read(), *(_level(tiff, n) for n, _ in enumerate(source.overviews(1)))]
    assert len(levels) > 1
    for values in levels:
        known = values[np.isfinite(values)].astype(np.float64) * 2**9
        assert np.array_equal(known, np.round(known))
    values = zarr.open_array(exact, path="cube", mode="r")[:]
    np.testing.assert_array_equal(np.isnan(values), np.isnan(stored))
    assert 1e-4 < np.nanmax(np.abs(values - stored)) <= 1e-3


def _level(path: Path, number: int) -> np.ndarray:
    with rasterio.open(path, OVERVIEW_LEVEL=number) as source:
        return source.read()
