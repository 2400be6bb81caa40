"""
Peak memory of `hsfuse run` for a small and a large output, as two processes in one run.

    python benchmarks/memory.py --sizes 2048 8192 --bands 60

Simulates a pair of each size (HS at an eighth of it, four MS bands), fuses it with `guided`
into zarr, and prints the peak resident memory of each process. For sizes that would take too long,

    python benchmarks/memory.py --method ms-ssfnet --sizes 2048 8192 --part 1024

plans the whole pair and writes the first 1024 rows and columns of the lazy array to zarr.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window
from tqdm import tqdm

RATIO = 8
# The child measures itself: only the process that fuses counts.
CHILD = """
import json, sys, time
import hsfuse
from hsfuse.benchmarking.work import peak_memory
scene, rgb, out, dtype, method, part = sys.argv[1:]
scale, part = None if dtype == "float32" else 1e-4, int(part)
started = time.monotonic()
if part:
    fused = hsfuse.fuse(scene, rgb, method=method)
    hsfuse.write_raster(fused[:, :part, :part], out, dtype=dtype, scale=scale)
else:
    hsfuse.run(scene, rgb, out, method=method, dtype=dtype, scale=scale)
seconds = time.monotonic() - started
print(json.dumps({"peak_mb": peak_memory() / 1024**2, "seconds": seconds}))
"""


def texture(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return a smooth pattern with edges, any window of an endless scene, in 0..1."""
    wave = np.sin(rows / 97.0)[:, None] * np.cos(columns / 131.0)[None]
    edges = ((rows[:, None] // 37 + columns[None] // 53) % 2) * 0.3
    return 0.35 + 0.25 * wave + edges


def write(path: Path, size: int, step: int, bands: int) -> None:
    """Write a raster of ``size // step`` pixels a side, block by block."""
    side = size // step
    block = min(512, side)
    profile = {
        "driver": "GTiff",
        "width": side,
        "height": side,
        "count": bands,
        "dtype": "uint16",
        "crs": "EPSG:32633",
        "transform": Affine(step, 0, 4e5, 0, -step, 5.8e6),
        "tiled": True,
        "blockxsize": block,
        "blockysize": block,
        "interleave": "band",
        "compress": "zstd",
        "zstd_level": 1,
    }
    gains = np.linspace(0.4, 1.0, bands)[:, None, None]
    random = np.random.default_rng(0)
    with rasterio.open(path, "w", **profile) as target:
        for row in range(0, side, block):
            for column in range(0, side, block):
                rows = (np.arange(row, row + block) + 0.5) * step
                columns = (np.arange(column, column + block) + 0.5) * step
                values = gains * texture(rows, columns)
                values = values + 0.005 * random.normal(size=values.shape)
                window = Window(column, row, block, block)
                target.write((values * 10000).clip(1, 65534).astype(np.uint16), window=window)
        for band in range(1, bands + 1):
            nm = 450.0 + 500.0 * (band - 1) / max(bands - 1, 1)
            width = 10.0 if bands > 10 else 60.0
            target.update_tags(
                band, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=nm / 1000, FWHM_UM=width / 1000
            )


def main() -> None:
    """Print a line for each size and the ratio of the last to the first."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[2048, 8192])
    parser.add_argument("--bands", type=int, default=60)
    parser.add_argument("--dtype", default="float32", choices=["float32", "int16", "uint16"])
    parser.add_argument("--method", default="guided")
    parser.add_argument("--part", type=int, default=0, help="rows and columns to fuse; 0 for all")
    options = parser.parse_args()
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            scene, rgb, out = (Path(folder) / n for n in ("scene.tif", "rgb.tif", "out.zarr"))
            write(scene, size, RATIO, options.bands)
            write(rgb, size, 1, 4)
            words = scene, rgb, out, options.dtype, options.method, options.part
            command = [sys.executable, "-c", CHILD, *map(str, words)]
            text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            figures = json.loads(text.splitlines()[-1])
            peaks.append(figures["peak_mb"])
            fused = options.part or size
            speed = tqdm.format_sizeof(fused * fused / figures["seconds"])
            print(
                f"{size}² x {options.bands}, {fused}² of it by {options.method}: "
                f"peak {figures['peak_mb']:.0f} MB, "
                f"{figures['seconds']:.0f} s with planning, {speed} pixels/s",
                flush=True,
            )
            shutil.rmtree(out)
    print(f"last / first: {peaks[-1] / peaks[0]:.2f}")


if __name__ == "__main__":
    main()
