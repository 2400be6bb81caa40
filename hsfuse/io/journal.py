"""
A store under construction: regions written by anyone, a journal kept by one.

Beside the final name lies the folder ``<name>.partial`` with three things: ``plan.json``
(whose work this is), ``cube.zarr`` (the pixels so far) and ``journal.jsonl`` (one line a
finished block, with the hash of every chunk file it wrote). A block is safe once its
chunk files are on the disk *and* its line is in the journal, in this order; whatever was
interrupted in between is written again and comes out the same.
"""

import errno
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import zarr
from numpy.typing import NDArray

from hsfuse.errors import OutputError, PlanError
from hsfuse.io.layout import Block, OutputLayout, encode
from hsfuse.io.zarr_layout import CUBE, write_template

__all__ = ["Journal", "Receipt", "Store", "create_store", "sync"]

_HASHERS = 4  # hashing releases the interpreter lock; more threads only fight over the disk


@dataclass(frozen=True)
class Receipt:
    """
    What one written block left behind.

    Parameters
    ----------
    block : Block
        The rectangle that was written.
    chunks : dict of str to str or None
        SHA-256 of each chunk file, by its path inside the store; None where the whole
        chunk is no data, for which zarr writes no file.
    missing : int
        Values that were NaN.
    clipped : int
        Values that the stored type could not hold.
    """

    block: Block
    chunks: dict[str, str | None]
    missing: int
    clipped: int

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(asdict(self) | {"block": list(self.block)}, sort_keys=True)

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Read one line of JSON."""
        parts = json.loads(line)
        return cls(**parts | {"block": Block(*parts["block"])})


@dataclass(frozen=True)
class Store:
    """
    An output under construction; a path and a layout, so it travels to any worker.

    Parameters
    ----------
    path : Path
        The final name, ending in .zarr or .tif.
    layout : OutputLayout
        What is written there.
    """

    path: Path
    layout: OutputLayout

    @property
    def partial(self) -> Path:
        """The folder that holds everything until the output is finished."""
        return self.path.with_name(self.path.name + ".partial")

    @property
    def root(self) -> Path:
        """The zarr store inside it."""
        return self.partial / "cube.zarr"

    @property
    def journal(self) -> Path:
        """The journal inside it."""
        return self.partial / "journal.jsonl"

    @property
    def plan(self) -> Path:
        """The record of whose work it is."""
        return self.partial / "plan.json"

    def chunk_keys(self, block: Block | None = None) -> list[str]:
        """Return the chunk files of a block, or of the whole cube, by their path inside."""
        block = block or Block(0, 0, self.layout.rows, self.layout.columns)
        bands, rows, columns = self.layout.chunk
        return [
            f"{CUBE}/c/{band}/{row}/{column}"
            for band in range(math.ceil(self.layout.bands / bands))
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
        values : ndarray of shape (bands, rows, columns)
            NaN where there is no data.

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
        stored, clipped = encode(values, self.layout)
        try:
            cube = zarr.open_array(self.root, path=CUBE, mode="r+", zarr_format=3)
            cube[:, row : row + block.rows, column : column + block.columns] = stored
            keys = self.chunk_keys(block)
            chunks = {key: _hash(self.root / key, flush=True) for key in keys}
            written = [Path(key) for key in keys if chunks[key] is not None]
            for folder in sorted({parent for path in written for parent in path.parents}):
                sync(self.root / folder)
        except OSError as error:
            reason = "the disk is full" if error.errno == errno.ENOSPC else str(error)
            raise OutputError(f"{self.root}: block at {row}, {column}: {reason}") from error
        return Receipt(block, chunks, int(np.count_nonzero(np.isnan(values))), clipped)

    def _check(self, row: int, column: int, shape: tuple[int, ...]) -> Block:
        layout = self.layout
        if len(shape) != 3 or shape[0] != layout.bands:
            raise PlanError(f"a block has {layout.bands} bands and two more axes, got {shape}")
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

    def damaged(self, chunks: dict[str, str | None]) -> list[str]:
        """Return the chunk files whose hash is not the one given."""
        with ThreadPoolExecutor(_HASHERS) as pool:
            found = pool.map(lambda key: _hash(self.root / key), chunks)
            return [key for key, now in zip(chunks, found, strict=True) if now != chunks[key]]


class Journal:
    """
    The record of finished blocks; one process holds it, until it is closed.

    Parameters
    ----------
    store : Store
        What :func:`create_store` returned.

    Raises
    ------
    OutputError
        If another run holds it.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._file: BinaryIO = store.journal.open("ab+")
        if not _lock(self._file):
            self._file.close()
            raise OutputError(f"{store.partial}: another run is writing there; wait for it to end")
        # A line cut off by a crash would swallow the next one.
        self._file.seek(0)
        text = self._file.read()
        self._file.truncate(text.rfind(b"\n") + 1)

    def __enter__(self) -> Self:
        """Return the journal itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the journal."""
        self.close()

    def close(self) -> None:
        """Let another process have the journal."""
        self._file.close()

    def append(self, receipt: Receipt) -> None:
        """Add a finished block; on return the line is on the disk."""
        self._file.write(receipt.to_json().encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def receipts(self) -> dict[Block, Receipt]:
        """Return the last receipt of every block, oldest first; unreadable lines are skipped."""
        self._file.seek(0)
        return _read_receipts(self._file)

    def finished(self) -> frozenset[Block]:
        """Return the blocks whose chunk files are still what the journal says."""
        receipts = self.receipts()
        expected = {key: value for each in receipts.values() for key, value in each.chunks.items()}
        damaged = set(self.store.damaged(expected))
        return frozenset(
            block for block, receipt in receipts.items() if damaged.isdisjoint(receipt.chunks)
        )


def create_store(
    path: Path,
    layout: OutputLayout,
    *,
    plan_hash: str,
    overwrite: bool = False,
    resume: bool = False,
) -> Store:
    """
    Make the place where an output grows, or find the one an interrupted run left.

    Parameters
    ----------
    path : Path
        The final name; nothing bears it before :func:`hsfuse.io.write.finish`.
    layout : OutputLayout
        What will be written.
    plan_hash : str
        A digest of all that decides the pixels, apart from the layout.
    overwrite : bool
        Throw away what an interrupted run left.
    resume : bool
        Go on with it, if it was the same plan. Wins over ``overwrite``.

    Raises
    ------
    OutputError
        If an interrupted run left blocks and neither is asked for, or its plan was another.
    """
    store = Store(Path(path), layout)
    plan = {"plan": plan_hash, "layout": layout.fingerprint()}
    text = json.dumps(plan, sort_keys=True, allow_nan=False)
    if store.partial.exists():
        left = _inspect(store)
        if left and resume:
            if not _same(store.plan, plan):
                raise OutputError(
                    f"{store.partial}: left by a run with other inputs or options, it cannot be "
                    "resumed; pass --overwrite without --resume to start again"
                )
            _sweep(store.root)
            return store
        if left and not overwrite:
            raise OutputError(
                f"{store.partial}: an interrupted run left {left} finished blocks; pass --resume "
                "to go on or --overwrite to start again"
            )
        shutil.rmtree(store.partial)
    try:
        store.partial.mkdir()
        store.plan.write_text(text, encoding="utf-8")
        write_template(store.root, layout)
        for folder, _, names in os.walk(store.partial):
            for name in names:
                _hash(Path(folder) / name, flush=True)
            sync(Path(folder))
        store.journal.touch()  # last: where there is a journal the template is complete
        sync(store.partial)
        sync(store.partial.parent)
    except OSError as error:
        raise OutputError(f"{store.partial}: cannot be written ({error})") from error
    return store


def sync(path: Path) -> None:
    """Bring a folder's entries, or a file's content, to the disk."""
    if os.name == "nt":  # pragma: no cover - Windows cannot open a folder
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _hash(path: Path, *, flush: bool = False) -> str | None:
    try:
        if flush:
            sync(path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _lock(file: BinaryIO) -> bool:
    if os.name == "nt":  # pragma: no cover - where nothing is locked
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems know no locks
        return True
    return True


def _read_receipts(lines: Iterable[bytes]) -> dict[Block, Receipt]:
    receipts: dict[Block, Receipt] = {}
    for line in lines:
        try:
            receipt = Receipt.from_json(line)
        except (ValueError, TypeError, KeyError):  # a damaged line: its block is written again
            continue
        receipts.pop(receipt.block, None)
        receipts[receipt.block] = receipt
    return receipts


def _inspect(store: Store) -> int:
    """Count the finished blocks of an earlier run; refuse what is not one, or still runs."""
    known = {store.plan.name, store.root.name, store.journal.name}
    if not store.partial.is_dir() or not {each.name for each in store.partial.iterdir()} <= known:
        raise OutputError(f"{store.partial}: is in the way, and is not of hsfuse's making")
    if not store.journal.exists() or not (store.root / "zarr.json").exists():
        return 0  # ended before its first block, or after its last
    with Journal(store) as journal:
        return len(journal.receipts())


def _same(path: Path, plan: Mapping[str, object]) -> bool:
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")) == plan)
    except (OSError, ValueError):
        return False


def _sweep(root: Path) -> None:
    for path in root.rglob("*.partial"):  # zarr's temporary files, of writers that were killed
        path.unlink(missing_ok=True)
