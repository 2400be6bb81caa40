"""Sums of blocks are the sums of the whole."""

from dataclasses import asdict
from functools import reduce
from operator import add

import numpy as np
import pytest

from hsfuse.core.metrics import score, summarise
from hsfuse.core.tally import HALO, take_tally


@pytest.mark.parametrize("edges", [(20, 33), (7, 64), (90, 90)])
def test_blocks_with_their_halo_add_up_to_the_whole(edges):
    generator = np.random.default_rng(1)
    truth = generator.random((3, 71, 90)).astype(np.float32)
    estimate = truth + 0.1 * generator.standard_normal(truth.shape).astype(np.float32)
    truth[:, 66:, 3:9] = np.nan
    parts = []
    for row in range(0, 71, edges[0]):
        for column in range(0, 90, edges[1]):
            core = (min(edges[0], 71 - row), min(edges[1], 90 - column))
            cut = (
                slice(None),
                slice(row, row + core[0] + HALO),
                slice(column, column + core[1] + HALO),
            )
            parts.append(take_tally(truth[cut], estimate[cut], 1.0, core))
    found = summarise(reduce(add, parts), 1.0, 4.0)
    expected = asdict(score(truth, estimate, 4.0))
    numbers = {name: value for name, value in expected.items() if not isinstance(value, str)}
    assert {name: asdict(found)[name] for name in numbers} == pytest.approx(numbers, rel=1e-10)
    assert np.isfinite(found.uiqi)
