"""EnMAP: what METADATA.XML says of the bands is what the raster says."""

import pickle

import numpy as np
import pytest

from hsfuse.errors import RasterError
from hsfuse.io.input.labels import raster_notes
from hsfuse.io.read import open_raster
from hsfuse.sensor.catalogue import load_sensor


def scaled(product) -> np.ndarray:
    gain, offset = (column[:, None, None] for column in (product.gain, product.offset))
    values = product.stored * gain + offset
    values[product.stored == -32768] = np.nan
    return values


def test_folder_metadata_and_image_are_one_raster(enmap) -> None:
    product = enmap()
    rasters = [open_raster(p) for p in (product.folder, product.metadata, product.image)]
    for raster in rasters:
        np.testing.assert_allclose(raster, scaled(product), rtol=1e-6)
        np.testing.assert_array_equal(raster["wavelength"], product.wavelength)
        np.testing.assert_array_equal(raster["fwhm"], product.width)
        assert raster["band_name"].values.tolist()[0] == "B001"
        assert raster.attrs["source"] == str(product.image)
        assert raster.attrs["sensor"] == "enmap"
        assert raster.attrs["product"] == "EnMAP L2A"
        assert raster.rio.crs.to_epsg() == 32633
        assert raster.rio.transform()[:6] == (30.0, 0.0, 372000.0, 0.0, -30.0, 5810010.0)


def test_a_window_is_that_of_the_whole_also_in_another_process(enmap) -> None:
    product = enmap()
    raster = pickle.loads(pickle.dumps(open_raster(product.image, chunk=4)))
    whole = scaled(product).astype(np.float32)
    np.testing.assert_array_equal(raster[[4, 1], 3:9, 2:7], whole[[4, 1], 3:9, 2:7])


def test_bands_without_data_and_those_in_water_vapour_are_bad(enmap) -> None:
    raster = open_raster(enmap(empty=[1]).image)
    assert raster["good"].values.tolist() == [True, False, True, True, False, True]
    (note,) = raster_notes(raster)
    assert note == "flagged as bad by the table of enmap: B005"


def test_bands_come_in_the_order_of_the_image_whatever_that_of_the_metadata(enmap) -> None:
    def backwards(document: str) -> str:
        before, inside = document.split("<bandCharacterisation>")
        inside, after = inside.split("</bandCharacterisation>")
        lines = "".join(line + "\n" for line in inside.splitlines()[::-1])
        return f"{before}<bandCharacterisation>{lines}</bandCharacterisation>{after}"

    product = enmap(text=backwards)
    raster = open_raster(product.image)
    np.testing.assert_array_equal(raster["wavelength"], product.wavelength)
    np.testing.assert_allclose(raster, scaled(product), rtol=1e-6)


def test_the_scene_beats_the_table_and_the_user(enmap) -> None:
    shifted = load_sensor("enmap").wavelength + 0.7
    product = enmap(shifted)
    raster = open_raster(product.image, sensor="enmap")
    np.testing.assert_array_equal(raster["wavelength"], shifted)
    np.testing.assert_array_equal(raster["fwhm"], product.width)


def test_widths_that_the_metadata_lack_come_from_the_table(enmap) -> None:
    table = load_sensor("enmap")
    product = enmap(table.wavelength[:50], text=lambda text: text.replace("FWHMOfBand", "other"))
    raster = open_raster(product.image)
    np.testing.assert_allclose(raster["fwhm"], table.fwhm[:50], rtol=1e-3)
    assert raster_notes(raster) == [
        "the metadata state no width, that of the table of enmap is taken: all bands"
    ]


def test_an_image_without_metadata_is_read_by_the_table_and_says_so(enmap) -> None:
    table = load_sensor("enmap")
    product = enmap(table.wavelength, nodata=None)
    product.metadata.unlink()
    raster = open_raster(product.image)
    expected = np.where(product.stored == -32768, np.nan, product.stored * 1e-4)
    np.testing.assert_allclose(raster, expected, rtol=1e-6)
    np.testing.assert_array_equal(raster["wavelength"], table.wavelength)
    assert raster_notes(raster) == [
        "no METADATA.XML lies beside it",
        "wavelengths are those of the table of enmap: the file states none",
        "a scale of 0.0001 is assumed: neither metadata nor image state one",
        "no data is assumed to be -32768: the image states none",
    ]


def test_an_output_called_after_its_scene_is_no_product(enmap) -> None:
    product = enmap()
    output = product.image.with_name(product.image.stem + "_fused.tif")
    output.write_bytes(product.image.read_bytes())
    assert "product" not in open_raster(output).attrs


def test_radiance_on_a_map_grid_is_read_by_its_gains(enmap) -> None:
    product = enmap(level="L1C")
    np.testing.assert_allclose(open_raster(product.folder), scaled(product), rtol=1e-6)


BOMB = '<!DOCTYPE b [<!ENTITY a0 "aaaaaaaaaa">' + "".join(
    f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lambda text: text[:-200], "not XML that can be read .* expected the metadata"),
        (lambda text: BOMB + "]><level_X>&a8;</level_X>", "amplification"),
        (lambda text: text.replace("bandCharacterisation", "x"), "no element specific/band"),
        (lambda text: text.replace('number="2"', 'number="7"'), "describes 6 bands and .* has 6"),
        (lambda text: text.replace(">560.1<", ">green<"), "is 'green'; expected a number"),
        (lambda text: text.replace(">560.1<", "><"), "wavelengthCenterOfBand of band 2 is missing"),
        (lambda text: text.replace(">560.1<", ">-1<"), "expected nanometres"),
    ],
)
def test_broken_metadata_are_one_line_that_names_them(enmap, text, message) -> None:
    product = enmap(text=text)
    with pytest.raises(RasterError, match=message) as refusal:
        open_raster(product.image)
    assert str(refusal.value).startswith(f"{product.metadata}: ")
    assert "\n" not in str(refusal.value)


def test_metadata_of_another_scene_are_refused(enmap) -> None:
    with pytest.raises(RasterError, match=r"describes 6 bands and .*SPECTRAL_IMAGE.TIF has 5"):
        open_raster(enmap(stored=np.ones((5, 12, 10), np.int16)).image)


def test_the_geometry_of_the_sensor_is_refused(enmap) -> None:
    product = enmap(level="L1B")  # with an image for each detector
    name = product.image.name.replace("IMAGE", "IMAGE_VNIR")
    vnir = product.image.rename(product.image.with_name(name))
    vnir.with_name(name.replace("VNIR", "SWIR")).write_bytes(vnir.read_bytes())
    for path in (product.folder, product.metadata, vnir):
        with pytest.raises(RasterError, match=r"EnMAP L1B, in the geometry .* expected L2A"):
            open_raster(path)


def test_radiance_without_metadata_is_refused(enmap) -> None:
    product = enmap(level="L1C")
    product.metadata.unlink()
    with pytest.raises(RasterError, match=r"no METADATA\.XML beside it, which holds the gains"):
        open_raster(product.image)


def test_a_folder_without_the_image_is_refused(enmap) -> None:
    product = enmap()
    product.image.unlink()
    with pytest.raises(RasterError, match=r"expected .*, found .*-METADATA\.XML"):
        open_raster(product.folder)
