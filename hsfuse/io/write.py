"""
Writing of rasters larger than memory; a crash loses only the blocks in progress.

:func:`write_raster` writes a lazy array. For blocks that are computed otherwise::

    path = check_output(path, overwrite=overwrite, inputs=[scene, rgb])
    store, journal = create_store(path, layout, plan_hash=digest, overwrite=overwrite)
    write_blocks(store, journal, blocks(layout), write_block, overwrite=overwrite)

where ``write_block`` computes one block, writes it to the store and returns its receipt.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import dask.base
import numpy as np
import xarray as xr

from hsfuse.io.files.url import AnyPath
from hsfuse.io.names import STANDARD_ERROR
from hsfuse.io.output.creation import (
    Origin,
    check_partial,
    count_partial,
    create_store,
    local_path,
)
from hsfuse.io.output.destination import (
    check_output,
    check_space,
    default_output,
    finish,
    space_needed,
    verify,
)
from hsfuse.io.output.formats import find_format
from hsfuse.io.output.journal import Journal, ModelReceipt, Receipt
from hsfuse.io.output.layout import Block, OutputLayout, blocks, default_block_size
from hsfuse.io.output.passes import FirstPass, WrittenOutput, write_blocks
from hsfuse.io.output.store import Store
from hsfuse.io.read import Raster, as_values
from hsfuse.io.settings import StoredType
from hsfuse.parallel import Scheduler, inspect_cluster, is_local, local_workers, one_thread

__all__ = [
    "Block",
    "FirstPass",
    "Journal",
    "ModelReceipt",
    "Origin",
    "OutputLayout",
    "Receipt",
    "Store",
    "StoredType",
    "WrittenOutput",
    "blocks",
    "check_output",
    "check_partial",
    "check_space",
    "count_partial",
    "create_store",
    "default_block_size",
    "default_output",
    "finish",
    "local_path",
    "space_needed",
    "verify",
    "write_blocks",
    "write_raster",
]


def write_raster(
    raster: Raster,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    resume: bool = False,
    dtype: StoredType = "float32",
    scale: float | None = None,
    offset: float = 0.0,
    max_error: float = 0.0,
    creation_options: Mapping[str, str] | None = None,
    scheduler: Scheduler = "local",
    workers: int | None = None,
    temporary: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AnyPath:
    """
    Write a lazy raster block by block, with one block for each worker in memory.

    Parameters
    ----------
    raster : DataArray, Dataset or path
        As in :func:`hsfuse.fuse`; lazy arrays (band, y, x) with NaN for no data stay lazy. A
        coordinate ``standard_error`` (y, x) is also written.
    path : str or path
        A path or URL with the suffix .zarr (a zarr v3 store), .tif (a cloud-optimised GeoTIFF),
        .dat or .bsq (ENVI), or .nc (netCDF).
    overwrite : bool
        Replace an existing output, or the partial output of an interrupted run.
    resume : bool
        Resume an interrupted run of the same array.
    dtype, scale, offset
        Packing: ``value = stored * scale + offset``. Integers need a scale.
    max_error : float
        Largest rounding error of float32 values, in their unit: rounded values compress better.
    creation_options : mapping, optional
        For GeoTIFF, see :func:`hsfuse.io.output.geotiff.export_geotiff`.
    scheduler : str or distributed.Client
        ``local``: threads of this process; ``processes``: processes of this machine; the address
        of a dask scheduler; or a client, which is not closed.
    workers : int, optional
        Number of blocks computed in parallel, for ``local``; one per core by default.
    temporary : path, optional
        Folder in which a file is written before it is uploaded to a URL; the working folder by
        default.
    progress : callable, optional
        Called with the number of finished blocks and of all blocks.

    Returns
    -------
    Path or Url
        The finished output.

    Raises
    ------
    OutputError
        If the output exists, is an input, does not fit on the disk, or fails verification.
    PlanError
        If the number type or an option is not supported.
    RasterError
        If the object cannot be interpreted as a raster.
    """
    array = as_values(raster)
    source = array.attrs.get("source")
    out = check_output(path, overwrite=overwrite, inputs=[source] if source else [])
    find_format(out).check_options(creation_options or {}, dtype)
    here = local_path(out, temporary)
    check_partial(here, overwrite=overwrite, resume=resume)
    attributes = {key: value for key, value in array.attrs.items() if isinstance(value, str)}
    layout = OutputLayout.of(
        array,
        dtype=dtype,
        scale=scale,
        offset=offset,
        max_error=max_error,
        attributes=attributes,
    )
    if not resume:
        check_space(here, space_needed(layout, out))
    if not is_local(scheduler):
        inspect_cluster(scheduler, "cpu", folder=here.parent if isinstance(here, Path) else None)
    digest = hashlib.sha256(str(dask.base.tokenize(array.data)).encode()).hexdigest()
    store, journal = create_store(
        out,
        layout,
        plan_hash=digest,
        overwrite=overwrite,
        resume=resume,
        temporary=temporary,
    )
    return write_blocks(
        store,
        journal,
        blocks(layout, _block_size(array, layout)),
        partial(_write_block, array, store),
        scheduler=scheduler,
        workers=local_workers(workers, "cpu"),
        overwrite=overwrite,
        creation_options=creation_options,
        progress=progress,
    ).path


def _write_block(array: xr.DataArray, store: Store, block: Block) -> Receipt:
    """Compute and write one block of a lazy raster."""
    rows = slice(block.row, block.row + block.rows)
    columns = slice(block.column, block.column + block.columns)
    with one_thread():
        part = array.isel(y=rows, x=columns).compute(scheduler="synchronous")
        values = part.to_numpy()
        if store.layout.standard_error:
            values = np.concatenate([values, part[STANDARD_ERROR].to_numpy()[None]])
        return store.write(block.row, block.column, values)


def _block_size(array: xr.DataArray, layout: OutputLayout) -> tuple[int, int]:
    """Return the chunk size of the array where it fits the store, so that each is computed once."""
    sizes = array.chunksizes
    if sizes:
        rows, columns = sizes["y"][0], sizes["x"][0]
        fits = rows % layout.chunk[1] == 0 or rows == layout.rows
        fits &= columns % layout.chunk[2] == 0 or columns == layout.columns
        regular = set(sizes["y"][:-1]) <= {rows} and set(sizes["x"][:-1]) <= {columns}
        if fits and regular:
            return (rows, columns)
    return default_block_size(layout)
