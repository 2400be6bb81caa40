"""Colours that names of bands state, and hues of their lines."""

import numpy as np

from hsfuse.core.colours import band_colour, band_hues


def test_a_colour_is_a_word_of_the_name() -> None:
    """And no part of one, of two, or of the red edge."""
    assert [band_colour(name) for name in ("RED", "B4 (red)", "b", "infrared", "red-edge")] == [
        "red",
        "red",
        "blue",
        None,
        None,
    ]
    assert band_colour("red and green") is None


def test_lines_have_different_hues() -> None:
    """Also where many bands have no wavelengths, or all the same one."""
    names = [f"band {number}" for number in range(12)]
    for wavelength in (np.full(12, np.nan), np.full(12, 550.0), np.linspace(440, 900, 12)):
        hues = np.array(band_hues(names, wavelength))
        apart = np.abs(hues[:, None] - hues)
        apart = np.minimum(apart, 360 - apart)[~np.eye(12, dtype=bool)]
        assert apart.min() >= 15
