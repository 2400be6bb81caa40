"""What runs side by side follows from estimates alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsfuse.batch.memory import available_memory, memory_budget
from hsfuse.batch.schedule import Limits, Load, free_bytes, set_limits, share_workers
from hsfuse.errors import PlanError

GIGABYTE = 10**9


@given(
    memory=st.integers(3 * GIGABYTE, 64 * GIGABYTE),
    workers=st.integers(1, 32),
    pairs=st.lists(
        st.tuples(
            st.integers(1, 40), st.integers(10**7, 3 * GIGABYTE), st.integers(0, 2 * GIGABYTE)
        ),
        min_size=1,
        max_size=30,
    ),
    ends=st.randoms(use_true_random=False),
)
def test_memory_and_workers_stay_within_the_limits(memory, workers, pairs, ends):
    """Whatever the pairs take and in whichever order they end; and all that fit alone are run."""
    limits = set_limits(memory, workers, len(pairs))
    assert limits.processes <= min(workers, len(pairs))
    running: list[Load] = []
    todo, refused, done = list(pairs), 0, 0
    while todo or running:
        left = len(todo) + len(running)
        blocks, each, least = todo[0] if todo else (0, 1, 0)
        given_now = share_workers(Load(blocks, each), running, limits, remaining=left, least=least)
        if todo and given_now and len(running) < limits.processes:
            todo.pop(0)
            running.append(Load(given_now, max(given_now * each, least)))
            assert given_now <= blocks
        elif running:
            running.pop(ends.randrange(len(running)))
            done += 1
        else:
            assert max(each, least) > free_bytes(limits, [])
            todo.pop(0)
            refused += 1
        assert sum(load.workers for load in running) <= workers
        assert free_bytes(limits, running) >= 0
    assert done + refused == len(pairs)


def test_the_last_pairs_share_all_workers():
    limits = Limits(32 * GIGABYTE, workers=8, processes=8)
    shares = [share_workers(Load(99, 10**8), [], limits, remaining=left) for left in (100, 8, 4, 1)]
    assert shares == [1, 1, 2, 8]


def test_a_budget_below_one_process_is_refused():
    with pytest.raises(PlanError, match="memory of a batch must be at least"):
        set_limits(GIGABYTE, 4, 10)


def test_a_budget_is_a_size():
    assert memory_budget("8GB") == 8 * GIGABYTE
    assert memory_budget("1 MiB") == 2**20
    assert 0 < memory_budget(None) <= available_memory()
    for wrong in ("much", "-1GB", 0):
        with pytest.raises(PlanError, match="such as 8GB"):
            memory_budget(wrong)
