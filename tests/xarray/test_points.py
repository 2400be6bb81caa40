"""Spectra of the pixels that contain points of a map."""

import dask
import numpy as np
import pytest
import xarray as xr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from raster_files import write_tiff

import hsfuse.xarray  # noqa: F401 - gives DataArray its .hsfuse accessor
from hsfuse.errors import PlanError, RasterError
from hsfuse.io.read import open_raster

ROWS, COLUMNS, BANDS = 5, 7, 3
UTM = "EPSG:32633"
NORTH_UP = Affine(10.0, 0.0, 392_400.0, 0.0, -10.0, 5_790_600.0)
ROTATED = NORTH_UP * Affine.rotation(30)

counts = st.integers(0, ROWS - 1), st.integers(0, COLUMNS - 1)
shares = st.floats(0.01, 0.99)


def raster(transform: Affine, *, crs: str | None = UTM) -> xr.DataArray:
    """Return a lazy raster whose values are all different."""
    values = np.arange(BANDS * ROWS * COLUMNS, dtype="f4").reshape(BANDS, ROWS, COLUMNS)
    array = xr.DataArray(values, dims=("band", "y", "x")).chunk({"y": 2, "x": 3})
    if transform.is_rectilinear:
        array = array.assign_coords(
            x=transform.c + transform.a * (np.arange(COLUMNS) + 0.5),
            y=transform.f + transform.e * (np.arange(ROWS) + 0.5),
        )
    array = array.rio.write_transform(transform)
    return array if crs is None else array.rio.write_crs(crs)


def computing(*_: object) -> None:
    raise AssertionError("a chunk is computed")


@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED])
@pytest.mark.parametrize("crs", [None, 4326])
@settings(max_examples=15)
@given(row=counts[0], column=counts[1], down=shares, right=shares)
def test_a_spectrum_is_that_of_the_pixel_that_contains_the_point(
    transform, crs, row, column, down, right
):
    """Anywhere in the pixel, on rotated grids as well, in the CRS of the raster and in others."""
    x, y = transform * (column + right, row + down)
    if crs is not None:
        x, y = Transformer.from_crs(UTM, crs, always_xy=True).transform(x, y)
    whole = raster(transform)
    found = whole.hsfuse.spectrum(x, y, crs)
    assert found.dims == ("band",)
    np.testing.assert_array_equal(found, whole.isel(y=row, x=column))
    centre = transform * (column + 0.5, row + 0.5)
    np.testing.assert_allclose((found.x, found.y), centre, rtol=0, atol=1e-6)


def test_several_points_are_along_a_dimension_of_their_own():
    """A sequence along `point`, a DataArray along its own dimension, with its coordinates."""
    whole = raster(NORTH_UP)
    rows, columns = np.array([0, 4, 2]), np.array([6, 0, 3])
    x, y = 392_400 + 10 * (columns + 0.5), 5_790_600 - 10 * (rows + 0.5)
    spectra = whole.hsfuse.spectrum(x, y)
    assert spectra.dims == ("band", "point")
    for index, (row, column) in enumerate(zip(rows, columns, strict=True)):
        np.testing.assert_array_equal(spectra[:, index], whole.isel(y=row, x=column))
    station = {"station": ["a", "b", "c"]}
    named = whole.hsfuse.spectrum(
        xr.DataArray(x, dims="station", coords=station), xr.DataArray(y, dims="station")
    )
    np.testing.assert_array_equal(named.sel(station="b"), spectra[:, 1])


def test_a_spectrum_of_a_crop_is_that_of_the_whole():
    whole = raster(NORTH_UP)
    crop = whole.isel(y=slice(2, 5), x=slice(1, 4))
    x, y = NORTH_UP * (2.2, 3.7)
    np.testing.assert_array_equal(crop.hsfuse.spectrum(x, y), whole.hsfuse.spectrum(x, y))


def test_a_part_of_a_rotated_raster_is_refused(tmp_path):
    """It states the transform of the whole, and would give the spectrum of another pixel."""
    path = write_tiff(tmp_path / "r.tif", np.ones((2, 8, 8), "f4"), transform=ROTATED)
    opened = open_raster(path)
    assert opened.hsfuse.spectrum(*(ROTATED * (1.5, 1.5))).shape == (2,)
    with pytest.raises(RasterError, match="rotated, and a part of it does not state its place"):
        opened.isel(y=slice(2, None)).hsfuse.spectrum(*(ROTATED * (1.5, 3.5)))


def test_no_chunk_is_computed_before_the_spectrum_is():
    with dask.config.set(scheduler=computing):
        one = raster(NORTH_UP).hsfuse.spectrum(392_405, 5_790_595)
        several = raster(ROTATED).hsfuse.spectrum([392_400, 0], 5_790_590, missing="nan")
    assert one.chunks
    assert several.chunks


def test_a_point_outside_is_one_line_with_the_extent():
    for transform in (NORTH_UP, ROTATED):
        x, y = transform * (COLUMNS + 0.5, 1)
        with pytest.raises(RasterError, match=r"point \(.*\) lies outside it; it covers x 3"):
            raster(transform).hsfuse.spectrum(x, y)
    with pytest.raises(RasterError, match=r"points .* and 1 more lie outside.*EPSG:32633"):
        raster(NORTH_UP).hsfuse.spectrum([0, 1, 2, 3], 0)
    kept = raster(NORTH_UP).hsfuse.spectrum([0, 392_401], [0, 5_790_599], missing="nan")
    assert np.isnan(kept[:, 0]).all()
    assert np.isfinite(kept[:, 1]).all()


@pytest.mark.parametrize("lazy", [True, False])
def test_a_pixel_without_data_is_an_error_when_it_is_computed(lazy):
    """No data is a pixel with no value in a good band."""
    whole = raster(NORTH_UP).assign_coords(good=("band", [True, True, False]))
    whole = whole.where((whole.x > 392_410) | (whole.band == 2))
    whole = whole if lazy else whole.compute()
    with pytest.raises(RasterError, match=r"point \(392405, 5790595\) lies on a pixel without"):
        whole.hsfuse.spectrum([392_405, 392_415], 5_790_595).compute()
    kept = whole.hsfuse.spectrum([392_405, 392_415], 5_790_595, missing="nan").compute()
    assert np.isnan(kept[:2, 0]).all()
    assert np.isfinite(kept[:, 1]).all()


def test_what_has_no_place_is_refused():
    bare = xr.DataArray(np.ones((2, 3, 3)), dims=("band", "y", "x"))
    with pytest.raises(RasterError, match="is not georeferenced"):
        bare.hsfuse.spectrum(1, 1)
    with pytest.raises(RasterError, match="states no CRS"):
        raster(NORTH_UP, crs=None).hsfuse.spectrum(1, 1, crs=4326)
    with pytest.raises(PlanError, match="crs 'nowhere' is not understood"):
        raster(NORTH_UP).hsfuse.spectrum(1, 1, crs="nowhere")
    with pytest.raises(PlanError, match="missing must be raise or nan"):
        raster(NORTH_UP).hsfuse.spectrum(1, 1, missing="drop")
