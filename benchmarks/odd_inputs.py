"""
A hundred unusual or damaged inputs: a right result or a one-line refusal each, nothing overwritten.

    python benchmarks/odd_inputs.py [--count 100] [--seed 0] [--only NUMBER]

Each pair is altered in one to three ways (:mod:`odd_pairs`) and given to ``hsfuse run``, which
must fuse it correctly or refuse it in one line that names the file; the inputs and whatever
exists under the name of the output must stay as they
are. Prints a Markdown table and every failure with the numbers that repeat it; the exit status
is 1 if there is one.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import xarray as xr
from click.testing import CliRunner, Result
from hsfuse.cli.main import main as hsfuse_main
from odd_pairs import HARMLESS, MUTATIONS, Pair, draw_pair, sound_pair
from scipy.ndimage import binary_erosion

import hsfuse

__all__ = ["content", "find_faults", "invoke", "sound_pair", "try_pair"]

_SECONDS = 120
_LONGEST_LINE = 1500  # characters of an error
_METHODS = ("bicubic", "guided", "ms-ssfnet")


class Overdue(BaseException):
    """A run took too long; no ``except Exception`` on the way may swallow it."""


@dataclass(frozen=True)
class Verdict:
    """What became of one pair: fused, refused or failed; and the line or the fault."""

    outcome: str
    why: str
    mutations: tuple[str, ...]


def try_pair(seed: int, number: int, method: str | None = None) -> Verdict:
    """Make one odd pair, give it to ``hsfuse run`` and judge what came of it."""
    pair = draw_pair(seed, number)
    draw = np.random.default_rng([seed, number, 1])
    method = method or str(draw.choice(_METHODS, p=[0.55, 0.4, 0.05]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = [*pair.write(folder), "--method", method, "--no-report"]
        before = content(folder)
        result, noise = invoke(words)
        faults = find_faults(pair, folder, before, result, noise, words)
        line = result.stderr.strip().replace(name + "/", "")
    if faults:
        return Verdict("failed", f"{method}: {'; '.join(faults)}".replace(name, ""), pair.mutations)
    return Verdict("fused" if result.exit_code == 0 else "refused", line, pair.mutations)


def content(folder: Path) -> dict[str, str]:
    """Return the hash of every file."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def invoke(words: list[str]) -> tuple[Result, str]:
    """Run the command; return its result and what libraries wrote past Python."""
    with tempfile.TemporaryFile() as caught, _within(_SECONDS):
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(caught.fileno(), 2)
        try:
            with warnings.catch_warnings():  # a warning is shown again, as in a new process
                result = CliRunner().invoke(hsfuse_main, words)
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        caught.seek(0)
        return result, caught.read().decode(errors="replace")


