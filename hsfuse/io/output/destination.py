"""Outputs: checks of their path and disk space, and verification and export of a finished store."""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import zarr

from hsfuse.core.stages import Stage, ignore_stage
from hsfuse.core.text import byte_size
from hsfuse.errors import OutputError, RasterError
from hsfuse.io.files.hashed_store import write_checksums
from hsfuse.io.files.location import locate_file, real_path
from hsfuse.io.files.replacement import sync
from hsfuse.io.files.url import AnyPath, Url, as_path
from hsfuse.io.files.zarr_store import zarr_store
from hsfuse.io.names import COMPLETE, PROVENANCE
from hsfuse.io.output.formats import ExportOptions, find_format
from hsfuse.io.output.input_files import InputFiles, side_files
from hsfuse.io.output.journal import Journal, PartialOutput
from hsfuse.io.output.layout import OutputLayout
from hsfuse.io.output.leftover import remove_partial
from hsfuse.io.output.store import Store
from hsfuse.io.output.zarr_layout import image_attributes

__all__ = [
    "check_output",
    "check_parent",
    "check_space",
    "default_output",
    "finish",
    "space_needed",
    "verify",
]


def default_output(scene: AnyPath) -> AnyPath:
    """
    Return the default path of the output of a scene.

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
        raise OutputError(f"{scene}: is a URL; expected the name of the output (`--out`)")
    # In the folder of the archive or of the netCDF file, where the scene is part of one.
    name = place.file.stem if place.variable else scene.stem
    return place.file.with_name(f"{name}_fused.tif")


def check_output(
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> AnyPath:
    """
    Check that an output may be written to a path; return the path.

    Parameters
    ----------
    path : str or path
        Path or URL with a suffix of :data:`hsfuse.io.output.formats.FORMATS`.
    overwrite : bool
        Allow an existing output.
    inputs : iterable of str or path
        Input files, which the output must not replace.

    Raises
    ------
    OutputError
        If the path cannot be used.
    """
    path = as_path(path)
    output_format = find_format(path)
    companions = output_format.companions(path)
    sources = InputFiles(inputs)
    files = sources.files
    exists = _check_url(path, files) if isinstance(path, Url) else _check_folder(path, files)
    if replaced := sources.find(side_files(path)):
        beside, source = replaced
        raise OutputError(
            f"{path}: {beside.name} beside it would be replaced, which belongs to the input "
            f"{source}; give the output another name"
        )
    existing = [each for each in companions if each.is_file()]
    if not (exists or existing):
        return path
    if not overwrite:
        found = path if exists else existing[0]
        raise OutputError(
            f"{found}: exists already and is complete; pass `--overwrite` to replace it"
        )
    if not exists:
        return path
    refusal = output_format.refusal(path)
    if refusal:
        raise OutputError(f"{path}: {refusal}, so it is not replaced")
    return path


def check_parent(path: AnyPath) -> None:
    """Refuse a file in a folder that does not exist, or is not writable."""
    if isinstance(path, Url):
        return
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no folder {path.parent}; make it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{path}: the folder {path.parent} is not writable")


def _check_folder(path: Path, inputs: Iterable[AnyPath]) -> bool:
    """Refuse an unwritable folder, and an output that is an input; return whether it exists."""
    check_parent(path)
    own = real_path(path)
    for source in inputs:
        if isinstance(source, Url):
            continue
        other = real_path(source)
        same = own.exists() and other.exists() and own.samefile(other)
        if same or own == other or own in other.parents or other in own.parents:
            raise OutputError(f"{path}: is also an input; give the output another name")
    return path.exists()


def _check_url(url: Url, inputs: Iterable[AnyPath]) -> bool:
    """Refuse a web server, a missing bucket, and an input; return whether the output exists."""
    url.check_writable()
    own = f"{url}/"
    for other in (f"{source}/" for source in inputs if isinstance(source, Url)):
        if own.startswith(other) or other.startswith(own):
            raise OutputError(f"{url}: is also an input; give the output another name")
    try:
        if url.suffix == ".zarr":  # a partial output is not an output
            return url.is_dir() and not PartialOutput(url).plan.is_file()
        return url.exists()
    except RasterError as error:
        raise OutputError(error.message) from error


def space_needed(layout: OutputLayout, path: AnyPath) -> int:
    """Return the estimated peak disk space of writing an output, in bytes."""
    return int(layout.bytes * find_format(path).space)


def check_space(path: AnyPath, needed: int) -> None:
    """
    Check that the disk has enough free space for an output.

    Parameters
    ----------
    path : Path or Url
        The output, in an existing folder. Object stores are not checked.
    needed : int
        Required space in bytes.

    Raises
    ------
    OutputError
        If less is free.
    """
    if isinstance(path, Url):
        return
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise OutputError(
            f"{path}: needs about {byte_size(needed)}, its disk has {byte_size(free)} free"
        )


def verify(store: Store, journal: Journal) -> None:
    """
    Verify every chunk of a store by the journal.

    Chunks that were written or verified in this run must exist; the others are hashed.

    Raises
    ------
    OutputError
        If a chunk is missing or does not match its hash, or another run has replaced the plan.
    """
    store.check_plan()
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
            f"(first: {absent[0]}); pass `--resume` to go on"
        )
    # At a URL one listing gives the entity tags of all chunks.
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
            f"(first: {damaged[0]}); pass `--resume` to write them again"
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
    Verify the store, mark it complete and export it to its final path.

    Parameters
    ----------
    store : Store
        Store with every block written.
    journal : Journal
        Its journal, which is closed at the end.
    overwrite : bool
        Replace an existing output, once the new one is complete.
    creation_options : mapping, optional
        For GeoTIFF, see :func:`hsfuse.io.output.geotiff.export_geotiff`.
    attributes : mapping, optional
        Further provenance, known only after the run.
    workers : int, optional
        Number of threads; one per core by default.
    stage : callable, optional
        Called with the name of each stage and the share of the work done before it.

    Returns
    -------
    Path or Url
        The finished output. The partial output is removed.

    Raises
    ------
    OutputError
        If a chunk is missing or damaged, or the output cannot be written.
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
    options = ExportOptions(creation_options or {}, hashes, workers, stage, uploaded)
    find_format(store.path).finish(store.root, store.path, options)
    if store.destination is not None:
        stage("upload", 0.95)
        _upload_all(store.path, store.destination)
    remove_partial(journal)
    sync(store.path.parent)
    return store.destination or store.path


def _upload_all(path: AnyPath, url: Url) -> None:
    """Upload a finished file and the files that accompany it, the header last."""
    companions = find_format(path).companions
    names = [each.name for each in companions(url)]
    _upload(Path(path), url)
    for part, name in zip(companions(path), names, strict=True):
        if Path(part).is_file():
            _upload(Path(part), url.with_name(name))


def _upload(path: Path, url: Url) -> None:
    """Upload one file and remove it locally."""
    try:
        url.upload(path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be uploaded ({error}); pass `--resume` to go on"
        ) from error
    path.unlink()
