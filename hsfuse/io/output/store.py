"""
The zarr store of a partial output, whose blocks are written by any worker in any order.

One process writes its journal, see :mod:`hsfuse.io.output.journal`.
"""

import hashlib
import io
import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from hsfuse.core.differences import find_differences
from hsfuse.core.text import listed
from hsfuse.errors import OutputError, PlanError
from hsfuse.io.files.hashed_store import RecordingStore
from hsfuse.io.files.log import start_log
from hsfuse.io.files.replacement import failure, remove_folder, sync, write_file
from hsfuse.io.files.url import AnyPath, Url, as_path
from hsfuse.io.files.zarr_store import UrlStore, zarr_store
from hsfuse.io.names import CUBE, STANDARD_ERROR
from hsfuse.io.output.encoding import encode
from hsfuse.io.output.journal import Journal, ModelReceipt, PartialOutput, Receipt
from hsfuse.io.output.layout import Block, OutputLayout
from hsfuse.io.output.zarr_layout import write_template

__all__ = [
    "Origin",
    "Store",
    "check_partial",
    "count_partial",
    "create_store",
    "is_resumable",
    "local_path",
]

#: Origin of a plan: descriptions by name, in order of precedence for naming a difference.
Origin = tuple[Mapping[str, object], ...]


@dataclass(frozen=True)
class Store(PartialOutput):
    """
    A partial output with its layout; small, so that it is sent to every worker.

    Parameters
    ----------
    path : Path or Url
        Final path of the output on this machine, or at a URL a zarr store.
    layout : OutputLayout
        Layout of the output.
    destination : Url, optional
        URL to which the finished file is uploaded.
    """

    layout: OutputLayout
    destination: Url | None = None

    def chunk_keys(self, block: Block | None = None) -> list[str]:
        """Return the keys of the chunks of a block, or of the whole output."""
        block = block or Block(0, 0, self.layout.rows, self.layout.columns)
        bands, rows, columns = self.layout.chunk
        depths = [f"{CUBE}/c/{band}" for band in range(math.ceil(self.layout.bands / bands))]
        if self.layout.standard_error:
            depths.append(f"{STANDARD_ERROR}/c")
        return [
            f"{depth}/{row}/{column}"
            for depth in depths
            for row in range(block.row // rows, math.ceil((block.row + block.rows) / rows))
            for column in range(
                block.column // columns, math.ceil((block.column + block.columns) / columns)
            )
        ]

    def write(self, row: int, column: int, values: NDArray[np.floating]) -> Receipt:
        """
        Write one block and synchronise it to the disk.

        Parameters
        ----------
        row, column : int
            First row and column of the block.
        values : ndarray of shape (planes, rows, columns)
            NaN for no data; the standard error is the last plane, if the layout has one.

        Returns
        -------
        Receipt
            The entry for the journal.

        Raises
        ------
        PlanError
            If the block does not cover whole chunks, or extends beyond the output.
        OutputError
            If writing fails.
        """
        block = self._check(row, column, values.shape)
        place = slice(row, row + block.rows), slice(column, column + block.columns)
        missing = clipped = 0
        try:
            store = zarr_store(self.root)
            target = RecordingStore(store)
            cube = zarr.open_array(target, path=CUBE, mode="r+", zarr_format=3)
            # The bands of one chunk at a time: encoding all would need several times the block.
            for first in range(0, self.layout.bands, self.layout.chunk[0]):
                bands = slice(first, min(first + self.layout.chunk[0], self.layout.bands))
                stored, beyond = encode(values[bands], self.layout)
                cube[bands, *place] = stored
                missing += int(np.count_nonzero(np.isnan(values[bands])))
                clipped += beyond
            if self.layout.standard_error:
                stored, beyond = encode(values[self.layout.bands :], self.layout)
                error = zarr.open_array(target, path=STANDARD_ERROR, mode="r+", zarr_format=3)
                error[place] = stored[0]
                clipped += beyond
            chunks = {key: target.hashes.get(key) for key in self.chunk_keys(block)}
            if isinstance(self.root, Path):
                _sync_all(self.root, [key for key, digest in chunks.items() if digest is not None])
        except OSError as error:
            raise OutputError(f"{self.root}: block at {row}, {column}: {failure(error)}") from error
        tags = (
            {key: store.tags[key] for key in target.hashes} if isinstance(store, UrlStore) else {}
        )
        return Receipt(block, chunks, missing, clipped, tags=tags)

    def write_models(self, unit: tuple[int, int], values: NDArray[np.float32]) -> ModelReceipt:
        """
        Write the models of one unit and synchronise them to the disk.

        Parameters
        ----------
        unit : tuple of int
            Row and column of the unit.
        values : ndarray
            Models, of any shape.

        Raises
        ------
        OutputError
            If writing fails.
        """
        content = io.BytesIO()
        np.save(content, values, allow_pickle=False)
        try:
            if isinstance(self.models, Path):
                self.models.mkdir(exist_ok=True)
            write_file(self.model(*unit), content.getvalue())
            sync(self.models)
            sync(self.partial)
        except OSError as error:
            raise OutputError(f"{self.models}: unit {unit}: {failure(error)}") from error
        return ModelReceipt(unit, hashlib.sha256(content.getvalue()).hexdigest())

    def read_models(
        self, units: Iterable[tuple[int, int]]
    ) -> dict[tuple[int, int], NDArray[np.float32]]:
        """
        Return the models of some units.

        Raises
        ------
        OutputError
            If the file of a unit is missing or damaged.
        """
        models = {}
        for unit in units:
            path = self.model(*unit)
            try:
                models[unit] = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                raise OutputError(
                    f"{path}: local models that cannot be read ({error}); pass --resume to "
                    "compute them again"
                ) from error
        return models

    def _check(self, row: int, column: int, shape: tuple[int, ...]) -> Block:
        layout = self.layout
        if len(shape) != 3 or shape[0] != layout.planes:
            raise PlanError(f"a block has {layout.planes} bands and two more axes, got {shape}")
        for name, start, length, whole, chunk in (
            ("row", row, shape[1], layout.rows, layout.chunk[1]),
            ("column", column, shape[2], layout.columns, layout.chunk[2]),
        ):
            stop = start + length
            if start < 0 or start % chunk or stop > whole or (stop % chunk and stop != whole):
                raise PlanError(
                    f"a block covers whole chunks of {chunk} {name}s within {whole}, "
                    f"got {name} {start} to {stop}"
                )
        return Block(row, column, shape[1], shape[2])


def _sync_all(root: Path, keys: Iterable[str]) -> None:
    """Synchronise chunk files and their folders to the disk."""
    written = [Path(key) for key in keys]
    folders = sorted({parent for path in written for parent in path.parents})
    for path in (*written, *folders):
        sync(root / path)


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
    blocks, units = count_partial(path)
    if blocks + units and not (overwrite or resume):
        left = f"{blocks} finished blocks" + (f" and the models of {units} units" if units else "")
        raise OutputError(
            f"{PartialOutput(path).partial}: an interrupted run left {left}; pass --resume to go "
            "on or --overwrite to start again"
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
) -> Store:
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

    Raises
    ------
    OutputError
        If an interrupted run left blocks and neither option is set, or its plan differs.
    """
    path, local = as_path(path), local_path(as_path(path), temporary)
    store = Store(local, layout, path if isinstance(path, Url) and local != path else None)
    text = json.dumps({**_plan(layout, plan_hash), "origin": origin}, allow_nan=False)
    left = check_partial(store.path, overwrite=overwrite, resume=resume)
    if left and resume:
        if not is_resumable(store.path, layout, plan_hash=plan_hash):
            raise OutputError(
                f"{store.partial}: left by a run with other inputs, options or versions"
                f"{_difference(store, json.loads(text))}, so it cannot be resumed; "
                "pass --overwrite without --resume to start again"
            )
        _remove_temporary(store.partial)
        return store
    try:
        if store.partial.exists():
            remove_folder(store.partial)
        if isinstance(store.partial, Path):
            store.partial.mkdir()
        store.plan.write_bytes(text.encode())
        if isinstance(store.root, Url):  # an existing output: there is no temporary location
            remove_folder(store.root)
        write_template(store.root, layout)
        _sync_tree(store.partial)
        start_log(store.journal)  # last: a journal implies a complete template
        sync(store.partial)
        sync(store.partial.parent)
    except OSError as error:
        raise OutputError(f"{store.partial}: cannot be written ({error})") from error
    return store


def _sync_tree(top: AnyPath) -> None:
    for folder, _, names in os.walk(top) if isinstance(top, Path) else ():
        for name in names:
            sync(Path(folder) / name)
        sync(Path(folder))


def _inspect(output: PartialOutput) -> tuple[int, int]:
    """Count finished blocks and units of an earlier run; refuse other folders and active runs."""
    known = {each.name for each in (output.plan, output.root, output.models, output.journal)}
    if not output.partial.is_dir() or not {each.name for each in output.partial.iterdir()} <= known:
        raise OutputError(
            f"{output.partial}: exists and is not an hsfuse partial output; move it away"
        )
    if not output.journal.exists() or not (output.root / "zarr.json").exists():
        return 0, 0  # interrupted before the first item, or after the last
    with Journal(output, owned=False) as journal:
        return len(journal.receipts()), len(journal.models())


def is_resumable(path: AnyPath, layout: OutputLayout, *, plan_hash: str) -> bool:
    """
    Return whether the partial output of an interrupted run belongs to a plan.

    Parameters
    ----------
    path : Path or Url
        Final path of the output; see :func:`local_path`.
    layout, plan_hash
        As for :func:`create_store`.
    """
    found, wanted = PartialOutput(path).read_plan(), _plan(layout, plan_hash)
    return {name: found.get(name) for name in wanted} == wanted


def _difference(output: PartialOutput, now: Mapping[str, Any]) -> str:
    """Return the differences from a stored plan in parentheses; empty where unknown."""
    pairs = zip(output.read_plan().get("origin", ()), now["origin"], strict=False)
    differences = next((each for each in (find_differences(*pair) for pair in pairs) if each), [])
    return f" ({listed(differences)})" if differences else ""


def _plan(layout: OutputLayout, plan_hash: str) -> dict[str, object]:
    return {"plan": plan_hash, "layout": layout.fingerprint()}


def _remove_temporary(folder: AnyPath) -> None:
    """Remove temporary files of killed processes; object stores have none."""
    for path in folder.rglob("*.partial") if isinstance(folder, Path) else ():
        path.unlink(missing_ok=True)
