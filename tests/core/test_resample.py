"""Weights between a coarse and a fine grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsfuse.core.grid import Axis, Span
from hsfuse.core.resample import degrade_matrix, interpolation_matrix, psf_reach

ratios = st.floats(2, 16)
widths = st.floats(0, 2)


@given(ratios, widths, st.floats(-1, 1))
def test_a_flat_field_stays_flat_both_ways(ratio: float, fwhm: float, shift: float) -> None:
    """Rows sum to one, whatever the ratio and however the origins lie."""
    axis = Axis(int(12 * ratio), 12, ratio, shift * ratio)
    seen = degrade_matrix(axis, fwhm).sum(axis=1)
    assert np.all(np.isclose(seen, 1) | (seen == 0))
    assert interpolation_matrix(axis).sum(axis=1) == pytest.approx(1)


@given(st.integers(2, 9), widths)
def test_blur_commutes_with_a_shift_by_the_ratio(ratio: int, fwhm: float) -> None:
    """Inside, the row of the next coarse pixel is the same, one ratio further."""
    weights = degrade_matrix(Axis(20 * ratio, 20, float(ratio)), fwhm)
    assert weights[10, ratio:] == pytest.approx(weights[9, :-ratio], abs=1e-12)


@given(ratios, widths, st.floats(-0.5, 0.5))
def test_a_window_sees_what_the_whole_sees(ratio: float, fwhm: float, shift: float) -> None:
    """The weights of a window with halo are the same part of the whole scene's."""
    axis = Axis(int(30 * ratio), 30, ratio, shift * ratio)
    coarse = Span(12, 18)
    fine = axis.fine_span(coarse, psf_reach(fwhm))
    window = degrade_matrix(axis.cut(fine, coarse), fwhm)
    assert window == pytest.approx(degrade_matrix(axis, fwhm)[coarse.slice, fine.slice], abs=1e-12)


@given(ratios, st.floats(-0.5, 0.5))
def test_a_straight_line_is_interpolated_exactly(ratio: float, shift: float) -> None:
    """Between the outermost centres both kernels reproduce a ramp."""
    axis = Axis(int(12 * ratio), 12, ratio, shift * ratio)
    centre = np.arange(axis.fine) + 0.5
    inside = (centre > axis.centres()[1]) & (centre < axis.centres()[-2])
    for linear in (True, False):
        carried = interpolation_matrix(axis, linear=linear) @ axis.centres()
        assert carried[inside] == pytest.approx(centre[inside])


def test_the_width_is_the_width_that_was_asked() -> None:
    """The second moment of a row is that of the Gaussian, in coarse pixels."""
    axis = Axis(640, 40, 16.0)
    row = degrade_matrix(axis, 1.2)[20]
    offset = np.arange(640) + 0.5 - axis.centres()[20]
    sigma = np.sqrt((row * offset**2).sum()) / axis.ratio
    assert sigma * 2.3548 == pytest.approx(1.2, rel=0.005)


def test_the_sampling_phase_is_centred_on_the_block() -> None:
    """The first moment of every row is its coarse pixel's centre: no half-pixel shift."""
    for ratio in (2.0, 3.0, 8.333, 16.0):
        axis = Axis(int(40 * ratio), 40, ratio)
        centre = degrade_matrix(axis, 1.0)[10:30] @ (np.arange(axis.fine) + 0.5)
        assert centre == pytest.approx(axis.centres()[10:30], abs=1e-4)
