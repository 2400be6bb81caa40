"""PlanetScope: radiance by its coefficients, surface reflectance by its scale."""

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from hsfuse.errors import RasterError
from hsfuse.io.input.labels import raster_notes
from hsfuse.io.read import open_raster
from hsfuse.sensor.catalogue import load_sensor


def test_radiance_becomes_reflectance_by_the_coefficient_of_each_band(planet) -> None:
    product = planet()
    raster = open_raster(product.image)
    expected = product.stored * product.gain[:, None, None]
    np.testing.assert_allclose(raster, np.where(product.stored == 0, np.nan, expected), rtol=1e-6)
    assert raster.attrs["product"] == "PlanetScope top-of-atmosphere reflectance"
    assert raster.attrs["source"] == str(product.image)
    assert raster.rio.transform()[:6] == (10.0, 0.0, 372000.0, 0.0, -10.0, 5810010.0)


@pytest.mark.parametrize("bands", [4, 8])
def test_surface_reflectance_is_stored_times_ten_thousand(planet, bands) -> None:
    product = planet(bands, surface=True, instrument="PSB.SD")
    expected = np.where(product.stored == 0, np.nan, product.stored / 10000)
    np.testing.assert_allclose(open_raster(product.image), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("bands", "instrument", "sensor"),
    [
        (4, "PS2", "planetscope-dove"),
        (4, "PS2.SD", "planetscope-dove-r"),
        (4, "PSB.SD", "planetscope-superdove"),
        (8, "PSB.SD", "planetscope-superdove"),
    ],
)
def test_bands_are_those_of_the_instrument(planet, bands, instrument, sensor) -> None:
    raster = open_raster(planet(bands, instrument=instrument).image)
    names = raster["band_name"].values.tolist()
    table = load_sensor(sensor).select(names)
    np.testing.assert_array_equal(raster["wavelength"], table.wavelength)
    np.testing.assert_array_equal(raster["fwhm"], table.fwhm)
    assert np.all(np.diff(raster["wavelength"]) > 0)
    assert raster.attrs["sensor"] == f"{sensor}:{','.join(names)}"
    assert not any("assumed" in note for note in raster_notes(raster))


def test_an_instrument_that_is_not_known_is_assumed_and_said(planet) -> None:
    notes = raster_notes(open_raster(planet(instrument="PS9").image))
    assert notes[0] == "planetscope-dove is assumed: the metadata call the instrument 'PS9'"
    product = planet(8, surface=True)
    product.metadata.unlink()
    notes = raster_notes(open_raster(product.image))
    assert notes[0] == "planetscope-superdove is assumed: no metadata name it"


def test_four_and_eight_bands_beside_each_other_keep_their_own_metadata(planet) -> None:
    products = {"dove": planet(4), "superdove": planet(8, instrument="PSB.SD")}
    for sensor, product in products.items():
        assert open_raster(product.image).attrs["sensor"].startswith(f"planetscope-{sensor}:")
    products["dove"].metadata.unlink()
    with pytest.raises(RasterError, match=r"no \*_metadata\.xml"):
        open_raster(products["dove"].image)


def test_no_data_that_the_image_does_not_state_is_0_and_that_is_said(planet) -> None:
    product = planet(nodata=None)
    raster = open_raster(product.image)
    assert np.array_equal(np.isnan(raster), product.stored == 0)
    assert raster_notes(raster)[-1] == "no data is assumed to be 0: the image states none"


def test_what_the_reader_notes_of_the_file_stays(planet) -> None:
    """Beside what is said of the product."""
    product = planet(nodata=None)
    with rasterio.open(product.image, "r+") as image:
        image.colorinterp = [*image.colorinterp[:-1], ColorInterp.alpha]
    first, *rest = raster_notes(open_raster(product.image))
    assert first.startswith("band 4 is tagged as alpha and holds many values")
    assert rest[-1] == "no data is assumed to be 0: the image states none"


def test_an_image_harmonized_to_another_sensor_is_said(planet) -> None:
    image = planet(8, surface=True, instrument="PSB.SD").image
    path = image.rename(image.with_name(image.stem + "_harmonized_clip.tif"))
    assert raster_notes(open_raster(path))[0].startswith("is harmonized to Sentinel-2: ")


def test_a_window_is_that_of_the_whole(planet) -> None:
    raster = open_raster(planet().image, chunk=7)
    np.testing.assert_array_equal(raster[::-1, 3:9, 5:].values, raster.values[::-1, 3:9, 5:])


def test_radiance_without_metadata_is_refused(planet) -> None:
    product = planet()
    product.metadata.unlink()
    with pytest.raises(RasterError, match=r"no \*_metadata\.xml .* expected that file"):
        open_raster(product.image)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": lambda text: text[:-5]}, "not XML that can be read"),
        ({"count": 3}, "no reflectanceCoefficient above 0 of band 4 of 4"),
        ({"count": 0}, "no element .//bandSpecificMetadata"),
        ({"text": lambda text: text.replace(">2e-05<", ">low<")}, "'low'; expected a number"),
        ({"text": lambda text: text.replace(">2e-05<", ">0<")}, "above 0 of band 1 of 4"),
    ],
)
def test_broken_metadata_are_one_line_that_names_them(planet, options, message) -> None:
    product = planet(**options)
    with pytest.raises(RasterError, match=message) as refusal:
        open_raster(product.image)
    assert str(refusal.value).startswith(f"{product.metadata}: ")
    assert "\n" not in str(refusal.value)


def test_three_bands_are_refused(planet) -> None:
    with pytest.raises(RasterError, match=r"has 3 bands; expected PlanetScope images of 4"):
        open_raster(planet(3).image)
