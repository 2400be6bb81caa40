"""The standard error of a raster: written beside its bands, read back, and none of them."""

from pathlib import Path

import dask.array
import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine

from hsfuse.evaluation import evaluate
from hsfuse.io.read import as_raster, open_raster
from hsfuse.io.write import write_raster
from hsfuse.report.text import describe_raster

# rioxarray 0.19 multiplies transforms the way affine 3 is about to deprecate.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

BANDS, ROWS, COLUMNS = 30, 300, 280
NUMBERS = [{}, {"dtype": "uint16", "scale": 1e-4}]


def fused(*, chunks: int = 256) -> xr.DataArray:
    """Return a cube with a standard error, whose pixels are known by both."""
    draw = np.random.default_rng(0)
    values = draw.random((BANDS + 1, ROWS, COLUMNS), dtype=np.float32)
    values[:, :30, :20] = np.nan
    planes = dask.array.from_array(values, chunks=(BANDS + 1, chunks, chunks))
    place = Affine(2.5, 0.0, 400000.0, 0.0, -2.5, 5800000.0)
    array = xr.DataArray(
        planes[:-1],
        dims=("band", "y", "x"),
        coords={
            "x": place.c + 2.5 * (np.arange(COLUMNS) + 0.5),
            "y": place.f - 2.5 * (np.arange(ROWS) + 0.5),
            "wavelength": ("band", np.linspace(400, 900, BANDS)),
            "good": ("band", np.arange(BANDS) != 1),
            "standard_error": (("y", "x"), planes[-1]),
        },
    )
    return array.rio.write_crs("EPSG:32633").rio.write_transform(place)


@pytest.mark.parametrize("numbers", NUMBERS, ids=["float32", "uint16"])
@pytest.mark.parametrize("name", ["a.tif", "a.zarr"])
def test_it_returns_from_a_file_with_the_cube(tmp_path: Path, name: str, numbers: dict):
    """Values, no data and bands: as many as before, good and bad ones as they were."""
    array = fused()
    back = open_raster(write_raster(array, tmp_path / name, **numbers))
    step = numbers.get("scale", 0) / 2
    assert back.shape == array.shape
    assert np.array_equal(back["good"], array["good"])
    assert np.allclose(back["wavelength"], array["wavelength"])
    assert back["standard_error"].dims == ("y", "x")
    for one, other in ((back, array), (back["standard_error"], array["standard_error"])):
        values, expected = one.compute().to_numpy(), other.compute().to_numpy()
        assert np.allclose(values, expected, rtol=0, atol=step + 1e-6, equal_nan=True)


@pytest.mark.parametrize("name", ["a.tif", "a.zarr"])
@pytest.mark.slow
def test_it_is_written_again_and_cut_with_its_raster(tmp_path: Path, name: str):
    """A window of a file keeps the errors of its pixels, as does its copy in another format."""
    window = {"y": slice(20, 90), "x": slice(10, 150)}
    part = open_raster(write_raster(fused(), tmp_path / name)).isel(window)
    other = tmp_path / ("b.zarr" if name == "a.tif" else "b.tif")
    again = open_raster(write_raster(part, other))
    expected = fused().isel(window)["standard_error"]
    assert np.array_equal(again["standard_error"], expected, equal_nan=True)
    assert np.array_equal(again["x"], expected["x"])


def test_a_raster_without_it_has_none(tmp_path: Path):
    """Neither format adds a band or a variable."""
    plain = fused().drop_vars("standard_error")
    for name in ("a.tif", "a.zarr"):
        back = open_raster(write_raster(plain, tmp_path / name))
        assert "standard_error" not in back.coords
        assert back.sizes["band"] == BANDS
    assert not (tmp_path / "a.zarr" / "standard_error").exists()


def test_a_geotiff_describes_its_band(tmp_path: Path):
    """Other readers find a band with a name, which no list calls bad."""
    path = write_raster(fused(), tmp_path / "a.tif")
    with rasterio.open(path) as source:
        assert source.count == BANDS + 1
        assert source.descriptions[-1] == "standard error"
        assert source.tags(BANDS + 1, ns="HSFUSE")["ROLE"] == "standard_error"
        assert "1.645" in source.tags(BANDS + 1, ns="HSFUSE")["MEANING"]
        flags = source.tags(ns="ENVI")["bbl"].strip("{}").split(", ")
        assert flags == ["1", "0", *["1"] * (BANDS - 1)]
        assert "wavelength" not in source.tags(ns="ENVI")


def test_a_store_holds_a_variable(tmp_path: Path):
    """Xarray sees it beside the cube, on its grid, and its meaning."""
    path = write_raster(fused(), tmp_path / "a.zarr")
    with xr.open_zarr(path) as dataset:
        error = dataset["standard_error"]
        assert error.dims == ("y", "x")
        assert "1.645" in error.attrs["long_name"]
        assert dataset["cube"].attrs["ancillary_variables"] == "standard_error"
        assert dataset["cube"].sizes["band"] == BANDS
        assert np.array_equal(error, fused()["standard_error"], equal_nan=True)
        opened = as_raster(dataset, "scene")
    assert np.array_equal(opened["standard_error"], error, equal_nan=True)
    checksums = (path / "standard_error" / "checksums.sha256").read_text().splitlines()
    assert [line.split()[-1] for line in checksums] == ["c/0/0", "c/0/1", "c/1/0", "c/1/1"]


@pytest.mark.parametrize("name", ["a.tif", "a.zarr"])
def test_metrics_and_metadata_are_those_of_the_cube(tmp_path: Path, name: str):
    """`hsfuse evaluate` compares the bands alone, `hsfuse info` names what is beside them."""
    path = write_raster(fused(), tmp_path / name)
    found = evaluate(fused().drop_vars("standard_error"), path, peak=1.0)
    assert found.bands == BANDS - 1
    assert found.rmse == pytest.approx(0, abs=1e-6)
    lines = describe_raster(open_raster(path)).splitlines()
    assert any("standard error" in line for line in lines)
    assert f"{BANDS} bands" in lines[1]


def test_a_mask_hides_it_too(tmp_path: Path):
    """Where a mask says that there is no data, there is no error either."""
    path = write_raster(fused(), tmp_path / "a.tif")
    mask = tmp_path / "mask.tif"
    flags = np.ones((1, ROWS, COLUMNS), np.uint8)
    flags[:, 100:120] = 0
    with rasterio.open(
        mask,
        "w",
        driver="GTiff",
        width=COLUMNS,
        height=ROWS,
        count=1,
        dtype="uint8",
        crs="EPSG:32633",
        transform=Affine(2.5, 0.0, 400000.0, 0.0, -2.5, 5800000.0),
    ) as target:
        target.write(flags)
    error = open_raster(path, mask=mask)["standard_error"].compute().to_numpy()
    assert np.isnan(error[100:120]).all()
    assert np.isfinite(error[121:]).all()
