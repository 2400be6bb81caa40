"""Sentinel-2 L2A: four bands of a SAFE folder as one raster of reflectance."""

import pickle
import shutil

import numpy as np
import pytest
from affine import Affine

from hsfuse.errors import RasterError
from hsfuse.io.input.labels import raster_notes
from hsfuse.io.read import open_raster
from hsfuse.sensor.catalogue import load_sensor


def reflectance(product) -> np.ndarray:
    values = (product.stored + product.offset[:, None, None]) / 10000
    values[(product.stored == 0) | (product.stored == 65535)] = np.nan
    return values


def test_product_and_granule_by_folder_or_metadata_are_one_raster(sentinel2) -> None:
    product = sentinel2()
    granule = product.image
    for path in (product.folder, product.metadata, granule, granule / "MTD_TL.xml"):
        raster = open_raster(path)
        np.testing.assert_allclose(raster, reflectance(product), rtol=1e-5, atol=1e-6)
        assert raster["band_name"].values.tolist() == ["B2", "B3", "B4", "B8"]
        assert raster["wavelength"].values.tolist() == [492.7, 559.8, 664.6, 832.8]
        assert raster.attrs["source"] == str(product.folder)
        assert raster.attrs["product"] == "Sentinel-2 L2A"
        assert raster.rio.crs.to_epsg() == 32633
        assert raster.rio.transform().almost_equals(Affine(10, 0, 372000, 0, -10, 5810010))


def test_no_data_and_saturation_hide_their_own_band_alone(sentinel2) -> None:
    raster = open_raster(sentinel2().folder).values
    assert np.isnan(raster[:, :2, :3]).all()
    assert np.isnan(raster).sum() == 4 * 6 + 1
    assert np.isnan(raster[2, 5, 5])


def test_a_window_is_that_of_the_whole_also_in_another_process(sentinel2) -> None:
    product = sentinel2()
    whole = open_raster(product.folder).values
    raster = pickle.loads(pickle.dumps(open_raster(product.folder, chunk=7)))
    for key in (
        np.s_[1:3, 4:20, 5:], np.s_[[3, 0], ::-5, 2:9], np.s_[2], np.s_[3, 7:7], np.s_[-1:, 1, ::2],
    ):  # fmt: skip
        np.testing.assert_array_equal(raster[key], whole[key])


@pytest.mark.parametrize("craft", ["A", "B", "C"])
def test_the_sensor_is_that_of_the_spacecraft(sentinel2, craft) -> None:
    raster = open_raster(sentinel2(craft=craft).folder)
    sensor = load_sensor(f"sentinel-2{craft.lower()}").select(["B2", "B3", "B4", "B8"])
    assert raster.attrs["sensor"] == f"sentinel-2{craft.lower()}:B2,B3,B4,B8"
    np.testing.assert_array_equal(raster["fwhm"], sensor.fwhm)


def test_a_spacecraft_that_hsfuse_does_not_know_is_said(sentinel2) -> None:
    raster = open_raster(sentinel2(craft="D").folder)
    assert raster.attrs["sensor"] == ""
    assert raster_notes(raster) == ["no table of sentinel-2d is shipped: its response is not known"]


def test_before_baseline_4_nothing_is_added(sentinel2) -> None:
    product = sentinel2(baseline="03.01", offsets={})
    np.testing.assert_allclose(
        open_raster(product.folder), reflectance(product), rtol=1e-5, atol=1e-6
    )


def test_special_values_of_the_metadata_beat_the_customary_ones(sentinel2) -> None:
    def other(document: str) -> str:
        return document.replace("INDEX>65535<", "INDEX>65000<")

    product = sentinel2(text=other)
    assert np.isfinite(open_raster(product.folder).values[2, 5, 5])


def test_special_values_that_are_not_stated_are_said(sentinel2) -> None:
    product = sentinel2(text=lambda document: document.replace("SATURATED", "OTHER"))
    raster = open_raster(product.folder)
    assert np.isnan(raster.values[2, 5, 5])
    assert "saturated is assumed to be 65535: the metadata do not say" in raster_notes(raster)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": lambda text: text[:-9]}, "not XML that can be read"),
        ({"text": lambda text: text.replace("BOA_QUANT", "X")}, "no element General_Info/.*VALUE"),
        ({"text": lambda text: text.replace(">10000<", ">0<")}, "expected a positive number"),
        ({"text": lambda text: text.replace(">10000<", ">many<")}, "is 'many'; expected a number"),
        ({"offsets": {}}, r"no BOA_ADD_OFFSET of B2, B3, B4, B8, .* \(this is 05\.09\)"),
        ({"offsets": {"B2": -1000, "B3": -1000, "B4": -1000}}, "no BOA_ADD_OFFSET of B8,"),
        ({"text": lambda text: text.replace(">492.7<", ">1492.7<")}, "has no band at 1492.7 nm"),
        ({"text": lambda text: text.replace("SPACECRAFT", "X")}, "no element .*SPACECRAFT_NAME"),
    ],
)
def test_broken_metadata_are_one_line_that_names_them(sentinel2, options, message) -> None:
    product = sentinel2(**options)
    with pytest.raises(RasterError, match=message) as refusal:
        open_raster(product.folder)
    assert str(refusal.value).startswith(f"{product.metadata}: ")
    assert "\n" not in str(refusal.value)


def test_a_missing_image_is_named(sentinel2) -> None:
    product = sentinel2()
    next(product.image.glob("IMG_DATA/R10m/*_B08_10m.jp2")).unlink()
    with pytest.raises(RasterError, match=r"expected one IMG_DATA/R10m/\*_B08_10m\.jp2"):
        open_raster(product.folder)


def test_an_image_on_another_grid_is_refused(sentinel2) -> None:
    product = sentinel2()
    other = next(product.image.glob("IMG_DATA/R10m/*_TCI_10m.jp2"))
    image = next(product.image.glob("IMG_DATA/R10m/*_B08_10m.jp2"))
    shutil.copy(other, image)
    with pytest.raises(RasterError, match=r"B8 has another grid than B2"):
        open_raster(product.folder)


def test_several_granules_are_refused_and_one_of_them_is_taken(sentinel2) -> None:
    product = sentinel2()
    second = product.image.with_name("L2A_T33UVU_A028123_20220724T102043")
    shutil.copytree(product.image, second)
    with pytest.raises(RasterError, match=r"found L2A_T33UUU.*, L2A_T33UVU"):
        open_raster(product.folder)
    np.testing.assert_allclose(open_raster(second), reflectance(product), rtol=1e-5, atol=1e-6)


def test_a_granule_without_its_product_is_refused(sentinel2) -> None:
    product = sentinel2()
    product.metadata.unlink()
    with pytest.raises(RasterError, match=r"expected the whole SAFE folder"):
        open_raster(product.image)


def test_reflectance_above_the_atmosphere_is_refused(sentinel2) -> None:
    product = sentinel2()
    other = product.folder.with_name(product.folder.name.replace("L2A", "L1C"))
    product.folder.rename(other)
    with pytest.raises(RasterError, match=r"is Sentinel-2 L1C, .* expected L2A"):
        open_raster(other)
