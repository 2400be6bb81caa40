"""The final name of an output: what may take it, what it needs, and how a store gets it."""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import zarr
from dask.utils import format_bytes

from hsfuse.core.stages import Stage, ignore_stage
from hsfuse.errors import OutputError, RasterError
from hsfuse.io.checks import header_of
from hsfuse.io.formats import Finishing, find_format
from hsfuse.io.hashed_store import write_checksums
from hsfuse.io.journal import Journal, PartialOutput
from hsfuse.io.layout import OutputLayout
from hsfuse.io.location import locate_file
from hsfuse.io.replacement import remove_folder, sync
from hsfuse.io.store import Store
from hsfuse.io.url import AnyPath, Url, as_path
from hsfuse.io.zarr_layout import COMPLETE, PROVENANCE, image_attributes
from hsfuse.io.zarr_store import zarr_store

__all__ = ["check_output", "check_space", "default_output", "finish", "space_needed", "verify"]


def default_output(scene: AnyPath) -> AnyPath:
    """
    Return where the output goes when nobody says.

    Raises
    ------
    OutputError
        If the scene is at a URL.

    Examples
    --------
    >>> str(default_output(as_path("scene.bsq")))
    'scene_fused.tif'
    """
    place = locate_file(scene)
    if place.remote:
        raise OutputError(f"{scene}: is a URL; expected the name of the output (--out, out=)")
    # Beside the archive that a scene lies in, or the file of which it is a variable.
    name = place.file.stem if place.variable else scene.stem
    return place.file.with_name(f"{name}_fused.tif")


