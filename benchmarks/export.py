"""
Speed of writing: hsfuse's output beside a plain copy of the same bytes to the same format.

    python benchmarks/export.py --size 1500 --bands 60

A cube in memory is written, flushed to the disk included, and every way is timed in turn: zarr
and GeoTIFF by their libraries, with the chunks, codec and creation options of hsfuse; the store of
a run, with hashes and journal; and its export to a cloud-optimised GeoTIFF. The last
columns are the speed relative to the plain copy and the bytes that the process passed to the kernel
to write and had from it to read, in bytes of the cube. The last rows are whole runs of a method on
a pair of the same output, from the first block on, for which planning is done.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
import rasterio.shutil
import xarray as xr
import zarr
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.windows import Window
from zarr.codecs import BloscCodec

from hsfuse.fusion.run import execute, prepare
from hsfuse.fusion.settings import Settings
from hsfuse.io.output.geotiff import creation_profile, export_geotiff
from hsfuse.io.output.journal import Receipt
from hsfuse.io.output.layout import Block, OutputLayout, blocks
from hsfuse.io.settings import OUTPUTS
from hsfuse.io.write import create_store, write_blocks, write_raster
from hsfuse.parallel import local_workers

Cube = NDArray[np.float32]
RATIO = 10
TRANSFORM = (10.0, 0.0, 400000.0, 0.0, -10.0, 5800000.0)


class Cost(NamedTuple):
    """What some work took: seconds, CPU seconds, bytes written and read."""

    wall: float
    cpu: float
    written: int
    read: int


def measure(work: Callable[[], object]) -> Cost:
    """Return what some work took, the disk's part of it included."""
    os.sync()
    before, cpu, start = io_bytes(), time.process_time(), time.perf_counter()
    work()
    os.sync()
    wall, used = time.perf_counter() - start, time.process_time() - cpu
    written, read = (now - then for now, then in zip(io_bytes(), before, strict=True))
    return Cost(wall, used, written, read)


def io_bytes() -> tuple[int, int]:
    """Return the bytes that this process has written and read, wherever from."""
    path = Path("/proc/self/io")
    if not path.exists():  # not Linux
        return 0, 0
    numbers = dict(line.split(": ") for line in path.read_text().splitlines())
    return int(numbers["wchar"]), int(numbers["rchar"])


