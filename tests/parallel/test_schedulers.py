"""Threads, processes and an in-process dask cluster do every item once."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from hsfuse.errors import PlanError, WorkerError
from hsfuse.parallel import cluster as module
from hsfuse.parallel import each, inspect_cluster
from hsfuse.parallel.inspection import WorkerReport, compare_reports, inspect_worker, token_beside


def square(item: int) -> int:
    """Return a number squared."""
    return item * item


@pytest.mark.parametrize("workers", [1, 3])
def test_every_item_is_done_once_by_threads(workers: int):
    """Whatever the number of workers; a job on threads need not be picklable."""
    found = sorted(each(lambda item: item * item, range(20), workers=workers))
    assert found == [item * item for item in range(20)]


def killed(mark: Path | None) -> Callable[[int], int]:
    """Return a job that kills its process at the third item; not again where a file is named."""

    def job(item: int) -> int:
        if item == 3 and not (mark and mark.exists()):
            if mark is not None:
                mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    return job


def test_the_items_of_a_killed_process_are_done_again(tmp_path: Path):
    """Every item comes once, though the system killed the process of one."""
    job = killed(tmp_path / "mark")
    assert sorted(each(job, range(6), scheduler="processes", workers=1)) == list(range(6))
    assert (tmp_path / "mark").exists()


def test_processes_that_end_again_and_again_are_an_error(monkeypatch: pytest.MonkeyPatch):
    """In one line, rather than for ever."""
    monkeypatch.setattr("hsfuse.parallel.processes._MOST_LOSSES", 1)
    with pytest.raises(
        WorkerError, match=r"ended 1 times .* try fewer workers, and pass `resume=True`"
    ):
        list(each(killed(None), [3], scheduler="processes", workers=1))


def test_what_is_no_scheduler_is_refused():
    """The message has the accepted ones."""
    with pytest.raises(PlanError, match=r"local, processes or an address .* got 'threads'"):
        list(each(square, [1], scheduler="threads"))


OPTIONS = {"processes": False, "threads_per_worker": 1, "dashboard_address": ":0"}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Return a client of two workers in this process."""
    with LocalCluster(n_workers=2, **OPTIONS) as cluster, Client(cluster) as client:
        yield client


# distributed leaves sockets to the collector
@pytest.mark.filterwarnings("ignore::ResourceWarning")
class TestCluster:
    """Workers of dask."""

    def test_the_client_of_the_caller_stays_open(self, client: Client):
        """Every item is done once; nothing is left on the cluster."""
        assert sorted(each(square, range(9), scheduler=client)) == [i * i for i in range(9)]
        assert client.status == "running"
        assert not client.futures

    def test_an_error_of_the_job_is_its_own(self, client: Client):
        """Not that of a lost scheduler, although both are errors of the system."""

        def fail(item: int) -> int:
            raise OSError(f"item {item}")

        with pytest.raises(OSError, match=r"^item 7$"):
            list(each(fail, [7], scheduler=client))

    def test_the_device_is_that_of_the_workers(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ):
        """One for all blocks, whatever this machine has; workers that differ are refused."""
        target = "hsfuse.parallel.inspection.pick_device"
        monkeypatch.setattr(target, lambda device: "cuda")
        assert inspect_cluster(client, "auto").device == "cuda"
        names = iter(("cpu", "cuda"))
        monkeypatch.setattr(target, lambda device: next(names))
        with pytest.raises(PlanError, match="different devices, cpu and cuda; choose one"):
            inspect_cluster(client, "auto")

    def test_the_job_is_sent_again_after_its_last_worker(self):
        """Every item comes once, though all workers went away, and others came."""
        with LocalCluster(n_workers=1, **OPTIONS) as cluster, Client(cluster) as client:
            results = each(square, range(9), scheduler=client)
            found = [next(results)]
            cluster.scale(0)
            while client.nthreads():
                time.sleep(0.01)
            cluster.scale(1)
            assert sorted([*found, *results]) == [item * item for item in range(9)]

    def test_a_scheduler_without_workers_is_refused(self, monkeypatch: pytest.MonkeyPatch):
        """After a while, in one line."""
        monkeypatch.setattr(module, "_FIRST_WORKER", 0.2)
        with (
            LocalCluster(n_workers=0, **OPTIONS) as cluster,
            pytest.raises(PlanError, match="has no workers"),
        ):
            inspect_cluster(cluster.scheduler_address, "cpu")

    def test_an_address_without_a_scheduler_is_refused(self, monkeypatch: pytest.MonkeyPatch):
        """In one line."""
        monkeypatch.setattr(module, "_ANSWER", 0.2)
        with pytest.raises(PlanError, match=r"no dask scheduler answers at tcp://127\.0\.0\.1:9"):
            inspect_cluster("tcp://127.0.0.1:9", "cpu")


def test_a_worker_sees_the_folder_by_what_a_file_in_it_holds(tmp_path: Path):
    """A folder of the same name is not the same folder; nothing is left in it."""
    with token_beside(tmp_path) as token:
        assert token is not None
        assert inspect_worker("cpu", token, (), ()).sees_folder
        assert not inspect_worker("cpu", (token[0], "other"), (), ()).sees_folder
        (path,) = tmp_path.iterdir()
        path.rename(tmp_path / "other")
        assert not inspect_worker("cpu", token, (), ()).sees_folder
        (tmp_path / "other").rename(path)
    assert not list(tmp_path.iterdir())


def test_what_a_worker_lacks_is_named():
    """Folder, input and version, with the worker's address."""
    here = WorkerReport("", {"numpy": "2.0"}, True, ())
    good = WorkerReport("cpu", {"numpy": "2.0"}, True, ())
    assert compare_reports({"tcp://a": good}, here, None) == "cpu"
    for bad, message in (
        (WorkerReport("cpu", {"numpy": "2.0"}, False, ()), "does not see the output's folder /out"),
        (WorkerReport("cpu", {"numpy": "2.0"}, True, ("/a.tif",)), "does not see the input /a.tif"),
        (WorkerReport("cpu", {"numpy": "2.1"}, True, ()), "has numpy 2.1, expected 2.0"),
        (WorkerReport("cpu", {"numpy": ""}, True, ()), "has numpy not installed, expected 2.0"),
    ):
        with pytest.raises(PlanError, match=f"^dask worker tcp://b {message}"):
            compare_reports({"tcp://a": good, "tcp://b": bad}, here, Path("/out"))
