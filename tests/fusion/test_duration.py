"""The estimate of a run's time from small parts of it."""

import math
from pathlib import Path

import pytest

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
    assert found > 0

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
    assert estimate_duration(plan, 1, 0, exported=False) == pytest.approx(whole)
    turns = math.ceil(len(blocks) / 5)
    assert estimate_duration(plan, 5, 0, exported=False) == pytest.approx(
        whole * turns / len(blocks)
    )
    stored = estimate_duration(plan, 1, 10**9, exported=False)
    exported = estimate_duration(plan, 1, 10**9, exported=True)
    assert stored is not None
    assert exported is not None
    assert whole < stored < exported
