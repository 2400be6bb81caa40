"""DESIS: what METADATA.xml says of the bands is what the raster says."""

import numpy as np
import pytest

from hsfuse.errors import RasterError
from hsfuse.io.input.labels import raster_notes
from hsfuse.io.read import open_raster


def test_folder_metadata_and_image_are_one_raster(desis) -> None:
    product = desis()
    expected = np.where(product.stored == -32768, np.nan, product.stored * 1e-4 + 0.01)
    for path in (product.folder, product.metadata, product.image):
        raster = open_raster(path)
        np.testing.assert_allclose(raster, expected, rtol=1e-6)
        np.testing.assert_array_equal(raster["wavelength"], product.wavelength)
        np.testing.assert_array_equal(raster["fwhm"], product.width)
        assert raster["good"].values.all()
        assert raster.attrs["sensor"] == "desis"
        assert raster.attrs["product"] == "DESIS L2A"
        assert raster_notes(raster) == []
        assert raster.rio.transform()[:6] == (30.0, 0.0, 372000.0, 0.0, -30.0, 5810010.0)


def test_a_window_is_that_of_the_whole(desis) -> None:
    raster = open_raster(desis().image, chunk=4)
    whole = raster.values
    np.testing.assert_array_equal(raster[1:4, 2:11, ::-3].values, whole[1:4, 2:11, ::-3])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lambda text: text.replace("</hsi_doc>", ""), "not XML that can be read"),
        (lambda text: text.replace("<bandNumber>3<", "<bandNumber>9<"), "describes 5 bands"),
        (lambda text: text.replace("> 401.9<", "> n/a<"), "wavelengthCenterOfBand is 'n/a'"),
    ],
)
def test_broken_metadata_are_one_line_that_names_them(desis, text, message) -> None:
    product = desis(text=text)
    with pytest.raises(RasterError, match=message) as refusal:
        open_raster(product.folder)
    assert str(refusal.value).startswith(f"{product.metadata}: ")
    assert "\n" not in str(refusal.value)


def test_the_geometry_of_the_sensor_is_refused(desis) -> None:
    with pytest.raises(RasterError, match=r"is DESIS L1B, .* expected L2A"):
        open_raster(desis(level="L1B").image)
