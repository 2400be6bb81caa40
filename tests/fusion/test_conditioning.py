"""Methods of two passes: units of local models are conditioned once, then blocks are fused."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import two_passes
from runs import Stopped, chunk_files, stop_after
from two_passes import TwoPasses

import hsfuse.fusion.conditioning as conditioning
import hsfuse.fusion.run as running
from hsfuse.errors import OutputError
from hsfuse.fusion.block import fuse_block
from hsfuse.fusion.conditioning import load_conditioned
from hsfuse.fusion.lazy import lazy_result
from hsfuse.fusion.plan import Plan, plan_fusion
from hsfuse.fusion.run import run
from hsfuse.fusion.settings import Settings
from hsfuse.io.read import open_raster
from hsfuse.methods import METHODS

CHOICES = {"method": "two-passes", "align": False, "tile": 64}
UNITS = 16


@pytest.fixture(autouse=True, scope="module")
def method() -> Iterator[None]:
    """Put the method of these tests into the table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "two-passes", two_passes.SPEC)
        yield


@pytest.fixture(scope="module")
def plan(files: Path) -> Plan:
    """Return the plan of the pair: three by three blocks."""
    return plan_fusion(files / "scene.tif", files / "rgb.tif", **CHOICES)


@pytest.fixture(scope="module")
def whole(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the output of a run that nothing interrupted."""
    path = tmp_path_factory.mktemp("whole") / "whole.zarr"
    return run(files / "scene.tif", files / "rgb.tif", path, workers=2, **CHOICES).path


@pytest.fixture
def conditioned(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """Return how often each unit is conditioned; the process holds none before."""
    monkeypatch.setattr(conditioning, "_cache", conditioning._ModelCache(2**20))
    count: Counter = Counter()

    def counted(plan: Plan, *unit: int) -> np.ndarray:
        count[unit] += 1
        return condition(plan, *unit)

    condition = conditioning.condition_unit
    for module in (conditioning, running):
        monkeypatch.setattr(module, "condition_unit", counted)
    return count


def test_tiles_equal_the_whole(files: Path, plan: Plan) -> None:
    """A block has the models of all units in it and about it."""
    one = plan_fusion(files / "scene.tif", files / "rgb.tif", **(CHOICES | {"tile": 512}))
    expected = fuse_block(one, 0, 0)
    assert len(plan.fuser.local_models.indexes) == UNITS
    assert len(plan.blocks) == 9
    for row, column in plan.blocks:
        rows, columns = plan.rows.core(row), plan.columns.core(column)
        same = expected[:, rows.slice, columns.slice]
        assert np.allclose(fuse_block(plan, row, column), same, rtol=1e-5, equal_nan=True)


@pytest.mark.parametrize(("stop", "blocks"), [(5, 0), (UNITS + 3, 3)])
def test_a_resumed_run_is_the_run(
    files: Path, tmp_path: Path, whole: Path, conditioned: Counter, stop: int, blocks: int
) -> None:
    """Stopped in either pass: no finished item is computed again, and the bytes are the same."""
    words = files / "scene.tif", files / "rgb.tif", tmp_path / "part.zarr"
    with pytest.raises(Stopped):
        run(*words, workers=1, progress=stop_after(stop), **CHOICES)
    with pytest.raises(OutputError, match=f"left {blocks} finished tiles and"):
        run(*words, **CHOICES)
    (tmp_path / "part.zarr.partial" / "models" / ".9-9.npy.partial").touch()  # of a killed writer
    conditioned.clear()
    counts: list[tuple[int, int]] = []
    progress = {"progress": lambda *count: counts.append(count)}
    again = run(*words, workers=2, resume=True, **CHOICES, **progress)
    assert again.resumed == blocks
    assert conditioned.total() == UNITS - min(stop, UNITS)
    assert chunk_files(again.path) == chunk_files(whole)
    assert [path.name for path in tmp_path.iterdir()] == ["part.zarr"]
    assert len(counts) == UNITS + 9 - stop
    assert counts == sorted(counts)
    assert counts[-1][0] == counts[-1][1]


def test_damaged_models_are_computed_again(
    files: Path, tmp_path: Path, whole: Path, conditioned: Counter
) -> None:
    """A file that changed or is gone, and neither the others nor the finished blocks."""
    words = files / "scene.tif", files / "rgb.tif", tmp_path / "part.zarr"
    with pytest.raises(Stopped):
        run(*words, workers=1, progress=stop_after(UNITS + 3), **CHOICES)
    models = tmp_path / "part.zarr.partial" / "models"
    content = bytearray((models / "1-2.npy").read_bytes())
    content[-1] ^= 1
    (models / "1-2.npy").write_bytes(content)
    (models / "2-0.npy").unlink()
    conditioned.clear()
    again = run(*words, resume=True, **CHOICES)
    assert conditioned == {(1, 2): 1, (2, 0): 1}
    assert again.resumed == 3
    assert chunk_files(again.path) == chunk_files(whole)


def test_the_lazy_array_is_the_run_and_a_crop_costs_a_crop(
    plan: Plan, whole: Path, conditioned: Counter
) -> None:
    """Every unit is conditioned once, when a chunk first needs it, whichever thread that is."""
    expected = open_raster(whole).compute(scheduler="synchronous").to_numpy()
    lazy = lazy_result(plan)
    assert not conditioned
    crop = lazy.isel(y=slice(0, 40), x=slice(0, 40)).compute(scheduler="synchronous")
    assert np.array_equal(crop, expected[:, :40, :40], equal_nan=True)
    assert 1 < len(conditioned) < UNITS
    values = lazy.compute(scheduler="threads", num_workers=4)
    assert np.array_equal(values, expected, equal_nan=True)
    assert len(conditioned) == UNITS
    assert set(conditioned.values()) == {1}


def test_a_thread_waits_for_units_that_another_computes(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before it has computed its own, so that no two wait for each other."""
    count: Counter = Counter()
    entered, released = threading.Event(), threading.Event()

    def condition(_: Plan, *unit: int) -> np.ndarray:
        count[unit] += 1
        if unit == (0, 0):
            entered.set()
            assert released.wait(timeout=60)
        else:
            released.set()
        return np.full(4, unit[1], np.float32)

    monkeypatch.setattr(conditioning, "_cache", conditioning._ModelCache(16))
    monkeypatch.setattr(conditioning, "condition_unit", condition)
    thread = threading.Thread(target=load_conditioned, args=(plan, [(0, 0)]))
    thread.start()
    assert entered.wait(timeout=60)
    found = load_conditioned(plan, [(0, 0), (0, 1)])
    thread.join()
    assert {unit: models.tolist() for unit, models in found.items()} == {
        (0, 0): [0.0] * 4,
        (0, 1): [1.0] * 4,
    }
    assert count == {(0, 0): 1, (0, 1): 1}
    assert len(conditioning._cache.futures) == 1  # the other has no room


def test_a_unit_that_failed_is_tried_again(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is held of it."""
    left = [MemoryError("out of memory")]

    def condition(_: Plan, *unit: int) -> np.ndarray:
        if left:
            raise left.pop()
        return np.full(4, unit[1], np.float32)

    monkeypatch.setattr(conditioning, "_cache", conditioning._ModelCache(16))
    monkeypatch.setattr(conditioning, "condition_unit", condition)
    with pytest.raises(MemoryError, match="out of memory"):
        load_conditioned(plan, [(0, 0), (0, 1)])
    assert load_conditioned(plan, [(0, 0), (0, 1)]).keys() == {(0, 0), (0, 1)}


def test_models_count_for_the_disk(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose models would not fit is refused before it begins."""
    monkeypatch.setattr(two_passes, "METHOD", TwoPasses(size=2**50))
    with pytest.raises(OutputError, match=r"needs about .* its disk has"):
        run(files / "scene.tif", files / "rgb.tif", tmp_path / "out.zarr", Settings(**CHOICES))
    assert not list(tmp_path.iterdir())
