"""Bands, contrast stretch and the window with most detail."""

import numpy as np

from hsfuse.core.picture import (
    NO_DATA,
    busiest_window,
    describe_composite,
    natural_bands,
    stretch_limits,
    stretched,
)


def test_natural_bands_are_those_near_red_green_blue():
    wavelength = np.linspace(400, 2400, 201)
    good = np.ones(201, bool)
    assert wavelength[natural_bands(wavelength, good)].tolist() == [660, 560, 480]
    good[26] = False
    assert wavelength[natural_bands(wavelength, good)][0] in (650, 670)


def test_bands_far_from_the_visible_are_spread():
    wavelength = np.linspace(1000, 2400, 100)
    assert len(set(natural_bands(wavelength, np.ones(100, bool)))) == 3


def test_bands_without_wavelengths_are_found_by_the_names_of_colours():
    """In any order; with one name missing they are the first three, and no natural colours."""
    unknown, good = np.full(4, np.nan), np.ones(4, bool)
    names = ["band 1 (blue)", "green", "Red", "nir"]
    bands = natural_bands(unknown, good, names)
    assert bands == [2, 1, 0]
    assert (
        describe_composite(bands, unknown, names).text
        == "natural colours by the names of bands 3, 2, 1"
    )
    for stated in ([*names[:3], "red"], ["a", "b", "c", "d"], []):
        bands = natural_bands(unknown, good, stated)
        assert bands == [0, 1, 2]
        assert describe_composite(bands, unknown, stated).text == "bands 1, 2, 3 (no wavelengths)"


def test_infrared_bands_are_not_called_natural():
    wavelength = np.linspace(1000, 2400, 100)
    bands = natural_bands(wavelength, np.ones(100, bool))
    assert describe_composite(bands, wavelength).text.startswith("no natural colours, ")


def test_one_band_is_grey():
    assert natural_bands(np.array([np.nan]), np.array([True])) == [0, 0, 0]


def test_the_stretch_maps_its_limits_and_greys_what_is_missing():
    image = np.linspace(0, 1, 300, dtype=np.float32).reshape(3, 10, 10).copy()
    image[1, 4, 4] = np.nan
    picture = stretched(image, stretch_limits(image))
    assert picture.min() == 0
    assert picture.max() == 1
    np.testing.assert_allclose(picture[4, 4], NO_DATA)


def test_a_constant_band_has_a_picture():
    image = np.full((3, 4, 4), 7.0, np.float32)
    assert np.isfinite(stretched(image, stretch_limits(image))).all()


def test_the_busiest_window_holds_the_edges_and_no_gap():
    picture = np.full((200, 300, 3), 0.5, np.float32)
    picture[120:160, 40:80] = np.random.default_rng(0).uniform(size=(40, 40, 3))
    picture[20:90, 200:260] = np.random.default_rng(1).uniform(size=(70, 60, 3))
    picture[50:60, 220:240] = NO_DATA
    rows, columns = busiest_window(picture, (400, 600), 90)
    assert (rows[1] - rows[0], columns[1] - columns[0]) == (90, 90)
    assert rows[0] <= 260
    assert rows[1] >= 300
    assert columns[0] <= 110
    assert columns[1] >= 140


def test_a_window_larger_than_the_scene_is_the_scene():
    picture = np.random.default_rng(0).uniform(size=(20, 30, 3)).astype(np.float32)
    assert busiest_window(picture, (20, 30), 64) == ((0, 20), (0, 30))
