import math
import os
import pickle
import warnings
from contextlib import contextmanager
from pathlib import Path

import dask
import numpy as np
import pytest
import rasterio
import xarray as xr
import zarr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.errors import NotGeoreferencedWarning
from zarr.errors import UnstableSpecificationWarning

from hsfuse.errors import HsfuseError, PlanError, RasterError, SensorError
from hsfuse.io.layout import OutputLayout
from hsfuse.io.pixels import chunk_size
from hsfuse.io.read import open_raster
from hsfuse.io.write import write_raster
from hsfuse.sensor.catalogue import load_sensor

# rioxarray 0.19 multiplies transforms the way affine 3 is about to deprecate.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

TRANSFORM = Affine(2.5, 0.0, 400000.0, 0.0, -2.5, 5800000.0)
SHAPE = (5, 40, 48)
DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
AXES = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}


def numbers(dtype="int16", shape=SHAPE, top=1000) -> np.ndarray:
    return np.random.default_rng(0).integers(1, top, shape).astype(dtype)


@contextmanager
def quiet():
    """Silence what the writers of the test files say; open_raster must say nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        warnings.simplefilter("ignore", UnstableSpecificationWarning)
        yield


def write_tiff(path, stored, *, transform=TRANSFORM, crs="EPSG:32633", **profile) -> Path:
    bands, rows, columns = stored.shape
    profile = {"tiled": True, "blockxsize": 16, "blockysize": 16} | profile
    place = {"crs": crs, "transform": transform} if transform is not None else {}
    with quiet(), rasterio.open(
        path, "w", driver="GTiff", count=bands, height=rows, width=columns,
        dtype=stored.dtype, **place, **profile,
    ) as target:  # fmt: skip
        target.write(stored)
    return path


def write_envi(folder, stored, *, interleave="bsq", name="scene.dat", **fields) -> Path:
    bands, rows, columns = stored.shape
    data = folder / name
    stored.transpose(AXES[interleave]).tofile(data)
    types = {"uint8": 1, "int16": 2, "float32": 4, "complex64": 6}
    header = {
        "samples": columns, "lines": rows, "bands": bands, "header offset": 0,
        "data type": types[str(stored.dtype)], "interleave": interleave, "byte order": 0,
    } | fields  # fmt: skip
    text = "\n".join(f"{key.replace('_', ' ')} = {value}" for key, value in header.items())
    data.with_suffix(".hdr").write_text(f"ENVI\n{text}\n")
    return data


def write_store(path, array, *, version=3, **encoding) -> Path:
    options = {array.name: encoding} if encoding else None
    with quiet():
        array.to_dataset().to_zarr(path, zarr_format=version, consolidated=False, encoding=options)
    return path


def cube(stored, **coords) -> xr.DataArray:
    _, rows, columns = stored.shape
    array = xr.DataArray(
        stored,
        dims=("band", "y", "x"),
        coords={
            "y": 5800000.0 - 2.5 * (np.arange(rows) + 0.5),
            "x": 400000.0 + 2.5 * (np.arange(columns) + 0.5),
            **coords,
        },
        name="cube",
    )
    return array.rio.write_crs(32633).rio.write_transform(TRANSFORM)


def check_contract(raster, shape=SHAPE) -> None:
    assert raster.dims == ("band", "y", "x")
    assert raster.shape == shape
    assert raster.dtype == np.float32
    assert dask.is_dask_collection(raster)
    assert raster.data.numblocks[0] == 1
    for name, kind in {"wavelength": "f", "fwhm": "f", "good": "b", "band_name": "U"}.items():
        assert raster[name].dims == ("band",)
        assert raster[name].dtype.kind == kind
    assert raster["band"].values.tolist() == list(range(1, shape[0] + 1))
    assert {"source", "sensor", "wavelength_source", "georeferenced", "source_dtype"} <= set(
        raster.attrs
    )
    values = raster.values
    assert values.dtype == np.float32
    assert values.shape == shape


def test_a_colour_pixel_lacks_data_where_all_bands_say_so(tmp_path: Path) -> None:
    """A number that means no data is also white or black in one band; of an HS image it is not."""
    stored = numbers("uint8", (3, *SHAPE[1:]), 250)
    stored[1, 5, 5:9] = 255
    stored[:, 20:24, 30:33] = 255
    raster = open_raster(write_tiff(tmp_path / "rgb.tif", stored, nodata=255))
    missing = np.isnan(raster.values)
    assert missing[:, 20:24, 30:33].all()
    assert missing.sum() == 3 * 4 * 3
    assert raster.attrs["nodata_where"] == "every band holds it"
    assert np.isnan(raster.isel(band=1, y=slice(20, 22), x=30).values).all()
    np.testing.assert_array_equal(raster[1, 5, 5:9].values, 255)
    many = numbers("uint16", (20, *SHAPE[1:]))
    many[3, 2, 2] = 0
    raster = open_raster(write_tiff(tmp_path / "hs.tif", many, nodata=0))
    assert np.isnan(raster.values).sum() == 1
    assert "nodata_where" not in raster.attrs


def test_a_mask_file_takes_data_away(tmp_path: Path) -> None:
    """Where it is 0 or has no data itself; any window of it."""
    stored = numbers()
    kept = np.ones((1, *SHAPE[1:]), np.uint8)
    kept[0, 10:20, 5:30] = 0
    kept[0, 30, 40] = 99
    cube = write_tiff(tmp_path / "cube.tif", stored)
    mask = write_tiff(tmp_path / "mask.tif", kept, nodata=99)
    raster = open_raster(cube, mask=mask)
    check_contract(raster)
    expected = stored.astype(np.float32)
    expected[:, (kept[0] == 0) | (kept[0] == 99)] = np.nan
    np.testing.assert_array_equal(raster.values, expected)
    np.testing.assert_array_equal(
        raster.isel(band=[3, 1], y=slice(8, 12), x=20).values, expected[[3, 1], 8:12, 20]
    )
    assert raster.attrs["mask_file"] == str(mask)
    assert dask.base.tokenize(raster.data) != dask.base.tokenize(open_raster(cube).data)


@pytest.mark.parametrize(
    ("shape", "moved", "words"),
    [
        ((1, 40, 47), 0.0, "has 40 x 47 pixels, and .*cube.tif, which it masks, 40 x 48"),
        ((1, 40, 48), 5.0, "lies elsewhere than .*cube.tif"),
    ],
)
def test_a_mask_of_another_grid_is_refused(
    tmp_path: Path, shape: tuple[int, int, int], moved: float, words: str
) -> None:
    """In one line that names both files."""
    cube = write_tiff(tmp_path / "cube.tif", numbers())
    mask = write_tiff(
        tmp_path / "mask.tif",
        np.ones(shape, np.uint8),
        transform=TRANSFORM * Affine.translation(moved, 0),
    )
    with pytest.raises(RasterError, match=f"mask.tif: {words}"):
        open_raster(cube, mask=mask)


def check_place(raster) -> None:
    assert raster.rio.crs.to_epsg() == 32633
    assert raster.rio.transform().almost_equals(TRANSFORM)
    assert raster.attrs["georeferenced"] is True
    assert raster["x"].values[:2].tolist() == [400001.25, 400003.75]
    assert raster["y"].values[:2].tolist() == [5799998.75, 5799996.25]


@pytest.mark.parametrize("interleave", ["band", "pixel"])
@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_a_geotiff_comes_back(tmp_path, dtype, tiled, interleave) -> None:
    stored = numbers(dtype, top=250)
    layout = {} if tiled else {"tiled": False, "blockxsize": None, "blockysize": 7}
    raster = open_raster(write_tiff(tmp_path / "a.tif", stored, interleave=interleave, **layout))
    check_contract(raster)
    check_place(raster)
    np.testing.assert_array_equal(raster, stored.astype(np.float32))
    assert raster.attrs["source_dtype"] == dtype
    assert raster.attrs["source"] == str(tmp_path / "a.tif")


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
@pytest.mark.parametrize("name", ["scene", "scene.dat", "scene.bsq", "scene.img"])
def test_an_envi_file_comes_back_by_its_data_or_its_header(tmp_path, name, interleave) -> None:
    stored = numbers()
    place = "{UTM, 1, 1, 400000, 5800000, 2.5, 2.5, 33, North, WGS-84, units=Meters}"
    data = write_envi(tmp_path, stored, interleave=interleave, name=name, map_info=place)
    for path in (data, data.with_suffix(".hdr"), str(data), tmp_path / "scene"):
        raster = open_raster(path)
        check_contract(raster)
        check_place(raster)
        np.testing.assert_array_equal(raster, stored)
        assert raster.attrs["source"] == str(data)


def test_an_envi_header_says_all_about_the_bands(tmp_path) -> None:
    stored = numbers(shape=(2, 4, 6))
    stored[:, 0, 0] = -99
    data = write_envi(
        tmp_path, stored, wavelength="{0.48431, 0.64652}", fwhm="{0.0148, 0.0152}",
        wavelength_units="Micrometers", bbl="{1.0, 0.0}", band_names="{blue, red}",
        data_gain_values="{2, 3}", data_offset_values="{10, 20}", data_ignore_value=-99,
        reflectance_scale_factor=100,
    )  # fmt: skip
    raster = open_raster(data)
    assert raster["wavelength"].values.tolist() == [484.31, 646.52]
    assert raster["fwhm"].values.tolist() == [14.8, 15.2]  # GDAL's own reading says 15 and 15
    assert raster["good"].values.tolist() == [True, False]
    assert raster["band_name"].values.tolist() == ["blue", "red"]
    assert raster.attrs["wavelength_source"] == "ENVI header"
    gain, offset = np.array([2, 3])[:, None, None], np.array([10, 20])[:, None, None]
    expected = np.where(stored == -99, np.nan, (stored * gain + offset) / 100)
    np.testing.assert_allclose(raster, expected, rtol=1e-6)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_a_zarr_store_comes_back(tmp_path, dtype, version) -> None:
    stored = numbers(dtype, top=250)
    bands = {
        "wavelength": ("band", np.linspace(0.4, 0.8, 5), {"units": "um"}),
        "fwhm": ("band", np.full(5, 0.01), {"units": "um"}),
        "good": ("band", np.array([1, 1, 0, 1, 1], dtype=bool)),
        "band_name": ("band", list("abcde")),
    }
    path = write_store(
        tmp_path / "a.zarr", cube(stored, **bands), version=version, chunks=(2, 16, 16)
    )
    raster = open_raster(path)
    check_contract(raster)
    check_place(raster)
    np.testing.assert_array_equal(raster, stored)
    np.testing.assert_allclose(raster["wavelength"], [400, 500, 600, 700, 800])
    assert raster["fwhm"].values.tolist() == [10.0] * 5
    assert raster["good"].values.tolist() == [True, True, False, True, True]
    assert raster["band_name"].values.tolist() == list("abcde")
    assert raster.attrs["wavelength_source"] == "wavelength coordinate"


@pytest.mark.parametrize("version", [2, 3])
def test_cf_scale_offset_and_fill_value_are_applied(tmp_path, version) -> None:
    stored = numbers()
    stored[1, 2, 3] = -32768
    array = cube(stored)
    array.attrs = {
        "scale_factor": 0.01,
        "add_offset": 5.0,
        "_FillValue": np.int16(-32768),
        "units": "1",
    }
    raster = open_raster(write_store(tmp_path / "a.zarr", array, version=version))
    expected = np.where(stored == -32768, np.nan, stored * 0.01 + 5)
    np.testing.assert_allclose(raster, expected, rtol=1e-6)
    assert raster.attrs["nodata"] == -32768
    assert raster.attrs["units"] == "1"


def test_the_nodata_attribute_of_a_store_counts(tmp_path) -> None:
    stored = numbers()
    stored[0, 0, 0] = -7
    array = cube(stored)
    array.attrs["nodata"] = -7
    raster = open_raster(write_store(tmp_path / "a.zarr", array)).values
    assert np.isnan(raster[0, 0, 0])
    assert np.isnan(raster).sum() == 1


@pytest.mark.parametrize(
    "dims", [("y", "x", "wavelength"), ("wavelength", "lat", "lon"), ("band", "row", "col")]
)
def test_a_store_may_call_its_dimensions_otherwise(tmp_path, dims) -> None:
    stored = numbers()
    spectral = next(place for place, name in enumerate(dims) if name in ("band", "wavelength"))
    coords = {"wavelength": np.linspace(400.0, 800.0, 5)} if "wavelength" in dims else {}
    array = xr.DataArray(np.moveaxis(stored, 0, spectral), dims=dims, coords=coords, name="cube")
    raster = open_raster(write_store(tmp_path / "a.zarr", array))
    check_contract(raster)
    np.testing.assert_array_equal(raster, stored)
    assert raster.attrs["georeferenced"] is False
    if coords:
        assert raster["wavelength"].values.tolist() == [400, 500, 600, 700, 800]


def test_cf_wavelengths_are_known_by_their_standard_name(tmp_path) -> None:
    attributes = {"standard_name": "sensor_band_central_radiation_wavelength", "units": "um"}
    array = cube(numbers(), centre=("band", np.linspace(0.4, 0.8, 5), attributes))
    raster = open_raster(write_store(tmp_path / "a.zarr", array))
    np.testing.assert_allclose(raster["wavelength"], [400, 500, 600, 700, 800])


@pytest.mark.parametrize("name", ["out.tif", "out.zarr"])
@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_what_hsfuse_writes_it_reads(tmp_path, name, dtype) -> None:
    stored = numbers().astype(np.float32)
    stored[:, :3, :4] = np.nan
    bands = {
        "wavelength": ("band", np.linspace(400.0, 800.0, 5)),
        "fwhm": ("band", np.full(5, 10.5)),
        "good": ("band", np.array([True, False, True, True, True])),
    }
    scale = {} if dtype == "float32" else {"scale": 0.5}
    write_raster(cube(stored, **bands).chunk(), tmp_path / name, dtype=dtype, **scale)
    raster = open_raster(tmp_path / name)
    check_contract(raster)
    check_place(raster)
    np.testing.assert_array_equal(raster, stored)
    for coordinate, (_, values) in bands.items():
        np.testing.assert_array_equal(raster[coordinate], values)
    assert OutputLayout.of(raster).transform == tuple(TRANSFORM)[:6]


def test_a_saved_subset_lies_where_its_coordinates_say(tmp_path) -> None:
    part = cube(numbers()).isel(y=slice(10, None), x=slice(4, None))  # keeps the old GeoTransform
    raster = open_raster(write_store(tmp_path / "a.zarr", part))
    moved = Affine(2.5, 0.0, 400010.0, 0.0, -2.5, 5799975.0)
    assert raster.rio.transform().almost_equals(moved)
    assert raster.spatial_ref.attrs["GeoTransform"].split()[0] == "400010.0"


def test_scales_offsets_and_nodata_differ_from_band_to_band(tmp_path) -> None:
    stored = numbers(shape=(3, 20, 20))
    path = write_tiff(tmp_path / "a.tif", stored, nodata=500)
    with rasterio.open(path, "r+") as target:
        target.scales, target.offsets = (0.1, 1.0, 2.0), (0.0, -7.0, 3.5)
    expected = stored * np.array([0.1, 1, 2])[:, None, None] + np.array([0, -7, 3.5])[:, None, None]
    expected[stored == 500] = np.nan
    np.testing.assert_array_equal(open_raster(path), expected.astype(np.float32))
    # A band of its own, or every other row backwards, is the same as of all of them.
    expected = expected.astype(np.float32)
    raster = open_raster(path)
    np.testing.assert_array_equal(raster[2, ::-2, 3:17:5], expected[2, ::-2, 3:17:5])
    np.testing.assert_array_equal(raster[1:, 4:18][:, ::3], expected[1:, 4:18][:, ::3])
    np.testing.assert_array_equal(raster[[2, 0], 3:9], expected[[2, 0], 3:9])
    np.testing.assert_array_equal(raster[:, 5:, [9, 4, 4]], expected[:, 5:, [9, 4, 4]])
    np.testing.assert_array_equal(raster.data[1, 3:][None, :, 2], expected[1, 3:][None, :, 2])
    np.testing.assert_array_equal(raster[:, 7:7], expected[:, 7:7])


@pytest.mark.parametrize(
    ("dtype", "nodata", "empty"),
    [
        ("uint8", 255, 255),
        ("int16", -9999, -9999),
        ("float32", np.nan, np.nan),
        ("float32", -3.4028234663852886e38, -3.4028234663852886e38),
        ("float32", 0.1, 0.1),
        ("float64", -9999.0, -9999.0),
    ],
)
def test_no_data_becomes_nan(tmp_path, dtype, nodata, empty) -> None:
    stored = numbers(dtype, top=200)
    stored[:, 2:5, 3:9] = empty
    raster = open_raster(write_tiff(tmp_path / "a.tif", stored, nodata=nodata)).values
    assert np.isnan(raster[:, 2:5, 3:9]).all()
    assert np.isfinite(raster).sum() == stored.size - stored[:, 2:5, 3:9].size


def test_no_data_differs_from_band_to_band(tmp_path) -> None:
    stored = numbers(shape=(2, 20, 20), top=9)
    write_tiff(tmp_path / "a.tif", stored)
    bands = "".join(
        f'<VRTRasterBand dataType="Int16" band="{band}"><NoDataValue>{nodata}</NoDataValue>'
        f'<SimpleSource><SourceFilename relativeToVRT="1">a.tif</SourceFilename>'
        f"<SourceBand>{band}</SourceBand></SimpleSource></VRTRasterBand>"
        for band, nodata in ((1, 3), (2, 7))
    )
    path = tmp_path / "a.vrt"
    path.write_text(f'<VRTDataset rasterXSize="20" rasterYSize="20">{bands}</VRTDataset>')
    raster = open_raster(path)
    empty = np.array([3, 7])[:, None, None]
    np.testing.assert_array_equal(raster, np.where(stored == empty, np.nan, stored))
    assert raster.attrs["nodata"] == [3.0, 7.0]


def test_a_nodata_number_that_cannot_be_stored_hides_nothing(tmp_path) -> None:
    stored = numbers("uint8", top=255)
    data = write_envi(tmp_path, stored, data_ignore_value=-9999)
    np.testing.assert_array_equal(open_raster(data), stored)


def test_an_alpha_band_is_a_mask_and_no_band(tmp_path) -> None:
    stored = numbers("uint8", shape=(4, 32, 32), top=250)
    stored[3] = 255
    stored[3, :5] = 0
    path = write_tiff(tmp_path / "a.tif", stored, photometric="RGB", alpha="YES")
    raster = open_raster(path)
    check_contract(raster, (3, 32, 32))
    assert raster.attrs["mask"] == "alpha band 4"
    np.testing.assert_array_equal(raster, np.where(stored[3] == 0, np.nan, stored[:3]))


def test_an_internal_mask_hides_pixels(tmp_path) -> None:
    stored, mask = numbers(), np.full((40, 48), 255, dtype="uint8")
    mask[7:9] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        path = write_tiff(tmp_path / "a.tif", stored)
        with rasterio.open(path, "r+") as target:
            target.write_mask(mask)
    raster = open_raster(path)
    np.testing.assert_array_equal(raster, np.where(mask == 0, np.nan, stored))
    assert raster.attrs["mask"] == "mask of all bands"


def test_a_single_band_has_a_band_axis(tmp_path) -> None:
    stored = numbers(shape=(1, 20, 24))
    check_contract(open_raster(write_tiff(tmp_path / "a.tif", stored)), (1, 20, 24))
    flat = cube(stored).isel(band=0, drop=True)
    check_contract(open_raster(write_store(tmp_path / "a.zarr", flat)), (1, 20, 24))


def test_a_file_without_a_place_says_so_and_warns_nobody(tmp_path) -> None:
    raster = open_raster(write_tiff(tmp_path / "a.tif", numbers(), transform=None))
    check_contract(raster)
    assert raster.attrs["georeferenced"] is False
    assert raster.rio.transform() == Affine.identity()
    assert raster.rio.crs is None
    assert raster["x"].values[:2].tolist() == [0.5, 1.5]


def test_control_points_alone_are_no_georeferencing(tmp_path) -> None:
    path = write_tiff(tmp_path / "a.tif", numbers(), transform=None)
    points = [
        GroundControlPoint(row, col, 4e5 + col, 5e6 - row) for row in (0, 40) for col in (0, 48)
    ]
    with quiet(), rasterio.open(path, "r+") as target:
        target.gcps = (points, "EPSG:32633")
    raster = open_raster(path)
    assert raster.attrs["georeferenced"] is False
    assert "control points" in raster.attrs["georeferencing"]


@pytest.mark.parametrize("sign", [1, -1])
def test_south_up_and_rotated_grids_keep_their_transform(tmp_path, sign) -> None:
    turned = Affine(2.0, 0.5 * sign, 400000.0, 0.5, -2.0 * sign, 5800000.0)
    raster = open_raster(write_tiff(tmp_path / "a.tif", numbers(), transform=turned))
    assert raster.rio.transform() == turned
    assert "x" not in raster.coords
    south_up = Affine(2.0, 0.0, 400000.0, 0.0, 2.0, 5800000.0)
    raster = open_raster(write_tiff(tmp_path / "b.tif", numbers(), transform=south_up))
    assert raster.rio.transform() == south_up
    assert raster["y"].values[1] > raster["y"].values[0]


def test_a_sensor_gives_wavelengths_to_a_file_without(tmp_path) -> None:
    sensor = load_sensor("sentinel-2a")
    path = write_tiff(tmp_path / "a.tif", numbers(shape=(13, 8, 8)))
    for given_as in ("sentinel-2a", sensor):
        raster = open_raster(path, sensor=given_as)
        np.testing.assert_array_equal(raster["wavelength"], sensor.wavelength)
        assert raster.attrs["wavelength_source"] == "sensor sentinel-2a"
        assert raster.attrs["sensor"] == "sentinel-2a"
    raster = open_raster(write_tiff(tmp_path / "b.tif", numbers()), sensor=sensor)
    assert raster.attrs["wavelength_source"] == "none"
    with pytest.raises(SensorError):
        open_raster(path, sensor="no-such-sensor")


def test_opening_and_reading_touch_no_other_pixels(tmp_path) -> None:
    stored = numbers("uint16")
    path = write_tiff(tmp_path / "a.tif", stored, compress="deflate", interleave="pixel")
    with rasterio.open(path) as source:
        start = int(source.get_tag_item("BLOCK_OFFSET_2_2", "TIFF", bidx=1))
        length = int(source.get_tag_item("BLOCK_SIZE_2_2", "TIFF", bidx=1))
    data = bytearray(path.read_bytes())
    data[start : start + length] = b"\xff" * length  # any look at this tile fails
    path.write_bytes(data)
    raster = open_raster(path)
    # One chunk holds all tiles, yet a window reads only its own.
    np.testing.assert_array_equal(raster[:, :30, :30], stored[:, :30, :30])
    with pytest.raises(RasterError, match=r"a\.tif: rows 0 to 39, columns 0 to 47 cannot be read"):
        raster.compute()


def test_a_damaged_chunk_of_a_store_is_found_when_it_is_read(tmp_path) -> None:
    path = write_store(tmp_path / "a.zarr", cube(numbers("float32")), chunks=(5, 20, 24))
    raster = open_raster(path)
    chunk = path / "cube" / "c" / "0" / "1" / "1"
    chunk.write_bytes(b"\x00" * 20)
    assert np.isfinite(raster[:, :20, :24].values).all()
    with pytest.raises(RasterError, match=r"a\.zarr: a chunk cannot be read"):
        raster.compute()


def test_a_file_that_changed_is_not_read(tmp_path) -> None:
    path = write_tiff(tmp_path / "a.tif", numbers())
    raster = open_raster(path)
    write_tiff(path, numbers(shape=(5, 40, 49)))
    with pytest.raises(RasterError, match="changed since it was opened"):
        raster.compute()


def test_any_scheduler_and_a_pickle_give_the_same(tmp_path) -> None:
    stored = numbers(shape=(5, 100, 100))
    tiff = open_raster(write_tiff(tmp_path / "a.tif", stored, transform=None), chunk=16)
    store = open_raster(
        write_store(tmp_path / "a.zarr", cube(stored), chunks=(5, 16, 16)), chunk=16
    )
    for raster in (tiff, store):
        copy = pickle.loads(pickle.dumps(raster))
        for scheduler in ("threads", "synchronous"):
            np.testing.assert_array_equal(copy.compute(scheduler=scheduler), stored)


@given(
    st.integers(1, 500), st.integers(1, 9000), st.integers(1, 9000),
    st.sampled_from([(1, 0), (16, 16), (128, 256), (512, 512), (7, 0), (0, 0)]),
)  # fmt: skip
def test_chunks_are_whole_blocks_of_bounded_size(bands, rows, columns, block) -> None:
    stored = (block[0] or rows, block[1] or columns)  # 0: as long as the raster
    height, width = chunk_size((bands, rows, columns), stored)
    assert 1 <= height <= rows
    assert 1 <= width <= columns
    block_bytes = 4 * bands * min(stored[0], rows) * min(stored[1], columns)
    if block_bytes <= 64 * 2**20:
        assert 4 * bands * height * width <= 64 * 2**20
        assert height % stored[0] == 0 or height == rows
        assert width % stored[1] == 0 or width == columns


def test_the_chunk_asked_for_is_the_chunk(tmp_path) -> None:
    path = write_tiff(tmp_path / "a.tif", numbers())
    assert open_raster(path, chunk=10).data.chunksize == (5, 10, 10)
    with pytest.raises(PlanError, match="got 0"):
        open_raster(path, chunk=0)


def refused(path, *words) -> None:
    with pytest.raises(RasterError) as caught:
        open_raster(path)
    message = str(caught.value)
    assert isinstance(caught.value, HsfuseError)
    assert "\n" not in message
    for word in (Path(path).name, *words):
        assert word in message


def test_what_is_no_raster_is_refused(tmp_path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.txt").write_text("no raster")
    (tmp_path / "empty.tif").touch()
    refused(tmp_path / "missing.tif", "no such file", "GeoTIFF")
    refused(tmp_path / "folder", "no zarr store")
    refused(tmp_path / "text.txt", "not a raster")
    refused(tmp_path / "empty.tif", "empty file")
    refused("https://example.org/scene.tif", "download")
    refused("/vsicurl/https://example.org/scene.tif", "download")


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
    refused(path, "its transform (", "puts no pixel on a map", "would be accepted")


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


@pytest.mark.skipif(not DATA.is_dir(), reason="the real scenes are not in ../shared/data")
def test_real_scenes_open_as_rasters() -> None:
    paths = sorted(DATA.glob("*/*.tif")) + sorted(DATA.glob("pairs/*/*.*"))
    for path in paths:
        raster = open_raster(path)
        assert np.isfinite(raster[:, :8, :8].values).any()
    potsdam = open_raster(DATA / "scenes" / "enmap_potsdam.tif")
    assert potsdam.attrs["wavelength_source"] == "IMAGERY domain"
    assert np.isnan(potsdam.values).all(axis=(1, 2)).sum() == 6
    cave = open_raster(DATA / "cave" / "balloons.tif")
    assert cave["wavelength"].values.tolist() == list(np.arange(400.0, 701.0, 10.0))


def test_opening_a_store_reads_no_chunk(tmp_path: Path) -> None:
    """A store whose chunks are damaged opens; only computing says so."""
    cube = xr.DataArray(
        np.random.default_rng(0).random((3, 64, 64)).astype(np.float32), dims=("band", "y", "x")
    )
    written = write_raster(cube.chunk(), tmp_path / "cube.zarr")
    for chunk in (written / "cube" / "c").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(b"damaged")
    opened = open_raster(written)
    with pytest.raises(RasterError):
        opened.compute(scheduler="synchronous")
