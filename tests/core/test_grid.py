"""Two grids on one axis."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsfuse.core.grid import Axis, Span

axes = st.builds(
    Axis,
    fine=st.integers(8, 400),
    coarse=st.integers(2, 60),
    ratio=st.floats(1.5, 20),
    origin=st.floats(-30, 30),
)


@given(axes, st.data())
def test_the_coarse_span_of_a_fine_span_covers_it(axis: Axis, data: st.DataObject) -> None:
    """Every fine pixel that lies on the coarse grid lies within the coarse span."""
    start = data.draw(st.integers(0, axis.fine - 1))
    stop = data.draw(st.integers(start + 1, axis.fine))
    span = axis.coarse_span(Span(start, stop))
    first = axis.origin + span.start * axis.ratio
    last = axis.origin + span.stop * axis.ratio
    assert 0 <= span.start < span.stop <= axis.coarse
    assert first <= start + 1e-3 or span.start == 0 or start >= last
    assert last >= stop - 1e-3 or span.stop == axis.coarse


@given(axes, st.data())
def test_a_cut_axis_keeps_its_places(axis: Axis, data: st.DataObject) -> None:
    """A coarse centre lies at the same fine pixel in a window and in the whole."""
    fine = Span(data.draw(st.integers(0, axis.fine - 1)), axis.fine)
    coarse = Span(data.draw(st.integers(0, axis.coarse - 1)), axis.coarse)
    window = axis.cut(fine, coarse)
    assert window.centres()[0] + fine.start == pytest.approx(axis.centres(coarse)[0])
    assert (window.fine, window.coarse) == (len(fine), len(coarse))


def test_nonsense_is_refused() -> None:
    """An axis has pixels and a positive ratio."""
    with pytest.raises(ValueError, match="at least one pixel"):
        Axis(0, 1, 2.0)
    with pytest.raises(ValueError, match="positive"):
        Axis(4, 1, -2.0)
