"""
Run: fusion of one pair of files into a finished output.

The unit of work is :func:`run_block`: it fuses one block, compares it with both inputs, writes it
to the store and returns a receipt. So memory does not grow with the scene, and any scheduler may
run the blocks in any order. Methods with local models have a first pass with the same properties,
:func:`run_unit`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.core.discrepancy import Discrepancy
from hsfuse.core.excess import Excess
from hsfuse.core.json_types import json_mapping
from hsfuse.core.pace import measure_pace
from hsfuse.core.stages import Stage
from hsfuse.errors import PlanError
from hsfuse.fusion.block import fuse_input, read_block
from hsfuse.fusion.brightness import find_excess
from hsfuse.fusion.conditioning import Unit, condition_unit
from hsfuse.fusion.consistency import compare_block
from hsfuse.fusion.digest import LIBRARIES
from hsfuse.fusion.duration import time_parts
from hsfuse.fusion.job import Job, Outcome
from hsfuse.fusion.lazy import lazy_result, open_input
from hsfuse.fusion.output import check_path, find_output
from hsfuse.fusion.plan import Plan, plan_fusion
from hsfuse.fusion.request import request_of
from hsfuse.fusion.settings import PathLike, Settings, check_weights, with_choices
from hsfuse.fusion.stored_numbers import StoredNumbers, choose_numbers
from hsfuse.fusion.undeclared import count_undeclared, find_undeclared
from hsfuse.io.files.url import AnyPath, as_path
from hsfuse.io.names import STANDARD_ERROR
from hsfuse.io.output.formats import find_format
from hsfuse.io.read import open_raster
from hsfuse.io.stac import find_image
from hsfuse.io.write import (
    Block,
    FirstPass,
    ModelReceipt,
    OutputLayout,
    Receipt,
    Store,
    check_output,
    check_space,
    create_store,
    local_path,
    space_needed,
    write_blocks,
)
from hsfuse.parallel import (
    Cluster,
    Scheduler,
    ShownProgress,
    inspect_cluster,
    is_local,
    one_thread,
    pick_device,
    release_memory,
    shown_progress,
)

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Job", "Outcome", "prepare", "run", "run_block", "run_unit"]

# Smallest share of the first pass of the time of the second, for the progress.
_LEAST_EFFORT = 0.01
# Largest side of the subsampled standard error from which the median is computed.
_MAXIMUM_SIDE = 1024


def run(
    scene: PathLike,
    rgb: PathLike,
    out: PathLike | None = None,
    settings: Settings | None = None,
    *,
    client: Client | None = None,
    progress: ShownProgress | None = None,
    **choices: Any,
) -> Outcome:
    """
    Fuse one pair of files into a georeferenced output.

    Record, quicklook and report are files of the command ``hsfuse run`` and of
    :func:`hsfuse.run_batch`; :func:`hsfuse.write_html_report` writes the report alone.

    Parameters
    ----------
    scene, rgb : str or path
        The HS and the MS (or RGB) raster, each a path or URL of a raster or of a STAC item.
    out : str or path, optional
        Output, with the suffix .tif, .zarr, .dat, .bsq or .nc; by default ``<scene>_fused.tif`` in
        the folder of the scene.
    settings : Settings, optional
        Settings of fusion, computation and storage.
    client : distributed.Client, optional
        Client of a dask cluster that fuses the blocks instead of ``settings.scheduler``. It is not
        closed.
    progress : callable or True, optional
        Called with the number of finished tiles and of all tiles, local models included; True shows
        a progress bar.
    **choices
        Fields of :class:`~hsfuse.fusion.settings.Settings` that replace those of
        ``settings``, as in ``hsfuse.run("scene.tif", "rgb.tif", method="guided")``.

    Returns
    -------
    Outcome
        The path of the output, and its differences from both inputs.

    Raises
    ------
    HsfuseError
        If inputs, settings or output are not valid, or a part of the run fails.
    TypeError
        If an option is unknown.
    """
    job = prepare(
        scene, rgb, out, with_choices(settings or Settings(), choices, "run"), client=client
    )
    with shown_progress(progress, "tiles") as bar:
        return execute(job, progress=bar)


def prepare(
    scene: PathLike,
    rgb: PathLike,
    out: PathLike | None = None,
    settings: Settings | None = None,
    *,
    client: Client | None = None,
    dry_run: bool = False,
    stage: Stage | None = None,
    inputs: Sequence[PathLike] = (),
) -> Job:
    """
    Plan and check a run of :func:`run`; nothing is written yet.

    Parameters
    ----------
    scene, rgb, out, settings, client
        As in :func:`run`.
    dry_run : bool
        Plan only: the output may exist.
    stage : callable, optional
        Called with the name of each stage of planning and the share of the work done before it.
    inputs : sequence of str or path
        Further files that the output must not replace, such as STAC items and a configuration.
    """
    started = time.monotonic()
    settings = settings or Settings()
    check_weights(settings)
    if isinstance(scene, xr.DataArray) or isinstance(rgb, xr.DataArray):
        raise TypeError("run takes files and writes one; hsfuse.fuse takes arrays of xarray")
    read = [*settings.files, *inputs, scene, rgb]  # what must not be replaced
    scene, rgb = find_image(as_path(scene), "HS"), find_image(as_path(rgb), "MS")
    read += [scene, rgb]
    masks = [as_path(mask) for mask in (settings.hs_mask, settings.rgb_mask) if mask is not None]
    path, leftover = find_output(scene, out, settings, inputs=read, dry_run=dry_run)
    # Blocks may be fused on other machines than this one.
    cluster = _find_cluster(settings, client, [scene, rgb, *masks], None if dry_run else path)
    device = pick_device(settings.device) if cluster is None else cluster.device
    planning_device = device if cluster is None else "auto"
    images = (
        open_input(scene, settings, "hs"),
        open_input(rgb, settings, "rgb"),
    )
    plan = plan_fusion(*images, settings, stage=stage, device=planning_device).on(device)
    layout = _layout(plan, settings, choose_numbers(settings, images[0]), names=(scene, rgb))
    if leftover:
        if not Store(path, layout, plan.digest).is_resumable():
            check_path(path, settings, inputs=read, dry_run=dry_run)  # refuses one that exists
        # A resumed run replaces its output by the same numbers.
        settings = replace(settings, overwrite=True)
    find_format(path).check_options(settings.creation_options, layout.dtype)
    if not (settings.resume or dry_run):
        models = plan.fuser.local_models
        needed = space_needed(layout, path) + (models.bytes if models else 0)
        check_space(local_path(path, settings.temporary), needed)
    request = request_of(*images, replace(settings, device=device))
    job = Job(
        scene, rgb, path, plan, layout, settings, client=client, cluster=cluster, request=request
    )
    if cluster is None:
        if stage is not None:
            stage("estimate of the time", 0.9)
        finishing = find_format(path).seconds(layout.bytes, job.workers)
        timing = time_parts(plan, job.workers, layout.bytes, finishing=finishing)
        job = replace(job, expected=timing.duration, models=timing.models, pace=timing.pace)
    else:
        job = replace(job, pace=measure_pace())  # the report is made on this machine
    release_memory()  # that of the survey
    return replace(job, seconds=time.monotonic() - started)


def _find_cluster(
    settings: Settings, client: Client | None, inputs: list[AnyPath], out: AnyPath | None
) -> Cluster | None:
    """Return the requested cluster after a check that its workers read the files, or None."""
    if client is not None and settings.scheduler != "local":
        raise PlanError(
            f"a client was given and so was the scheduler {settings.scheduler}; give one of them"
        )
    scheduler: Scheduler = settings.scheduler if client is None else client
    if is_local(scheduler):
        return None
    files = [path for path in inputs if isinstance(path, Path) and path.exists()]
    local = None if out is None else local_path(out, settings.temporary)
    folder = local.parent if isinstance(local, Path) else None
    return inspect_cluster(
        scheduler, settings.device, folder=folder, files=files, libraries=LIBRARIES
    )


def _layout(
    plan: Plan, settings: Settings, numbers: StoredNumbers, *, names: tuple[AnyPath, AnyPath]
) -> OutputLayout:
    template: xr.DataArray = lazy_result(plan)
    attributes = {
        "scene": names[0].name,
        "rgb": names[1].name,
        "plan": plan.digest,
        **({"stored_numbers": numbers.reason} if numbers.reason else {}),
        **({"units": template.attrs["units"]} if "units" in template.attrs else {}),
        **json_mapping(plan.fuser.describe()),
    }
    layout = OutputLayout.of(
        template,
        dtype=numbers.dtype,
        scale=numbers.scale,
        offset=numbers.offset,
        max_error=settings.max_error,
        attributes=attributes,
    )
    size = plan.rows.size
    edge = next((n for n in (256, 128, 64) if size % n == 0), size)
    return replace(layout, chunk=(layout.chunk[0], edge, edge))


def execute(
    job: Job,
    *,
    progress: Callable[[int, int], None] | None = None,
    stage: Stage | None = None,
) -> Outcome:
    """
    Execute a planned run.

    After the last block, ``stage`` is called with the name of each stage of the export and the
    share of the work done before it; for ``progress`` see :func:`run`. An interruption loses only
    the blocks in progress; see :func:`hsfuse.io.output.passes.write_blocks`.
    """
    settings, plan = job.settings, job.plan
    check_output(job.out, overwrite=settings.overwrite)  # another run may have ended meanwhile
    store, journal = create_store(
        job.out,
        job.layout,
        plan_hash=plan.digest,
        origin=job.origin,
        overwrite=settings.overwrite,
        resume=settings.resume,
        temporary=settings.temporary,
    )
    started = time.monotonic()
    grid, first = plan.fuser.local_models, None
    if grid is not None:
        expected = job.expected
        effort = grid.effort
        if expected is not None:  # of units that were all conditioned while planning, little
            effort = max(expected.conditioning / expected.fusing, _LEAST_EFFORT)
        first = FirstPass(
            grid.indexes, partial(run_unit, plan, store, conditioned=job.models), effort
        )
    written = write_blocks(
        store,
        journal,
        [_block(plan, *index) for index in plan.blocks],
        partial(run_block, plan, store),
        first=first,
        scheduler=job.scheduler,
        workers=job.workers,
        overwrite=settings.overwrite,
        creation_options=settings.creation_options,
        progress=progress,
        stage=stage,
    )
    receipts = written.receipts  # in the order of the blocks, for reproducible sums
    return Outcome(
        job,
        written.path,
        time.monotonic() - started,
        sum((receipt.spatial for receipt in receipts), Discrepancy()),
        sum((receipt.spectral for receipt in receipts), Discrepancy()),
        len(receipts),
        written.resumed,
        sum(receipt.missing for receipt in receipts),
        sum(receipt.clipped for receipt in receipts),
        sum(receipt.limited for receipt in receipts),
        sum((receipt.excess for receipt in receipts), Excess()),
        count_undeclared(receipt.undeclared for receipt in receipts),
        _median_standard_error(written.path) if plan.fuser.gives_standard_error else None,
    )


def _median_standard_error(path: AnyPath) -> float:
    """Return the median of the standard error of an output, from a subsample."""
    error = open_raster(path)[STANDARD_ERROR]
    step = math.ceil(max(error.shape) / _MAXIMUM_SIDE)
    thinned = error[::step, ::step]
    values = thinned.compute(scheduler="synchronous").to_numpy()
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else math.nan


def run_unit(
    plan: Plan,
    store: Store,
    unit: Unit,
    conditioned: Mapping[Unit, NDArray[np.float32]] | None = None,
) -> ModelReceipt:
    """Write the local models of a unit, which are conditioned unless passed; return the receipt."""
    models = (conditioned or {}).get(unit)
    receipt = store.write_models(unit, condition_unit(plan, *unit) if models is None else models)
    release_memory()
    return receipt


def run_block(plan: Plan, store: Store, block: Block) -> Receipt:
    """Read, fuse, compare and write one block on one thread; return the receipt."""
    with one_thread():
        index = block.row // plan.rows.size, block.column // plan.columns.size
        read = read_block(plan, *index, store.read_models)
        undeclared = find_undeclared(plan, read)
        values, limited = fuse_input(plan, read)
        spatial, spectral = compare_block(plan, read, values)
        excess = find_excess(plan, read, values)
        receipt = store.write(block.row, block.column, values)
    del read, values
    release_memory()
    return replace(
        receipt,
        spatial=spatial,
        spectral=spectral,
        limited=limited,
        undeclared=undeclared,
        excess=excess,
    )


def _block(plan: Plan, row: int, column: int) -> Block:
    rows, columns = plan.rows.core(row), plan.columns.core(column)
    return Block(rows.start, columns.start, len(rows), len(columns))
