"""Arrays of xarray, zarr stores and netCDF files: one reading of names, packing and place."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import rioxarray
import xarray as xr
from raster_files import TRANSFORM, cube, numbers, write_store, write_tiff

from hsfuse.errors import RasterError
from hsfuse.io.input.labels import raster_notes
from hsfuse.io.read import as_raster, check_georeferencing, open_raster

BANDS = np.linspace(400.0, 800.0, 5)


def spectral(**attributes: object) -> xr.DataArray:
    """Return a cube (wavelength, y, x) with a CRS, floats."""
    array = cube(numbers("float32")).assign_coords(band=BANDS).rename(band="wavelength")
    array["wavelength"].attrs = {"units": "nm"}
    return array.assign_attrs(attributes)


def check(raster: xr.DataArray, expected: np.ndarray | None = None) -> None:
    np.testing.assert_array_equal(raster, numbers("float32") if expected is None else expected)
    assert raster.rio.crs.to_epsg() == 32633
    assert raster.rio.transform().almost_equals(TRANSFORM)
    np.testing.assert_allclose(raster["wavelength"], BANDS)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a,
        lambda a: a.transpose("y", "x", "wavelength"),
        lambda a: a.transpose("x", "wavelength", "y"),
        lambda a: a.rename(y="lat", x="lon"),
        lambda a: a.rename(y="latitude", x="longitude"),
        lambda a: a.rename(y="row", x="col", wavelength="Wavelengths"),
        lambda a: a.expand_dims(time=1),
        lambda a: a.to_dataset(name="cube"),
        lambda a: a.chunk({"wavelength": 2, "y": 16}),
        lambda a: a.astype("float64"),
        lambda a: a.isel(y=slice(None, None, -1)).isel(y=slice(None, None, -1)),
        lambda a: a.assign_coords(wavelength=("wavelength", BANDS / 1000, {"units": "micrometer"})),
        lambda a: a.drop_vars("spatial_ref").assign_coords(epsg=32633),
        lambda a: a.drop_vars("spatial_ref").assign_attrs(crs="EPSG:32633"),
        lambda a: a.drop_vars("wavelength").assign_attrs(
            wavelength=(BANDS / 1000).tolist(), wavelength_units="um"
        ),
    ],
)
def test_any_usual_form_is_the_same_raster(change) -> None:
    """Order and names of dimensions, unit, where the CRS stands."""
    check(as_raster(change(spectral()), "HS"))


def test_planes_of_a_dataset_are_bands() -> None:
    """In their order, with their names; not where they differ in kind."""
    planes = {name: spectral().isel(wavelength=k, drop=True) for k, name in enumerate("cab")}
    found = as_raster(xr.Dataset(planes), "MS")
    np.testing.assert_array_equal(found, numbers("float32")[:3])
    assert found["band_name"].values.tolist() == ["c", "a", "b"]
    assert "taken for bands: c, a, b" in raster_notes(found)[0]
    planes["quality"] = planes["a"].astype("uint8")
    with pytest.raises(RasterError, match=r"MS array: holds several rasters \(a, b, c, quality"):
        as_raster(xr.Dataset(planes), "MS")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: xr.concat([a, a], "time"), "choose one element of time"),
        (lambda a: xr.DataArray(a.values), "has the dimensions"),
        (lambda a: a > 0, "holds bool"),
        (lambda a: a.assign_coords(x=np.arange(48.0) ** 2), "x is not evenly spaced"),
        (lambda a: xr.Dataset(), "no variable with the dimensions"),
    ],
)
def test_what_cannot_be_understood_is_one_line(change, words) -> None:
    """An error of hsfuse's that says what was found."""
    with pytest.raises(RasterError, match=words) as caught:
        as_raster(change(spectral()), "HS")
    assert "\n" not in str(caught.value)


def test_pixels_placed_one_by_one_are_not_placed() -> None:
    """Latitude and longitude of each pixel are a swath, which has to be warped first."""
    place = (("y", "x"), np.zeros((40, 48)))
    array = xr.DataArray(numbers("float32"), dims=("band", "y", "x"))
    with pytest.raises(RasterError, match=r"HS array: coordinates of each pixel only \(lat, lon\)"):
        check_georeferencing(as_raster(array.assign_coords(lat=place, lon=place), "HS"))
    check_georeferencing(as_raster(array, "HS"))


