"""Rasters that hsfuse opened, after a user of xarray has worked with them."""

import numpy as np
import pytest
import rioxarray
import xarray as xr
from affine import Affine
from raster_files import TRANSFORM, cube, numbers, write_tiff

from hsfuse.errors import RasterError
from hsfuse.io.input.labels import raster_notes
from hsfuse.io.input.masks import mask_raster
from hsfuse.io.read import as_raster, open_raster
from hsfuse.io.write import write_raster

NANOMETRES = np.linspace(400.0, 800.0, 5)
TURNED = TRANSFORM * Affine.rotation(20)


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """Return an opened RGB image in which 0 is black in one band and no data in all."""
    stored = numbers("uint8", (3, 40, 48), top=5) - 1
    stored[:, :4, :4] = 0
    path = write_tiff(tmp_path_factory.mktemp("colours") / "rgb.tif", stored, nodata=0)
    return open_raster(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.compute(),
        lambda a: a.astype("float64"),
        lambda a: a.transpose("y", "x", "band"),
        lambda a: a.drop_vars("band_name"),
    ],
)
def test_no_data_of_the_file_is_applied_once(colours, change) -> None:
    """A black pixel of one band remains data in whatever is made of an opened raster."""
    empty = np.isnan(colours)
    assert 0 < empty.sum() < (colours == 0).sum()
    found = as_raster(change(colours), "RGB")
    np.testing.assert_array_equal(np.isnan(found), empty)
    assert found.attrs["nodata_where"] == "every band holds it"


def test_a_computed_raster_is_written_with_its_black_pixels(colours, tmp_path) -> None:
    """By hsfuse, and by xarray, which keeps the attributes in the file."""
    written = open_raster(write_raster(colours.compute(), tmp_path / "a.zarr"))
    np.testing.assert_array_equal(written, colours)
    colours.drop_vars("band_name").to_netcdf(tmp_path / "a.nc")
    np.testing.assert_array_equal(open_raster(tmp_path / "a.nc"), colours)


def test_no_data_that_a_user_states_of_a_decoded_raster_is_applied(tmp_path) -> None:
    """By ``_FillValue``, as rioxarray writes it."""
    raster = open_raster(write_tiff(tmp_path / "a.tif", numbers("float32")))
    filled = raster.where(raster > 500, -9.0).assign_attrs(_FillValue=-9.0)
    np.testing.assert_array_equal(as_raster(filled, "HS"), raster.where(raster > 500))


@pytest.mark.parametrize(
    ("values", "attributes"),
    [
        (NANOMETRES / 1000, {}),
        (NANOMETRES / 1000, {"units": "um"}),
        ([f"{length:g} nm" for length in NANOMETRES], {}),
        ([f"{length:g}" for length in NANOMETRES], {"units": "nm"}),
        (np.array([*NANOMETRES], dtype=object), {}),
    ],
)
def test_wavelengths_that_a_user_assigns_are_read(tmp_path, values, attributes) -> None:
    """In micrometres or as text, on an array or an opened raster, also where it is written."""
    coords = {"wavelength": ("band", values, attributes)}
    array = cube(numbers("float32"))
    opened = open_raster(write_tiff(tmp_path / "a.tif", numbers("float32")))
    for raster in (array, opened):
        found = as_raster(raster.assign_coords(coords), "HS")
        np.testing.assert_allclose(found["wavelength"], NANOMETRES)
    path = write_raster(array.assign_coords(coords), tmp_path / "b.zarr")
    np.testing.assert_allclose(open_raster(path)["wavelength"], NANOMETRES)


def test_wavelengths_that_are_no_numbers_are_noted() -> None:
    """And not dropped without a word."""
    names = ("band", ["coastal", "blue", "green", "red", "nir"])
    found = as_raster(cube(numbers("float32"), wavelength=names), "HS")
    assert "'coastal', 'blue'" in raster_notes(found)[0]
    assert "are no numbers" in raster_notes(found)[0]


@pytest.mark.parametrize("columns", [[0, 1, 2, 9, 10], [5, 6, 7, 0, 1]])
def test_columns_of_no_regular_grid_are_refused(tmp_path, columns) -> None:
    """Of a lazy opened raster as of any array."""
    raster = open_raster(write_tiff(tmp_path / "a.tif", numbers())).isel(x=columns)
    for each in (raster, raster.compute()):
        with pytest.raises(RasterError, match=r"a\.tif: the coordinate x is not evenly spaced"):
            as_raster(each, "HS")


def test_a_part_of_a_rotated_raster_is_refused_or_found(tmp_path) -> None:
    """Its transform is that of the whole; rioxarray's coordinates of each pixel are of the part."""
    path = write_tiff(tmp_path / "a.tif", numbers("float32"), transform=TURNED)
    part = open_raster(path).isel(x=slice(3, None))
    for read in (lambda: as_raster(part, "HS"), lambda: write_raster(part, tmp_path / "b.tif")):
        with pytest.raises(RasterError, match=r"a\.tif: its grid is rotated, and a part"):
            read()
    found = as_raster(rioxarray.open_rasterio(path).isel(x=slice(3, None), y=slice(5, None)), "HS")
    assert found.rio.transform().almost_equals(TURNED * Affine.translation(3, 5), 1e-5)


def test_a_file_without_a_place_can_be_given_one(tmp_path) -> None:
    """By coordinates that are assigned; a part of it has none of its own."""
    raster = open_raster(write_tiff(tmp_path / "a.tif", numbers(), transform=None))
    placed = raster.assign_coords(x=cube(numbers()).x, y=cube(numbers()).y).rio.write_crs(32633)
    part = raster.isel(x=slice(3, None), y=slice(4, None))
    for change in (lambda a: a, lambda a: a.compute()):
        found = as_raster(change(placed), "HS")
        assert found.attrs["georeferenced"]
        assert found.rio.transform().almost_equals(TRANSFORM)
        assert not as_raster(change(part), "HS").attrs["georeferenced"]


def test_a_single_pixel_without_its_size_has_no_place() -> None:
    """Two coordinates do not state how large it is; a transform does."""
    array = cube(numbers()).isel(x=slice(3, 4), y=slice(4, 5))
    assert as_raster(array, "HS").attrs["georeferenced"]
    bare = as_raster(array.drop_vars("spatial_ref").rio.write_crs(32633), "HS")
    assert "a single pixel without its size" in bare.attrs["georeferencing"]


def test_an_opened_raster_is_written_as_netcdf_by_xarray(tmp_path) -> None:
    """NetCDF has no truth values and no empty lists of text."""
    raster = open_raster(write_tiff(tmp_path / "a.tif", numbers("float32")))
    raster.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as dataset:
        np.testing.assert_array_equal(dataset["cube"], raster)


def test_a_mask_of_a_part_is_compared_with_the_part(tmp_path) -> None:
    """The stated transform is that of the whole until it is written anew."""
    part = open_raster(write_tiff(tmp_path / "a.tif", numbers("float32"))).isel(x=slice(8, None))
    flags = np.ones((1, 40, 40), np.uint8)
    flags[0, 0, 0] = 0
    mask = write_tiff(tmp_path / "m.tif", flags, transform=TRANSFORM * TRANSFORM.translation(8, 0))
    assert np.isnan(mask_raster(part, mask)[:, 0, 0]).all()
