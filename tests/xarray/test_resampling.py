"""A raster in the bands of another sensor."""

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import hsfuse.xarray  # noqa: F401 - gives DataArray its .hsfuse accessor
from hsfuse.errors import SensorError
from hsfuse.sensor.catalogue import pick_sensor, response_matrix

WAVELENGTH = np.arange(420.0, 1000.0, 8.0)
MS = "sentinel-2a:B2,B3,B4,B8"


def raster(values: np.ndarray | da.Array, wavelength: np.ndarray = WAVELENGTH) -> xr.DataArray:
    bands = {"wavelength": ("band", wavelength), "fwhm": ("band", np.full(len(wavelength), 9.0))}
    return xr.DataArray(
        values,
        dims=("band", "y", "x"),
        coords={**bands, "y": [5.0, 4.0], "x": [1.0, 2.0]},
        attrs={"units": "reflectance", "source": "scene.tif"},
    )


@settings(max_examples=10)
@given(value=st.floats(1 / 1024, 16_384, width=32))
def test_a_flat_spectrum_is_flat_in_every_sensor(value):
    flat = raster(np.full((len(WAVELENGTH), 2, 2), value, "f4"))
    seen = flat.hsfuse.resample_to(MS)
    np.testing.assert_allclose(seen, value, rtol=1e-5)


@pytest.mark.parametrize("sensor", [MS, "generic-rgb"])
def test_a_band_is_r_times_the_spectrum(sensor):
    """With R of the good bands, and its coverage."""
    values = np.random.default_rng(0).random((len(WAVELENGTH), 2, 2)).astype("f4")
    good = np.arange(len(WAVELENGTH)) % 9 != 4
    scene = raster(values).assign_coords(good=("band", good)).chunk(band=5, y=1)
    expected = response_matrix(
        pick_sensor(sensor), WAVELENGTH, scene.fwhm.values, good=scene.good.values
    )
    seen = scene.hsfuse.resample_to(sensor)
    assert seen.dims == scene.dims
    np.testing.assert_allclose(seen, np.einsum("ij,jyx->iyx", expected.matrix, values), rtol=1e-5)
    np.testing.assert_array_equal(seen.coverage, expected.coverage)
    assert seen.band_name.values.tolist() == list(expected.band_names)
    assert seen.attrs["units"] == "reflectance"


def test_no_chunk_is_computed():
    def computing(*_: object) -> None:
        raise AssertionError("a chunk is computed")

    scene = raster(da.ones((len(WAVELENGTH), 2, 2), chunks=(10, 1, 1)))
    with dask.config.set(scheduler=computing):
        assert scene.hsfuse.resample_to(MS).chunks


def test_only_the_bands_that_need_a_missing_value_lack_it():
    values = np.ones((len(WAVELENGTH), 2, 2), "f4")
    values[np.argmin(np.abs(WAVELENGTH - 664)), 0, 1] = np.nan
    seen = raster(values).hsfuse.resample_to(MS)
    missing = np.isnan(seen.values)
    assert missing[2, 0, 1]
    assert missing.sum() == 1


def test_what_the_bands_do_not_cover_is_refused_or_stated(caplog):
    """Half of a response is needed; what lacks more than a twentieth of it is logged."""
    scene = raster(np.ones((len(WAVELENGTH), 2, 2), "f4"))
    with pytest.raises(SensorError, match=r"scene.tif: covers less than 50%.*B11, B12; name those"):
        scene.hsfuse.resample_to("sentinel-2a:B2,B3,B11,B12")
    assert not caplog.records
    keep = WAVELENGTH < 830
    half = raster(np.ones((keep.sum(), 2, 2), "f4"), WAVELENGTH[keep])
    seen = half.hsfuse.resample_to("sentinel-2a:B4,B8")
    assert 0.5 < float(seen.coverage[1]) < 0.95
    assert "of B8" in caplog.text
    with pytest.raises(SensorError, match="no good band with a known wavelength"):
        scene.drop_vars("wavelength").hsfuse.resample_to(MS)
