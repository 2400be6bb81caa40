"""
Write rasters larger than memory, so that a crash costs the blocks under way and no output lies.

The short way is :func:`write_raster`. The long way, for blocks that are computed in any
other manner::

    path = check_output(path, overwrite=overwrite, inputs=[scene, rgb])
    store = create_store(path, layout, plan_hash=digest, overwrite=overwrite, resume=resume)
    write_blocks(store, blocks(layout), write_block, overwrite=overwrite)  # on this machine

where ``write_block`` computes one block, writes it to the store and returns the receipt.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import dask.base
import xarray as xr
import zarr
from dask.utils import format_bytes

from hsfuse.errors import OutputError
from hsfuse.io.formats import find_format
from hsfuse.io.journal import Journal, Receipt
from hsfuse.io.layout import (
    Block,
    OutputLayout,
    StoredType,
    blocks,
    default_block_size,
    encode,
)
from hsfuse.io.read import Raster, as_values
from hsfuse.io.replacement import sync
from hsfuse.io.store import Store, check_partial, create_store
from hsfuse.io.zarr_layout import COMPLETE, CUBE, PROVENANCE
from hsfuse.parallel import each, local_workers, one_thread

__all__ = [
    "Block",
    "Journal",
    "OutputLayout",
    "Receipt",
    "Store",
    "StoredType",
    "Written",
    "blocks",
    "check_output",
    "check_partial",
    "check_space",
    "create_store",
    "default_block_size",
    "encode",
    "finish",
    "space_needed",
    "verify",
    "write_blocks",
    "write_raster",
]

CHECKSUMS = "checksums.sha256"


def check_output(
    path: str | Path, *, overwrite: bool = False, inputs: Iterable[str | Path] = ()
) -> Path:
    """
    Return the path of an output, if it may be written there.

    Parameters
    ----------
    path : str or Path
        Ends as one of :data:`hsfuse.io.formats.FORMATS`.
    overwrite : bool
        Allow an output that exists.
    inputs : iterable of str or Path
        Files that are read; the output is none of them.

    Raises
    ------
    OutputError
        If the path is not usable; the message says what would be.
    """
    path = Path(path)
    form = find_format(path)
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no folder {path.parent}; make it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{path}: the folder {path.parent} is not writable")
    own = path.resolve()
    for source in inputs:
        other = Path(source).resolve()
        same = own.exists() and other.exists() and own.samefile(other)
        if same or own == other or own in other.parents or other in own.parents:
            raise OutputError(f"{path}: is also an input; give the output another name")
    if not path.exists():
        return path
    if not overwrite:
        raise OutputError(
            f"{path}: exists already and is complete; pass --overwrite (overwrite=True) "
            "to replace it"
        )
    refusal = form.refusal(path)
    if refusal:
        raise OutputError(f"{path}: {refusal}, so it is not replaced")
    return path


def space_needed(layout: OutputLayout, path: Path) -> int:
    """Return the bytes of disk that writing ``path`` takes at its peak, about."""
    return int(layout.bytes * find_format(path).space)


def check_space(path: Path, needed: int) -> None:
    """
    Refuse to start what the disk cannot hold.

    Parameters
    ----------
    path : Path
        The output; its folder exists.
    needed : int
        Bytes.

    Raises
    ------
    OutputError
        If fewer bytes are free.
    """
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise OutputError(
            f"{path}: needs about {format_bytes(needed)}, its disk has {format_bytes(free)} free"
        )


def verify(store: Store, journal: Journal) -> None:
    """
    Compare every chunk file with the journal.

    Raises
    ------
    OutputError
        If a chunk was never written or is not what was written.
    """
    known: dict[str, str | None] = {}
    for receipt in journal.receipts().values():
        known.update(receipt.chunks)
    keys = store.chunk_keys()
    absent = [key for key in keys if key not in known]
    if absent:
        raise OutputError(
            f"{store.root}: {len(absent)} of {len(keys)} chunks are not written yet "
            f"(first: {absent[0]}); pass --resume to go on"
        )
    damaged = store.damaged({key: known[key] for key in keys})
    if damaged:
        raise OutputError(
            f"{store.root}: {len(damaged)} of {len(keys)} chunks are not what was written "
            f"(first: {damaged[0]}); pass --resume to write them again"
        )


def finish(
    store: Store,
    journal: Journal,
    *,
    overwrite: bool = False,
    creation_options: Mapping[str, str] | None = None,
    attributes: Mapping[str, object] | None = None,
) -> Path:
    """
    Verify the store, mark it complete and give the output its final name.

    Parameters
    ----------
    store : Store
        Every block of it is written.
    journal : Journal
        Is closed.
    overwrite : bool
        Replace an output of that name; it stays until the new one is ready.
    creation_options : mapping, optional
        For GeoTIFF, see :func:`hsfuse.io.geotiff.export_geotiff`.
    attributes : mapping, optional
        More provenance, known only now.

    Returns
    -------
    Path
        The finished output. Nothing else is left beside it.

    Raises
    ------
    OutputError
        If a chunk is missing or damaged, or the final name cannot be taken.
    """
    check_output(store.path, overwrite=overwrite)
    verify(store, journal)
    receipts = journal.receipts().values()
    group = zarr.open_group(store.root, mode="r+", zarr_format=3)
    provenance = dict(store.layout.attributes) | dict(attributes or {})
    provenance |= {
        "missing_values": sum(receipt.missing for receipt in receipts),
        "clipped_values": sum(receipt.clipped for receipt in receipts),
        "limited_values": sum(receipt.limited for receipt in receipts),
    }
    group.update_attributes({COMPLETE: True, PROVENANCE: provenance})
    for path in store.root.rglob("*.partial"):
        path.unlink(missing_ok=True)
    _write_checksums(store, receipts)
    sync(store.root / "zarr.json")
    sync(store.root)
    find_format(store.path).finish(store.root, store.path, creation_options or {})
    journal.close()
    shutil.rmtree(store.partial)
    sync(store.path.parent)
    return store.path


def _write_checksums(store: Store, receipts: Iterable[Receipt]) -> None:
    """
    Leave every chunk file's hash beside the chunks, as ``sha256sum --check`` reads it.

    It lies in the array's folder: in a group's, zarr warns of a file that is no array.
    """
    chunks = {name: digest for receipt in receipts for name, digest in receipt.chunks.items()}
    folder = f"{CUBE}/"
    lines = [
        f"{digest}  {name.removeprefix(folder)}\n"
        for name, digest in sorted(chunks.items())
        if digest
    ]
    path = store.root / CUBE / CHECKSUMS
    path.write_text("".join(lines), encoding="ascii")
    sync(path)


class Written(NamedTuple):
    """A finished output: its path, the receipt of every block, and how many were there before."""

    path: Path
    receipts: list[Receipt]
    resumed: int


def write_blocks(
    store: Store,
    wanted: Sequence[Block],
    work: Callable[[Block], Receipt],
    *,
    scheduler: str = "local",
    workers: int = 1,
    overwrite: bool = False,
    creation_options: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Written:
    """
    Compute and write the blocks that a store lacks, and finish the output.

    Every finished block is in the journal before the next is counted, so whatever stops this
    costs the blocks under way.

    Parameters
    ----------
    store : Store
        From :func:`create_store`.
    wanted : sequence of Block
        All blocks of the output.
    work : callable
        Computes a block, writes it to the store and returns its receipt; pure otherwise, and
        picklable for a scheduler that is not local.
    scheduler, workers
        As for :func:`hsfuse.parallel.each`.
    overwrite, creation_options
        As for :func:`finish`.
    progress : callable, optional
        Called with the number of finished blocks and of all blocks.

    Returns
    -------
    Written
        With the receipts in the order of ``wanted``, whatever the order of finishing.
    """
    with Journal(store) as journal:
        done = journal.finished()
        todo = [block for block in wanted if block not in done]
        finished = len(wanted) - len(todo)
        # Closing ends the workers first: none writes once the journal is closed.
        with closing(each(work, todo, scheduler=scheduler, workers=workers)) as results:
            for receipt in results:
                journal.append(receipt)
                finished += 1
                if progress is not None:
                    progress(finished, len(wanted))
        receipts = journal.receipts()
        path = finish(store, journal, overwrite=overwrite, creation_options=creation_options)
    return Written(path, [receipts[block] for block in wanted], len(wanted) - len(todo))


def write_raster(
    raster: Raster,
    path: str | Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    dtype: StoredType = "float32",
    scale: float | None = None,
    offset: float = 0.0,
    creation_options: Mapping[str, str] | None = None,
    scheduler: str = "local",
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """
    Write a lazy raster block by block; every worker has one block in memory at a time.

    Parameters
    ----------
    raster : DataArray, Dataset or path
        As :func:`hsfuse.fuse` takes them; lazy arrays (band, y, x), NaN for no data, stay lazy.
    path : str or Path
        Ends in .zarr (a zarr v3 store) or .tif (a cloud-optimised GeoTIFF).
    overwrite : bool
        Replace an output, or what an interrupted run left of one.
    resume : bool
        Go on where a run of the same array was interrupted.
    dtype, scale, offset
        As stored: ``value = stored * scale + offset``. Integers need a scale.
    creation_options : mapping, optional
        For GeoTIFF, see :func:`hsfuse.io.geotiff.export_geotiff`.
    scheduler : str
        ``local``: threads of this process; or the address of a dask scheduler.
    workers : int, optional
        Blocks computed in parallel, for ``local``; one per core by default.
    progress : callable, optional
        Called with the number of finished blocks and of all blocks.

    Returns
    -------
    Path
        The finished output.

    Raises
    ------
    OutputError
        If the output exists, is an input, does not fit the disk or fails its verification.
    PlanError
        If the number type or an option is not one that can be had.
    RasterError
        If the raster cannot be understood.
    """
    array = as_values(raster)
    source = array.attrs.get("source")
    path = check_output(path, overwrite=overwrite, inputs=[source] if source else [])
    find_format(path).check_options(creation_options or {}, dtype)
    check_partial(path, overwrite=overwrite, resume=resume)
    attributes = {key: value for key, value in array.attrs.items() if isinstance(value, str)}
    layout = OutputLayout.of(array, dtype=dtype, scale=scale, offset=offset, attributes=attributes)
    if not resume:
        check_space(path, space_needed(layout, path))
    digest = hashlib.sha256(str(dask.base.tokenize(array.data)).encode()).hexdigest()
    store = create_store(path, layout, plan_hash=digest, overwrite=overwrite, resume=resume)
    return write_blocks(
        store,
        blocks(layout, _block_size(array, layout)),
        partial(_write_block, array, store),
        scheduler=scheduler,
        workers=local_workers(workers, "cpu"),
        overwrite=overwrite,
        creation_options=creation_options,
        progress=progress,
    ).path


def _write_block(array: xr.DataArray, store: Store, block: Block) -> Receipt:
    """Compute one block of a lazy raster and write it."""
    rows = slice(block.row, block.row + block.rows)
    columns = slice(block.column, block.column + block.columns)
    with one_thread():
        values = array.isel(y=rows, x=columns).compute(scheduler="synchronous").to_numpy()
        return store.write(block.row, block.column, values)


def _block_size(array: xr.DataArray, layout: OutputLayout) -> tuple[int, int]:
    """Take the array's own chunks where they fit the store, so that each is computed once."""
    sizes = array.chunksizes
    if sizes:
        rows, columns = sizes["y"][0], sizes["x"][0]
        fits = rows % layout.chunk[1] == 0 or rows == layout.rows
        fits &= columns % layout.chunk[2] == 0 or columns == layout.columns
        regular = set(sizes["y"][:-1]) <= {rows} and set(sizes["x"][:-1]) <= {columns}
        if fits and regular:
            return (rows, columns)
    return default_block_size(layout)
