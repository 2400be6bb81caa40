"""Sums of squares, block by block."""

import numpy as np
import pytest

from hsfuse.core.discrepancy import Discrepancy


def test_parts_add_up_to_the_whole() -> None:
    """However a scene is cut, the error is the same; NaN on either side does not count."""
    draw = np.random.default_rng(0)
    wanted, found = draw.normal(size=(2, 3, 20, 30))
    wanted[0, :3] = np.nan
    found[1, 5] = np.nan
    whole = Discrepancy.between(wanted, found)
    parts = sum(
        (Discrepancy.between(wanted[:, i : i + 7], found[:, i : i + 7]) for i in range(0, 20, 7)),
        Discrepancy(),
    )
    assert parts.count == whole.count < wanted.size
    assert parts.rmse == pytest.approx(whole.rmse)
    assert parts.relative == pytest.approx(whole.relative)
