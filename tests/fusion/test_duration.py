"""The estimate of a run's time from small parts of it."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import two_passes
from runs import chunk_files
from two_passes import TwoPassFuser

import hsfuse
import hsfuse.fusion.run as running
from hsfuse.fusion import duration
from hsfuse.fusion.conditioning import condition_unit
from hsfuse.fusion.duration import Timing, time_parts
from hsfuse.fusion.plan import Plan, plan_fusion
from hsfuse.fusion.run import execute, prepare, run
from hsfuse.fusion.settings import Settings
from hsfuse.methods import METHODS


@pytest.fixture(scope="module")
def plan(files: Path) -> Plan:
    """Return the plan of a pair in twelve tiles."""
    scene, rgb = (hsfuse.open_raster(files / name) for name in ("scene.tif", "rgb.tif"))
    return plan_fusion(scene, rgb, method="bicubic", align=False, tile=64)


def test_a_run_as_short_as_its_timing_is_not_estimated(plan: Plan):
    """Nothing is timed but the pace of the machine, and no unit conditioned."""
    timing = time_parts(plan, 1, 0, finishing=0.0)
    assert timing == Timing(None, {}, timing.pace)
    assert timing.pace > 0


def test_the_estimate_is_the_cost_of_all_windows_and_blocks(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
):
    """With known costs of a block and its pixels, on any number of workers, and what is stored."""
    monkeypatch.setattr(duration, "_FEWEST_PIXELS", 0)
    found = time_parts(plan, 1, 0, finishing=0.0).duration
    assert found is not None
    assert found.fusing > 0 == found.conditioning

    def cost(window: int, block: int) -> float:
        return 1e-2 + 2e-6 * window + 3e-6 * block

    monkeypatch.setattr(
        duration, "_time", lambda small, index, _: cost(*duration._pixels(small, index))
    )
    blocks = [
        (
            len(plan.rows.window(i)) * len(plan.columns.window(j)),
            len(plan.rows.core(i)) * len(plan.columns.core(j)),
        )
        for i, j in plan.blocks
    ]
    whole = duration._TILE_PIXELS * sum(cost(*block) for block in blocks)

    def estimated(workers: int, stored: int = 0, *, finishing: float = 0.0) -> float:
        expected = time_parts(plan, workers, stored, finishing=finishing).duration
        assert expected is not None
        return expected.total

    assert estimated(1) == pytest.approx(whole)
    parallel = duration._BESIDE_OTHERS * whole * math.ceil(len(blocks) / 5) / len(blocks)
    assert estimated(5) == pytest.approx(parallel)
    assert whole < estimated(1, 10**9) < estimated(1, 10**9, finishing=2.0)


def test_a_spike_in_a_short_timing_counts_little() -> None:
    """Of a long one, the share of the processor that the work had counts."""
    clock = duration._Clock()
    clock.cpu, clock.wall = 0.1, 0.9
    assert clock.wait < 2
    clock.cpu, clock.wall = 30.0, 90.0
    assert clock.wait == pytest.approx(3, rel=0.1)


def test_units_are_timed_by_one_of_their_own_size(plan: Plan, monkeypatch: pytest.MonkeyPatch):
    """The models of a unit at the end of a scene have fewer HS pixels than those of another."""
    fuser = TwoPassFuser(shape=(20, 33))
    grid, conditioned = fuser.local_models, []

    def lengths(_: Plan, row: int, column: int) -> np.ndarray:
        conditioned.append((row, column))
        return np.array([len(span) for span in grid.coarse(row, column)], np.float32)

    monkeypatch.setattr(duration, "condition_unit", lengths)
    timed = duration._TimedUnits(replace(plan, fuser=fuser), duration._Clock())
    assert len(timed.models) == 1
    for unit, models in timed.load(grid.indexes).items():
        assert models.tolist() == [len(span) for span in grid.coarse(*unit)]
    assert len(conditioned) == len({tuple(map(len, grid.coarse(*u))) for u in grid.indexes})
    assert sorted(timed.models) == sorted(conditioned)
    timed.seconds = 1.0  # of a unit of each size
    every, each = (
        sum(math.prod(map(len, grid.coarse(*unit))) for unit in units)
        for units in (grid.indexes, conditioned)
    )
    assert timed.seconds_left == pytest.approx(every / each - 1)


def test_a_run_writes_the_models_of_the_estimate(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The units that were timed are not conditioned again, and the output is the same."""
    monkeypatch.setitem(METHODS, "two-passes", two_passes.SPEC)
    pair = files / "scene.tif", files / "rgb.tif"
    settings = Settings(method="two-passes", tile=64, workers=1, align=False)
    plain = run(*pair, tmp_path / "plain.zarr", settings)
    assert not plain.job.models
    monkeypatch.setattr(duration, "_FEWEST_PIXELS", 0)
    job = prepare(*pair, tmp_path / "timed.zarr", settings)
    assert job.expected is not None
    assert job.models
    conditioned = []

    def condition(plan: Plan, *unit: int) -> np.ndarray:
        conditioned.append(unit)
        return condition_unit(plan, *unit)

    monkeypatch.setattr(running, "condition_unit", condition)
    assert job.expected.fusing > 0
    outcome = execute(replace(job, expected=job.expected._replace(conditioning=0.0)))
    units = job.plan.fuser.local_models.indexes
    assert sorted([*conditioned, *job.models]) == sorted(units)
    assert chunk_files(outcome.path) == chunk_files(plain.path)
