"""A sensor that is named for the HS image fits its bands, or is refused."""

import numpy as np
import pytest
import xarray as xr

from hsfuse.errors import PairError
from hsfuse.io.read import as_raster
from hsfuse.pair.response import check_hs_sensor, suggest_hs_sensor
from hsfuse.sensor.catalogue import load_sensor


def image(bands: int, wavelength: np.ndarray | None = None) -> xr.DataArray:
    """Return a small HS image as it is opened."""
    array = xr.DataArray(
        np.ones((bands, 4, 4), np.float32), dims=("band", "y", "x"), attrs={"source": "scene.tif"}
    )
    if wavelength is not None:
        array = array.assign_coords(wavelength=("band", wavelength, {"units": "nm"}))
    return as_raster(array, "HS")


def test_another_number_of_bands_without_wavelengths_is_refused() -> None:
    """The message names the file, both numbers and the sensor."""
    sensor = load_sensor("enmap")
    with pytest.raises(PairError) as raised:
        check_hs_sensor(image(200), sensor)
    text = str(raised.value)
    assert all(part in text for part in ("scene.tif", "200 bands", "enmap has 224", "expected"))
    assert "\n" not in text
    assert check_hs_sensor(image(224), sensor) == []


def test_wavelengths_of_another_sensor_are_refused() -> None:
    """Bands that are not a selection of the definition's are another sensor's."""
    sensor = load_sensor("enmap")
    for wavelength in (np.linspace(400.0, 700.0, 151), np.linspace(1000.0, 3000.0, 50)):
        with pytest.raises(PairError, match=r"scene\.tif: its .* bands of sensor enmap nor"):
            check_hs_sensor(image(wavelength.size, wavelength), sensor)


def test_a_selection_of_the_bands_is_matched_by_wavelength() -> None:
    """And the note says so; all bands, at the definition's centres or near, need none."""
    sensor = load_sensor("enmap")
    few = sensor.wavelength[10:200:2] + 1.0
    (note,) = check_hs_sensor(image(few.size, few), sensor)
    assert "95 bands" in note
    assert "enmap has 224" in note
    assert "matched by wavelength" in note
    assert check_hs_sensor(image(224, sensor.wavelength + 1.0), sensor) == []


def test_as_many_bands_at_other_wavelengths_are_noted() -> None:
    """The file's wavelengths are used, and the user sees that they are not the sensor's."""
    (note,) = check_hs_sensor(image(224, np.linspace(400.0, 700.0, 224)), load_sensor("enmap"))
    assert "not those of sensor enmap" in note


@pytest.mark.parametrize(
    ("sensor", "shift", "suggested", "stated"),
    [
        ("neon-nis", 0.0, ["neon-nis"], ""),
        ("neon-nis", np.nan, ["neon-nis"], ", whose definition states the wavelengths"),
        ("aviris", 3.0, ["aviris"], ""),
        ("enmap", 0.0, ["enmap"], ", whose definition states the PSF"),
        ("prisma", np.nan, ["prisma"], ", whose definition states the wavelengths and the PSF"),
        ("enmap", np.nan, ["aviris", "enmap"], ", whose definition states the wavelengths"),
        ("aviris", 400.0, [], ""),
        ("generic-vnir", 0.0, [], ""),
    ],
)
def test_a_sensor_is_suggested_by_bands_and_wavelengths_and_not_chosen(
    sensor, shift, suggested, stated
):
    """Number and wavelengths have to fit; the note says what the definition adds to the file."""
    known = load_sensor(sensor)
    count = len(known.band_names)
    raster = xr.DataArray(
        np.zeros((count, 1, 1), np.float32),
        dims=("band", "y", "x"),
        coords={"wavelength": ("band", known.wavelength + shift)},
        attrs={"source": "scene.tif", "sensor": ""},
    )
    notes = suggest_hs_sensor(raster)
    assert len(notes) == bool(suggested)
    for name in suggested:
        assert name in notes[0]
    if suggested:
        assert f"scene.tif names no sensor; its {count} bands fit" in notes[0]
        assert notes[0].endswith(f"try `--hs-sensor {suggested[0]}`{stated}")
    assert suggest_hs_sensor(raster.assign_attrs(sensor="emit")) == []
