"""The units of local models along an axis."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsfuse.core.grid import Axis, Span
from hsfuse.core.local_models import LocalModelAxis


@st.composite
def placed_units(draw: st.DrawFn) -> tuple[LocalModelAxis, Axis]:
    """Draw units of equal length, and the axis of a scene."""
    length, count = draw(st.integers(1, 60)), draw(st.integers(1, 5))
    edges = tuple(float(edge) for edge in np.arange(count + 1) * length / count)
    units = LocalModelAxis(edges, draw(st.integers(0, 9)), draw(st.sampled_from([0.0, 0.5, 4.0])))
    ratio = draw(st.sampled_from([1.5, 2.0, 4.0, 8.33]))
    fine = draw(st.integers(2, int(length * ratio) + 40))
    return units, Axis(fine, length, ratio, draw(st.floats(-20, 20)))


def weights(units: LocalModelAxis, axis: Axis, index: int, fine: Span) -> np.ndarray:
    """Return a unit's weights: ramps about its edges, none at the ends of the scene."""
    position = (np.arange(fine.start, fine.stop) + 0.5 - axis.origin) / axis.ratio
    rise, fall = np.ones(len(fine)), np.zeros(len(fine))
    ramp = max(2 * units.ramp, 1e-9)
    if index > 0:
        rise = np.clip((position - units.edges[index]) / ramp + 0.5, 0, 1)
    if index < units.count - 1:
        fall = np.clip((position - units.edges[index + 1]) / ramp + 0.5, 0, 1)
    return rise - fall


@given(placed_units(), st.data())
def test_touching_names_every_unit_with_a_weight(
    placed: tuple[LocalModelAxis, Axis], data: st.DataObject
) -> None:
    """Units that are not named have no weight, and at most rounding names one too many."""
    units, axis = placed
    start = data.draw(st.integers(0, axis.fine - 1))
    fine = Span(start, data.draw(st.integers(start + 1, axis.fine)))
    touching = units.touching(axis, fine)
    assert 0 <= touching.start < touching.stop <= units.count
    for index in range(units.count):
        if index not in touching:
            assert not weights(units, axis, index, fine).any()


def test_units_out_of_reach_are_not_named() -> None:
    """A window needs the models about it, not those of the scene."""
    units = LocalModelAxis((0.0, 10.0, 20.0, 30.0), ramp=2.0)
    axis = Axis(120, 30, 4.0)
    assert units.touching(axis, Span(0, 30)) == range(1)
    assert units.touching(axis, Span(0, 40)) == range(2)
    assert units.touching(axis, Span(50, 70)) == range(1, 2)
    assert units.touching(axis, Span(0, 120)) == range(3)


@given(placed_units())
def test_units_are_conditioned_on_all_between_their_edges(
    placed: tuple[LocalModelAxis, Axis],
) -> None:
    """And on the halo, as far as the scene reaches."""
    units, _ = placed
    assert units.length == units.edges[-1]
    for index in range(units.count):
        coarse = units.coarse(index)
        low, high = units.edges[index] - units.halo, units.edges[index + 1] + units.halo
        assert coarse.start <= max(low, 0)
        assert coarse.stop >= min(high, units.length)
        assert 0 <= coarse.start < coarse.stop <= units.length


@pytest.mark.parametrize("edges", [(), (0.0,), (1.0, 4.0), (0.0, 3.0, 3.0), (0.0, 3.5)])
def test_edges_that_are_no_division_are_refused(edges: tuple[float, ...]) -> None:
    """From 0 to the number of HS pixels, ascending."""
    with pytest.raises(ValueError, match="edges ascend"):
        LocalModelAxis(edges)
