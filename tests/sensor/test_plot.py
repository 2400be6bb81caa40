"""What a sensor sees, as a PNG that replaces nothing unasked."""

import io

import numpy as np
import pytest
from matplotlib.image import imread

from hsfuse.errors import OutputError
from hsfuse.sensor.catalogue import load_sensor, sensor_from_bands
from hsfuse.sensor.plot import draw_responses, write_responses


def pixels(sensor):
    return imread(io.BytesIO(draw_responses(sensor)))[..., :3]


def grey(picture):
    """Count the pixels of the grey in which bad bands are drawn."""
    return int(np.all(np.abs(picture - 0x99 / 255) < 0.01, axis=2).sum())


@pytest.mark.parametrize("name", ["sentinel-2a", "enmap", "neon-nis", "srgb", "generic-rgb"])
def test_curves_gaussians_and_bare_centres_are_drawn(name):
    picture = pixels(load_sensor(name))
    coloured = np.ptp(picture, axis=2) > 0.2
    assert coloured.mean() > 0.002


def test_bad_bands_are_grey():
    sensor = load_sensor("sentinel-2a")
    good = sensor.select([name for name in sensor.band_names if name != "B10"])
    assert grey(pixels(sensor)) > grey(pixels(good)) + 100


def test_bands_without_any_wavelength_leave_an_empty_plot():
    assert pixels(sensor_from_bands([np.nan, np.nan])).mean() > 0.9


def test_a_file_is_replaced_only_when_asked(tmp_path):
    path = tmp_path / "srf.png"
    assert write_responses(load_sensor("generic-rgb"), path) == path
    before = path.read_bytes()
    with pytest.raises(OutputError, match=r"srf\.png: exists already; pass `overwrite=True`"):
        write_responses(load_sensor("sentinel-2a"), path)
    assert path.read_bytes() == before
    write_responses(load_sensor("sentinel-2a"), path, overwrite=True)
    assert path.read_bytes() != before


@pytest.mark.parametrize(
    ("name", "message"), [("srf.pdf", r"must end in \.png"), ("none/srf.png", "cannot be written")]
)
def test_what_cannot_be_written_is_told_in_one_line(tmp_path, name, message):
    with pytest.raises(OutputError, match=message) as error:
        write_responses(load_sensor("generic-rgb"), tmp_path / name)
    assert "\n" not in str(error.value)