def check_output(
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> AnyPath:
    """
    Return the path of an output, if it may be written there.

    Parameters
    ----------
    path : str or path
        A path or a URL; ends as one of :data:`hsfuse.io.formats.FORMATS`.
    overwrite : bool
        Allow an output that exists.
    inputs : iterable of str or path
        Files that are read; the output is none of them.

    Raises
    ------
    OutputError
        If the path is not usable; the message says what would be.
    """
    path = as_path(path)
    form = find_format(path)
    others = [as_path(source) for source in inputs]
    companions = form.companions(path)
    there = _check_url(path, others) if isinstance(path, Url) else _check_folder(path, others)
    _check_companions(path, companions, others)
    beside = [each for each in companions if each.is_file()]
    if not (there or beside):
        return path
    if not overwrite:
        found = path if there else beside[0]
        raise OutputError(
            f"{found}: exists already and is complete; pass --overwrite (overwrite=True) "
            "to replace it"
        )
    if not there:
        return path
    refusal = form.refusal(path)
    if refusal:
        raise OutputError(f"{path}: {refusal}, so it is not replaced")
    return path


def _check_folder(path: Path, inputs: Iterable[AnyPath]) -> bool:
    """Refuse a folder that cannot be written to, and an input; return whether the output exists."""
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no folder {path.parent}; make it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{path}: the folder {path.parent} is not writable")
    own = path.resolve()
    for source in inputs:
        if isinstance(source, Url):
            continue
        other = source.resolve()
        same = own.exists() and other.exists() and own.samefile(other)
        if same or own == other or own in other.parents or other in own.parents:
            raise OutputError(f"{path}: is also an input; give the output another name")
    return path.exists()


def _check_companions(
    path: AnyPath, companions: Iterable[AnyPath], inputs: Iterable[AnyPath]
) -> None:
    """Refuse an output that would replace an input, or its header, by a file of its own."""
    own = {str(each.absolute()) for each in companions}
    for source in inputs if own else ():
        parts = [source, header_of(source) if isinstance(source, Path) else None]
        if any(str(part.absolute()) in own for part in parts if part is not None):
            raise OutputError(
                f"{path}: its header would replace that of the input {source}; give the output "
                "another name"
            )


def _check_url(url: Url, inputs: Iterable[AnyPath]) -> bool:
    """Refuse a web server, a bucket that is not there, and an input; return whether it exists."""
    if not url.writable:
        raise OutputError(
            f"{url}: a web server, which is only read; expected an output on this machine or at "
            "s3://, gs:// or az://"
        )
    own = f"{url}/"
    for other in (f"{source}/" for source in inputs if isinstance(source, Url)):
        if own.startswith(other) or other.startswith(own):
            raise OutputError(f"{url}: is also an input; give the output another name")
    try:
        if url.suffix == ".zarr":  # what an interrupted run left is looked at by its journal
            return url.is_dir() and not PartialOutput(url).plan.is_file()
        return url.exists()
    except RasterError as error:
        raise OutputError(str(error)) from error


def space_needed(layout: OutputLayout, path: AnyPath) -> int:
    """Return the bytes of disk that writing ``path`` takes at its peak, about."""
    return int(layout.bytes * find_format(path).space)


def check_space(path: AnyPath, needed: int) -> None:
    """
    Refuse to start what the disk cannot hold.

    Parameters
    ----------
    path : Path or Url
        The output; its folder exists. An object store has room for anything.
    needed : int
        Bytes.

    Raises
    ------
    OutputError
        If fewer bytes are free.
    """
    if isinstance(path, Url):
        return
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
    tags: dict[str, str] = {}
    for receipt in journal.receipts().values():
        known.update(receipt.chunks)
        tags.update(receipt.tags)
    keys = store.chunk_keys()
    absent = [key for key in keys if key not in known]
    if absent:
        raise OutputError(
            f"{store.root}: {len(absent)} of {len(keys)} chunks are not written yet "
            f"(first: {absent[0]}); pass --resume to go on"
        )
    # At a URL one listing says of all that they are what was written.
    intact = journal.intact if isinstance(store.root, Path) else frozenset[str]()
    damaged = store.damaged({key: known[key] for key in keys if key not in intact}, tags)
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
) -> AnyPath:
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
    Path or Url
        The finished output. Nothing else is left beside it.

    Raises
    ------
    OutputError
        If a chunk is missing or damaged, or the final name cannot be taken.
    """
    check_output(store.destination or store.path, overwrite=overwrite)
    stage = stage or ignore_stage
    stage("verification", 0.0)
    verify(store, journal)
    receipts = journal.receipts().values()
    group = zarr.open_group(zarr_store(store.root), mode="r+", zarr_format=3)
    provenance = store.layout.provenance | dict(attributes or {})
    provenance |= {
        "missing_values": sum(receipt.missing for receipt in receipts),
        "clipped_values": sum(receipt.clipped for receipt in receipts),
        "limited_values": sum(receipt.limited for receipt in receipts),
    }
    group.update_attributes({COMPLETE: True, PROVENANCE: provenance})
    for path in store.root.rglob("*.partial") if isinstance(store.root, Path) else ():
        path.unlink(missing_ok=True)
    hashes = {key: digest for each in receipts for key, digest in each.chunks.items()}
    write_checksums(store.root, image_attributes(store.layout), hashes)
    sync(store.root / "zarr.json")
    sync(store.root)
    uploaded = store.destination is not None
    how = Finishing(creation_options or {}, hashes, workers, stage, uploaded)
    find_format(store.path).finish(store.root, store.path, how)
    if store.destination is not None:
        stage("upload", 0.95)
        _upload_all(store.path, store.destination)
    journal.close()
    remove_folder(store.partial)
    sync(store.path.parent)
    return store.destination or store.path


def _upload_all(path: AnyPath, url: Url) -> None:
    """Give a finished file its final place, and those that belong to it; its header comes last."""
    companions = find_format(path).companions
    names = [each.name for each in companions(url)]
    _upload(Path(path), url)
    for part, name in zip(companions(path), names, strict=True):
        if Path(part).is_file():
            _upload(Path(part), url.with_name(name))


def _upload(path: Path, url: Url) -> None:
    """Give a finished file its final place."""
    try:
        url.upload(path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be uploaded ({error}); pass --resume to go on"
        ) from error
    path.unlink()
