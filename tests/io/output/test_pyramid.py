"""The levels of a zarr output: what they hold, what names them, and that a resume repeats them."""

import hashlib
from pathlib import Path

import dask.array
import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
import zarr
from affine import Affine

from hsfuse.io.output import formats, pyramid
from hsfuse.io.read import open_raster
from hsfuse.io.settings import PyramidSettings
from hsfuse.io.write import write_raster

TRANSFORM = Affine(2.5, 0.0, 400000.0, 0.0, -2.5, 5800000.0)


def raster(rows: int, columns: int) -> xr.DataArray:
    """Return three bands of odd size with gaps, and a standard error."""
    draw = np.random.default_rng(0)
    values = draw.random((3, rows, columns), dtype=np.float32)
    values[:, draw.random((rows, columns)) < 0.2] = np.nan
    array = xr.DataArray(
        dask.array.from_array(values, chunks=(3, 256, 256)),
        dims=("band", "y", "x"),
        coords={
            "wavelength": ("band", [480.0, 560.0, 660.0]),
            "band_name": ("band", ["blue", "green", "red"]),
            "standard_error": (("y", "x"), dask.array.from_array(values[0], chunks=256)),
        },
    )
    return array.rio.write_crs("EPSG:32633").rio.write_transform(TRANSFORM)


def files(store: Path) -> dict[str, bytes]:
    """Return all files of a store."""
    found = [path for path in store.rglob("*") if path.is_file()]
    return {str(path.relative_to(store)): path.read_bytes() for path in found}


def levels(path: Path) -> list[str]:
    """Return the names of the levels that a store states."""
    stated = zarr.open_group(path, mode="r").attrs["multiscales"]
    return [entry["asset"] for entry in stated["layout"]]


def small_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let levels end at 16 pixels a side, so that small images have several."""
    monkeypatch.setattr(pyramid, "PYRAMID", PyramidSettings(longest=16, least=32))


@pytest.mark.parametrize(
    ("shape", "numbers", "block", "names"),
    [
        ((61, 53), {"dtype": "int16", "scale": 1e-4}, 16, ["cube", "ovr_2x", "ovr_4x"]),
        ((300, 270), {}, 256, ["cube", "ovr_2x"]),
    ],
)
def test_a_level_holds_what_the_overview_of_the_geotiff_holds(
    tmp_path, monkeypatch, shape, numbers, block, names
):
    """The stored numbers of both are the same, to the bit, those without data as well."""
    array = raster(*shape)
    if block == 16:
        small_levels(monkeypatch)
    write_raster(array, tmp_path / "a.zarr", **numbers)
    write_raster(array, tmp_path / "a.tif", creation_options={"blocksize": str(block)}, **numbers)
    assert levels(tmp_path / "a.zarr") == names
    with rasterio.open(tmp_path / "a.tif") as source:
        assert source.overviews(1) == [2, 4][: len(names) - 1]
    for number, name in enumerate(names[1:]):
        group = zarr.open_group(tmp_path / "a.zarr" / name, mode="r")
        with rasterio.open(tmp_path / "a.tif", overview_level=number) as source:
            np.testing.assert_array_equal(group["cube"][:], source.read([1, 2, 3]))
            np.testing.assert_array_equal(group["standard_error"][:], source.read(4))
            at = group["spatial_ref"].attrs["GeoTransform"].split()
            assert [float(each) for each in at] == pytest.approx(source.transform.to_gdal())


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """Return a store with a level."""
    return write_raster(raster(300, 270), tmp_path_factory.mktemp("pyramid") / "a.zarr")


def test_a_level_opens_in_xarray_as_the_image_does(store: Path):
    """With wavelengths, CRS and coordinates of its own pixels, without a warning."""
    with xr.open_zarr(store, group="ovr_2x") as level, xr.open_zarr(store) as whole:
        assert level["cube"].shape == (3, 150, 135)
        assert level["cube"].rio.crs == "EPSG:32633"
        assert level["cube"].rio.transform() == Affine(5.0, 0.0, 400000.0, 0.0, -5.0, 5800000.0)
        assert level["x"].values[0] == whole["x"].values[:2].mean()
        np.testing.assert_array_equal(level["wavelength"], whole["wavelength"])
    with xr.open_zarr(store) as whole:
        assert sorted(whole.data_vars) == ["cube", "standard_error"]


def test_hsfuse_opens_the_image_itself(store: Path):
    """Its levels are no rasters beside it."""
    assert open_raster(store).shape == (3, 300, 270)


def test_the_layout_names_arrays_and_groups_that_are_there(store: Path):
    """By the convention: relative paths, a transform for each, from one level to the next."""
    group = zarr.open_group(store, mode="r")
    entries = group.attrs["multiscales"]["layout"]
    assert entries[1]["derived_from"] == entries[0]["asset"] == "cube"
    assert entries[1]["transform"]["scale"] == [1, 2, 2]
    assert "cube" in group[entries[1]["asset"]]
    names = [each["name"] for each in group.attrs["zarr_conventions"]]
    assert names == ["proj", "spatial", "multiscales"]
    assert "ovr_2x/cube" in group.metadata.consolidated_metadata.flattened_metadata


def test_a_level_lists_the_hashes_of_its_chunks(store: Path):
    """In the form of those of the image."""
    for array in ("cube", "standard_error"):
        folder = store / "ovr_2x" / array
        listed = dict(
            reversed(line.split("  "))
            for line in (folder / "checksums.sha256").read_text().splitlines()
        )
        chunks = [path for path in (folder / "c").rglob("*") if path.is_file()]
        assert listed == {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in chunks
        }


def test_an_image_of_one_chunk_has_no_levels(tmp_path: Path):
    """It states none, and declares no convention of them."""
    write_raster(raster(40, 30), tmp_path / "a.zarr")
    assert "multiscales" not in zarr.open_group(tmp_path / "a.zarr", mode="r").attrs


def test_an_interrupted_finish_resumes_to_the_same_bytes(tmp_path: Path, monkeypatch):
    """Whatever of the levels was written, and damaged, before the end."""
    array = raster(40, 35)
    small_levels(monkeypatch)
    write_raster(array, tmp_path / "whole.zarr")

    def stop(store):
        (store / "ovr_2x" / "cube" / "c" / "0" / "0" / "0").write_bytes(b"damaged")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(formats, "consolidate", stop)
        with pytest.raises(KeyboardInterrupt):
            write_raster(array, tmp_path / "a.zarr")
    assert not (tmp_path / "a.zarr").exists()
    write_raster(array, tmp_path / "a.zarr", resume=True)
    assert files(tmp_path / "a.zarr") == files(tmp_path / "whole.zarr")
