"""
Speed of a GPU against one CPU core on simulated pairs, with the same values.

    python benchmarks/gpu.py
    python benchmarks/gpu.py --cases r4b60 --methods ms-ssfnet --precision bfloat16

The pairs are those of cost.py. The scene is planned once on the CPU; then every unit of local
models is conditioned and every block fused on the device, reading included, and the same on one
core of the CPU for the block in the middle and its models. Columns: megapixels of the output per
second on either; the largest difference of the two, in standard deviations of the block; what
convolutions and matrix products reach of the card's speed with float32 matrices of 8192 x 8192,
over all of the time; peak memory of the device; and the operations in which most of a block's time
is spent. The first line says how fast the card multiplies and copies. With ``--device cpu`` the
script checks itself where there is no GPU.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from cost import Case, simulate
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from hsfuse.fusion.block import fuse_input, read_block
from hsfuse.fusion.conditioning import Models, Unit, condition_unit
from hsfuse.fusion.plan import Plan, plan_fusion

MATRIX, COPY = 8192, 2**28  # side of a square matrix, values of an array


def seconds(work: Callable[[], object], device: str, times: int = 1) -> float:
    """Return the shortest time of some work, until the device has finished it."""
    found = []
    for _ in range(times):
        synchronise(device)
        start = time.perf_counter()
        work()
        synchronise(device)
        found.append(time.perf_counter() - start)
    return min(found)


def synchronise(device: str) -> None:
    """Wait until a GPU has finished."""
    if device == "cuda":
        torch.cuda.synchronize()


def peaks(device: str, side: int) -> tuple[float, float]:
    """Return the float32 operations and the copied bytes of a device per second."""
    matrix = torch.rand(side, side, device=device)
    values = torch.rand(COPY if device == "cuda" else COPY // 16, device=device)
    product = seconds(lambda: matrix @ matrix, device, 5)
    copy = seconds(values.clone, device, 5)
    return 2 * side**3 / product, 2 * values.nbytes / copy


def fuse_all(plan: Plan) -> None:
    """Condition all units and fuse all blocks, each read from the files."""
    grid = plan.fuser.local_models
    models = {} if grid is None else {unit: condition_unit(plan, *unit) for unit in grid.indexes}
    for row in range(plan.rows.count):
        for column in range(plan.columns.count):
            fuse_one(plan, row, column, models)


def fuse_one(plan: Plan, row: int, column: int, models: dict[Unit, Models]) -> np.ndarray:
    """Return one block, with models that exist already."""
    read = read_block(plan, row, column, lambda units: {unit: models[unit] for unit in units})
    return fuse_input(plan, read)[0]


def middle(plan: Plan) -> tuple[np.ndarray, float]:
    """Return the block in the middle, and the seconds of its pixels with their share of models."""
    row, column = plan.rows.count // 2, plan.columns.count // 2
    models: dict[Unit, Models] = {}
    spent = 0.0

    def load(units: list[Unit]) -> dict[Unit, Models]:
        nonlocal spent
        start = time.perf_counter()
        models.update({unit: condition_unit(plan, *unit) for unit in units})
        spent = time.perf_counter() - start
        return models

    start = time.perf_counter()
    values, _ = fuse_input(plan, read_block(plan, row, column, load))
    own = time.perf_counter() - start - spent
    blocks = plan.rows.count * plan.columns.count
    grid = plan.fuser.local_models
    share = len(grid.indexes) / blocks / max(len(models), 1) if grid is not None else 0.0
    return values, own + share * spent


def busiest(plan: Plan, device: str) -> str:
    """Return the operations in which a block spends most of the device's time."""
    kind = ProfilerActivity.CUDA if device == "cuda" else ProfilerActivity.CPU
    with profile(activities=[kind]) as found:
        middle(plan)
        synchronise(device)
    key = f"self_{'device' if device == 'cuda' else 'cpu'}_time_total"
    events = sorted(found.key_averages(), key=lambda event: -getattr(event, key))
    total = sum(getattr(event, key) for event in events) or 1
    return ", ".join(f"{each.key[:24]} {getattr(each, key) / total:.0%}" for each in events[:3])


def row(plan: Plan, device: str, peak: float) -> str:
    """Return the figures of one pair and method."""
    on_device, on_cpu = plan.on(device), plan.on("cpu")
    middle(on_device)  # kernels are loaded and selected
    counter = FlopCounterMode(display=False)
    with counter:
        fuse_all(on_device)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    took = seconds(lambda: fuse_all(on_device), device)
    memory = torch.cuda.max_memory_allocated() / 1e9 if device == "cuda" else float("nan")
    pixels = len(plan.pair.output[0]) * len(plan.pair.output[1]) / 1e6
    values, _ = middle(on_device)
    wanted, cpu = middle(on_cpu)
    error = np.nanmax(np.abs(values - wanted)) / np.nanstd(wanted)
    blocks = plan.rows.count * plan.columns.count
    share = counter.get_total_flops() / took / peak
    return (
        f"{pixels / took:8.2f} {pixels / blocks / cpu:8.3f} {error:10.1e} {share:7.1%} "
        f"{memory:7.2f}  {busiest(on_device, device)}"
    )


def main() -> None:
    """Print a row for each pair and method, as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--size", type=int, default=1024, help="MS pixels a side")
    parser.add_argument(
        "--cases",
        type=Case.read,
        nargs="+",
        default=[Case(4, 60), Case(4, 200), Case(16, 60), Case(16, 200)],
    )
    parser.add_argument("--methods", nargs="+", default=["guided", "kriging", "ms-ssfnet"])
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    options = parser.parse_args()
    device = options.device
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("this machine shows no CUDA device; --device cpu checks the script")
    peak, copied = peaks(device, MATRIX if device == "cuda" else MATRIX // 8)
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(f"{name}: {peak / 1e12:.2f} TFLOP/s float32, copies {copied / 1e9:.0f} GB/s")
    print("case    method       MP/s  CPU MP/s  difference  of peak     GB  busiest")
    for case in options.cases:
        with tempfile.TemporaryDirectory() as folder:
            files = simulate(case, options.size, Path(folder), with_truth=False)
            for method in options.methods:
                plan = plan_fusion(
                    files.scene,
                    files.rgb,
                    method=method,
                    precision=options.precision,
                    align=False,
                )
                print(f"{case!s:<7} {method:<10}", row(plan, device, peak), flush=True)


if __name__ == "__main__":
    main()
