"""Many units of work at a time: each on one thread, all of them once, none after a stop."""

import threading
from collections.abc import Iterator

import pytest
import torch
from distributed import LocalCluster, Worker
from threadpoolctl import threadpool_info, threadpool_limits

from hsfuse import parallel
from hsfuse.errors import PlanError
from hsfuse.parallel import each, find_device, one_thread, pick_device


def threads() -> set[int]:
    """Return the number of threads of torch and of every pool of this process."""
    return {torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())}


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Let torch and every pool have two threads, whatever the environment says."""
    before = torch.get_num_threads()
    with threadpool_limits(2):
        torch.set_num_threads(2)
        yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_one_thread_limits_torch_and_blas_and_restores_both():
    """Inside there is one thread each; afterwards there are as many as before."""
    assert threads() == {2}
    with one_thread():
        assert threads() == {1}
        with one_thread():
            assert threads() == {1}
        assert threads() == {1}
    assert threads() == {2}


@pytest.mark.usefixtures("two_threads")
def test_who_leaves_first_takes_the_limit_from_nobody():
    """Two threads inside at once: the limits hold until the second has left."""
    entered, leave, inside = threading.Event(), threading.Event(), []

    def work() -> None:
        with one_thread():
            entered.set()
            leave.wait()
            inside.append(threads())

    other = threading.Thread(target=work)
    with one_thread():
        other.start()
        entered.wait()
    leave.set()
    other.join()
    assert inside == [{1}]
    with one_thread():
        pass
    assert threads() == {2}


@pytest.mark.usefixtures("two_threads")
def test_an_error_inside_restores_the_threads():
    """Whatever ends the block, the limits end with it."""
    with pytest.raises(KeyError), one_thread():
        raise KeyError
    assert threads() == {2}


@pytest.mark.usefixtures("two_threads")
def test_a_limit_of_the_caller_keeps_no_worker_from_its_own():
    """The caller allows two threads; a worker has one while it is inside."""
    inside = []

    def work(_: int) -> None:
        with one_thread():
            inside.append(threads())

    with threadpool_limits(2):
        list(each(work, range(3), workers=1))
        assert threads() == {2}
    assert inside == [{1}] * 3


@pytest.mark.parametrize("workers", [1, 3])
def test_every_item_is_done_once(workers: int):
    """Whatever the number of workers."""
    assert sorted(each(lambda item: item * item, range(20), workers=workers)) == [
        item * item for item in range(20)
    ]


@pytest.mark.parametrize("device", ["gpu", "", "CPU"])
def test_a_device_of_another_name_is_refused(device: str):
    with pytest.raises(PlanError, match="device must be auto, cpu or cuda"):
        pick_device(device)


def test_the_device_of_this_machine_is_where_local_work_is_done():
    """What `auto` is, is decided in one place."""
    assert find_device("auto", "local") == pick_device("auto")
    assert find_device("cpu", "local") == "cpu"


# distributed leaves sockets to the collector
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_device_of_a_cluster_is_that_of_its_workers(monkeypatch: pytest.MonkeyPatch):
    """One for all blocks, whatever this machine has; workers that differ are refused."""
    options = {"processes": False, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(n_workers=2, **options) as cluster:
        address = cluster.scheduler_address
        monkeypatch.setattr(parallel, "pick_device", lambda device: "cuda")
        assert find_device("auto", address) == "cuda"

        def differ(device: str, dask_worker: Worker) -> str:
            return ("cpu", "cuda")[dask_worker.name]

        monkeypatch.setattr(parallel, "pick_device", differ)
        with pytest.raises(PlanError, match="different devices, cpu and cuda; choose one"):
            find_device("auto", address)
    monkeypatch.setattr(parallel, "_TIMEOUT", 0.2)
    with (
        LocalCluster(n_workers=0, **options) as cluster,
        pytest.raises(PlanError, match="has no workers"),
    ):
        find_device("auto", cluster.scheduler_address)
