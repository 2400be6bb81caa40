"""Pictures and spectra by matplotlib and holoviews."""

import sys

import dask.array as da
import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from affine import Affine

import hsfuse.xarray  # noqa: F401 - gives DataArray its .hsfuse accessor
from hsfuse.core.picture import NO_DATA, stretch_limits, stretched
from hsfuse.errors import PlanError, RasterError
from hsfuse.io.names import STANDARD_ERROR
from hsfuse.xarray import pictures

mpl.use("agg")
import matplotlib.pyplot as plt

NORTH_UP = Affine(10.0, 0.0, 1000.0, 0.0, -10.0, 5000.0)
WAVELENGTH = [480.0, 560.0, 660.0, 700.0, 842.0]


@pytest.fixture
def axes():
    yield plt.figure().add_subplot()
    plt.close("all")


def raster(
    transform: Affine | None = NORTH_UP, *, rows: int = 8, columns: int = 12
) -> xr.DataArray:
    """Return a lazy raster that increases along each axis, without data in its first pixel."""
    values = np.arange(5.0 * rows * columns, dtype="f4").reshape(5, rows, columns)
    values[:, 0, 0] = np.nan
    array = xr.DataArray(
        da.from_array(values, chunks=(5, 4, 4)),
        dims=("band", "y", "x"),
        coords={
            "wavelength": ("band", WAVELENGTH),
            "good": ("band", [True, True, True, False, True]),
        },
        attrs={"units": "reflectance"},
    )
    if transform is None:
        return array
    if transform.is_rectilinear:
        array = array.assign_coords(
            x=transform.c + transform.a * (np.arange(columns) + 0.5),
            y=transform.f + transform.e * (np.arange(rows) + 0.5),
        )
    return array.rio.write_transform(transform).rio.write_crs("EPSG:32633")


@pytest.mark.parametrize("transform", [NORTH_UP, NORTH_UP * Affine.rotation(20)])
def test_a_picture_is_drawn_where_the_raster_lies(axes, transform):
    """Each pixel at its place on the map, on rotated grids as well."""
    raster(transform).hsfuse.plot.rgb(axes)
    (image,) = axes.images
    inside = axes.transData.inverted().transform(
        image.get_transform().transform([(0, 0), (12, 8), (3.5, 2.5)])
    )
    expected = [transform * corner for corner in [(0, 0), (12, 8), (3.5, 2.5)]]
    np.testing.assert_allclose(inside, expected, atol=1e-6)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("easting [m], EPSG:32633", "northing [m]")
    corners = np.array([transform * each for each in [(0, 0), (12, 0), (0, 8), (12, 8)]])
    np.testing.assert_allclose(axes.get_xlim(), (corners[:, 0].min(), corners[:, 0].max()))
    np.testing.assert_allclose(axes.get_ylim(), (corners[:, 1].min(), corners[:, 1].max()))


def test_without_a_place_axes_count_pixels(axes):
    raster(None).hsfuse.plot(ax=axes)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("column [pixels]", "row [pixels]")


def test_colours_are_the_bands_nearest_to_red_green_and_blue(axes):
    """Stretched between percentiles; light grey without data."""
    whole = raster()
    whole.hsfuse.plot.rgb(axes)
    picture = axes.images[0].get_array()
    np.testing.assert_allclose(picture[0, 0], NO_DATA)
    assert picture[-1, -1].tolist() == [1, 1, 1]
    brighter = (whole * 1.5).assign_attrs(whole.attrs)
    limits = stretch_limits(whole.isel(band=[2, 1, 0]).values)
    expected = stretched(brighter.isel(band=[2, 1, 0]).values, limits)
    brighter.hsfuse.plot.rgb(axes, like=whole)
    np.testing.assert_allclose(axes.images[1].get_array(), expected, rtol=1e-5)


def test_a_large_raster_is_averaged_to_a_bounded_size(axes, monkeypatch):
    """Also where its size is no multiple; every pixel keeps its place."""
    monkeypatch.setattr(pictures, "_LONGEST", 5)
    whole = raster()
    picture, step, title = pictures.picture_of(whole)
    assert (step, picture.shape) == (3, (3, 4, 3))
    assert "means of 3 x 3" in title
    image, _ = pictures.thinned_bands(whole, [0])
    np.testing.assert_allclose(image[0, 1, 1], whole[0, 3:6, 3:6].mean())
    np.testing.assert_allclose(image[0, 2, 3], whole[0, 6:, 9:].mean())
    whole.hsfuse.plot.rgb(axes)
    assert axes.images[0].get_extent() == [0, 12, 9, 0]


def test_a_spectrum_is_drawn_over_wavelength_without_bad_bands(axes):
    whole = raster()
    error = xr.full_like(whole[0], 5.0).drop_vars(["wavelength", "good"])
    with_error = whole.assign_coords({STANDARD_ERROR: error})
    with_error.hsfuse.plot.spectrum(1015, 4985, ax=axes, label="here")
    (line,) = axes.lines
    along, values = line.get_data()
    np.testing.assert_array_equal(along, [480, 560, 660, np.nan, 842])
    np.testing.assert_array_equal(values[[0, 1, 2, 4]], whole[[0, 1, 2, 4], 1, 1])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("wavelength [nm]", "reflectance")
    (shaded,) = axes.collections
    edges = shaded.get_paths()[0].vertices[:, 1]
    assert edges.min() == pytest.approx(float(whole[0, 1, 1]) - 5)


@pytest.mark.slow  # loads holoviews and bokeh
def test_a_click_shows_the_spectrum_of_the_pixel():
    """In a layout of picture and curve; a click without data or outside shows an empty curve."""
    holoviews = pytest.importorskip("holoviews", reason="holoviews is of the extra plot")
    whole = raster()
    layout = whole.hsfuse.plot.interactive(width=200)
    marked, spectrum = layout
    image, marker = marked[()]
    assert isinstance(image, holoviews.RGB)
    np.testing.assert_allclose(image.bounds.lbrt(), (1000, 4920, 1120, 5000))
    spectrum.event(x=1033.0, y=4968.0)
    values = spectrum[()].dimension_values("value")
    np.testing.assert_array_equal(values[[0, 1, 2, 4]], whole[[0, 1, 2, 4], 3, 3])
    image, marker = marked[()]
    assert marker.array().tolist() == [[1033, 4968]]
    spectrum.event(x=0.0, y=0.0)
    assert np.isnan(spectrum[()].dimension_values("value")).all()
    with pytest.raises(RasterError, match="this one is rotated"):
        raster(NORTH_UP * Affine.rotation(20)).hsfuse.plot.interactive()


def test_without_holoviews_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "holoviews", None)
    with pytest.raises(PlanError, match=r"pip install 'hsfuse\[plot\]'"):
        raster().hsfuse.plot.interactive()
