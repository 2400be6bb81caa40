"""Every scheduler writes the same bytes, whatever dies on the way."""

import gc
import multiprocessing
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import two_passes
import xarray as xr
from dask_cluster import DaskCluster, kill
from distributed import Client, LocalCluster
from runs import chunk_files

import hsfuse
from hsfuse.errors import PlanError, WorkerError
from hsfuse.fusion.job import Outcome
from hsfuse.fusion.lazy import lazy_result
from hsfuse.fusion.run import prepare, run
from hsfuse.fusion.settings import Settings
from hsfuse.methods import METHODS
from hsfuse.parallel import cluster as parallel
from hsfuse.report.record import plan_as_dict
from hsfuse.report.text import describe_plan

# distributed leaves sockets to the collector.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]

GUIDED = Settings(method="guided", tile=64, workers=2, align=False)


@pytest.fixture(scope="module")
def dask_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Return a scheduler and two workers that their commands started."""
    with DaskCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.start_workers(2)
        yield cluster
    gc.collect()  # here, where its warnings are ignored


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer than a user should for what a loaded machine does."""
    monkeypatch.setattr(parallel, "_ANSWER", 600)


@pytest.fixture(scope="module")
def local(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Return a run on threads."""
    folder = tmp_path_factory.mktemp("local")
    return run(files / "scene.tif", files / "rgb.tif", folder / "out.zarr", GUIDED)


def at(count: int, act: Callable[[], object]) -> Callable[[int, int], None]:
    """Return a progress that does something after so many blocks."""
    seen = []

    def progress(done: int, total: int) -> None:
        seen.append(done)
        if len(seen) == count:
            act()

    return progress


def test_every_scheduler_writes_the_same_bytes(
    files: Path, local: Outcome, dask_cluster: DaskCluster, tmp_path: Path
) -> None:
    """Threads, local processes, dask workers by address and by client, and the lazy array."""
    scene, rgb = files / "scene.tif", files / "rgb.tif"
    settings = replace(GUIDED, scheduler="processes", workers=1)  # one import is enough
    processes = run(scene, rgb, tmp_path / "processes.zarr", settings)
    settings = replace(GUIDED, scheduler=dask_cluster.address)
    remote = run(scene, rgb, tmp_path / "remote.zarr", settings)
    with Client(dask_cluster.address, set_as_default=False) as client:
        mine = run(scene, rgb, tmp_path / "mine.zarr", GUIDED, client=client)
        assert client.status == "running"
    expected = chunk_files(local.path)
    assert len(expected) > 4
    for outcome in (processes, remote, mine):
        assert chunk_files(outcome.path) == expected
        assert outcome.spatial == local.spatial
    stored = hsfuse.open_raster(local.path).compute(scheduler="synchronous")
    lazy = lazy_result(local.job.plan).compute(scheduler="threads")
    assert np.array_equal(lazy.to_numpy(), stored.to_numpy(), equal_nan=True)


def test_methods_of_two_passes_write_the_same_bytes(
    files: Path, dask_cluster: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The models that workers condition are those of threads."""
    monkeypatch.setitem(METHODS, "two-passes", two_passes.SPEC)
    pair = files / "scene.tif", files / "rgb.tif"
    settings = Settings(method="two-passes", tile=64, align=False)
    threads = run(*pair, tmp_path / "local.zarr", settings)
    remote = run(*pair, tmp_path / "remote.zarr", settings, scheduler=dask_cluster.address)
    assert chunk_files(remote.path) == chunk_files(threads.path)


def test_workers_write_a_crop_of_the_lazy_array(
    files: Path, local: Outcome, dask_cluster: DaskCluster, tmp_path: Path
) -> None:
    """By ``to_zarr`` of xarray, as the pixels of a run."""
    crop = {"y": slice(60, 130), "x": slice(0, 70)}
    lazy = lazy_result(local.job.plan).isel(crop)
    path = tmp_path / "crop.zarr"
    with Client(dask_cluster.address):
        lazy.chunk({"y": 64, "x": 64}).to_dataset().to_zarr(path, consolidated=False)
    expected = hsfuse.open_raster(local.path).isel(crop).compute(scheduler="synchronous")
    with xr.open_zarr(path, consolidated=False) as written:
        found = written["fused"].compute(scheduler="synchronous")
    assert np.array_equal(found, expected, equal_nan=True)


def test_the_plan_names_the_dashboard(
    files: Path, dask_cluster: DaskCluster, tmp_path: Path
) -> None:
    """Where the user watches the workers, in text and record; a dry run writes nothing."""
    settings = replace(GUIDED, scheduler=dask_cluster.address)
    words = files / "scene.tif", files / "rgb.tif", tmp_path / "out.zarr", settings
    job = prepare(*words, dry_run=True)
    assert job.cluster is not None
    assert job.cluster.dashboard.startswith("http://")
    assert job.workers == job.cluster.workers == 2
    assert f"dashboard {job.cluster.dashboard}" in describe_plan(job)
    assert plan_as_dict(job)["cluster"]["dashboard"] == job.cluster.dashboard
    assert not list(tmp_path.iterdir())


def test_a_client_and_a_scheduler_are_one_too_many(files: Path, tmp_path: Path) -> None:
    """And a folder that workers do not see is refused; both before anything is read."""
    words = files / "scene.tif", files / "rgb.tif", tmp_path / "out.zarr"
    options = {"n_workers": 1, "processes": False, "dashboard_address": ":0"}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        with pytest.raises(PlanError, match="a client was given and so was the scheduler"):
            run(*words, GUIDED, scheduler="processes", client=client)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("hsfuse.parallel.inspection._reads", lambda *_: False)
            with pytest.raises(PlanError, match="does not see the output's folder"):
                run(*words, GUIDED, client=client)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("scheduler", ["dask", "processes"])
def test_workers_killed_at_five_moments_cost_their_blocks(
    files: Path, local: Outcome, dask_cluster: DaskCluster, tmp_path: Path, scheduler: str
) -> None:
    """The run ends with the same bytes, whichever worker is killed and whenever."""
    address = dask_cluster.address if scheduler == "dask" else scheduler
    moments = set(random.Random(time.time_ns()).sample(range(1, local.blocks - 1), 5))
    killed = []

    def strike(done: int, total: int) -> None:
        if done not in moments:
            return
        time.sleep(random.uniform(0, 0.1))
        if scheduler == "dask":
            dask_cluster.start_workers(2)
            kill(dask_cluster.workers[0])
        else:
            for process in multiprocessing.active_children()[:1]:
                process.kill()
        killed.append(done)

    outcome = run(
        *(files / "scene.tif", files / "rgb.tif", tmp_path / "out.zarr"),
        replace(GUIDED, scheduler=address),
        progress=strike,
    )
    assert set(killed) == moments
    assert chunk_files(outcome.path) == chunk_files(local.path)


def test_a_scheduler_that_goes_away_costs_the_blocks_under_way(
    files: Path, local: Outcome, dask_cluster: DaskCluster, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Stopped or killed: one line, and a store from which other runs continue to the same bytes."""
    words = files / "scene.tif", files / "rgb.tif", tmp_path / "out.zarr"
    settings = replace(GUIDED, scheduler=dask_cluster.address)
    message = r"does not answer any more; .* pass `resume=True` to go on"
    monkeypatch.setattr(parallel, "_SILENCE", 0.5)

    def stop() -> None:
        monkeypatch.setattr(parallel, "_LONGEST_ANSWER", 0.5)
        dask_cluster.scheduler.send_signal(signal.SIGSTOP)

    with pytest.raises(WorkerError, match=message):
        run(*words, settings, progress=at(1, stop))
    monkeypatch.setattr(parallel, "_LONGEST_ANSWER", 600)
    dask_cluster.scheduler.send_signal(signal.SIGCONT)
    with pytest.raises(WorkerError, match=message):
        run(*words, settings, resume=True, progress=at(1, lambda: kill(dask_cluster.scheduler)))
    outcome = run(*words, GUIDED, resume=True)
    assert 1 <= outcome.resumed < outcome.blocks
    assert chunk_files(outcome.path) == chunk_files(local.path)
