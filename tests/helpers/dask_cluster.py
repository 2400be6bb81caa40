"""A dask scheduler and workers as their commands start them, each a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from distributed import Client

__all__ = ["DaskCluster", "kill"]

Process = subprocess.Popen[bytes]


class DaskCluster:
    """
    A ``dask scheduler`` and its ``dask worker`` processes; a context that ends all of them.

    Parameters
    ----------
    folder : Path
        Of the file with the scheduler's address, and of logs.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scheduler.json"
        self.processes: list[Process] = []
        self.workers: list[Process] = []

    def __enter__(self) -> Self:
        """Start the scheduler."""
        self.scheduler = self._start(
            "scheduler", "--port=0", "--dashboard-address=:0", f"--scheduler-file={self.file}"
        )
        return self

    def __exit__(self, *_: object) -> None:
        """Kill all that still runs."""
        for process in self.processes:
            process.kill()
            process.wait()

    @property
    def address(self) -> str:
        """Return the address of the scheduler, once it has one."""
        while not self.file.exists():
            time.sleep(0.05)
        return str(json.loads(self.file.read_text())["address"])

    def start_workers(self, count: int) -> None:
        """Let there be so many workers of one thread at least."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        self.workers += [
            self._start("worker", self.address, "--nthreads=1", "--no-nanny", "--no-dashboard")
            for _ in range(count - len(self.workers))
        ]
        with Client(self.address, timeout=600, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=600)

    def _start(self, *words: str) -> Process:
        # Workers import what tests of the same folder import.
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
        with self.file.with_name(f"{words[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *words], stdout=log, stderr=log, env=environment
            )
        self.processes.append(process)
        return process


def kill(process: Process) -> None:
    """Kill a process as the system does where memory is short."""
    process.send_signal(signal.SIGKILL)
    process.wait()
