"""One thread for each unit of work, whatever the process is allowed."""

import threading
from collections.abc import Iterator

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from hsfuse.parallel import each, one_thread


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
