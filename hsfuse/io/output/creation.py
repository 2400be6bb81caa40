"""
Creation of partial outputs, and what is left of those of interrupted runs.

A run locks the journal before it writes anything else, so that of two runs that begin at the same
time on one output one is refused.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from zarr.errors import BaseZarrError

from hsfuse.core.differences import find_differences
from hsfuse.core.text import listed
from hsfuse.errors import OutputError
from hsfuse.io.files.replacement import failure, remove_folder, sync
from hsfuse.io.files.url import AnyPath, Url, as_path
from hsfuse.io.output.journal import Journal, PartialOutput
from hsfuse.io.output.layout import OutputLayout
from hsfuse.io.output.leftover import take_back
from hsfuse.io.output.store import Store
from hsfuse.io.output.zarr_layout import write_template

__all__ = ["Origin", "check_partial", "count_partial", "create_store", "local_path"]

#: Origin of a plan: descriptions by name, in order of precedence for naming a difference.
Origin = tuple[Mapping[str, object], ...]


def count_partial(path: AnyPath) -> tuple[int, int]:
    """
    Return the number of finished blocks and units of an interrupted run.

    Parameters
    ----------
    path : Path or Url
        Final path of the output; for a file to be uploaded, its :func:`local_path`.

    Raises
    ------
    OutputError
        If another run is writing there, or something else is in the place of the partial output.
    """
    output = PartialOutput(path)
    return _inspect(output) if output.partial.exists() else (0, 0)


def check_partial(path: AnyPath, *, overwrite: bool = False, resume: bool = False) -> int:
    """
    Return how many finished blocks and units are left; see :func:`count_partial`.

    Parameters
    ----------
    path : Path or Url
        As for :func:`count_partial`.
    overwrite, resume : bool
        As for :func:`create_store`.

    Raises
    ------
    OutputError
        As :func:`count_partial`, and if there are any and neither is asked for.
    """
    left = count_partial(path)
    return _check_left(PartialOutput(path), left, overwrite=overwrite, resume=resume)


def _check_left(
    output: PartialOutput, left: tuple[int, int], *, overwrite: bool, resume: bool
) -> int:
    """Refuse to discard what an interrupted run left unasked; return how many items there are."""
    blocks, units = left
    if blocks + units and not (overwrite or resume):
        items = f"{blocks} finished tiles" + (f" and {units} local models" if units else "")
        raise OutputError(
            f"{output.partial}: an interrupted run left {items}; pass `--resume` to go "
            "on or `--overwrite` to start again"
        )
    return blocks + units


def local_path(path: AnyPath, temporary: str | os.PathLike[str] | None) -> AnyPath:
    """
    Return the path where an output is written: a local file for a file in an object store.

    Parameters
    ----------
    path : Path or Url
        Final path of the output.
    temporary : path, optional
        Folder of such local files; the working folder by default.
    """
    if isinstance(path, Path) or path.suffix == ".zarr":
        return path
    mark = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    return Path(temporary or "") / f"{path.stem}-{mark}{path.suffix}"


def create_store(
    path: AnyPath,
    layout: OutputLayout,
    *,
    plan_hash: str,
    origin: Origin = (),
    overwrite: bool = False,
    resume: bool = False,
    temporary: str | os.PathLike[str] | None = None,
) -> tuple[Store, Journal]:
    """
    Create the partial output of a run, or return that of an interrupted run.

    Parameters
    ----------
    path : Path or Url
        Final path of the output, which does not exist before
        :func:`hsfuse.io.output.destination.finish`.
    layout : OutputLayout
        Layout of the output.
    plan_hash : str
        Digest of all that determines the pixels, apart from the layout.
    origin : sequence of mapping
        Origin of the plan, to report differences from the plan of the interrupted run.
    overwrite : bool
        Discard the partial output of an interrupted run.
    resume : bool
        Resume an interrupted run, if its plan was the same. Takes precedence over ``overwrite``.
    temporary : path, optional
        As in :func:`local_path`.

    Returns
    -------
    store : Store
        The partial output.
    journal : Journal
        Its journal, locked from before anything is written until it is closed.

    Raises
    ------
    OutputError
        If an interrupted run left blocks and neither option is set, or its plan differs, or another
        run is writing there.
    """
    path, local = as_path(path), local_path(as_path(path), temporary)
    store = Store(
        local, layout, plan_hash, path if isinstance(path, Url) and local != path else None
    )
    # In an object store, opening the journal ends another run: what is refused does not open it.
    left = check_partial(store.path, overwrite=overwrite, resume=resume)
    if left and resume:
        _check_resumable(store, origin)
    try:
        journal = _lock(store)
    except OSError as error:
        raise _unwritable(store, error) from error
    try:
        if resume:
            take_back(path)
        left = _check_left(store, _count(journal), overwrite=overwrite, resume=resume)
        if left and resume:
            _check_resumable(store, origin)
            _remove_temporary(store.partial)
        else:
            _start(store, journal, origin)
    except BaseException:
        journal.close()
        raise
    return store, journal


def _lock(store: Store) -> Journal:
    """Return the journal of a partial output, whose folder is made if there is none."""
    while True:
        if isinstance(store.partial, Path):
            store.partial.mkdir(exist_ok=True)
        try:
            return Journal(store)
        except FileNotFoundError:  # a run that ended has just removed the folder
            continue


def _start(store: Store, journal: Journal, origin: Origin) -> None:
    """Remove what an earlier run left, and write the plan and the empty arrays."""
    plan = {**store.plan_key, "origin": origin}
    try:
        journal.clear()  # first: lines imply complete arrays of the stored plan
        store.plan.write_bytes(json.dumps(plan, allow_nan=False).encode())
        # At a URL also an existing output: there is no temporary location.
        for folder in (store.root, store.models):
            if folder.is_dir():
                remove_folder(folder)
        write_template(store.root, store.layout)
        store.check_plan()
        _sync_tree(store.partial)
        sync(store.partial.parent)
    except (OSError, BaseZarrError) as error:
        if isinstance(error, OutputError):
            raise
        raise _unwritable(store, error) from error


def _unwritable(store: Store, error: Exception) -> OutputError:
    return OutputError(f"{store.partial}: cannot be written ({failure(error)})")


def _check_resumable(store: Store, origin: Origin) -> None:
    """Refuse to resume a run with another plan, and name the difference."""
    if not store.is_resumable():
        raise OutputError(
            f"{store.partial}: left by a run with other inputs, options or versions"
            f"{_difference(store, origin)}, so it cannot be resumed; "
            "pass `--overwrite` without `--resume` to start again"
        )


def _sync_tree(top: AnyPath) -> None:
    for folder, _, names in os.walk(top) if isinstance(top, Path) else ():
        sync(*(Path(folder) / name for name in names))
        sync(Path(folder))


def _inspect(output: PartialOutput) -> tuple[int, int]:
    """Count finished blocks and units of an earlier run; refuse other folders and active runs."""
    known = {each.name for each in (output.plan, output.root, output.models, output.journal)}
    if not output.partial.is_dir() or not {each.name for each in output.partial.iterdir()} <= known:
        raise OutputError(
            f"{output.partial}: exists and is not an hsfuse partial output; move it away"
        )
    if not output.journal.exists():
        return 0, 0  # interrupted before the first item, or after the last
    with Journal(output, owned=False) as journal:
        return _count(journal)


def _count(journal: Journal) -> tuple[int, int]:
    """Return the number of blocks and of units in a journal; none without the store."""
    if not (journal.output.root / "zarr.json").exists():
        return 0, 0
    return len(journal.receipts()), len(journal.models())


def _difference(output: PartialOutput, origin: Origin) -> str:
    """Return the differences from a stored plan in parentheses; empty where unknown."""
    now = json.loads(json.dumps(origin, allow_nan=False))
    pairs = zip(output.read_plan().get("origin", ()), now, strict=False)
    differences = next((each for each in (find_differences(*pair) for pair in pairs) if each), [])
    return f" ({listed(differences)})" if differences else ""


def _remove_temporary(folder: AnyPath) -> None:
    """Remove temporary files of killed processes; object stores have none."""
    for path in folder.rglob("*.partial") if isinstance(folder, Path) else ():
        path.unlink(missing_ok=True)
