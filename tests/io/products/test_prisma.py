"""PRISMA L2D: two cubes of descending wavelengths as one raster of increasing ones."""

import pickle

import dask
import numpy as np
import pytest

from hsfuse.errors import RasterError
from hsfuse.io.input.labels import raster_notes
from hsfuse.io.read import open_raster

CHUNKS = (None, (4, 3, 5))


def test_both_detectors_are_one_raster_by_wavelength(prisma) -> None:
    product = prisma()
    raster = open_raster(product.image)
    np.testing.assert_allclose(raster, product.stored, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(raster["wavelength"], product.wavelength, rtol=1e-6)
    np.testing.assert_allclose(raster["fwhm"], product.width, rtol=1e-6)
    assert np.all(np.diff(raster["wavelength"]) > 0)
    assert raster["band_name"].values.tolist() == product.gain.tolist()
    assert raster["band_name"].values.tolist()[3:8] == [
        "SWIR5", "VNIR3", "SWIR4", "VNIR2", "VNIR1",
    ]  # fmt: skip
    assert raster.attrs["sensor"] == "prisma"
    assert raster.attrs["product"] == "PRISMA L2D"
    assert raster.attrs["source_dtype"] == "uint16"


def test_the_corners_are_centres_of_pixels(prisma) -> None:
    raster = open_raster(prisma().image)
    assert raster.rio.crs.to_epsg() == 32633
    assert raster.rio.transform()[:6] == (30.0, 0.0, 372000.0, 0.0, -30.0, 5810010.0)
    assert (float(raster["x"][0]), float(raster["y"][0])) == (372015.0, 5809995.0)


def test_corners_as_far_apart_as_the_image_is_wide_are_its_edges(prisma) -> None:
    def edges(file) -> None:
        file.attrs["Product_ULcorner_easting"] = 372000.0
        file.attrs["Product_ULcorner_northing"] = 5810010.0
        file.attrs["Product_LRcorner_easting"] = 372000.0 + 11 * 30
        file.attrs["Product_LRcorner_northing"] = 5810010.0 - 14 * 30

    raster = open_raster(prisma(change=edges).image)
    assert raster.rio.transform()[:6] == (30.0, 0.0, 372000.0, 0.0, -30.0, 5810010.0)


def test_bands_in_water_vapour_are_bad_and_that_is_said(prisma) -> None:
    raster = open_raster(prisma().image)
    assert raster["wavelength"].values[~raster["good"]].round(1).tolist() == [1400.2, 1858.4]
    assert raster_notes(raster) == ["flagged as bad by the table of prisma: SWIR3, SWIR2"]


def test_dark_pixels_within_the_swath_are_data(prisma) -> None:
    values = open_raster(prisma().image).values
    assert np.isfinite(values[:, 3:12, 5]).all()
    assert np.isnan(values[:, :3, :2]).all()


def test_without_the_angles_a_stored_0_is_no_data_and_that_is_said(prisma) -> None:
    def drop(file) -> None:
        del file["HDFEOS/SWATHS/PRS_L2D_HCO/Geometric Fields"]

    raster = open_raster(prisma(change=drop).image)
    assert np.isnan(raster.values[:, :, 5]).all()
    assert np.isnan(raster.values[:, :3, :2]).all()
    assert any("no data is assumed where 0 is stored" in note for note in raster_notes(raster))


@pytest.mark.parametrize(
    ("scheduler", "chunks"),
    [
        *((scheduler, chunks) for scheduler in ("synchronous", "threads") for chunks in CHUNKS),
        pytest.param("processes", CHUNKS[1], marks=pytest.mark.slow),
    ],
)
def test_blocks_are_those_of_the_whole_under_every_scheduler(prisma, scheduler, chunks) -> None:
    product = prisma(chunks=chunks)
    raster = pickle.loads(pickle.dumps(open_raster(product.image, chunk=5)))
    with dask.config.set(scheduler=scheduler, num_workers=2):
        np.testing.assert_allclose(raster, product.stored, rtol=1e-6, atol=1e-7)


def test_a_window_is_that_of_the_whole(prisma) -> None:
    raster = open_raster(prisma().image)
    whole = raster.values
    for key in (
        np.s_[1:3, 4:12, 5:], np.s_[[6, 0], ::-5, 2:9], np.s_[2], np.s_[3, 7:7], np.s_[:, 0, 0],
        np.s_[4:8:2, 1, ::2], np.s_[:, 12],
    ):  # fmt: skip
        np.testing.assert_array_equal(raster[key], whole[key])


def attribute(name: str, value):
    def change(file) -> None:
        del file.attrs[name]
        if value is not None:
            file.attrs[name] = value

    return change


def put(name: str, values):
    def change(file) -> None:
        del file[f"HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields/{name}"]
        if values is not None:
            file[f"HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields/{name}"] = values

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (attribute("List_Cw_Swir", None), "List_Cw_Swir is missing or holds no numbers"),
        (attribute("List_Fwhm_Vnir", [1.0]), "List_Fwhm_Vnir holds 1 numbers; expected 7"),
        (attribute("List_Cw_Vnir", np.zeros(7)), "List_Cw_Vnir and its flags name no band"),
        (attribute("L2ScaleVnirMax", 0.0), "L2ScaleVnirMin and Max are 0 and 0; expected"),
        (attribute("Epsg_Code", 12), "Epsg_Code is 12; expected the code of a reference system"),
        (attribute("Product_LRcorner_easting", 0.0), "corners lie .* and its cubes have 11 by 14"),
        (put("SWIR_Cube", None), "SWIR_Cube of 3 dimensions, found none"),
        (put("SWIR_Cube", np.ones((14, 7), "u2")), "found one of shape .14, 7."),
        (put("SWIR_Cube", np.ones((13, 7, 11), "u2")), "VNIR_Cube has another size than"),
    ],
)
def test_a_broken_product_is_one_line_that_names_it(prisma, change, message) -> None:
    product = prisma(change=change)
    with pytest.raises(RasterError, match=message) as refusal:
        open_raster(product.image)
    assert str(refusal.value).startswith(f"{product.image}: ")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("level", ["L1", "L2B", "L2C"])
def test_a_level_without_a_map_grid_is_refused(prisma, level) -> None:
    with pytest.raises(RasterError, match=rf"is PRISMA {level}, .* expected L2D"):
        open_raster(prisma(level=level).image)


def test_a_truncated_product_is_refused(prisma) -> None:
    product = prisma()
    product.image.write_bytes(product.image.read_bytes()[:2000])
    with pytest.raises(RasterError, match=r"cannot be read as HDF5, .* expected the whole"):
        open_raster(product.image)
