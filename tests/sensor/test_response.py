"""Every band stands for its part of the spectrum: no part is counted twice, holes are not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsfuse.sensor.response import band_cells, gaussian_curves, integrate


def widths(wavelength, fwhm):
    cells = band_cells(np.asarray(wavelength, float), np.asarray(fwhm, float))
    return (cells.high - cells.low) / cells.sharing


@given(st.lists(st.floats(2.0, 7.0), min_size=3, max_size=40), st.integers(0, 999), st.booleans())
def test_the_cells_of_any_sampling_without_holes_add_up_to_its_range(steps, seed, known):
    wavelength = 400 + np.cumsum(steps)
    shuffled = np.random.default_rng(seed).permutation(wavelength)
    fwhm = np.full(shuffled.size, 4.0 if known else np.nan)
    cells = band_cells(shuffled, fwhm)
    total = ((cells.high - cells.low) / cells.sharing).sum()
    assert total == pytest.approx(cells.high.max() - cells.low.min())
    assert np.all(cells.high > cells.low)


def test_bands_of_two_detectors_at_one_place_share_its_cell():
    wavelength = [400.0, 410.0, 410.4, 420.0, 430.0]
    cells = band_cells(np.array(wavelength), np.full(5, 10.0))
    assert cells.sharing.tolist() == [1, 2, 2, 1, 1]
    assert (cells.low[1], cells.high[1]) == (cells.low[2], cells.high[2])


def test_detectors_that_overlap_wholly_weigh_as_one():
    # The median step between the bands is 0.1 nm: every other step looks like a hole then.
    one = np.arange(400.0, 500.0, 10.0)
    both = np.concatenate([one, one + 0.1])
    np.testing.assert_allclose(widths(both, np.full(20, 10.0)), 5.0)


def test_a_pair_of_bands_at_a_hole_is_as_wide_as_a_single_one():
    near = [400.0, 410.0, 420.0, 430.0, 430.2, 900.0, 910.0, 920.0]
    cells = widths(near, np.full(8, 10.0))
    assert cells[3] + cells[4] == pytest.approx(10.0, abs=0.2)


def test_a_band_alone_between_holes_is_as_wide_as_its_response():
    wavelength = np.append(np.arange(400.0, 500.0, 5.0), 1250.0)
    fwhm = np.append(np.full(20, 5.0), 28.0)
    assert widths(wavelength, fwhm)[-1] == pytest.approx(28.0)


def test_finely_sampled_bands_do_not_merge_into_one():
    # Sampled at a tenth of their width, as some cameras are.
    cells = widths(np.arange(400.0, 500.0, 0.5), np.full(200, 5.0))
    np.testing.assert_allclose(cells[10:-10], 0.5)


@pytest.mark.parametrize("seed", range(5))
def test_irregular_sampling_is_integrated_by_trapezoids(seed):
    # A flat curve over a linear spectrum: the trapezoid rule is exact but for the ends.
    draw = np.random.default_rng(seed)
    wavelength = np.sort(np.concatenate([np.arange(450.0, 750.0, 6.0), draw.uniform(550, 650, 9)]))
    fwhm = np.full(wavelength.size, 6.0)
    grid, curve = gaussian_curves(np.array([600.0]), np.array([80.0]))
    row, coverage = integrate(grid, curve[0], wavelength, fwhm)
    assert coverage == pytest.approx(1.0)
    assert row @ wavelength / row.sum() == pytest.approx(600.0, abs=0.2)
