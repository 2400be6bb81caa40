"""Folders of zarr whose chunks are hashed in memory, as they are written or read."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Self

from zarr.abc.store import Store
from zarr.storage import WrapperStore

from hsfuse.errors import OutputError
from hsfuse.io.replacement import sync
from hsfuse.io.url import AnyPath

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

__all__ = ["CHECKSUMS", "CheckedStore", "RecordingStore", "write_checksums"]

#: Name of the file of hashes in the folder of an array.
CHECKSUMS = "checksums.sha256"


class RecordingStore(WrapperStore[Store]):
    """
    A store that is written to, and the hash of all that was.

    Parameters
    ----------
    store : Store
        Of a folder, or of objects.

    Attributes
    ----------
    hashes : dict of str to str
        SHA-256 of the bytes written, by their path inside the folder.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.hashes: dict[str, str] = {}

    async def set(self, key: str, value: Buffer) -> None:
        """Write a file, and hash what is written: it need not be read again for that."""
        self.hashes[key] = await asyncio.to_thread(_hash, value)
        await super().set(key, value)


class CheckedStore(WrapperStore[Store]):
    """
    A folder that is read, each chunk compared with its hash.

    Parameters
    ----------
    store : Store
        Of a folder, or of objects.
    place : Path or Url
        Where it is, for messages.
    hashes : mapping of str to str or None, optional
        SHA-256 of chunks by their path inside the folder, None for one that has no file. Others are
        not compared.
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
        Return the bytes of a file, None where there is none.

        Raises
        ------
        OutputError
            If they are not those of the hash.
        """
        value = await super().get(key, prototype, byte_range)
        if byte_range is None and key in self.hashes:
            found = None if value is None else await asyncio.to_thread(_hash, value)
            if found != self.hashes[key]:
                raise OutputError(
                    f"{self.place / key}: is not what was written; pass --resume to write it again"
                )
        return value


def _hash(value: Buffer) -> str:
    return hashlib.sha256(value.as_numpy_array().data).hexdigest()


def write_checksums(root: AnyPath, arrays: Iterable[str], hashes: Mapping[str, str | None]) -> None:
    """
    Leave the hash of every chunk file of some arrays beside the chunks, as ``sha256sum`` reads it.

    They lie in the folders of the arrays: in that of a group zarr warns of a file that is no array.

    Parameters
    ----------
    root : Path or Url
        Of the group.
    arrays : iterable of str
        Names of its arrays.
    hashes : mapping of str to str or None
        SHA-256 of files by their path in the group, chunks and others; None for a chunk that has no
        file.
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