def test_rioxarray_and_hsfuse_open_the_same(tmp_path: Path) -> None:
    """Masked or not, packed or not; wavelengths are those of the file."""
    stored = numbers()
    stored[:, 3:7, 4:9] = -99
    path = write_tiff(tmp_path / "a.tif", stored, nodata=-99)
    with rasterio.open(path, "r+") as target:
        target.scales, target.offsets = (0.1,) * 5, (3.0,) * 5
        for band, length in enumerate(BANDS, start=1):
            target.update_tags(band, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=str(length / 1000))
    expected = open_raster(path)
    for options in ({}, {"masked": True}, {"mask_and_scale": True}, {"chunks": {"x": 16}}):
        found = as_raster(rioxarray.open_rasterio(path, **options), "HS")
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        np.testing.assert_array_equal(found["wavelength"], BANDS)
        assert found.rio.transform() == TRANSFORM


@pytest.mark.parametrize("engine", ["h5netcdf", "scipy"])
@pytest.mark.parametrize("order", [("wavelength", "y", "x"), ("y", "x", "wavelength")])
def test_a_netcdf_file_is_read_with_its_bands(tmp_path: Path, engine: str, order) -> None:
    """By its name and by that of its variable: wavelength, width and good bands."""
    array = (
        spectral()
        .transpose(*order)
        .assign_coords(
            fwhm=("wavelength", np.full(5, 9.5), {"units": "nm"}),
            good=("wavelength", np.array([1, 1, 0, 1, 1], np.int8)),
        )
    )
    path = tmp_path / "a.nc"
    array.rename("cube").to_netcdf(path, engine=engine)
    for name in (path, f"NETCDF:{path}:cube", f'NETCDF:"{path}":cube'):
        raster = open_raster(name)
        check(raster)
        assert raster["fwhm"].values.tolist() == [9.5] * 5
        assert raster["good"].values.tolist() == [True, True, False, True, True]
    (tmp_path / "b.nc").write_bytes(path.read_bytes()[:5000])
    with pytest.raises(RasterError, match=r"b\.nc: "):
        open_raster(tmp_path / "b.nc").compute()


@pytest.mark.parametrize("kept", [slice(None), slice(3, None)])
@pytest.mark.parametrize("store", [False, True])
def test_corners_in_place_of_centres_are_found(tmp_path: Path, kept: slice, store: bool) -> None:
    """By a stated transform half a pixel off, which wins; of a part of the image too."""
    array = cube(numbers()).drop_vars("spatial_ref")
    array.encoding.clear()
    array = array.assign_coords(x=array.x - 1.25, y=array.y + 1.25, epsg=32633)
    array = array.assign_attrs(transform=list(TRANSFORM)).isel(x=kept, y=kept)
    found = open_raster(write_store(tmp_path / "a.zarr", array)) if store else as_raster(array, "a")
    first = kept.start or 0
    assert found.rio.transform().almost_equals(TRANSFORM * TRANSFORM.translation(first, first))
    assert found.rio.crs.to_epsg() == 32633
    assert "corners of pixels" in raster_notes(found)[0]


@pytest.mark.parametrize("kind", ["array", "zarr", "netcdf"])
def test_no_data_that_differs_by_rounding_is_masked(tmp_path: Path, kind: str) -> None:
    """A tag of two digits for the lowest float32, in any carrier."""
    stored = numbers("float32")
    stored[:, 3:7, 4:9] = np.finfo("f4").min
    array = cube(stored).assign_attrs(_FillValue=np.float32(-3.4e38))
    if kind == "array":
        found = as_raster(array, "HS")
    elif kind == "zarr":
        found = open_raster(write_store(tmp_path / "a.zarr", array))
    else:
        array.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
        found = open_raster(tmp_path / "a.nc")
    np.testing.assert_array_equal(np.isnan(found), stored < 0)
