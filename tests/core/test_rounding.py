"""Values rounded to a stated precision."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hsfuse.core.rounding import round_values

VALUES = arrays.arrays(
    np.float32, 20, elements=st.floats(width=32, allow_nan=True, allow_infinity=True)
)
ERRORS = st.floats(1e-30, 1e30)


@given(VALUES, ERRORS)
def test_the_error_is_within_the_bound_and_rounding_twice_is_rounding_once(
    values: np.ndarray, max_error: float
):
    """For any float32 number; what is no number stays as it is, and the input is untouched."""
    kept = values.copy()
    rounded = round_values(values, max_error)
    assert np.array_equal(values, kept, equal_nan=True)
    finite = np.isfinite(values)
    assert np.array_equal(rounded[~finite], values[~finite], equal_nan=True)
    difference = np.abs(rounded[finite].astype(np.float64) - values[finite])
    assert (difference <= max_error).all()
    assert rounded.dtype == np.float32
    assert rounded.tobytes() == round_values(rounded, max_error).tobytes()


@given(st.floats(1e-6, 1e-3))
def test_rounded_values_hold_no_more_bits_than_they_need(max_error: float):
    """Numbers below one are multiples of a step that is more than the bound: few bits are used."""
    values = np.random.default_rng(0).random(1000, dtype=np.float32)
    rounded = round_values(values, max_error)
    steps = rounded.astype(np.float64) / 2.0 ** np.floor(np.log2(2 * max_error))
    assert np.array_equal(steps, np.round(steps))
    assert len(np.unique(rounded)) <= 1 / max_error + 1


def test_no_bound_is_no_rounding():
    """The very array comes back."""
    values = np.random.default_rng(0).random(5, dtype=np.float32)
    assert round_values(values, 0.0) is values
