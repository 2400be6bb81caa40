"""
Runs that a fault ends, each in a process of its own, as a script: one import serves all of them.

    python fault_runs.py SCENE RGB FOLDER [SMALL]

In FOLDER a run is killed at five moments and resumed after each. Where SMALL is given, a file
system of a few megabytes is mounted there (in a namespace of this process), and filled while
blocks are written to it, and while a GeoTIFF is. What happened is printed as JSON.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from runs import chunk_files

from hsfuse.errors import HsfuseError
from hsfuse.fusion.run import execute, prepare
from hsfuse.fusion.settings import Settings

CHOICES = {"method": "bicubic", "tile": 64, "workers": 2, "align": False}
SIZE = 12_000_000  # bytes of the small file system


def fuse(pair: list[str], out: Path, act: Callable[[str], object], **choices: bool) -> int:
    """Fuse a pair; ``act`` is called with `block`, and the name of each closing stage."""
    job = prepare(*pair, out, Settings(**CHOICES | choices))
    outcome = execute(job, progress=lambda *_: act("block"), stage=lambda name, _: act(name))
    return outcome.resumed


def killed(pair: list[str], out: Path, blocks: int, delay: float) -> bool:
    """Kill a run so many seconds after so many blocks; return whether it was not over before."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        fuse(pair, out, lambda _: os.write(write, b"."), resume=True)
        os._exit(0)
    os.close(write)
    for _ in range(blocks):
        os.read(read, 1)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.close(read)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def filled(pair: list[str], out: Path, moment: str) -> dict[str, object]:
    """Fill the disk at a moment of a run; return its error, and how many blocks were resumed."""
    filler = out.with_name("filler")

    def fill(event: str) -> None:
        if event == moment and not filler.exists():
            with filler.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(b"0" * 4096)
                except OSError:
                    pass

    error = ""
    try:
        fuse(pair, out, fill)
    except HsfuseError as caught:
        error = str(caught)
    filler.unlink()
    left = [path.name for path in out.parent.iterdir() if path.name.startswith(out.name)]
    resumed = fuse(pair, out, lambda _: None, resume=True)
    return {"error": error, "left": left, "resumed": resumed}


def main() -> None:
    pair, folder = sys.argv[1:3], Path(sys.argv[3])
    found: dict[str, object] = {}
    draw = random.Random(time.time_ns())
    fuse(pair, folder / "whole.zarr", lambda _: None)
    whole = chunk_files(folder / "whole.zarr")
    out = folder / "killed.zarr"
    moments = [(0, draw.uniform(0, 0.5)), *((2, draw.uniform(0, 0.03)) for _ in range(4))]
    found["killed"] = [killed(pair, out, *moment) for moment in moments if not out.exists()]
    # The partial output is removed last: a run may be killed between the two.
    left = not out.exists() or out.with_name("killed.zarr.partial").exists()
    found["resumed"] = fuse(pair, out, lambda _: None, resume=True) if left else None
    found["same"] = chunk_files(out) == whole
    found["left"] = sorted(path.name for path in folder.iterdir())
    if len(sys.argv) > 4:
        small = Path(sys.argv[4])
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", small], check=True)
        found["full"] = filled(pair, small / "out.zarr", "block")
        found["full"]["same"] = chunk_files(small / "out.zarr") == whole
        fuse(pair, folder / "whole.tif", lambda _: None)
        found["export"] = filled(pair, small / "out.tif", "tiles")
        found["export"]["same"] = (
            small.joinpath("out.tif").read_bytes() == folder.joinpath("whole.tif").read_bytes()
        )
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
