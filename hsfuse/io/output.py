"""The final name of an output: what may take it, what it needs, and how a store gets it."""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import zarr
from dask.utils import format_bytes

from hsfuse.core.stages import Stage, ignore_stage
from hsfuse.errors import OutputError
from hsfuse.io.formats import Finishing, find_format
from hsfuse.io.journal import Journal, Receipt
from hsfuse.io.layout import STANDARD_ERROR, OutputLayout
from hsfuse.io.replacement import sync
from hsfuse.io.store import Store
from hsfuse.io.zarr_layout import COMPLETE, CUBE, PROVENANCE

__all__ = ["check_output", "check_space", "finish", "space_needed", "verify"]

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

    Those that it saw written, or compared before, have to be there; the others are hashed.

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
    intact = journal.intact
    damaged = store.damaged({key: known[key] for key in keys if key not in intact})
    damaged += [
        key
        for key in keys
        if key in intact and (store.root / key).exists() != (known[key] is not None)
    ]
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
    workers: int | None = None,
    stage: Stage | None = None,
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
    workers : int, optional
        Threads; one per core by default.
    stage : callable, optional
        Called with the name of each stage, and the share of all that was done before it.

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
    stage = stage or ignore_stage
    stage("verification", 0.0)
    verify(store, journal)
    receipts = journal.receipts().values()
    group = zarr.open_group(store.root, mode="r+", zarr_format=3)
    provenance = store.layout.provenance | dict(attributes or {})
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
    hashes = {key: digest for each in receipts for key, digest in each.chunks.items()}
    how = Finishing(creation_options or {}, hashes, workers, stage)
    find_format(store.path).finish(store.root, store.path, how)
    journal.close()
    shutil.rmtree(store.partial)
    sync(store.path.parent)
    return store.path


def _write_checksums(store: Store, receipts: Iterable[Receipt]) -> None:
    """
    Leave every chunk file's hash beside the chunks, as ``sha256sum --check`` reads it.

    They lie in the arrays' folders: in a group's, zarr warns of a file that is no array.
    """
    chunks = {name: digest for receipt in receipts for name, digest in receipt.chunks.items()}
    for array in (CUBE, STANDARD_ERROR) if store.layout.standard_error else (CUBE,):
        lines = [
            f"{digest}  {name.removeprefix(f'{array}/')}\n"
            for name, digest in sorted(chunks.items())
            if digest and name.startswith(f"{array}/")
        ]
        path = store.root / array / CHECKSUMS
        path.write_text("".join(lines), encoding="ascii")
        sync(path)
