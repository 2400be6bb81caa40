"""
A zarr store under construction: regions written by anyone, in any order.

Its journal is kept by one process, see :mod:`hsfuse.io.journal`.
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
from hsfuse.io.hashed_store import RecordingStore
from hsfuse.io.journal import Journal, ModelReceipt, PartialOutput, Receipt
from hsfuse.io.layout import STANDARD_ERROR, Block, OutputLayout
from hsfuse.io.log import start_log
from hsfuse.io.packing import encode
from hsfuse.io.replacement import failure, remove_folder, sync, write_file
from hsfuse.io.url import AnyPath, Url, as_path
from hsfuse.io.zarr_layout import CUBE, write_template
from hsfuse.io.zarr_store import UrlStore, zarr_store

__all__ = [
    "Origin",
    "Store",
    "check_partial",
    "count_partial",
    "create_store",
    "is_resumable",
    "local_path",
]

#: What a plan came from: descriptions by name, of which the next is looked at where the one before
#: is the same.
Origin = tuple[Mapping[str, object], ...]


@dataclass(frozen=True)
class Store(PartialOutput):
    """
    An output under construction; a path and a layout, so it travels to any worker.

    Parameters
    ----------
    path : Path or Url
        The final name, ending in .zarr or .tif.
    layout : OutputLayout
        What is written there.
    destination : Url, optional
        Where the finished file is uploaded.
    """

    layout: OutputLayout
    destination: Url | None = None

    def chunk_keys(self, block: Block | None = None) -> list[str]:
        """Return the chunk files of a block, or of the whole output, by their path inside."""
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
        Write one block and bring it to the disk.

        Parameters
        ----------
        row, column : int
            Where the block starts, in pixels.
        values : ndarray of shape (planes, rows, columns)
            NaN where there is no data; the standard error is the last plane, if there is one.

        Returns
        -------
        Receipt
            For the journal.

        Raises
        ------
        PlanError
            If the block shares a chunk with another, or leaves the output.
        OutputError
            If the disk does not take it.
        """
        block = self._check(row, column, values.shape)
        place = slice(row, row + block.rows), slice(column, column + block.columns)
        missing = clipped = 0
        try:
            store = zarr_store(self.root)
            target = RecordingStore(store)
            cube = zarr.open_array(target, path=CUBE, mode="r+", zarr_format=3)
            # The bands of a chunk at a time: encoding them all takes several times the block.
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
        Write the models of one unit and bring them to the disk.

        Parameters
        ----------
        unit : tuple of int
            Its row and column.
        values : ndarray
            Of any shape.

        Raises
        ------
        OutputError
            If the disk does not take them.
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
            If the file of one is not there or damaged.
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
    """Bring chunk files, and the folders in which they lie, to the disk."""
    written = [Path(key) for key in keys]
    folders = sorted({parent for path in written for parent in path.parents})
    for path in (*written, *folders):
        sync(root / path)


def count_partial(path: AnyPath) -> tuple[int, int]:
    """
    Return how many finished blocks and units an interrupted run left of an output.

    Parameters
    ----------
    path : Path or Url
        The final name of the output; of a file that is uploaded see :func:`local_path`.

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
    Return where an output is written: its own path, but a file for an object store on this machine.

    Parameters
    ----------
    path : Path or Url
        The output.
    temporary : path, optional
        The folder of such files; the working folder by default.
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
    Make the place where an output grows, or find the one an interrupted run left.

    Parameters
    ----------
    path : Path or Url
        The final name; no file bears it before :func:`hsfuse.io.write.finish`.
    layout : OutputLayout
        What will be written.
    plan_hash : str
        A digest of all that decides the pixels, apart from the layout.
    origin : sequence of mapping
        What the plan came from, to name in what it differs from that of the interrupted run.
    overwrite : bool
        Throw away what an interrupted run left.
    resume : bool
        Go on with it, if it was the same plan. Wins over ``overwrite``.
    temporary : path, optional
        For :func:`local_path`.

    Raises
    ------
    OutputError
        If an interrupted run left blocks and neither is asked for, or its plan was another.
    """
    path, own = as_path(path), local_path(as_path(path), temporary)
    store = Store(own, layout, path if isinstance(path, Url) and own != path else None)
    text = json.dumps({**_plan(layout, plan_hash), "origin": origin}, allow_nan=False)
    left = check_partial(store.path, overwrite=overwrite, resume=resume)
    if left and resume:
        if not is_resumable(store.path, layout, plan_hash=plan_hash):
            raise OutputError(
                f"{store.partial}: left by a run with other inputs, options or versions"
                f"{_difference(store.plan, json.loads(text))}, so it cannot be resumed; "
                "pass --overwrite without --resume to start again"
            )
        _sweep(store.partial)
        return store
    try:
        if store.partial.exists():
            remove_folder(store.partial)
        if isinstance(store.partial, Path):
            store.partial.mkdir()
        store.plan.write_bytes(text.encode())
        if isinstance(store.root, Url):  # what was there: an object store has no other place
            remove_folder(store.root)
        write_template(store.root, layout)
        _sync_tree(store.partial)
        start_log(store.journal)  # last: where there is a journal the template is complete
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
    """Count finished blocks and units of an earlier run; refuse what is not one, or still runs."""
    known = {each.name for each in (output.plan, output.root, output.models, output.journal)}
    if not output.partial.is_dir() or not {each.name for each in output.partial.iterdir()} <= known:
        raise OutputError(
            f"{output.partial}: exists and is not an hsfuse partial output; move it away"
        )
    if not output.journal.exists() or not (output.root / "zarr.json").exists():
        return 0, 0  # ended before its first item, or after its last
    with Journal(output, owned=False) as journal:
        return len(journal.receipts()), len(journal.models())


def is_resumable(path: AnyPath, layout: OutputLayout, *, plan_hash: str) -> bool:
    """
    Return whether what an interrupted run left of an output belongs to a plan.

    Parameters
    ----------
    path : Path or Url
        The final name of the output; see :func:`local_path`.
    layout, plan_hash
        As for :func:`create_store`.
    """
    found, wanted = _read_plan(PartialOutput(path).plan), _plan(layout, plan_hash)
    return {name: found.get(name) for name in wanted} == wanted


def _read_plan(path: AnyPath) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _difference(path: AnyPath, now: Mapping[str, Any]) -> str:
    """Return in what a plan differs from the one of a file, in brackets; nothing if unknown."""
    pairs = zip(_read_plan(path).get("origin", ()), now["origin"], strict=False)
    found = next((each for each in (find_differences(*pair) for pair in pairs) if each), [])
    return f" ({listed(found)})" if found else ""


def _plan(layout: OutputLayout, plan_hash: str) -> dict[str, object]:
    return {"plan": plan_hash, "layout": layout.fingerprint()}


def _sweep(folder: AnyPath) -> None:
    """Remove temporary files of writers that were killed; object stores have none."""
    for path in folder.rglob("*.partial") if isinstance(folder, Path) else ():
        path.unlink(missing_ok=True)
