import math
import os

import numpy as np
import pytest
import rasterio
import xarray as xr
import zarr
from affine import Affine
from raster_files import (
    TRANSFORM,
    cube,
    numbers,
    quiet,
    refused,
    write_envi,
    write_store,
    write_tiff,
)

from hsfuse.errors import RasterError
from hsfuse.io.read import open_raster
from hsfuse.io.write import write_raster


def test_what_is_no_raster_is_refused(tmp_path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.txt").write_text("no raster")
    (tmp_path / "empty.tif").touch()
    refused(tmp_path / "missing.tif", "no such file", "GeoTIFF")
    refused(tmp_path / "folder", "no zarr store")
    refused(tmp_path / "text.txt", "not a raster")
    refused(tmp_path / "empty.tif", "empty file")
    refused("ftp://example.org/scene.tif", "download")
    refused("/vsizip//vsicurl/https://example.org/a.zip/scene.tif", "download")


def test_complex_pixels_are_refused(tmp_path) -> None:
    stored = np.ones((2, 8, 8), dtype=np.complex64)
    refused(write_tiff(tmp_path / "a.tif", stored), "complex64", "floats are accepted")
    refused(write_envi(tmp_path, stored), "complex64")
    refused(write_store(tmp_path / "a.zarr", cube(stored)), "complex64")


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
@pytest.mark.parametrize("kept", [0.99, 0.5, 0.1])
def test_a_truncated_envi_file_is_refused(tmp_path, kept, interleave) -> None:
    data = write_envi(tmp_path, numbers(), interleave=interleave)
    size = data.stat().st_size
    os.truncate(data, int(size * kept))
    refused(data, "truncated", str(size))


def test_the_header_offset_counts(tmp_path) -> None:
    data = write_envi(tmp_path, numbers(), header_offset=1)
    refused(data, "truncated")


@pytest.mark.parametrize("interleave", ["band", "pixel"])
@pytest.mark.parametrize("kept", [0.99, 0.5, 0.1])
def test_a_truncated_tiff_is_refused(tmp_path, kept, interleave) -> None:
    path = write_tiff(tmp_path / "a.tif", numbers(), interleave=interleave)
    os.truncate(path, int(path.stat().st_size * kept))
    refused(path)


def test_an_envi_pair_needs_both_halves(tmp_path) -> None:
    data = write_envi(tmp_path, numbers())
    other = tmp_path / "other.dat"
    other.write_bytes(data.read_bytes())
    refused(other, "header other.hdr")
    data.rename(tmp_path / "scene.sli")
    refused(tmp_path / "scene.hdr", "without its data file", "scene.bsq")
    for suffix in (".img", ".bsq"):
        (tmp_path / f"scene{suffix}").write_bytes(other.read_bytes())
    refused(tmp_path / "scene.hdr", "scene.bsq", "scene.img", "name one")


def test_a_header_without_bands_is_refused(tmp_path) -> None:
    refused(write_envi(tmp_path, numbers(), bands=0).with_suffix(".hdr"), "bands")


def test_a_header_that_is_none_is_named(tmp_path) -> None:
    data = write_envi(tmp_path, numbers())
    data.with_suffix(".hdr").write_text("nothing of the kind\n")
    refused(data, "its header scene.hdr does not begin with ENVI")


@pytest.mark.parametrize(
    "transform",
    [
        Affine(2.5, 0.0, math.nan, 0.0, -2.5, 5.8e6),
        Affine(2.5, 0.0, 4e5, 0.0, -math.inf, 5.8e6),
        Affine(1e-12, 0.0, 4e5, 0.0, -1e-12, 5.8e6),
    ],
    ids=["no origin", "no end", "below rounding"],
)
def test_a_transform_without_pixels_is_refused(tmp_path, transform) -> None:
    path = write_tiff(tmp_path / "a.tif", numbers(), transform=transform)
    refused(path, "its transform (", "puts no pixel on a map", "expected finite numbers")


@pytest.mark.parametrize(("scale", "offset"), [(0.0, 0.0), (math.nan, 0.0), (1.0, math.inf)])
def test_a_scale_that_leaves_no_value_is_refused(tmp_path, scale, offset) -> None:
    path = write_tiff(tmp_path / "a.tif", numbers(shape=(2, 8, 8)))
    with rasterio.open(path, "r+") as target:
        target.scales, target.offsets = (1.0, scale), (0.0, offset)
    refused(path, "band 2 has the scale", "finite numbers")


def test_numbers_beyond_the_type_are_read_without_a_warning(tmp_path) -> None:
    stored = np.full((1, 8, 8), 1e300)
    assert np.isinf(open_raster(write_tiff(tmp_path / "a.tif", stored))).all()
    data = write_envi(tmp_path, numbers("float32"), data_ignore_value=1e99)
    assert np.isfinite(open_raster(data)).all()


def test_a_file_that_declares_far_more_than_it_holds_is_refused(tmp_path) -> None:
    path = tmp_path / "bomb.tif"
    size = {"width": 50000, "height": 50000, "count": 3, "dtype": "uint8"}
    with rasterio.open(
        path, "w", driver="GTiff", tiled=True, compress="deflate", sparse_ok=True,
        transform=TRANSFORM, **size,
    ):  # fmt: skip
        pass
    refused(path, "declares 6", "GiB")


def test_a_container_of_several_rasters_names_them(tmp_path) -> None:
    plane = xr.DataArray(np.ones((8, 9)), dims=("y", "x"))
    dataset = xr.Dataset({"radiance": plane, "glint": plane})
    dataset.to_netcdf(tmp_path / "a.nc", engine="scipy")
    refused(tmp_path / "a.nc", "radiance", "glint", "single raster")


def test_an_unfinished_output_is_read_with_a_warning(tmp_path) -> None:
    write_raster(cube(numbers().astype("float32")).chunk(), tmp_path / "a.zarr")
    zarr.open_group(tmp_path / "a.zarr", mode="r+").attrs["hsfuse:complete"] = False
    with pytest.warns(UserWarning, match=r"a\.zarr: an unfinished output") as caught:
        open_raster(tmp_path / "a.zarr")
    assert caught[0].filename == __file__


def test_a_store_with_several_or_no_rasters_is_refused(tmp_path) -> None:
    array = cube(numbers())
    xr.Dataset({"one": array, "two": array}).to_zarr(tmp_path / "two.zarr", consolidated=False)
    refused(tmp_path / "two.zarr", "one, two")
    xr.Dataset({"spectra": ("sample_point", np.ones(3))}).to_zarr(
        tmp_path / "no.zarr", consolidated=False
    )
    refused(tmp_path / "no.zarr", "spectra")
    write_store(tmp_path / "time.zarr", array.rename(band="time"))
    refused(tmp_path / "time.zarr", "time")
    zarr.create_array(tmp_path / "array.zarr", shape=(3, 4, 5), dtype="f4")
    refused(tmp_path / "array.zarr", "zarr group")
    uneven = array.assign_coords(x=np.arange(48.0) ** 2)
    refused(write_store(tmp_path / "uneven.zarr", uneven), "x is not evenly spaced")


@pytest.mark.parametrize(
    "name", ["scene", "scene.rfl", "scene.pix", "scene_v1.2", "scene.dat", "scene.rfl.hdr"]
)
def test_truncated_data_are_refused_whatever_their_name(tmp_path, name) -> None:
    """By their own name or by that of their header."""
    data = tmp_path / name.removesuffix(".hdr")
    write_envi(tmp_path, numbers(), name="a.dat").with_suffix(".hdr").rename(f"{data}.hdr")
    (tmp_path / "a.dat").rename(data)
    np.testing.assert_array_equal(open_raster(tmp_path / name), numbers())
    os.truncate(data, int(data.stat().st_size * 0.6))
    refused(data, "truncated", "get the whole file")


@pytest.mark.parametrize(
    ("driver", "name", "data", "bands"),
    [
        ("EHdr", "a.bil", "a.bil", 1), ("ERS", "a.ers", "a", 3), ("RRASTER", "a.grd", "a.gri", 3),
        ("VICAR", "a.vic", "a.vic", 3), ("HFA", "a.img", "a.img", 3),
        ("PNG", "a.png", "a.png", 3), ("JPEG", "a.jpg", "a.jpg", 3), ("LAN", "a.lan", "a.lan", 3),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kept", [0.9, 0.6])
def test_truncated_data_of_other_drivers_are_refused(
    tmp_path, driver, name, data, bands, kept
) -> None:
    """GDAL reads zeros, or what it likes, where a raw file ends."""
    stored = numbers("uint8", shape=(bands, 40, 48), top=250)
    with quiet(), rasterio.open(
        tmp_path / name, "w", driver=driver, count=bands, height=40, width=48, dtype="uint8"
    ) as target:  # fmt: skip
        target.write(stored)
    whole = open_raster(tmp_path / name).values
    assert driver == "JPEG" or np.array_equal(whole, stored)
    size = (tmp_path / data).stat().st_size
    os.truncate(tmp_path / data, int(size * kept))
    with pytest.raises(RasterError):
        open_raster(tmp_path / name).compute()
