"""EMIT: a swath on the map grid of its lookup table, block by block."""

import pickle

import dask
import numpy as np
import pytest

from hsfuse.errors import RasterError
from hsfuse.io.input.labels import raster_notes
from hsfuse.io.products import emit as module
from hsfuse.io.products.settings import ProductSettings
from hsfuse.io.read import open_raster


def test_the_map_grid_is_what_the_lookup_table_gathers(emit) -> None:
    product = emit()
    raster = open_raster(product.image)
    np.testing.assert_array_equal(raster, product.stored)
    assert 0.2 < np.isnan(product.stored[0]).mean() < 0.9, "the table has to have holes"
    np.testing.assert_allclose(raster["wavelength"], product.wavelength, rtol=1e-6)
    np.testing.assert_allclose(raster["fwhm"], product.width, rtol=1e-6)
    assert raster["good"].values.tolist() == [True, True, False, True, True]
    assert raster_notes(raster) == []
    assert raster.attrs["sensor"] == "emit"
    assert raster.attrs["product"] == "EMIT L2A"
    assert raster.rio.crs.to_epsg() == 4326
    assert raster.rio.transform()[:6] == (5e-4, 0.0, 12.25, 0.0, -5e-4, 52.5)


@pytest.mark.parametrize(
    "scheduler",
    ["synchronous", "threads", pytest.param("processes", marks=pytest.mark.slow)],
)
def test_blocks_are_those_of_the_whole_under_every_scheduler(emit, scheduler) -> None:
    product = emit()
    raster = pickle.loads(pickle.dumps(open_raster(product.image, chunk=7)))
    with dask.config.set(scheduler=scheduler, num_workers=2):
        np.testing.assert_array_equal(raster, product.stored)


def test_a_window_is_that_of_the_whole(emit) -> None:
    product = emit()
    raster = open_raster(product.image)
    for key in (
        np.s_[1:3, 4:20, 5:], np.s_[[3, 0], ::-5, 2:9], np.s_[2], np.s_[3, 7:7], np.s_[:, 0, 0],
        np.s_[-1:, 1, ::2], np.s_[:, 12],
    ):  # fmt: skip
        np.testing.assert_array_equal(raster[key], product.stored[key])


def test_a_long_window_is_read_in_parts_that_hold_little_else(emit, monkeypatch) -> None:
    product = emit()
    monkeypatch.setattr(module, "PRODUCTS", ProductSettings(small_part=4, most_waste=1.0))
    np.testing.assert_array_equal(open_raster(product.image), product.stored)


def test_radiance_flags_no_band_so_the_table_does(emit) -> None:
    raster = open_raster(emit(product="L1B_RAD").image)
    assert raster["good"].values.tolist() == [True, True, False, False, True]
    assert raster_notes(raster) == ["flagged as bad by the table of emit: B003, B004"]


def drop(*names: str):
    def change(file) -> None:
        for name in names:
            del file[name]

    return change


def put(name: str, values):
    def change(file) -> None:
        del file[name]
        file[name] = values

    return change


def attribute(name: str, value):
    def change(file) -> None:
        del file.attrs[name]
        if value is not None:
            file.attrs[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("location"), "expected an array location/glt_x of 2 dimensions, found none"),
        (put("location/glt_y", np.ones((3, 3), int)), "glt_y has another shape than"),
        (put("location/glt_x", np.ones(31, int)), "found one of shape .31,."),
        (drop("reflectance"), "expected an array reflectance of 3 dimensions"),
        (
            put("sensor_band_parameters/wavelengths", [1.0, 2]),
            "holds 2 numbers; expected one for each",
        ),
        (attribute("geotransform", None), "attribute geotransform is missing or holds no numbers"),
        (attribute("geotransform", [1.0, 2]), "geotransform holds 2 numbers; expected 6"),
        (attribute("geotransform", "here"), "geotransform is missing or holds no numbers"),
        (
            attribute("spatial_ref", "nowhere"),
            "'nowhere'; expected the WKT of a reference",
        ),
        (attribute("spatial_ref", 3), "spatial_ref is missing or is no text"),
    ],
)
def test_a_broken_granule_is_one_line_that_names_it(emit, change, message) -> None:
    product = emit(change=change)
    with pytest.raises(RasterError, match=message) as refusal:
        open_raster(product.image)
    assert str(refusal.value).startswith(f"{product.image}: ")
    assert "\n" not in str(refusal.value)


def test_a_truncated_granule_is_refused(emit) -> None:
    product = emit()
    product.image.write_bytes(product.image.read_bytes()[:3000])
    with pytest.raises(RasterError, match=r"cannot be read as HDF5, .* expected the whole"):
        open_raster(product.image)


def test_pixels_that_cannot_be_read_are_refused_when_they_are_computed(emit) -> None:
    product = emit()
    raster = open_raster(product.image)
    product.image.write_bytes(product.image.read_bytes() + b" ")
    with pytest.raises(RasterError, match="changed since it was opened"):
        raster.compute(scheduler="synchronous")
    beyond = emit(change=put("location/glt_y", np.full((31, 29), 24)))
    with pytest.raises(RasterError, match="points beyond the swath of 23 rows x 17 columns"):
        open_raster(beyond.image).compute(scheduler="synchronous")


def test_no_data_that_the_cube_does_not_state_is_said(emit) -> None:
    def drop_fill(file) -> None:
        del file["reflectance"].attrs["_FillValue"]

    product = emit(change=drop_fill)
    raster = open_raster(product.image)
    np.testing.assert_array_equal(raster, product.stored)
    assert raster_notes(raster) == ["no data is assumed to be -9999: the cube states none"]


def test_a_table_of_widths_fills_in_for_the_metadata(emit) -> None:
    centres = (405.0, 550.3, 2201.9)
    raster = open_raster(emit(centres, change=drop("sensor_band_parameters/fwhm")).image)
    assert np.isfinite(raster["fwhm"]).all()
    assert raster_notes(raster) == [
        "the metadata state no width, that of the table of emit is taken: all bands"
    ]
