"""Labels of bands in messages."""

import math

import numpy as np
import pytest

from hsfuse.core.band_labels import band_label, band_labels, list_bands


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("", "band 3 (665 nm)"),
        ("3", "band 3 (665 nm)"),
        ("Band_003", "band 3 (665 nm)"),
        ("664.6 nm", "band 3 (665 nm)"),
        ("Red (664.6 nm)", "band 3 (Red, 665 nm)"),
        ("B4", "band 3 (B4, 665 nm)"),
        ("4", "band 3 ('4', 665 nm)"),  # of another file: not to be taken for the number
    ],
)
def test_the_number_comes_first_and_a_name_that_is_a_number_is_not_taken_for_it(name, label):
    assert band_label(3, 664.6, name) == label
    assert band_labels(np.array([500.0, 600.0, 664.6]), ["", "", name])[2] == label


def test_a_name_that_states_the_wavelength_is_kept_where_it_is_not_known():
    assert band_label(3, math.nan, "664.6 nm") == "band 3 (664.6 nm)"


def test_every_chosen_band_is_in_the_list_or_counted():
    """Of detectors that overlap, wavelengths of a range are its limits."""
    wavelength = np.array([900.0, 910.0, 905.0, 920.0, 930.0, 940.0])
    chosen = np.array([True, True, True, False, True, False])
    assert list_bands(chosen, wavelength) == "bands 1 to 3 (900 to 910 nm) and 5 (930 nm)"
    assert list_bands(chosen, wavelength, maximum=1) == "bands 1 to 3 (900 to 910 nm) and 1 more"
    assert list_bands(~chosen, np.full(6, np.nan)) == "bands 4 and 6"
    assert list_bands(np.arange(6) == 3, wavelength) == "band 4 (920 nm)"
