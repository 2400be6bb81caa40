"""
Time of tiles and peak memory of `hsfuse view` on a large zarr store.

    python benchmarks/viewer.py --size 8192 --bands 60
    python benchmarks/viewer.py --size 8192 --bands 60 --no-levels

Writes a store of that size whose chunks are links to three chunks of noise, with the levels of half
the size or without, starts the server, asks for tiles of every level, for percentiles and spectra,
and prints how long each took and the peak resident memory of the server.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import zarr

from hsfuse.io.output.layout import OutputLayout
from hsfuse.io.output.pyramid import _multiscales
from hsfuse.io.output.zarr_layout import write_template

_AT_ONCE = 6  # requests, as browsers send them


def write_store(root: Path, size: int, bands: int, levels: bool) -> None:
    """Write a store, each of its chunks a link to the first of the same bands."""
    facts = {"fwhm": (6.0,) * bands, "band_name": tuple(f"band {n}" for n in range(bands))}
    facts |= dict.fromkeys(("good", "covered"), (True,) * bands)
    layout = OutputLayout(
        bands, size, size, (2.0, 0.0, 4e5, 0.0, -2.0, 58e5), None, "float32",
        wavelength=tuple(np.linspace(430, 2400, bands)), explained=(1.0,) * bands, **facts,
    )  # fmt: skip
    layouts = [layout]
    while levels and layouts[-1].rows > 256:
        half = (layouts[-1].rows + 1) // 2
        layouts.append(replace(layout, rows=half, columns=half))
    for number, each in enumerate(layouts):
        folder = root / f"ovr_{2**number}x" if number else root
        write_template(folder, each, {})
        cube = zarr.open_group(folder, mode="r+")["cube"]
        depth, side = cube.chunks[0], cube.chunks[1]
        draw = np.random.default_rng(0)
        for first in range(0, bands, depth):
            count = min(depth, bands - first)
            corner = min(side, each.rows)
            smooth = np.cumsum(draw.random((count, corner, corner), dtype=np.float32), axis=2)
            cube[first : first + count, :corner, :corner] = smooth
            source = folder / "cube" / "c" / str(first // depth) / "0" / "0"
            for row in range(-(-each.rows // side)):
                for column in range(-(-each.columns // side)):
                    target = source.parents[1] / str(row) / str(column)
                    if target != source:
                        target.parent.mkdir(exist_ok=True)
                        os.link(source, target)
    if levels:
        group = zarr.open_group(root, mode="r+")
        group.update_attributes(_multiscales(layouts, group.attrs.asdict()))


def measure(root: Path) -> None:
    """Ask a server for tiles of every level and print times and memory."""
    start = "from hsfuse.cli.main import main; main()"
    command = [sys.executable, "-c", start, "view", str(root), "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    started = time.monotonic()
    url = server.stdout.readline().strip()
    print(f"ready after {time.monotonic() - started:.1f} s")

    def ask(path: str) -> tuple[float, bytes]:
        since = time.monotonic()
        with urllib.request.urlopen(url + path) as response:
            return time.monotonic() - since, response.read()

    try:
        scene = json.loads(ask("scene.json")[1])
        bands = ",".join(str(band + 1) for band in scene["layers"]["fused"]["natural"])
        seconds, _ = ask(f"limits.json?layer=fused&bands={bands}&percentiles=2,98")
        print(f"{'percentiles':<28}{seconds:.2f} s")
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for level in range(scene["deepest"], -1, -1):
                across = min(-(-scene["columns"] // (scene["tile"] << level)), 5)
                paths = [
                    f"tile/fused/{level}/{row}/{column}.png?bands={bands}&low=0,0,0&high=99,99,99"
                    for row in range(min(across, 3))
                    for column in range(across)
                ]
                alone = ask(paths[0])[0]
                since = time.monotonic()
                list(pool.map(ask, paths))
                together = (time.monotonic() - since) / len(paths)
                text = f"{alone:.2f} s alone, {together:.2f} s each of {len(paths)}"
                print(f"tile, level {level:<16}{text}")
        print(f"{'spectrum':<28}{ask('spectra.json?row=4000&column=4000')[0]:.2f} s")
        status = Path(f"/proc/{server.pid}/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        print(f"peak memory of the server    {int(peak.split()[1]) / 1e6:.2f} GB")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


def main() -> None:
    """Write a store in a temporary folder and measure."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--size", type=int, default=8192)
    parser.add_argument("--bands", type=int, default=60)
    parser.add_argument("--no-levels", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "fused.zarr"
        write_store(root, options.size, options.bands, not options.no_levels)
        measure(root)


if __name__ == "__main__":
    main()
