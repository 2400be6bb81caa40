"""
Write rasters larger than memory, so that a crash costs one block and no output lies.

The short way is :func:`write_raster`. The long way, for an executor of one's own::

    path = check_output(path, overwrite=overwrite, inputs=[scene, rgb])
    store = create_store(path, layout, plan_hash=digest, overwrite=overwrite, resume=resume)
    with Journal(store) as journal:
        done = journal.finished()
        for block in blocks(layout):                       # anywhere, in any order
            if block not in done:
                journal.append(store.write(block.row, block.column, compute(block)))
        finish(store, journal, overwrite=overwrite)
"""

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import dask.base
import numpy as np
import xarray as xr
import zarr
from dask.utils import format_bytes

from hsfuse.errors import OutputError, PlanError
from hsfuse.io.geotiff import check_creation_options, export_geotiff
from hsfuse.io.journal import Journal, Receipt, Store, create_store, sync
from hsfuse.io.layout import (
    Block,
    OutputLayout,
    StoredType,
    blocks,
    default_block_size,
    encode,
)
from hsfuse.io.zarr_layout import COMPLETE, CUBE, PROVENANCE

__all__ = [
    "Block",
    "Journal",
    "OutputLayout",
    "Receipt",
    "Store",
    "StoredType",
    "blocks",
    "check_output",
    "check_space",
    "create_store",
    "default_block_size",
    "encode",
    "finish",
    "space_needed",
    "verify",
    "write_raster",
]

_TIFF = (".tif", ".tiff")
# Disk per stored byte before compression. A GeoTIFF exists three times for a moment (store,
# tiles, final copy), each compressed to about two thirds, the last two with overviews.
_SPACE = {".zarr": 1.1, ".tif": 2.4, ".tiff": 2.4}
CHECKSUMS = "checksums.sha256"
_SIDECARS = (".aux.xml", ".ovr", ".msk")  # GDAL would read an older file's into the new one


def check_output(
    path: str | Path, *, overwrite: bool = False, inputs: Iterable[str | Path] = ()
) -> Path:
    """
    Return the path of an output, if it may be written there.

    Parameters
    ----------
    path : str or Path
        Ends in .tif, .tiff or .zarr.
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
    suffix = path.suffix.lower()
    if suffix not in _SPACE:
        raise OutputError(f"{path}: an output ends in {', '.join(_SPACE)}, not in {suffix!r}")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no folder {path.parent}; make it first")
    own = path.resolve()
    for source in inputs:
        other = Path(source).resolve()
        same = own.exists() and other.exists() and own.samefile(other)
        if same or own == other or own in other.parents or other in own.parents:
            raise OutputError(f"{path}: is also an input; give the output another name")
    if not path.exists():
        return path
    if not overwrite:
        raise OutputError(f"{path}: exists already; pass --overwrite to replace it")
    if suffix == ".zarr" and not any((path / name).exists() for name in ("zarr.json", ".zgroup")):
        raise OutputError(f"{path}: is not a zarr store, so it is not replaced")
    if suffix in _TIFF and path.is_dir():
        raise OutputError(f"{path}: is a folder, so it is not replaced")
    return path


def space_needed(layout: OutputLayout, path: Path) -> int:
    """Return the bytes of disk that writing ``path`` takes at its peak, about."""
    return int(layout.bytes * _SPACE[path.suffix.lower()])


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
    }
    group.update_attributes({COMPLETE: True, PROVENANCE: provenance})
    for path in store.root.rglob("*.partial"):
        path.unlink(missing_ok=True)
    _write_checksums(store, receipts)
    sync(store.root / "zarr.json")
    sync(store.root)
    if store.path.suffix.lower() in _TIFF:
        export_geotiff(store.root, store.path, creation_options=creation_options or {})
        for suffix in _SIDECARS:
            store.path.with_name(store.path.name + suffix).unlink(missing_ok=True)
    else:
        _take_name(store.root, store.path)
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


def _take_name(root: Path, path: Path) -> None:
    """Rename a folder; one in its way is moved aside first and removed afterwards."""
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.old")
    replaced = path.exists()
    if replaced:
        path.rename(aside)
    try:
        root.rename(path)
    except OSError as error:
        if replaced:
            aside.rename(path)
        raise OutputError(f"{path}: cannot take this name ({error})") from error
    sync(path.parent)
    if replaced:
        shutil.rmtree(aside)


def write_raster(
    array: xr.DataArray,
    path: str | Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    dtype: StoredType = "float32",
    scale: float | None = None,
    offset: float = 0.0,
    creation_options: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """
    Write a lazy raster block by block; only one block is in memory at a time.

    Parameters
    ----------
    array : DataArray
        Dimensions ``(band, y, x)``, NaN where there is no data.
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
    """
    source = array.attrs.get("source")
    path = check_output(path, overwrite=overwrite, inputs=[source] if source else [])
    attributes = {key: value for key, value in array.attrs.items() if isinstance(value, str)}
    layout = OutputLayout.of(array, dtype=dtype, scale=scale, offset=offset, attributes=attributes)
    if path.suffix.lower() in _TIFF:
        check_creation_options(layout, creation_options or {})
    elif creation_options:
        raise PlanError(f"{path}: creation options are for GeoTIFF outputs only")
    if not resume:
        check_space(path, space_needed(layout, path))
    digest = hashlib.sha256(json.dumps(dask.base.tokenize(array.data)).encode()).hexdigest()
    store = create_store(path, layout, plan_hash=digest, overwrite=overwrite, resume=resume)
    todo = blocks(layout, _block_size(array, layout))
    with Journal(store) as journal:
        done = journal.finished()
        for count, block in enumerate(todo, start=1):
            if block not in done:
                journal.append(store.write(block.row, block.column, _compute(array, block)))
            if progress is not None:
                progress(count, len(todo))
        return finish(store, journal, overwrite=overwrite, creation_options=creation_options)


def _compute(array: xr.DataArray, block: Block) -> np.ndarray:
    rows = slice(block.row, block.row + block.rows)
    columns = slice(block.column, block.column + block.columns)
    window = array.isel(y=rows, x=columns)
    return window.compute(scheduler="synchronous").to_numpy()


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
