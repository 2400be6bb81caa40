"""
What a run takes beside its method: tiles in memory, a loop by hand, `run` to zarr and GeoTIFF.

    python benchmarks/efficiency.py --size 2048 --bands 60 --method guided ms-ssfnet

Simulates a pair (HS at an eighth of the size, four MS bands), plans it once, and prints a row for
each way from the inputs to the fused pixels, planning excluded:

- tiles in memory: the method alone, its windows read before;
- loop by hand: windows read by rasterio, fused, and written to a tiled GeoTIFF by rasterio;
- run to zarr, run to GeoTIFF: with journal, checksums, comparison with both inputs and overviews.

All use the same tiles and the same number of threads. The last column is the time over that of the
first row. The values of the loop are compared with those of the run.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from memory import RATIO, write
from rasterio.windows import Window as RasterWindow

from hsfuse.core.grid import Geometry, Span
from hsfuse.fusion.block import fuse_input, read_block
from hsfuse.fusion.conditioning import read_unit
from hsfuse.fusion.plan import Plan
from hsfuse.fusion.run import execute, prepare
from hsfuse.fusion.settings import Settings
from hsfuse.io.read import open_raster
from hsfuse.methods import Window
from hsfuse.methods.conditioning import unit_window
from hsfuse.parallel import one_thread

# HS pixels that interpolation reads beyond a window.
MARGIN = 2.0
Models = dict[tuple[int, int], np.ndarray]


def each(function: Callable[[Any], Any], items: Iterable[Any], workers: int) -> list[Any]:
    """Return the results of a function of every item, on threads."""

    def call(item: Any) -> Any:
        with one_thread():
            return function(item)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(call, items))


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def in_memory(plan: Plan, workers: int) -> float:
    """Return the seconds of the method on windows that were read before."""
    grid = plan.fuser.local_models
    units = [] if grid is None else list(grid.indexes)
    windows = each(lambda unit: read_unit(plan, *unit), units, workers)
    fuser = plan.on("cpu").fuser
    blocks: list[Any] = []

    def condition() -> None:
        models = dict(zip(units, each(fuser.condition, windows, workers), strict=True))
        load = lambda wanted: {unit: models[unit] for unit in wanted}  # noqa: E731
        blocks.extend(partial(read_block, plan, *index, load) for index in plan.blocks)

    first = seconds(condition)
    read = each(lambda block: block(), blocks, workers)
    return first + seconds(lambda: each(partial(fuse_input, plan), read, workers))


class Loop:
    """A tiled loop as one writes it by hand: rasterio reads and writes, the method fuses."""

    def __init__(self, plan: Plan, scene: Path, rgb: Path) -> None:
        self.plan, self.fuser, self.paths = plan, plan.on("cpu").fuser, (scene, rgb)
        self.lock = threading.Lock()

    def read(self, which: int, rows: Span, columns: Span) -> np.ndarray:
        """Return a window of one of the images."""
        place = RasterWindow(columns.start, rows.start, len(columns), len(rows))
        with rasterio.open(self.paths[which]) as source:
            return source.read(window=place, out_dtype="float32")

    def condition(self, unit: tuple[int, int]) -> np.ndarray:
        """Return the local models of a unit."""
        grid = self.fuser.local_models
        readers = partial(self.read, 0), partial(self.read, 1)
        window = unit_window(grid, unit, self.plan.pair.fine_geometry, *readers)
        return np.ascontiguousarray(self.fuser.condition(window), np.float32)

    def fuse(self, index: tuple[int, int], models: Models) -> tuple[np.ndarray, RasterWindow]:
        """Return the fused pixels of a tile, and where they are."""
        tilings = self.plan.rows, self.plan.columns
        geometry, grid = self.plan.pair.fine_geometry, self.fuser.local_models
        fine = tuple(axis.window(number) for axis, number in zip(tilings, index, strict=True))
        core = tuple(axis.core(number) for axis, number in zip(tilings, index, strict=True))
        rows, columns = (
            axis.coarse_span(span, MARGIN)
            for axis, span in zip((geometry.y, geometry.x), fine, strict=True)
        )
        touching = [] if grid is None else grid.touching(geometry, fine)
        window = Window(
            self.read(0, rows, columns),
            self.read(1, *fine),
            Geometry(geometry.y.cut(fine[0], rows), geometry.x.cut(fine[1], columns)),
            tuple(span.shifted(-whole.start) for span, whole in zip(core, fine, strict=True)),
            (rows.start, columns.start),
            {unit: models[unit] for unit in touching},
        )
        (values,) = self.fuser.fuse([window])
        place = RasterWindow(core[1].start, core[0].start, len(core[1]), len(core[0]))
        return np.maximum(values, self.plan.lower_limit[:, None, None]), place

    def write(self, out: Path, workers: int) -> None:
        """Fuse all tiles into a GeoTIFF."""
        grid = self.fuser.local_models
        units = [] if grid is None else list(grid.indexes)
        models = dict(zip(units, each(self.condition, units, workers), strict=True))
        bands, rows, columns = self.plan.shape
        with rasterio.open(self.paths[1]) as source:
            profile = source.profile | {
                "count": bands, "height": rows, "width": columns, "dtype": "float32",
                "BIGTIFF": "YES",
            }  # fmt: skip
        with rasterio.open(out, "w", **profile) as target:

            def tile(index: tuple[int, int]) -> None:
                values, place = self.fuse(index, models)
                with self.lock:
                    target.write(values, window=place)

            each(tile, self.plan.blocks, workers)


def measure(method: str, scene: Path, rgb: Path, folder: Path, workers: int) -> None:
    """Print the rows of a method."""
    settings = Settings(method=method, dtype="float32", workers=workers, align=False)
    job = prepare(scene, rgb, folder / "out.zarr", settings)
    job = replace(job, models={})  # that of the unit that planning timed is computed again
    plan, loop = job.plan, folder / "loop.tif"
    rows = [("tiles in memory", in_memory(plan, workers))]
    by_hand = Loop(plan, scene, rgb)
    rows.append(("loop by hand", seconds(lambda: by_hand.write(loop, workers))))
    rows.append(("run to zarr", execute(job).seconds))
    exported = prepare(scene, rgb, folder / "out.tif", settings)
    rows.append(("run to GeoTIFF", execute(replace(exported, models={})).seconds))
    for name, spent in rows:
        print(f"{method:<12}{name:<18}{spent:9.2f} s{spent / rows[0][1]:8.2f}", flush=True)
    part = {"y": slice(0, 256), "x": slice(0, 256)}
    found, expected = (open_raster(path).isel(part).values for path in (loop, folder / "out.zarr"))
    print(f"{method:<12}largest difference of loop and run {np.abs(found - expected).max():.2g}")


def main() -> None:
    """Print the table of every method."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--bands", type=int, default=60)
    parser.add_argument("--method", nargs="+", default=["guided"])
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as top:
        scene, rgb = Path(top) / "scene.tif", Path(top) / "rgb.tif"
        write(scene, options.size, RATIO, options.bands)
        write(rgb, options.size, 1, 4)
        for method in options.method:
            folder = Path(top) / method
            folder.mkdir()
            measure(method, scene, rgb, folder, options.workers)


if __name__ == "__main__":
    main()
