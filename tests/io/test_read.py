import pickle
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from raster_files import (
    TRANSFORM,
    check_contract,
    cube,
    numbers,
    quiet,
    write_envi,
    write_store,
    write_tiff,
)
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC

from hsfuse.errors import PlanError, RasterError, SensorError
from hsfuse.io.input.labels import raster_notes
from hsfuse.io.input.pixels import chunk_size
from hsfuse.io.output.layout import OutputLayout
from hsfuse.io.read import check_georeferencing, open_raster
from hsfuse.io.write import write_raster
from hsfuse.sensor.catalogue import load_sensor

# rioxarray 0.19 multiplies transforms the way affine 3 is about to deprecate.

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"


def check_place(raster) -> None:
    assert raster.rio.crs.to_epsg() == 32633
    assert raster.rio.transform().almost_equals(TRANSFORM)
    assert raster.attrs["georeferenced"] == 1
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
    assert raster.attrs["georeferenced"] == 0
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


def test_a_single_band_has_a_band_axis(tmp_path) -> None:
    stored = numbers(shape=(1, 20, 24))
    check_contract(open_raster(write_tiff(tmp_path / "a.tif", stored)), (1, 20, 24))
    flat = cube(stored).isel(band=0, drop=True)
    check_contract(open_raster(write_store(tmp_path / "a.zarr", flat)), (1, 20, 24))


def test_a_file_without_a_place_says_so_and_warns_nobody(tmp_path) -> None:
    raster = open_raster(write_tiff(tmp_path / "a.tif", numbers(), transform=None))
    check_contract(raster)
    assert raster.attrs["georeferenced"] == 0
    assert raster.rio.transform() == Affine.identity()
    assert raster.rio.crs is None
    assert raster["x"].values[:2].tolist() == [0.5, 1.5]


@pytest.mark.parametrize("bent", [0.0, 0.2, 3.0])
def test_control_points_that_fit_a_grid_place_the_raster(tmp_path, bent) -> None:
    """With a note of how well; where one is off by more than half a pixel there is no transform."""
    path = write_tiff(tmp_path / "a.tif", numbers(), transform=None)
    points = [
        GroundControlPoint(row, col, *(TRANSFORM * (col, row)))
        for row in (0, 40)
        for col in (0, 48)
    ]
    points[2].x += bent * 2.5
    with quiet(), rasterio.open(path, "r+") as target:
        target.gcps = (points, "EPSG:32633")
    raster = open_raster(path)
    assert raster.attrs["georeferenced"] == (bent < 1)
    if bent == 0.0:
        check_place(raster)
    if bent < 1:
        assert any("ground control points" in note for note in raster_notes(raster))
    else:
        assert "pixels off the grid that fits best" in raster.attrs["georeferencing"]
        with pytest.raises(RasterError, match=r"a\.tif: 4 ground control points only"):
            check_georeferencing(raster)


def test_an_image_with_rational_polynomials_alone_has_no_place(tmp_path) -> None:
    """It opens, as for `hsfuse info`, and is refused where its place is needed."""
    path = write_tiff(tmp_path / "a.tif", numbers(), transform=None)
    terms = [1.0, *([0.0] * 19)]
    polynomials = RPC(300, 200, 52.0, 0.1, terms, terms, 20, 20, 13.0, 0.1, terms, terms, 24, 24)
    with quiet(), rasterio.open(path, "r+") as target:
        target.rpcs = polynomials
    raster = open_raster(path)
    assert raster.attrs["georeferenced"] == 0
    with pytest.raises(RasterError, match=r"a\.tif: rational polynomials \(RPC\) only; "):
        check_georeferencing(raster)


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


@pytest.mark.slow
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