def made_cube(bands: int, size: int) -> Cube:
    """Return reflectance of fields with texture and noise, (bands, size, size)."""
    draw = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size]
    spectra = np.clip(0.2 + 0.02 * np.cumsum(draw.normal(size=(6, bands)), axis=1), 0.02, 0.7)
    fields = (rows // 23 + columns // 31) % 6
    shade = 1 + 0.2 * np.sin(rows / 9) * np.cos(columns / 13)
    cube = np.empty((bands, size, size), np.float32)
    for band in range(bands):
        cube[band] = spectra[fields, band] * shade
        cube[band] += 0.002 * draw.standard_normal((size, size), dtype=np.float32)
    return cube


def copy_to_zarr(cube: Cube, layout: OutputLayout, path: Path) -> None:
    """Write the cube by zarr alone."""
    codec = BloscCodec(cname="lz4", clevel=OUTPUTS.compression_level, shuffle="shuffle")
    array = zarr.create_array(
        path, shape=cube.shape, chunks=layout.chunk, dtype=cube.dtype, compressors=codec
    )
    for block in blocks(layout):
        rows, columns = _slices(block)
        array[:, rows, columns] = cube[:, rows, columns]


def copy_to_geotiff(cube: Cube, layout: OutputLayout, path: Path, overviews: bool) -> None:
    """Write the cube by rasterio alone, window by window; overviews make it cloud-optimised."""
    profile = creation_profile(layout, {})
    size = int(profile.pop("BLOCKSIZE"))
    options = profile | {
        "TILED": "YES",
        "BLOCKXSIZE": str(size),
        "BLOCKYSIZE": str(size),
        "INTERLEAVE": "BAND",
    }
    of_overviews = {f"{name}_OVERVIEW": value for name, value in profile.items()}
    first = path.with_suffix(".tiles.tif") if overviews else path
    bands, rows, columns = cube.shape
    with rasterio.Env(
        GDAL_CACHEMAX=256 * 2**20,
        INTERLEAVE_OVERVIEW="BAND",
        GDAL_TIFF_OVR_BLOCKSIZE=str(size),
        **of_overviews,
    ):
        with rasterio.open(
            first,
            "w",
            driver="GTiff",
            width=columns,
            height=rows,
            count=bands,
            dtype="float32",
            nodata=np.nan,
            transform=layout.affine,
            **options,
        ) as target:
            for row in range(0, rows, size):
                for column in range(0, columns, size):
                    part = cube[:, row : row + size, column : column + size]
                    target.write(part, window=Window(column, row, part.shape[2], part.shape[1]))
        if overviews:
            with rasterio.open(first, "r+") as target:
                target.build_overviews([2, 4, 8, 16][: levels(rows, size)], Resampling.average)
            rasterio.shutil.copy(first, path, driver="GTiff", COPY_SRC_OVERVIEWS="YES", **options)
            first.unlink()


def levels(pixels: int, size: int) -> int:
    """Return the number of overviews until one tile holds all."""
    count = 0
    while pixels > size * 2**count:
        count += 1
    return count


def write_store(cube: Cube, layout: OutputLayout, path: Path, workers: int) -> None:
    """Write the cube as a run writes its blocks, and finish the output."""
    store, journal = create_store(path, layout, plan_hash="benchmark")

    def work(block: Block) -> Receipt:
        rows, columns = _slices(block)
        return store.write(block.row, block.column, cube[:, rows, columns])

    write_blocks(store, journal, blocks(layout), work, workers=workers)


def write_pair(cube: Cube, layout: OutputLayout, folder: Path) -> None:
    """Write the cube degraded to a tenth of its size, and four of its bands as the MS image."""
    bands, rows, columns = cube.shape
    shape = bands, rows // RATIO, RATIO, columns // RATIO, RATIO
    coarse = cube[:, : shape[1] * RATIO, : shape[3] * RATIO].reshape(shape).mean(axis=(2, 4))
    few = np.linspace(0, bands - 1, 4).astype(int)
    wavelength = np.linspace(450.0, 900.0, bands)
    for name, values, nm, size in (
        ("scene.tif", coarse, wavelength, RATIO),
        ("rgb.tif", cube[few], wavelength[few], 1),
    ):
        array = xr.DataArray(values, dims=("band", "y", "x"), coords={"wavelength": ("band", nm)})
        place = layout.affine @ Affine.scale(size)
        write_raster(array.rio.write_crs(32633).rio.write_transform(place), folder / name)


def _slices(block: Block) -> tuple[slice, slice]:
    return (
        slice(block.row, block.row + block.rows),
        slice(block.column, block.column + block.columns),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--size", type=int, default=1500, help="pixels a side")
    parser.add_argument("--bands", type=int, default=60)
    parser.add_argument("--workers", type=int, help="threads of hsfuse; one per core by default")
    parser.add_argument("--folder", help="on the disk to measure; the working folder by default")
    parser.add_argument("--method", default="guided", help="of the runs")
    parser.add_argument("--max-error", type=float, default=0.0, help="rounding by hsfuse")
    options = parser.parse_args()
    workers = local_workers(options.workers, "cpu")
    cube = made_cube(options.bands, options.size)
    layout = OutputLayout(*cube.shape, TRANSFORM, max_error=options.max_error)
    print(
        f"{options.bands} bands of {options.size} x {options.size} pixels, float32: "
        f"{cube.nbytes / 1e6:.0f} MB; hsfuse with {workers} threads"
    )
    folder = Path(tempfile.mkdtemp(dir=options.folder or "."))
    write_pair(cube, layout, folder)
    settings = Settings(method=options.method, align=False, workers=workers)
    jobs = {
        name: prepare(folder / "scene.tif", folder / "rgb.tif", folder / f"fused.{name}", settings)
        for name in ("zarr", "tif")
    }
    ways: dict[str, tuple[str, Callable[[], object]]] = {
        "zarr, plain copy": ("", partial(copy_to_zarr, cube, layout, folder / "plain.zarr")),
        "zarr by hsfuse": (
            "zarr, plain copy",
            partial(write_store, cube, layout, folder / "out.zarr", workers),
        ),
        "GeoTIFF, plain copy": (
            "",
            partial(copy_to_geotiff, cube, layout, folder / "plain.tif", overviews=False),
        ),
        "GeoTIFF, plain copy, cloud-optimised": (
            "",
            partial(copy_to_geotiff, cube, layout, folder / "cloud.tif", overviews=True),
        ),
        "GeoTIFF by hsfuse, export of the store": (
            "GeoTIFF, plain copy",
            partial(
                export_geotiff, folder / "out.zarr", folder / "export.tif", creation_options={}
            ),
        ),
        "GeoTIFF by hsfuse, store and export": (
            "GeoTIFF, plain copy",
            partial(write_store, cube, layout, folder / "out.tif", workers),
        ),
        f"zarr, run of {options.method}": ("zarr, plain copy", partial(execute, jobs["zarr"])),
        f"GeoTIFF, run of {options.method}": (
            "GeoTIFF, plain copy",
            partial(execute, jobs["tif"]),
        ),
    }
    print("| way | s | CPU s | MB/s | of the plain copy | written | read |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    costs: dict[str, Cost] = {}
    try:
        for name, (plain, work) in ways.items():
            cost = costs[name] = measure(work)
            relative = f"{costs[plain].wall / cost.wall:.2f}" if plain else ""
            speed = cube.nbytes / 1e6 / cost.wall
            written, read = (number / cube.nbytes for number in (cost.written, cost.read))
            print(
                f"| {name} | {cost.wall:.1f} | {cost.cpu:.1f} | {speed:.0f} | {relative} | "
                f"{written:.2f} | {read:.2f} |",
                flush=True,
            )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
