"""
Many small pairs: `hsfuse batch` against a loop of `hsfuse run` in a shell.

    python benchmarks/batch.py --pairs 200

Both write the same outputs, which are compared at the end. Pairs are simulated, of few different
scenes; `--loop` times fewer of them in the shell, where that takes long.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import hsfuse
from hsfuse.synthetic.sample import write_sample

SCENES = 4
HSFUSE = shlex.join([sys.executable, "-c", "from hsfuse.cli.main import main; main()"])


def make_pairs(folder: Path, count: int, size: int) -> list[tuple[Path, Path, str]]:
    """Return scene, MS image and name of the output of each pair."""
    made = [
        write_sample(folder / f"scene{seed}", size=(size, size), seed=seed)
        for seed in range(min(SCENES, count))
    ]
    return [(made[n % len(made)].scene, made[n % len(made)].rgb, f"{n}.zarr") for n in range(count)]


def run_shell(script: str, log: Path) -> float:
    """Return the seconds that a shell takes for a script."""
    start = time.perf_counter()
    with log.open("w") as file:
        subprocess.run(["sh", "-e", "-c", script], stdout=file, stderr=file, check=True)
    return time.perf_counter() - start


def loop_script(pairs: list[tuple[Path, Path, str]], out: Path, options: str) -> str:
    """Return a shell loop over pairs."""
    lines = "\n".join(f"{scene} {rgb} {out / name}" for scene, rgb, name in pairs)
    return (
        f"while read scene rgb out; do {HSFUSE} run $scene $rgb -o $out -q {options} "
        f"</dev/null; done <<END\n{lines}\nEND\n"
    )


def compare(first: Path, second: Path) -> bool:
    """Return whether two outputs hold the same values."""
    values = [hsfuse.open_raster(path).to_numpy() for path in (first, second)]
    return bool(np.array_equal(*values, equal_nan=True))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--loop", type=int, help="pairs in the shell loop; all by default")
    parser.add_argument("--size", type=int, default=40, help="HS pixels a side, at ratio 3")
    parser.add_argument("--method", default="guided")
    parser.add_argument("--quicklook", action="store_true", help="with reports, as by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = make_pairs(folder, options.pairs, options.size)
        looped = pairs[: options.loop]
        manifest = folder / "pairs.csv"
        rows = "".join(f"{scene},{rgb},{out}\n" for scene, rgb, out in pairs)
        manifest.write_text(f"scene,rgb,out\n{rows}")
        (folder / "loop").mkdir()
        report, quicklook = (
            ("", "") if options.quicklook else ("--no-report", "--no-quicklook --no-page")
        )
        chosen = f"--method {options.method}"
        script = f"{HSFUSE} batch {manifest} -o {folder / 'batch'} -q {chosen} {quicklook}"
        log = folder / "log"
        spent = {
            "shell loop": (
                len(looped),
                run_shell(loop_script(looped, folder / "loop", f"{chosen} {report}"), log),
            ),
            "hsfuse batch": (len(pairs), run_shell(script, log)),
        }
        same = all(compare(folder / "loop" / out, folder / "batch" / out) for *_, out in looped)
    print(f"{options.method}, {options.size} x {options.size} HS pixels, ratio 3, "
          f"{os.cpu_count()} cores")  # fmt: skip
    print(f"{'':<14}{'pairs':>7}{'seconds':>10}{'pairs/hour':>12}")
    for way, (count, seconds) in spent.items():
        print(f"{way:<14}{count:>7}{seconds:>10.1f}{3600 * count / seconds:>12.0f}")
    (a, b), (c, d) = spent.values()
    print(f"batch is {c / d / (a / b):.1f} times as fast; same values: {'yes' if same else 'NO'}")


if __name__ == "__main__":
    main()
