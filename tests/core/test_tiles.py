"""How an axis is cut into tiles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsfuse.core.grid import Span
from hsfuse.core.tiles import Tiling


@st.composite
def tilings(draw: st.DrawFn) -> Tiling:
    """Draw any tiling that is allowed."""
    step = draw(st.sampled_from([1, 2, 8]))
    size = step * draw(st.integers(1, 8))
    return Tiling(
        draw(st.integers(1, 200)),
        size,
        draw(st.integers(0, size // 2)),
        draw(st.integers(0, 30)),
        step,
        step * draw(st.integers(0, 4)),
        draw(st.integers(0, 30)),
    )


@given(tilings())
def test_weights_are_a_partition_of_unity(tiling: Tiling) -> None:
    """At every pixel, edges included, the weights sum to one and none is negative."""
    whole = Span(0, tiling.length)
    weights = np.array([tiling.weights(i, whole) for i in range(tiling.count)])
    assert weights.sum(axis=0) == pytest.approx(1)
    assert weights.min() >= 0


@given(tilings())
def test_no_tile_weighs_outside_its_support(tiling: Tiling) -> None:
    """What a block does not ask for has no weight there."""
    whole = Span(0, tiling.length)
    for index in range(tiling.count):
        support = tiling.support(index)
        outside = np.ones(tiling.length, bool)
        outside[support.slice] = False
        assert not tiling.weights(index, whole)[outside].any()


@given(tilings())
def test_cores_fill_the_axis_once(tiling: Tiling) -> None:
    """The last tile may be short; none is dropped and none overlaps."""
    covered = [p for i in range(tiling.count) for p in range(tiling.length)[tiling.core(i).slice]]
    assert covered == list(range(tiling.length))


@given(tilings())
def test_touching_names_every_tile_with_a_weight(tiling: Tiling) -> None:
    """A block that asks only those tiles gets the whole sum."""
    for index in range(tiling.count):
        block = tiling.core(index)
        near = sum(tiling.weights(i, block) for i in tiling.touching(block))
        assert near == pytest.approx(1)


@given(tilings())
def test_windows_hold_support_and_halo_and_keep_the_step(tiling: Tiling) -> None:
    """A window is never smaller than what the method needs and there is, and starts on a step."""
    for index in range(tiling.count):
        window, support = tiling.window(index), tiling.support(index)
        first, last = -tiling.before, tiling.length + tiling.after
        assert first <= window.start <= max(support.start - tiling.halo, first)
        assert min(support.stop + tiling.halo, last) <= window.stop <= last
        assert window.start % tiling.step == 0
        assert window.stop % tiling.step == 0 or window.stop == last


def test_three_tiles_are_never_mixed() -> None:
    """A blend wider than half a tile is refused."""
    with pytest.raises(ValueError, match="half the tile"):
        Tiling(100, 10, blend=6)
