"""
Cost and accuracy of `hsfuse run` on simulated pairs, two versions of the code in one run.

    python benchmarks/cost.py --sizes 1024 --cases r4b100 r8b31 r16b31
    python benchmarks/cost.py --old OTHER/bin/hsfuse --methods guided ms-ssfnet
    python benchmarks/cost.py --sizes 8192 --cases r10b60 --minutes 10

A case is a ratio and a number of HS bands; the MS image has the four bands of Sentinel-2 at 10 m.
Each row is one run of a pair by a method and an executable: CPU seconds (user and system) of
its planning and of all of it, wall time of all of it and without planning, peak resident memory
of planning and of all of it, time (without planning) and memory as the plan estimated them, and
PSNR and SAM against the truth. The report (HTML), which the old code does not write, is left out
unless ``--report`` asks for it. CPU seconds change little with other load on the machine, wall
time does. With ``--minutes`` a run is interrupted and its peak memory until then is printed.
Linux only: times and peaks of planning are read from /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import dask.array as da
import numpy as np
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from affine import Affine

from hsfuse.evaluation import evaluate
from hsfuse.io.write import write_raster
from hsfuse.synthetic.landscape import make_scene
from hsfuse.synthetic.simulated_files import SimulatedFiles
from hsfuse.synthetic.simulation import SimulatedRasters, observe

MS_SENSOR = "sentinel-2a:B2,B3,B4,B8"
SNR_HS, SNR_MS = 40.0, 45.0  # decibels
LARGEST_SCENE = 512  # pixels a side of one landscape, 15 s; larger pairs repeat it, mirrored
POLL = 0.05  # seconds between two looks at a process
COLUMNS = (
    ("case", 8),
    ("size", 5),
    ("method", 10),
    ("code", 5),
    ("plan CPU s", 11),
    ("CPU s", 8),
    ("wall s", 8),
    ("fusing s", 8),
    ("plan: s", 8),
    ("plan GB", 8),
    ("GB", 6),
    ("plan: GB", 9),
    ("PSNR dB", 8),
    ("SAM °", 6),
    ("", 0),
)


class Case(NamedTuple):
    """Ratio and number of HS bands of a pair."""

    ratio: float
    bands: int

    @classmethod
    def read(cls, text: str) -> Case:
        """Return the case of a name such as ``r8b31``."""
        found = re.fullmatch(r"r(\d+(?:\.\d+)?)b(\d+)", text)
        if not found:
            raise argparse.ArgumentTypeError(f"expected a case such as r8b31, got {text!r}")
        return cls(float(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"r{self.ratio:g}b{self.bands}"

    @property
    def wavelength(self) -> np.ndarray:
        """Band centres in nanometres: visible and near infrared, or the whole solar range."""
        return np.linspace(430.0, 960.0 if self.bands <= 60 else 2450.0, self.bands)


@dataclass(frozen=True)
class Usage:
    """
    What a run used.

    Attributes
    ----------
    plan_cpu, cpu, wall : float
        Seconds; CPU of the process, and at the end of the children it waited for.
    plan_peak, peak : int
        Bytes: the largest resident memory, of one process or of all at a time.
    output : str
        Its standard output.
    finished : bool
        False where it was interrupted.
    """

    plan_cpu: float
    cpu: float
    wall: float
    plan_peak: int
    peak: int
    output: str
    finished: bool


def simulate(case: Case, size: int, folder: Path, *, with_truth: bool) -> SimulatedFiles:
    """Write the pair of a case and, where asked, its truth; values are reflectance."""
    side = min(size, LARGEST_SCENE)
    scene = da.from_array(make_scene(side, side, case.wavelength), chunks=(-1, 256, 256))
    times = -(-size // side)
    for axis in (1, 2):
        parts = [da.flip(scene, axis) if turn % 2 else scene for turn in range(times)]
        scene = da.concatenate(parts, axis)
    cube = xr.DataArray(
        scene[:, :size, :size].rechunk((-1, 256, 256)),
        dims=("band", "y", "x"),
        coords={"wavelength": ("band", case.wavelength), "good": ("band", [True] * case.bands)},
        attrs={"units": "reflectance", "wavelength_source": "simulation"},
    )
    cube = cube.rio.write_crs("EPSG:32633").rio.write_transform(Affine(5, 0, 4e5, 0, -5, 5.8e6))
    rasters = observe(cube, rgb_sensor=MS_SENSOR, ratio=case.ratio, hs_snr=SNR_HS, ms_snr=SNR_MS)
    files = SimulatedFiles(*(folder / f"{name}.tif" for name in SimulatedRasters._fields))
    for path, raster in zip(files, rasters, strict=True):
        if with_truth or path != files.truth:
            write_raster(raster, path, dtype="int16", scale=1e-4)
    return files


def measure(command: list[str], out: Path, limit: float | None = None) -> Usage:
    """
    Run a command that writes ``out`` and return what it used.

    Planning ends when the partial output appears; the run is interrupted after ``limit`` seconds.
    """
    started, peak, asked = time.monotonic(), 0, False
    planned: tuple[float, int] | None = None
    with tempfile.TemporaryFile("w+") as text, tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=text, stderr=log)
        while True:
            peak = max(peak, _resident(process.pid))
            if planned is None and partial(out).exists():
                planned = _cpu_seconds(process.pid), peak
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            if limit is not None and not asked and time.monotonic() - started > limit:
                process.send_signal(signal.SIGINT)  # the blocks under way are finished first
                asked = True
            time.sleep(POLL)
        code = process.returncode = os.waitstatus_to_exitcode(status)
        text.seek(0)
        log.seek(0)
        if code and not asked:
            raise SystemExit(f"{' '.join(command)}: exit status {code}\n{log.read()}")
        wall, cpu = time.monotonic() - started, usage.ru_utime + usage.ru_stime
        plan_cpu, plan_peak = planned or (cpu, peak)
        return Usage(plan_cpu, cpu, wall, plan_peak, peak, text.read(), code == 0)


def partial(out: Path) -> Path:
    """Return the folder in which an output grows."""
    return out.with_name(f"{out.name}.partial")


def _cpu_seconds(pid: int) -> float:
    """Return the CPU seconds, user and system, of all threads of a process until now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> int:
    """
    Return the peak resident bytes of a process, or those of its whole tree now if more.

    ``ru_maxrss`` would not do: it includes the memory of the process that started this one.
    """
    tree, now, peak = [pid], 0, 0
    while tree:
        process = Path(f"/proc/{tree.pop()}")
        try:
            lines = (process / "status").read_text().splitlines()
            facts = dict(line.split(":", 1) for line in lines)
            for thread in (process / "task").iterdir():
                tree += [int(child) for child in (thread / "children").read_text().split()]
        except OSError:
            continue  # it has just ended
        now += _kilobytes(facts.get("VmRSS"))
        peak = max(peak, _kilobytes(facts.get("VmHWM")))
    return max(now, peak)


