"""Fused values far above both images are counted; what sharpening explains is not."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hsfuse.core.excess import BrightRange, Excess

BRIGHT = BrightRange(
    np.array([1.0, 2.0, np.nan]),
    np.array([3.0, 6.0, 9.0]),
    np.array([10.0]),
    np.array([50.0]),
    np.array([30.0]),
)
LIMITS = np.array([1 + 2 * 2 * 1.5, 2 + 4 * 2 * 1.5])  # twice as sharp, and the margin


def test_values_above_the_limit_of_their_band_are_counted_and_the_largest_is_named() -> None:
    """A bad band is not checked, and NaN is no value."""
    values = np.full((3, 2, 2), 1e9)
    values[:2] = LIMITS[:, None, None]
    values[0, 0] = np.nan, LIMITS[0] + 0.01
    values[1, 1] = LIMITS[1] + 8
    found = BRIGHT.excess(values)
    assert found == Excess(3, (LIMITS[1] + 6) / 4, LIMITS[1] + 8, 6.0, 1, row=1, column=0)


@given(st.floats(0.01, 100), st.floats(-100, 100))
def test_units_do_not_matter(gain: float, offset: float) -> None:
    """Gain and offset of either image leave the count and the contrast unchanged."""
    values = np.array([[[7.5, 6.0]], [[20.0, 3.0]], [[0.0, 0.0]]])
    scaled = BrightRange(
        gain * BRIGHT.median + offset,
        gain * BRIGHT.highest + offset,
        *(5 * each - 3 for each in (BRIGHT.ms_median, BRIGHT.ms_highest, BRIGHT.degraded)),
    )
    expected, found = BRIGHT.excess(values), scaled.excess(gain * values + offset)
    assert found.count == expected.count == 2
    assert np.isclose(found.contrast, expected.contrast)


def test_the_largest_is_relative_to_its_band() -> None:
    """Not the largest value: bands differ in level and contrast."""
    values = np.array([[[9.0]], [[15.0]], [[0.0]]])
    found = BRIGHT.excess(values)
    assert (found.count, found.band, found.value, found.contrast) == (2, 0, 9.0, 4.0)


def test_brighter_pixels_of_a_block_widen_the_range() -> None:
    """Largest values of the HS image and the contrast of the MS image, not of bad bands."""
    hs, ms = np.full((3, 1, 1), 5.0), np.full((1, 1, 1), 90.0)
    wider = BRIGHT.including(hs, ms, np.full((1, 1, 1), np.nan))
    assert np.array_equal(wider.highest, [5.0, 6.0, np.nan], equal_nan=True)
    assert wider.sharpening == 4.0
    assert BRIGHT.including(hs, ms, ms).sharpening == 1.0


def test_an_ms_image_without_contrast_explains_none() -> None:
    """The HS maximum and the margin are the limit then."""
    flat = replace(BRIGHT, ms_highest=BRIGHT.ms_median, degraded=BRIGHT.ms_median)
    assert flat.sharpening == 1.0


@given(st.lists(st.tuples(st.integers(1, 5), st.floats(1, 9)), min_size=1))
def test_blocks_add_up(blocks: list[tuple[int, float]]) -> None:
    """Counts add, and the largest of all remains."""
    parts = [Excess(count, contrast, contrast) for count, contrast in blocks]
    total = sum(parts, Excess())
    assert total.count == sum(count for count, _ in blocks)
    assert total.value == max(contrast for _, contrast in blocks)
