"""
The zarr store of a partial output, whose blocks are written by any worker in any order.

One run writes its journal, see :mod:`hsfuse.io.output.journal`.
"""

import hashlib
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from hsfuse.errors import OutputError, PlanError
from hsfuse.io.files.hashed_store import RecordingStore
from hsfuse.io.files.replacement import failure, sync, write_file
from hsfuse.io.files.url import Url
from hsfuse.io.files.zarr_store import UrlStore, zarr_store
from hsfuse.io.names import CUBE, STANDARD_ERROR
from hsfuse.io.output.encoding import encode
from hsfuse.io.output.journal import ModelReceipt, PartialOutput, Receipt
from hsfuse.io.output.layout import Block, OutputLayout

__all__ = ["Store"]


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
    plan_hash : str
        Digest of all that determines the pixels, apart from the layout.
    destination : Url, optional
        URL to which the finished file is uploaded.
    """

    layout: OutputLayout
    plan_hash: str
    destination: Url | None = None

    @property
    def plan_key(self) -> dict[str, object]:
        """What the stored plans of two runs have in common if one can resume the other."""
        return {"plan": self.plan_hash, "layout": self.layout.fingerprint()}

    def is_resumable(self) -> bool:
        """Return whether the stored plan is that of this store."""
        stored, wanted = self.read_plan(), self.plan_key
        return {name: stored.get(name) for name in wanted} == wanted

    def check_plan(self) -> None:
        """
        Check that no other run has begun to write to the same place, as object stores allow.

        Raises
        ------
        OutputError
            If the stored plan is another one.
        """
        if not self.is_resumable():
            raise OutputError(
                f"{self.partial}: another run has begun to write there, so this one ends; give one "
                "of them another output"
            )

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
        bands, depth = self.layout.bands, self.layout.chunk[0]
        missing = clipped = 0
        try:
            store = zarr_store(self.root)
            target = RecordingStore(store)
            cube = zarr.open_array(target, path=CUBE, mode="r+", zarr_format=3)
            for first in range(0, bands, depth):
                planes = slice(first, min(first + depth, bands))
                gaps, beyond = self._write_planes(cube, (planes,), values[planes], block)
                missing += gaps
                clipped += beyond
            if self.layout.standard_error:
                error = zarr.open_array(target, path=STANDARD_ERROR, mode="r+", zarr_format=3)
                clipped += self._write_planes(error, (), values[bands:], block)[1]
            chunks = {key: target.hashes.get(key) for key in self.chunk_keys(block)}
            if isinstance(self.root, Path):
                _sync_all(self.root, [key for key, digest in chunks.items() if digest is not None])
        except OSError as error:
            raise OutputError(f"{self.root}: block at {row}, {column}: {failure(error)}") from error
        tags = (
            {key: store.tags[key] for key in target.hashes} if isinstance(store, UrlStore) else {}
        )
        return Receipt(block, chunks, missing, clipped, tags=tags)

    def _write_planes(
        self,
        array: zarr.Array[Any],
        planes: tuple[slice, ...],
        values: NDArray[np.floating],
        block: Block,
    ) -> tuple[int, int]:
        """Write planes of a block; return the number of gaps and of clipped values."""
        missing = clipped = 0
        # A chunk at a time: of a larger array zarr copies each into one that it filled before.
        for row, column in product(
            range(0, block.rows, self.layout.chunk[1]),
            range(0, block.columns, self.layout.chunk[2]),
        ):
            part = values[
                :, row : row + self.layout.chunk[1], column : column + self.layout.chunk[2]
            ]
            stored, beyond = encode(part, self.layout)
            gaps = int(np.count_nonzero(np.isnan(part)))
            top, left = block.row + row, block.column + column
            place = slice(top, top + part.shape[1]), slice(left, left + part.shape[2])
            # Whether the chunk is empty is found already, so that zarr need not compare it.
            target = array.with_config({"write_empty_chunks": gaps < part.size})
            target[*planes, *place] = stored if planes else stored[0]
            missing += gaps
            clipped += beyond
        return missing, clipped

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
                    f"{path}: local models that cannot be read ({error}); pass `--resume` to "
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
    sync(*(root / path for path in written))
    sync(*(root / path for path in folders))