@contextmanager
def _within(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Overdue

    old = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


def find_faults(
    pair: Pair, folder: Path, before: dict[str, str], result: Result, noise: str, words: list[str]
) -> list[str]:
    """Return all that is wrong with what became of one pair."""
    if isinstance(result.exception, Overdue):
        return [f"took over {_SECONDS} s"]
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        last = "".join(traceback.format_exception(result.exception)[-3:])
        return [f"traceback: {' '.join(last.split())}"]
    after = content(folder)
    allowed = {pair.out} if "--overwrite" in pair.options else set()
    faults = [
        f"{name} was changed"
        for name, digest in before.items()
        if after.get(name) != digest and not (result.exit_code == 0 and name in allowed)
    ]
    new = {name for name in after if name not in before and not name.startswith(f"{pair.out}")}
    if result.exit_code == 0:
        new.discard(Path(pair.out).with_suffix(".qml").name)
    if new:
        faults.append(f"left {', '.join(sorted(new))}")
    if noise.strip():
        faults.append(f"noise: {noise.strip()[:300]}")
    if result.exit_code != 0:
        if set(pair.mutations) <= HARMLESS:
            faults.append(f"refused what is sound: {result.stderr.strip()}")
        return faults + _faults_of_line(pair, result, words)
    if result.stderr.strip():
        faults.append(f"warned: {result.stderr.strip()[:300]}")
    return faults + _faults_of_result(words, folder / pair.out)


def _faults_of_line(pair: Pair, result: Result, words: list[str]) -> list[str]:
    lines = result.stderr.strip().splitlines()
    errors = [line for line in lines if line.startswith("Error: ")]
    if len(errors) != 1 or (len(lines) != 1 and result.exit_code != 2):
        return [f"not one line: {result.stderr.strip()[:500]}"]
    # An ENVI pair may be called by its header or its data.
    named = [Path(words[1]).stem, Path(words[2]).stem, Path(words[4]).name, *pair.also_named]
    if not any(" ".join(name.split()) in errors[0] for name in named):
        return [f"names no file: {errors[0]}"]
    if len(errors[0]) > _LONGEST_LINE:
        return [f"a line of {len(errors[0])} characters: {errors[0][:200]}"]
    odd = re.search(r"\bnan by|Traceback|<class|object at 0x", errors[0])
    return [f"unclear line: {errors[0]}"] if odd else []


def _faults_of_result(words: list[str], out: Path) -> list[str]:
    """Hold a fused raster against both inputs."""
    options = dict(pairwise(words))
    hs, rgb = (
        hsfuse.open_raster(path, mask=options.get(option)).compute()
        for path, option in ((words[1], "--hs-mask"), (words[2], "--rgb-mask"))
    )
    fused = hsfuse.open_raster(out).compute()
    faults = []
    if fused.sizes["band"] != hs.sizes["band"]:
        faults.append(f"{fused.sizes['band']} bands of {hs.sizes['band']}")
    crs = rgb.rio.crs or hs.rio.crs
    if crs != fused.rio.crs:
        faults.append(f"CRS {fused.rio.crs}, not {crs}")
    if not rgb.attrs["georeferenced"]:
        return faults + _faults_of_values(fused, hs)
    place = ~rgb.rio.transform() * fused.rio.transform()
    corner = np.array([place.c, place.f])
    if not np.allclose([*place[:6]], [1, 0, round(place.c), 0, 1, round(place.f)], atol=0.01):
        return [*faults, f"the transform is {tuple(fused.rio.transform())[:6]}"]
    left, top = np.round(corner).astype(int)
    rows, columns = fused.shape[1:]
    if min(left, top) < 0 or left + columns > rgb.sizes["x"] or top + rows > rgb.sizes["y"]:
        return [*faults, f"{rows} x {columns} pixels from {top}, {left} on of {rgb.shape[1:]}"]
    return faults + _faults_of_values(fused, hs, rgb[:, top : top + rows, left : left + columns])


def _faults_of_values(fused: xr.DataArray, hs: xr.DataArray, rgb: xr.DataArray | None = None):
    """Compare what is finite, and the size of the values."""
    good = fused["good"].to_numpy() & np.isfinite(hs).any(("y", "x")).to_numpy()
    values, stated = fused.to_numpy()[good], hs.to_numpy()[good]
    finite = np.isfinite(values)
    faults = ["nothing is finite"] if not finite.any() else []
    if np.isinf(values).any():
        faults.append("infinite values")
    if (finite.any(axis=0) != finite.all(axis=0)).any():
        faults.append("a pixel has data in some good bands only")
    if rgb is not None:
        known = np.isfinite(rgb.to_numpy()).all(axis=0)
        if (finite.all(axis=0) & ~known).any():
            faults.append("data where RGB has none")
        if hs.attrs["georeferenced"] and hs.rio.crs == rgb.rio.crs:
            faults += _faults_of_cover(fused, hs, np.isfinite(stated), known, finite.all(axis=0))
    if finite.any() and np.isfinite(stated).any():
        low, high = np.nanmin(values[finite]), np.nanmax(values[finite])
        seen = stated[np.isfinite(stated)].astype(np.float64)
        spread = max(float(np.ptp(seen)), float(np.abs(seen).max()) * 0.1)
        if low < seen.min() - 3 * spread or high > seen.max() + 3 * spread:
            faults.append(f"values {low:.4g} to {high:.4g} of {seen.min():.4g} to {seen.max():.4g}")
    return faults


def _faults_of_cover(
    fused: xr.DataArray,
    hs: xr.DataArray,
    stated: np.ndarray,
    known: np.ndarray,
    finite: np.ndarray,
) -> list[str]:
    """Hold where the result has data against where the HS image has, an HS pixel inside."""
    inside = ~hs.rio.transform() * fused.rio.transform()
    if abs(inside.b) + abs(inside.d) > 1e-6:
        return []
    down = np.floor(inside.f + inside.e * (np.arange(finite.shape[0]) + 0.5)).astype(int)
    across = np.floor(inside.c + inside.a * (np.arange(finite.shape[1]) + 0.5)).astype(int)
    rows, columns = hs.shape[1:]
    down, across = np.clip(down, 0, rows - 1), np.clip(across, 0, columns - 1)
    has, lacks = stated.all(axis=0), ~stated.all(axis=0)
    around = np.ones((3, 3))
    surely = binary_erosion(has, around, border_value=1)[np.ix_(down, across)]
    never = binary_erosion(lacks, around, border_value=1)[np.ix_(down, across)]
    faults = []
    if (surely & known & ~finite).any():
        faults.append(f"no data at {(surely & known & ~finite).sum()} pixels where both have some")
    if (never & finite).any():
        faults.append(f"data at {(never & finite).sum()} pixels where HS has none")
    return faults


def _print_table(verdicts: dict[int, Verdict]) -> None:
    counts = {name: Counter[str]() for name in MUTATIONS}
    for verdict in verdicts.values():
        for name in verdict.mutations:
            counts[name][verdict.outcome] += 1
    outcomes = ("fused", "refused", "failed")
    print(f"| what is odd | {' | '.join(outcomes)} |\n| --- | {'--- | ' * 3}")
    for name, counted in counts.items():
        if counted:
            print(f"| {name} | {' | '.join(str(counted[outcome]) for outcome in outcomes)} |")
    total = Counter(verdict.outcome for verdict in verdicts.values())
    print(f"| all {len(verdicts)} | {' | '.join(str(total[outcome]) for outcome in outcomes)} |")


def main() -> int:
    """Try the pairs and print the table."""
    parser = argparse.ArgumentParser(description="Give hsfuse odd inputs and judge what it does.")
    parser.add_argument("--count", type=int, default=100, help="how many pairs")
    parser.add_argument("--seed", type=int, default=0, help="which pairs")
    parser.add_argument("--only", type=int, help="one pair of the seed")
    parser.add_argument("--verbose", action="store_true", help="also what is said of each pair")
    choices = parser.parse_args()
    numbers = range(choices.count) if choices.only is None else [choices.only]
    verdicts = {}
    for number in numbers:
        verdict = verdicts[number] = try_pair(choices.seed, number)
        if choices.verbose or verdict.outcome == "failed":
            ways = ", ".join(verdict.mutations)
            print(
                f"- --seed {choices.seed} --only {number}: {ways}: {verdict.outcome}: "
                f"{verdict.why}",
                flush=True,
            )
    print()
    _print_table(verdicts)
    return int(any(verdict.outcome == "failed" for verdict in verdicts.values()))


if __name__ == "__main__":
    sys.exit(main())
