"""
The partial output of a run, and the journal of its finished blocks.

A partial output is the folder ``<name>.partial`` beside the final path. It holds ``plan.json`` (the
digest of the plan), ``cube.zarr`` (the pixels written so far), ``models`` (the local models of a
method with two passes, one file for each unit) and ``journal.jsonl`` (one line for each finished
block or unit, with the hash of every file it wrote). A block is finished once its chunk files are
on the disk *and* its line is in the journal, in this order; an interrupted block is computed again
with the same result.

At a URL the folder holds no pixels: object stores cannot rename, so the pixels are written to
their final location. The journal is one object for each line.
"""

import hashlib
import json
import os
import platform
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

from hsfuse.core.discrepancy import Discrepancy
from hsfuse.core.excess import Excess
from hsfuse.errors import OutputError
from hsfuse.io.files.log import open_log
from hsfuse.io.files.replacement import failure
from hsfuse.io.files.url import AnyPath, Url
from hsfuse.io.output.layout import Block
from hsfuse.io.settings import OUTPUTS

__all__ = ["Journal", "ModelReceipt", "PartialOutput", "Receipt", "hash_file"]


@dataclass(frozen=True)
class Receipt:
    """
    The journal entry of one written block.

    Parameters
    ----------
    block : Block
        The rectangle that was written.
    chunks : dict of str to str or None
        SHA-256 of each chunk file by its path inside the store; None for a chunk without data,
        for which zarr writes no file.
    missing : int
        Number of values that were NaN.
    clipped : int
        Number of values outside the range of the stored type.
    limited : int
        Number of values below the physical range, which were set to its lower limit.
    tags : dict of str to str
        Entity tag of each chunk in an object store, by its path.
    undeclared : tuple of (str, float or None)
        Image and value of each undeclared fill in the inputs of the block.
    spatial, spectral : Discrepancy
        Differences of the block from the HS image and from the MS image, where compared; a
        resumed run reads those of earlier blocks here.
    excess : Excess
        Values far above both images.
    """

    block: Block
    chunks: dict[str, str | None]
    missing: int
    clipped: int
    limited: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    undeclared: tuple[tuple[str, float | None], ...] = ()
    spatial: Discrepancy = field(default_factory=Discrepancy)
    spectral: Discrepancy = field(default_factory=Discrepancy)
    excess: Excess = field(default_factory=Excess)

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(asdict(self) | {"block": list(self.block)}, sort_keys=True)

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Parse one line of JSON; floats are restored exactly."""
        parts = json.loads(line)
        compared = {name: Discrepancy(**parts[name]) for name in ("spatial", "spectral")}
        undeclared = tuple((image, number) for image, number in parts.get("undeclared", ()))
        excess = Excess(**parts.get("excess", {}))
        parts |= {"block": Block(*parts["block"]), "undeclared": undeclared, "excess": excess}
        return cls(**parts | compared)


@dataclass(frozen=True)
class ModelReceipt:
    """
    The journal entry of one conditioned unit of local models.

    Parameters
    ----------
    unit : tuple of int
        Row and column of the unit.
    sha256 : str
        Hash of its file.
    """

    unit: tuple[int, int]
    sha256: str

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Parse one line of JSON."""
        parts = json.loads(line)
        row, column = parts["unit"]
        return cls((int(row), int(column)), str(parts["sha256"]))


@dataclass(frozen=True)
class PartialOutput:
    """
    Paths of the files of a partial output.

    Parameters
    ----------
    path : Path or Url
        Final path of the output, which does not exist before the output is complete.
    """

    path: AnyPath

    @property
    def partial(self) -> AnyPath:
        """Folder of the partial output; at a URL it holds all but the pixels."""
        return self.path.with_name(self.path.name + ".partial")

    @property
    def root(self) -> AnyPath:
        """The zarr store: inside that folder, or at a URL the output itself."""
        return self.path if isinstance(self.path, Url) else self.partial / "cube.zarr"

    @property
    def models(self) -> AnyPath:
        """Folder of the local models."""
        return self.partial / "models"

    def model(self, row: int, column: int) -> AnyPath:
        """Return the file of the models of one unit."""
        return self.models / f"{row}-{column}.npy"

    @property
    def journal(self) -> AnyPath:
        """File of the journal, or at a URL its folder."""
        at_url = isinstance(self.path, Url)
        return self.partial / ("journal" if at_url else "journal.jsonl")

    @property
    def plan(self) -> AnyPath:
        """File with the digest of the plan, the layout and its origin."""
        return self.partial / "plan.json"

    def read_plan(self) -> dict[str, Any]:
        """Return the content of that file; empty where it is missing or damaged."""
        try:
            plan = json.loads(self.plan.read_bytes())
        except (OSError, ValueError):
            return {}
        return plan if isinstance(plan, dict) else {}

    def damaged(self, chunks: Mapping[str, str | None], tags: Mapping[str, str]) -> list[str]:
        """Return the keys of chunks that do not match their hashes (at a URL, entity tags)."""
        if isinstance(self.root, Url):
            start = len(self.root.key) + 1
            there = {each.key[start:]: tag for each, tag in self.root.tagged_objects()}
            known = {key: tags.get(key, "") if chunks[key] else None for key in chunks}
            return [key for key, tag in known.items() if there.get(key) != tag]
        digests = _hashes(self.root / key for key in chunks)
        return [key for key, now in zip(chunks, digests, strict=True) if now != chunks[key]]


