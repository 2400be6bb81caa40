"""
Cost of the lazy result of `hsfuse.fuse`: its graph, and what a crop of it computes.

    python benchmarks/graph.py --size 20000 --bands 10

Both inputs are lazy arrays that are generated chunk by chunk (HS at a quarter of the size, four MS
bands), so that nothing is read and every computed chunk is counted. Prints the seconds of `fuse`
(survey included), the tasks and bytes of the graph, the peak memory, and the seconds and source
chunks of a crop.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import cloudpickle
import dask
import dask.array
import numpy as np
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr

import hsfuse
from hsfuse.benchmarking.work import peak_memory

RATIO = 4
CHUNK = 1024
computed: list[str] = []  # to which threads may append
Result = TypeVar("Result")


def generate(block_id: tuple[int, ...], role: str, step: int, bands: int, side: int) -> np.ndarray:
    """Return one chunk of a smooth scene with edges, and count it."""
    computed.append(role)
    y, x = (
        (np.arange(index * CHUNK, min((index + 1) * CHUNK, side)) + 0.5) * step
        for index in block_id[1:]
    )
    wave = np.sin(y / 97.0)[:, None] * np.cos(x / 131.0)[None]
    edges = ((y[:, None] // 37 + x[None] // 53) % 2) * 0.3
    gains = np.linspace(0.4, 1.0, bands)[:, None, None]
    slopes = np.linspace(0.2, -0.2, bands)[:, None, None]
    return (gains * (0.35 + 0.25 * wave + edges) + slopes * wave**2 + 0.5).astype(np.float32)


def raster(role: str, size: int, step: int, wavelength: np.ndarray) -> xr.DataArray:
    """Return a lazy raster of ``size // step`` pixels a side."""
    side, bands = size // step, len(wavelength)
    spans = tuple(min(CHUNK, side - start) for start in range(0, side, CHUNK))
    data = dask.array.map_blocks(
        partial(generate, role=role, step=step, bands=bands, side=side),
        name=f"{role}-{size}-{bands}",
        chunks=((bands,), spans, spans),
        dtype=np.float32,
        meta=np.empty((0, 0, 0), np.float32),
    )
    centres = (np.arange(side) + 0.5) * step
    coords = {
        "wavelength": ("band", wavelength, {"units": "nm"}),
        "y": 5.8e6 - centres,
        "x": 4e5 + centres,
    }
    return xr.DataArray(data, dims=("band", "y", "x"), coords=coords).rio.write_crs(32633)


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """Return a result and the seconds that it took."""
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    options.add_argument("--size", type=int, default=20000, help="MS pixels a side")
    options.add_argument("--bands", type=int, default=10, help="bands of the HS image")
    options.add_argument("--crop", type=int, default=256, help="pixels a side of the crop")
    options.add_argument("--method", default="guided")
    words = options.parse_args()
    hs = raster("HS", words.size, RATIO, np.linspace(450.0, 900.0, words.bands))
    ms = raster("MS", words.size, 1, np.array([490.0, 560.0, 665.0, 842.0]))
    before = peak_memory()
    fused, seconds = timed(lambda: hsfuse.fuse(hs, ms, method=words.method, align=False))
    rows = [
        ("fuse", "seconds", f"{seconds:.1f}"),
        ("fuse", "added memory, MB", f"{(peak_memory() - before) / 1024**2:.0f}"),
        ("fuse", "source chunks", counted()),
        ("graph", "tasks", f"{len(fused.__dask_graph__())}"),
    ]
    content, seconds = timed(lambda: cloudpickle.dumps(fused.__dask_graph__()))
    rows += [
        ("graph", "pickled, MB", f"{len(content) / 1e6:.1f}"),
        ("graph", "seconds of pickling", f"{seconds:.1f}"),
    ]
    (whole,), seconds = timed(lambda: dask.optimize(fused))
    plan, block = sizes(whole)
    rows += [
        ("graph, optimised", "tasks", f"{len(whole.__dask_graph__())}"),
        ("graph, optimised", "seconds", f"{seconds:.1f}"),
        ("graph, optimised", "kB of plan, of a block", f"{plan / 1e3:.1f}, {block / 1e3:.1f}"),
    ]
    computed.clear()
    middle = slice(words.size // 2, words.size // 2 + words.crop)
    crop, seconds = timed(lambda: fused.isel(y=middle, x=middle).compute())
    rows += [
        (f"crop of {crop.sizes['y']} x {crop.sizes['x']}", "seconds", f"{seconds:.1f}"),
        ("", "source chunks", counted()),
        ("", "added memory, MB", f"{(peak_memory() - before) / 1024**2:.0f}"),
    ]
    for row in rows:
        print("{:22} {:22} {}".format(*row))


def sizes(array: xr.DataArray) -> tuple[int, int]:
    """Return the bytes of the plan and of a block's task; each travels to a worker alone."""
    tasks = {isinstance(key, tuple): task for key, task in dict(array.__dask_graph__()).items()}
    plan, block = (len(cloudpickle.dumps(tasks[kind])) for kind in (False, True))
    return plan, block


def counted() -> str:
    """Return how many chunks of each source were computed."""
    return f"{computed.count('HS')} HS, {computed.count('MS')} MS"


if __name__ == "__main__":
    main()
