"""Processes that die cost their task; none is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from hsfuse.batch.pool import Ended, Pool
from hsfuse.errors import PlanError


def carry_out(pool: Pool, *tasks: tuple[Any, ...]) -> list[Any]:
    """Return the results of some tasks, given to processes that are idle."""
    while pool.idle < len(tasks):
        assert not list(pool.results())
    for key, (function, *arguments) in enumerate(tasks):
        pool.submit(key, function, *arguments)
    found: dict[int, Any] = {}
    while len(found) < len(tasks):
        found |= dict(pool.results())
    return [found[key] for key in range(len(tasks))]


def test_a_killed_process_costs_its_task() -> None:
    """The other tasks end as they would, the process is replaced, and Ctrl-C is not its matter."""
    with Pool(2) as pool:
        pid, ended = carry_out(pool, (os.getpid,), (signal.raise_signal, signal.SIGKILL))
        assert isinstance(ended, Ended)
        assert "SIGKILL" in ended.reason
        _, other = carry_out(pool, (signal.raise_signal, signal.SIGINT), (os.getpid,))
        assert {pid, other} == {child.pid for child in psutil.Process().children()} & {pid, other}
        pool.submit(0, time.sleep, 3600)
    assert not any(psutil.pid_exists(each) for each in (pid, other))


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    """However that ends, and whatever they do."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os, time\n"
        "from hsfuse.batch.pool import Pool\n"
        "if __name__ == '__main__':\n"
        "    pool = Pool(1)\n"
        "    while not pool.idle: list(pool.results())\n"
        "    pool.submit(0, os.getpid)\n"
        "    print(next(pool.results())[1], flush=True)\n"
        "    pool.submit(0, time.sleep, 3600)\n"
        "    time.sleep(3600)\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as main:
        assert main.stdout is not None
        child = psutil.Process(int(main.stdout.readline()))
        main.kill()
    psutil.wait_procs([child], timeout=60)
    assert not child.is_running()


def test_a_process_that_cannot_start_is_no_endless_loop(tmp_path: Path) -> None:
    """A script without the usual guard is told of it in one line."""
    script = tmp_path / "script.py"
    script.write_text(
        "from hsfuse.batch.pool import Pool\nwith Pool(1) as pool:\n    list(pool.results())\n"
    )
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    last = ran.stderr.strip().splitlines()[-1]
    assert last.startswith(f"hsfuse.errors.{PlanError.__name__}")
    assert '__name__ == "__main__"' in last