def _kilobytes(text: str | None) -> int:
    return int(text.split()[0]) * 1024 if text else 0


def finished_blocks(out: Path, plan: dict[str, dict[str, int]]) -> str:
    """Return how many blocks an interrupted run has finished, of how many."""
    journal = partial(out) / "journal.jsonl"
    done = len(journal.read_text().splitlines()) if journal.exists() else 0
    return f"interrupted after {done} of {plan['tiles']['count']} blocks"


def compare(truth: Path, out: Path, ratio: float) -> tuple[float, float]:
    """Return PSNR and SAM of an output."""
    score = evaluate(truth, out, ratio=ratio)
    return score.psnr, score.sam


def row(
    arguments: list[str], case: Case, files: SimulatedFiles, method: str, minutes: float | None
) -> list[str]:
    """
    Plan and run one pair; return the figures as text.

    ``arguments`` are the executable and the options that it is given in every row.
    """
    executable, *added = arguments
    with tempfile.TemporaryDirectory(dir=files.scene.parent) as folder:
        out = Path(folder) / "out.tif"
        command = [executable, "run", *map(str, files[:2]), "-o", str(out), "--json"]
        command += ["--method", method, *added]
        run = measure(command, out, None if minutes is None else 60 * minutes)
        accuracy, note = ["-", "-"], ""
        if run.finished:
            facts = json.loads(run.output)
        else:  # it has printed nothing
            facts = json.loads(measure([*command, "--dry-run"], out).output)
            note = finished_blocks(out, facts)
        if run.finished and files.truth.exists():
            # A process of its own, so that the one that measures stays small.
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                psnr, sam = pool.submit(compare, files.truth, out, case.ratio).result()
            accuracy = [f"{psnr:.2f}", f"{sam:.3f}"]
    return [
        f"{run.plan_cpu:.1f}",
        f"{run.cpu:.1f}",
        f"{run.wall:.1f}",
        _number(facts.get("result", {}).get("seconds"), 1),
        _number(facts.get("expected_seconds"), 1),
        f"{run.plan_peak / 1e9:.2f}",
        f"{run.peak / 1e9:.2f}",
        f"{facts['memory_bytes'] / 1e9:.2f}",
        *accuracy,
        note,
    ]


def _number(value: float | None, digits: int) -> str:
    """Return a number, or a dash where a version does not state it."""
    return "-" if value is None else f"{value:.{digits}f}"


def show(cells: list[str]) -> None:
    """Print one row."""
    widths = [width for _, width in COLUMNS]
    text = [f"{cell:<{width}}" for cell, width in zip(cells[:4], widths[:4], strict=True)]
    text += [f"{cell:>{width}}" for cell, width in zip(cells[4:], widths[4:], strict=True)]
    print(" ".join(text).rstrip(), flush=True)


def main() -> None:
    """Print a row for each pair, method and executable, as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--old", type=Path, help="executable to compare with, the same options")
    parser.add_argument("--new", type=Path, default=Path(sys.executable).with_name("hsfuse"))
    parser.add_argument("--report", action="store_true", help="the new code writes its report")
    parser.add_argument("--only-old", action="store_true", help="rows of --old alone")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024])
    parser.add_argument(
        "--cases", type=Case.read, nargs="+", default=[Case(4, 100), Case(8, 31), Case(16, 31)]
    )
    parser.add_argument("--methods", nargs="+", default=["guided", "ms-ssfnet"])
    parser.add_argument("--minutes", type=float, help="interrupt each run after this time")
    parser.add_argument("--folder", type=Path, help="where pairs are written; a temporary one")
    options = parser.parse_args()
    codes = {"old": [str(options.old)]} if options.old else {}
    if not options.only_old:
        codes["new"] = [str(options.new), *([] if options.report else ["--no-page"])]
    print(f"load average at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    show([name for name, _ in COLUMNS])
    for size in options.sizes:
        for case in options.cases:
            folder = Path(tempfile.mkdtemp(dir=options.folder))
            try:
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                    made = pool.submit(
                        simulate, case, size, folder, with_truth=options.minutes is None
                    )
                    files = made.result()
                for method in options.methods:
                    for code, arguments in codes.items():
                        figures = row(arguments, case, files, method, options.minutes)
                        show([str(case), str(size), method, code, *figures])
            finally:
                shutil.rmtree(folder)


if __name__ == "__main__":
    main()
