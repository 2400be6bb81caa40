"""
CPU seconds, bytes and memory of finishing an output in each format, from one complete store.

``python benchmarks/outputs.py FOLDER --size 2048 --bands 60``
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import xarray as xr
from scipy.ndimage import zoom

from hsfuse.benchmarking.work import peak_memory
from hsfuse.io.output import formats
from hsfuse.io.write import write_raster
from hsfuse.report.record import stored_bytes


def image(size: int, bands: int) -> xr.DataArray:
    """Return smooth bands with some noise, as reflectance."""
    draw = np.random.default_rng(0)
    coarse = draw.random((bands, size // 16 + 2, size // 16 + 2), dtype=np.float32)
    values = zoom(coarse, (1, 16, 16), order=1)[:, :size, :size]
    values += draw.normal(0, 0.003, values.shape).astype(np.float32)
    wavelength = ("band", np.linspace(420, 1000, bands))
    lazy = dask.array.from_array(values, chunks=(bands, 512, 512))
    return xr.DataArray(lazy, dims=("band", "y", "x"), coords={"wavelength": wavelength})


def timed(work: Callable[..., object], spent: list[float], *parts: Any, **more: Any) -> None:
    """Carry out a piece of work, and keep its CPU seconds."""
    began = time.process_time()
    work(*parts, **more)
    spent.append(time.process_time() - began)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--bands", type=int, default=60)
    asked = parser.parse_args()
    array = image(asked.size, asked.bands)
    spent: list[float] = []
    formats.FORMATS = tuple(
        replace(row, finish=partial(timed, row.finish, spent)) for row in formats.FORMATS
    )
    print("| output | stored as | finishing, CPU s | s a byte | all, CPU s | bytes | peak MB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for suffix in (".zarr", ".tif", ".dat", ".nc"):
        for dtype, scale in (("float32", None), ("int16", 1e-4)):
            out = asked.folder / f"out{suffix}"
            spent.clear()
            began = time.process_time()
            write_raster(array, out, dtype=dtype, scale=scale, overwrite=True)  # type: ignore[arg-type]
            total = time.process_time() - began
            raw = array.size * np.dtype(dtype).itemsize
            peak = peak_memory() // 1024**2
            print(
                f"| {suffix} | {dtype} | {spent[0]:.1f} | {spent[0] / raw:.1e} | {total:.1f} "
                f"| {stored_bytes(out):_} | {peak} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