_Receipt = TypeVar("_Receipt")
_Key = TypeVar("_Key", bound=Hashable)


class Journal:
    """
    The journal of finished blocks and units, locked by one run until it is closed.

    Parameters
    ----------
    output : PartialOutput
        The partial output, such as a :class:`hsfuse.io.output.store.Store`.
    owned : bool
        Whether it will be written to; see :mod:`hsfuse.io.files.log`.

    Raises
    ------
    OutputError
        If another run has locked it.
    """

    def __init__(self, output: PartialOutput, *, owned: bool = True) -> None:
        self.output = output
        self._intact: set[str] = set()
        try:
            self._lines = open_log(output.journal, owned=owned)
        except BlockingIOError as error:
            raise OutputError(
                f"{output.partial}: {_last_owner(output.journal)} is writing there; "
                "wait for it to end"
            ) from error

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
        """Close the journal and release its lock."""
        self._lines.close()

    def clear(self) -> None:
        """
        Remove all lines.

        Raises
        ------
        OSError
            If writing fails.
        """
        self._lines.clear()
        self._intact.clear()

    def claim(self) -> None:
        """Record this process as the owner, which the error message of a second run states."""
        owner = {"process": os.getpid(), "host": platform.node()}
        self._append(json.dumps({"owner": owner}))

    def append(self, receipt: Receipt | ModelReceipt) -> None:
        """
        Append a finished block or unit; on return the line is on the disk.

        Raises
        ------
        OutputError
            If writing fails.
        """
        self._append(receipt.to_json())
        if isinstance(receipt, Receipt):
            self._intact.update(receipt.chunks)

    def _append(self, line: str) -> None:
        try:
            self._lines.append(line.encode())
        except OutputError:  # another run took over the journal
            raise
        except OSError as error:
            raise OutputError(f"{self.output.journal}: {failure(error)}") from error

    @property
    def intact(self) -> frozenset[str]:
        """Keys of the chunks that were written or verified through this journal."""
        return frozenset(self._intact)

    def receipts(self) -> dict[Block, Receipt]:
        """Return the last receipt of every block, oldest first; damaged lines are skipped."""
        return self._read(Receipt.from_json, lambda receipt: receipt.block)

    def models(self) -> dict[tuple[int, int], ModelReceipt]:
        """Return the last receipt of every unit of local models, oldest first."""
        return self._read(ModelReceipt.from_json, lambda receipt: receipt.unit)

    def finished(self) -> frozenset[Block]:
        """Return the blocks whose chunk files match the journal."""
        receipts = self.receipts()
        expected = {key: value for each in receipts.values() for key, value in each.chunks.items()}
        tags = {key: tag for each in receipts.values() for key, tag in each.tags.items()}
        damaged = set(self.output.damaged(expected, tags))
        self._intact.update(expected.keys() - damaged)
        self._intact -= damaged
        return frozenset(
            block for block, receipt in receipts.items() if damaged.isdisjoint(receipt.chunks)
        )

    def conditioned(self) -> frozenset[tuple[int, int]]:
        """Return the units whose files match the journal."""
        receipts = self.models()
        digests = _hashes(self.output.model(*unit) for unit in receipts)
        pairs = zip(receipts.items(), digests, strict=True)
        return frozenset(unit for (unit, receipt), now in pairs if now == receipt.sha256)

    def _read(
        self, parse: Callable[[bytes], _Receipt], key: Callable[[_Receipt], _Key]
    ) -> dict[_Key, _Receipt]:
        """Return the last receipt of one type for every key; lines of other types are skipped."""
        receipts: dict[_Key, _Receipt] = {}
        for line in self._lines:
            try:
                receipt = parse(line)
            except (
                ValueError,
                TypeError,
                KeyError,
            ):  # another type, or damaged: its item is redone
                continue
            receipts.pop(key(receipt), None)
            receipts[key(receipt)] = receipt
        return receipts


def _last_owner(journal: AnyPath) -> str:
    """Return the process that wrote to a journal last, for a message."""
    owner: object = None
    for line in journal.read_bytes().splitlines():
        if line.startswith(b'{"owner"'):
            with suppress(ValueError):
                owner = json.loads(line)["owner"]
    if not isinstance(owner, dict):
        return "another run"
    return f"process {owner.get('process')} on {owner.get('host')}"


def hash_file(path: AnyPath) -> str | None:
    """Return the SHA-256 of a file, None where there is none."""
    try:
        if isinstance(path, Url):
            return hashlib.sha256(path.read_bytes()).hexdigest()
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _hashes(paths: Iterable[AnyPath]) -> list[str | None]:
    with ThreadPoolExecutor(OUTPUTS.hashers) as pool:
        return list(pool.map(hash_file, paths))
