"""
One pair by threads, local processes and dask workers: time, memory, and the same bits.

    python benchmarks/scaling.py --size 2048 --bands 60 --method guided

Simulates a pair (HS at an eighth of the size, four MS bands) and fuses it to zarr in a new process
for each row of the table. CPU seconds and memory are of that process and all that it starts, dask
workers included; the memory is the largest sum of their resident sets, looked at ten times a
second. The hash is that of the names and bytes of all chunks.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from memory import RATIO, write

# The child measures the run alone; planning is the same for all.
CHILD = """
import json, sys
from hsfuse.fusion.run import execute, prepare
from hsfuse.fusion.settings import Settings
scene, rgb, out, choices = sys.argv[1:5]
if __name__ == "__main__":
    outcome = execute(prepare(scene, rgb, out, Settings(**json.loads(choices))))
    print(json.dumps({"planning": outcome.job.seconds, "run": outcome.seconds}))
"""
_TICK = 0.1


class Usage(NamedTuple):
    """CPU seconds and resident bytes of processes."""

    cpu: float
    memory: int


class Watch:
    """The CPU seconds and the peak memory of processes and of all that they start."""

    def __init__(self) -> None:
        self.cpu: dict[int, float] = {}
        self.peak = 0

    def look(self, roots: list[int]) -> None:
        """Take the sums of this moment."""
        found = {pid: usage(pid) for pid in descendants(roots)}
        self.cpu |= {pid: each.cpu for pid, each in found.items() if each is not None}
        self.peak = max(self.peak, sum(each.memory for each in found.values() if each is not None))


def usage(pid: int) -> Usage | None:
    """Return what a process used, None if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    ticks = int(fields[11]) + int(fields[12])
    page = os.sysconf("SC_PAGE_SIZE")
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), int(fields[21]) * page)


def descendants(roots: list[int]) -> list[int]:
    """Return processes and all that they started, which still run."""
    found = []
    while roots:
        pid = roots.pop()
        found.append(pid)
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                roots += map(int, children.read_text().split())
            except OSError:  # it ended meanwhile
                continue
    return found


@contextmanager
def dask_workers(count: int, folder: Path) -> Iterator[tuple[str, list[int]]]:
    """Yield the address of a scheduler with workers of one thread, and their process ids."""
    file = folder / "scheduler.json"
    with ExitStack() as stack:

        def start(*words: str) -> int:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *words, f"--scheduler-file={file}"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process.pid

        start("scheduler", "--port=0", "--dashboard-address=:0")
        while not file.exists():
            time.sleep(_TICK)
        pids = [
            start("worker", "--nthreads=1", "--no-nanny", "--death-timeout=60")
            for _ in range(count)
        ]
        address = str(json.loads(file.read_text())["address"])
        from distributed import Client

        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(count)
        yield address, pids


def measure(pair: list[str], out: Path, choices: dict[str, object], others: list[int]) -> list[str]:
    """Fuse in a new process and return the cells of a row."""
    watch, before = Watch(), sum(each.cpu for each in map(usage, others) if each is not None)
    words = [sys.executable, "-c", CHILD, *pair, str(out), json.dumps(choices)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        while child.poll() is None:
            watch.look([child.pid, *others])
            time.sleep(_TICK)
        output = child.stdout.read() if child.stdout else ""
    if child.returncode:
        raise SystemExit(f"the run with {choices} failed")
    seconds = json.loads(output.splitlines()[-1])
    cpu = sum(watch.cpu.values()) - before
    return [f"{seconds['run']:.1f}", f"{cpu:.1f}", f"{watch.peak / 1e9:.2f}", digest(out)]


def digest(path: Path) -> str:
    """Return the hash of all chunks of a zarr output."""
    found = hashlib.sha256()
    folder = path / "cube" / "c"
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        found.update(str(file.relative_to(folder)).encode())
        found.update(file.read_bytes())
    return found.hexdigest()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    options.add_argument("--size", type=int, default=2048, help="MS pixels a side")
    options.add_argument("--bands", type=int, default=60)
    options.add_argument("--method", default="guided")
    options.add_argument("--tile", type=int)
    options.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of row two")
    options.add_argument("--processes", type=int, nargs="*", default=[1, 2, 4])
    options.add_argument("--dask-workers", type=int, nargs="*", default=[2])
    words = options.parse_args()
    common = {"method": words.method, "tile": words.tile, "align": False}
    rows = [("threads", count) for count in dict.fromkeys([1, words.threads])]
    rows += [("processes", count) for count in words.processes]
    rows += [("dask workers", count) for count in words.dask_workers]
    print(f"{'':16} {'wall s':>8} {'CPU s':>8} {'memory GB':>10}  sha256 of the chunks", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        pair = [str(Path(folder) / name) for name in ("scene.tif", "rgb.tif")]
        write(Path(pair[0]), words.size, RATIO, words.bands)
        write(Path(pair[1]), words.size, 1, 4)
        for kind, count in rows:
            out = Path(folder) / f"{kind}-{count}.zarr"
            if kind == "dask workers":
                with dask_workers(count, Path(folder)) as (address, pids):
                    cells = measure(pair, out, common | {"scheduler": address}, pids)
            else:
                scheduler = "local" if kind == "threads" else kind
                choices = common | {"scheduler": scheduler, "workers": count}
                cells = measure(pair, out, choices, [])
            row = "{:>8} {:>8} {:>10}  {}".format(*cells[:3], cells[3][:16])
            print(f"{f'{count} {kind}':16} {row}", flush=True)


if __name__ == "__main__":
    main()
