"""Zarr stores that hash chunks in memory when they are written, or verify them when read."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Self

from zarr.abc.store import Store
from zarr.storage import WrapperStore

from hsfuse.errors import OutputError
from hsfuse.io.files.replacement import sync
from hsfuse.io.files.url import AnyPath

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

__all__ = ["CHECKSUMS", "CheckedStore", "RecordingStore", "write_checksums"]

#: Name of the file of hashes in the folder of an array.
CHECKSUMS = "checksums.sha256"


class RecordingStore(WrapperStore[Store]):
    """
    A writable store that records the hash of every object written.

    Parameters
    ----------
    store : Store
        Local store or object store that is wrapped.

    Attributes
    ----------
    hashes : dict of str to str
        SHA-256 of the bytes written, by their key.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.hashes: dict[str, str] = {}

    async def set(self, key: str, value: Buffer) -> None:
        """Write an object and record its hash."""
        self.hashes[key] = await asyncio.to_thread(_hash, value)
        await super().set(key, value)


class CheckedStore(WrapperStore[Store]):
    """
    A store that verifies each chunk by its hash when it is read.

    Parameters
    ----------
    store : Store
        Local store or object store that is wrapped.
    place : Path or Url
        Location of the store, for messages.
    hashes : mapping of str to str or None, optional
        SHA-256 of chunks by their key, None for a chunk without a file. Keys without an entry are
        not verified.
    """

    def __init__(
        self, store: Store, place: AnyPath, hashes: Mapping[str, str | None] | None = None
    ) -> None:
        super().__init__(store)
        self.place, self.hashes = place, hashes or {}

    def _with_store(self, store: Store) -> Self:
        return type(self)(store, self.place, self.hashes)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """
        Return the content of an object, None where it does not exist.

        Raises
        ------
        OutputError
            If the content does not match the hash.
        """
        value = await super().get(key, prototype, byte_range)
        if byte_range is None and key in self.hashes:
            digest = None if value is None else await asyncio.to_thread(_hash, value)
            if digest != self.hashes[key]:
                raise OutputError(
                    f"{self.place / key}: is not what was written; pass `--resume` to write it "
                    "again"
                )
        return value


def _hash(value: Buffer) -> str:
    return hashlib.sha256(value.as_numpy_array().data).hexdigest()


def write_checksums(root: AnyPath, arrays: Iterable[str], hashes: Mapping[str, str | None]) -> None:
    """
    Write the hashes of all chunks of some arrays to files in the format of ``sha256sum``.

    The files are in the folders of the arrays: in the folder of a group, zarr would warn of them.

    Parameters
    ----------
    root : Path or Url
        Folder of the group.
    arrays : iterable of str
        Names of the arrays.
    hashes : mapping of str to str or None
        SHA-256 of files by their path in the group; None for a chunk without a file. Files other
        than chunks of the arrays are ignored.
    """
    for array in arrays:
        lines = [
            f"{digest}  {name.removeprefix(f'{array}/')}\n"
            for name, digest in sorted(hashes.items())
            if digest and name.startswith(f"{array}/c/")
        ]
        path = root / array / CHECKSUMS
        path.write_bytes("".join(lines).encode())
        sync(path)
