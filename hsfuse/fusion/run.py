"""
One pair from files to a finished output: plan, blocks, store, export, report.

The unit of work is :func:`run_block`: it fuses one block, compares it with both
inputs, writes its own part of the store and returns a receipt. Nothing else is kept, so
memory does not grow with the scene, and any scheduler may run the blocks in any order.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from hsfuse.core.discrepancy import Discrepancy
from hsfuse.errors import PlanError
from hsfuse.fusion.block import fuse_block
from hsfuse.fusion.consistency import compare_block
from hsfuse.fusion.lazy import lazy_result, open_input
from hsfuse.fusion.plan import Plan, plan_fusion
from hsfuse.fusion.settings import Settings
from hsfuse.io.geotiff import check_creation_options
from hsfuse.io.journal import Store
from hsfuse.io.read import open_raster
from hsfuse.io.write import (
    Block,
    Journal,
    OutputLayout,
    Receipt,
    check_output,
    check_space,
    create_store,
    finish,
    space_needed,
)
from hsfuse.parallel import each, find_device, local_workers

__all__ = ["BlockReport", "Job", "Outcome", "prepare", "run", "run_block"]

# A side of the pixels of which a median is taken.
_MOST_PIXELS = 1024


@dataclass(frozen=True)
class Job:
    """
    A run that is planned and checked, and has not begun.

    Attributes
    ----------
    scene, rgb, out : Path
        The files.
    plan : Plan
        Of the fusion.
    layout : OutputLayout
        Of the output.
    settings : Settings
        As asked.
    seconds : float
        What planning took.
    """

    scene: Path
    rgb: Path
    out: Path
    plan: Plan
    layout: OutputLayout
    settings: Settings
    seconds: float = 0.0

    @property
    def workers(self) -> int:
        """Blocks that run side by side on this machine."""
        return local_workers(self.settings.workers, self.plan.options.device)

    @property
    def output_bytes(self) -> int:
        """Size of the output before compression."""
        return self.layout.bytes

    @property
    def memory_bytes(self) -> int:
        """
        Estimate of the peak memory of this process.

        Each worker holds its windows and, for a moment, three copies of its block: fused,
        masked or compared, and encoded. The libraries themselves take 0.5 GB.
        """
        bands = self.plan.shape[0]
        rows = len(self.plan.rows.window(self.plan.rows.count // 2))
        columns = len(self.plan.columns.window(self.plan.columns.count // 2))
        core = len(self.plan.rows.core(0)) * len(self.plan.columns.core(0))
        fine = self.plan.pair.rgb.sizes["band"]
        window = rows * columns * (fine + self.plan.fuser.channels) * 4
        return int(0.5e9) + self.workers * (window + 3 * core * bands * 4)


@dataclass(frozen=True, slots=True)
class BlockReport:
    """
    What one finished block tells.

    Attributes
    ----------
    receipt : Receipt
        Of the write.
    spectral : Discrepancy
        R Z against the fine image: every pixel.
    spatial : Discrepancy
        D(Z) against the HS image: HS pixels whose blur lies within the block.
    """

    receipt: Receipt
    spectral: Discrepancy
    spatial: Discrepancy


@dataclass(frozen=True)
class Outcome:
    """
    A finished run.

    Attributes
    ----------
    job : Job
        What was planned.
    path : Path
        The output.
    seconds : float
        From the first block to the last byte.
    spatial, spectral : Discrepancy
        Consistency with the HS image and with the fine image, over the blocks of this run.
    blocks, resumed : int
        Blocks of the output, and how many an earlier run had finished.
    missing, clipped : int
        Values without data, and values the stored type could not hold.
    standard_error : float or None
        Median of the last band where the run tells its uncertainty.
    """

    job: Job
    path: Path
    seconds: float
    spatial: Discrepancy
    spectral: Discrepancy
    blocks: int
    resumed: int
    missing: int
    clipped: int
    standard_error: float | None = None


def run(
    scene: str | Path,
    rgb: str | Path,
    out: str | Path | None = None,
    settings: Settings | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
    **choices: Any,
) -> Outcome:
    """
    Fuse one pair of files into a georeferenced output.

    Parameters
    ----------
    scene, rgb : str or Path
        The hyperspectral and the RGB or multispectral raster.
    out : str or Path, optional
        Ends in .tif or .zarr; ``<scene>_fused.tif`` beside the scene by default.
    settings : Settings, optional
        Method, sensors, tiles and so on.
    progress : callable, optional
        Called with the number of finished blocks and of all blocks.
    **choices
        Fields of :class:`~hsfuse.fusion.settings.Settings` that replace those of
        ``settings``, as in ``hsfuse.run("scene.tif", "rgb.tif", method="guided")``.

    Returns
    -------
    Outcome
        The path, and how the output agrees with both inputs.

    Raises
    ------
    HsfuseError
        One line that says what to do.
    """
    job = prepare(scene, rgb, out, replace(settings or Settings(), **choices))
    return execute(job, progress=progress)


def prepare(
    scene: str | Path,
    rgb: str | Path,
    out: str | Path | None = None,
    settings: Settings | None = None,
    *,
    dry_run: bool = False,
) -> Job:
    """
    Return the planned and checked run of :func:`run`; of the output nothing is written yet.

    Parameters
    ----------
    scene, rgb, out, settings
        As :func:`run`.
    dry_run : bool
        The output may exist; nothing is written.
    """
    started = time.monotonic()
    settings = settings or Settings()
    scene, rgb = Path(scene), Path(rgb)
    masks = [Path(mask) for mask in (settings.hs_mask, settings.rgb_mask) if mask is not None]
    path = check_output(
        Path(out) if out else default_output(scene),
        overwrite=settings.overwrite or dry_run,  # which writes nothing
        inputs=[scene, rgb, *masks],
    )
    inputs = (
        open_input(scene, settings.hs_sensor, settings.hs_mask),
        open_input(rgb, settings.rgb_sensor, settings.rgb_mask),
    )
    # Blocks may be fused on other machines than the one that plans.
    device = find_device(settings.device, settings.scheduler)
    here = device if settings.scheduler == "local" else "auto"
    plan = plan_fusion(*inputs, settings, device=here).on(device)
    job = _checked(plan, settings, scene, rgb, path)
    return replace(job, seconds=time.monotonic() - started)


def _checked(plan: Plan, settings: Settings, scene: Path, rgb: Path, path: Path) -> Job:
    layout = _layout(plan, settings, scene, rgb)
    if path.suffix.lower() == ".zarr" and settings.creation_options:
        raise PlanError(f"{path}: creation options are for GeoTIFF outputs only")
    if path.suffix.lower() != ".zarr":
        check_creation_options(layout, settings.creation_options)
    if not settings.resume:
        check_space(path, space_needed(layout, path))
    return Job(scene, rgb, path, plan, layout, settings)


def default_output(scene: Path) -> Path:
    """
    Return where the output goes when nobody says.

    Examples
    --------
    >>> default_output(Path("data/scene.bsq")).as_posix()
    'data/scene_fused.tif'
    """
    return scene.with_name(f"{scene.stem}_fused.tif")


def _layout(plan: Plan, settings: Settings, scene: Path, rgb: Path) -> OutputLayout:
    template: xr.DataArray = lazy_result(plan)
    attributes = {
        "scene": scene.name,
        "rgb": rgb.name,
        "plan": plan.digest,
        **{key: str(value) for key, value in plan.fuser.describe().items()},
    }
    layout = OutputLayout.of(
        template, dtype=settings.dtype, scale=settings.scale, attributes=attributes
    )
    size = plan.rows.size
    edge = next((n for n in (256, 128, 64) if size % n == 0), size)
    return replace(layout, chunk=(layout.chunk[0], edge, edge))


def execute(job: Job, *, progress: Callable[[int, int], None] | None = None) -> Outcome:
    """
    Carry out a planned run.

    Every finished block is in the journal before the next is counted, so whatever stops
    the run costs the blocks under way.
    """
    settings, plan = job.settings, job.plan
    store = create_store(
        job.out,
        job.layout,
        plan_hash=plan.digest,
        overwrite=settings.overwrite,
        resume=settings.resume,
    )
    started = time.monotonic()
    spatial = spectral = Discrepancy()
    with Journal(store) as journal:
        done = journal.finished()
        todo = [index for index in plan.blocks if _block(plan, *index) not in done]
        finished = len(plan.blocks) - len(todo)
        work = partial(run_block, plan, store)
        for report in each(work, todo, scheduler=settings.scheduler, workers=job.workers):
            journal.append(report.receipt)
            spatial, spectral = spatial + report.spatial, spectral + report.spectral
            finished += 1
            if progress is not None:
                progress(finished, len(plan.blocks))
        receipts = journal.receipts().values()
        path = finish(
            store,
            journal,
            overwrite=settings.overwrite,
            creation_options=settings.creation_options,
        )
    return Outcome(
        job,
        path,
        time.monotonic() - started,
        spatial,
        spectral,
        len(plan.blocks),
        len(plan.blocks) - len(todo),
        sum(receipt.missing for receipt in receipts),
        sum(receipt.clipped for receipt in receipts),
        _median_of_last(path) if plan.fuser.gives_standard_error else None,
    )


def _median_of_last(path: Path) -> float:
    """Return the median of a raster's last band, from pixels spread over it."""
    raster = open_raster(path)
    step = math.ceil(max(raster.sizes["y"], raster.sizes["x"]) / _MOST_PIXELS)
    thinned = raster.isel(band=-1, y=slice(None, None, step), x=slice(None, None, step))
    values = thinned.compute(scheduler="synchronous").to_numpy()
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else math.nan


def run_block(plan: Plan, store: Store, index: tuple[int, int]) -> BlockReport:
    """Fuse, compare and write one block; return its report."""
    values = fuse_block(plan, *index)
    spatial, spectral = compare_block(plan, index, values)
    block = _block(plan, *index)
    return BlockReport(store.write(block.row, block.column, values), spectral, spatial)


def _block(plan: Plan, row: int, column: int) -> Block:
    rows, columns = plan.rows.core(row), plan.columns.core(column)
    return Block(rows.start, columns.start, len(rows), len(columns))
