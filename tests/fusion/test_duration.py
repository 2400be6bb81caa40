"""The estimate of a run's time from small parts of it."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from two_passes import TwoPassFuser

import hsfuse
from hsfuse.fusion import duration
from hsfuse.fusion.duration import estimate_duration
from hsfuse.fusion.plan import Plan, plan_fusion


@pytest.fixture(scope="module")
def plan(files: Path) -> Plan:
    """Return the plan of a pair in twelve tiles."""
    scene, rgb = (hsfuse.open_raster(files / name) for name in ("scene.tif", "rgb.tif"))
    return plan_fusion(scene, rgb, method="bicubic", align=False, tile=64)


def test_a_run_as_short_as_its_timing_is_not_estimated(plan: Plan):
    """The parts that would be timed hold a notable share of the pixels."""
    assert estimate_duration(plan, 1, 0, exported=False) is None


def test_the_estimate_is_the_cost_of_all_windows_and_blocks(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
):
    """With known costs a pixel, on any number of workers, and with what is stored."""
    monkeypatch.setattr(duration, "_SIZES", (4, 8))
    found = estimate_duration(plan, 1, 0, exported=False)
    assert found is not None
    assert found.fusing > 0 == found.conditioning

    def cost(window: int, block: int) -> float:
        return 2e-6 * window + 3e-6 * block

    monkeypatch.setattr(
        duration, "_time_middle", lambda sample, _: cost(*duration._middle_pixels(sample))
    )
    blocks = [
        (
            len(plan.rows.window(i)) * len(plan.columns.window(j)),
            len(plan.rows.core(i)) * len(plan.columns.core(j)),
        )
        for i, j in plan.blocks
    ]
    whole = sum(cost(*block) for block in blocks)

    def estimated(workers: int, stored: int = 0, *, exported: bool = False) -> float:
        expected = estimate_duration(plan, workers, stored, exported=exported)
        assert expected is not None
        return expected.total

    assert estimated(1) == pytest.approx(whole)
    assert estimated(5) == pytest.approx(whole * math.ceil(len(blocks) / 5) / len(blocks))
    assert whole < estimated(1, 10**9) < estimated(1, 10**9, exported=True)


def test_units_are_timed_by_one_of_their_own_size(plan: Plan, monkeypatch: pytest.MonkeyPatch):
    """The models of a unit at the end of a scene have fewer HS pixels than those of another."""
    fuser = TwoPassFuser(shape=(20, 33))
    grid, conditioned = fuser.local_models, []

    def lengths(_: Plan, row: int, column: int) -> np.ndarray:
        conditioned.append((row, column))
        return np.array([len(span) for span in grid.coarse(row, column)], np.float32)

    monkeypatch.setattr(duration, "condition_unit", lengths)
    timed = duration._Timed(replace(plan, fuser=fuser))
    for unit, models in timed.load(grid.indexes).items():
        assert models.tolist() == [len(span) for span in grid.coarse(*unit)]
    assert len(conditioned) == len({tuple(map(len, grid.coarse(*u))) for u in grid.indexes})
    assert timed.seconds > 0
