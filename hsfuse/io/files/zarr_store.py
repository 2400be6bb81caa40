"""
Zarr stores for paths and URLs.

Imported only for a zarr store, since zarr is slow to import.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from zarr.storage import LocalStore, ObjectStore, WrapperStore

from hsfuse.io.files.bucket import entity_tag, open_bucket, translate_errors
from hsfuse.io.files.expansion import check_stored
from hsfuse.io.files.url import AnyPath, Url

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest, Store
    from zarr.core.buffer import Buffer, BufferPrototype

__all__ = ["BoundedStore", "UrlStore", "zarr_store"]

_METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")


def zarr_store(path: AnyPath, *, read_only: bool = False) -> Store:
    """Return the zarr store of a folder, or of the objects below a URL."""
    if isinstance(path, Path):
        return LocalStore(path, read_only=read_only)
    return UrlStore(path, read_only=read_only)


class BoundedStore(WrapperStore["Store"]):
    """
    A store that checks the size of chunks before they are decompressed.

    Attributes
    ----------
    chunks : dict of str to int
        Bytes of a decompressed chunk, by the name of its array.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.chunks: dict[str, int] = {}

    def _with_store(self, store: Store) -> Self:
        new = type(self)(store)
        new.chunks = self.chunks
        return new

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the content of an object, None where it does not exist."""
        value = await super().get(key, prototype, byte_range)
        raw = self.chunks.get(key.partition("/")[0])
        chunk = not key.endswith(_METADATA) and byte_range is None
        if value is not None and raw is not None and chunk:
            check_stored(key, len(value), raw)
        return value


class UrlStore(ObjectStore[Any]):
    """
    Objects at a URL; errors are those of :func:`hsfuse.io.files.bucket.translate_errors`.

    Attributes
    ----------
    tags : dict of str to str
        Entity tags of the objects that were written, by their keys below the URL.
    """

    def __init__(self, url: Url, *, read_only: bool = False) -> None:
        super().__init__(open_bucket(url.scheme, url.host, url.key), read_only=read_only)
        self.url = url
        self.tags: dict[str, str] = {}

    def with_read_only(self, read_only: bool = False) -> Self:
        """Return the same store, read-only or writable."""
        return type(self)(self.url, read_only=read_only)

    # A process that unpickles it opens the bucket with its own credentials.
    def __getstate__(self) -> dict[str, object]:
        return {"url": self.url, "read_only": self.read_only}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["url"], read_only=state["read_only"])  # type: ignore[misc]

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the content of an object, None where it does not exist."""
        with translate_errors(f"{self.url}/{key}"):
            return await super().get(key, prototype, byte_range)

    async def exists(self, key: str) -> bool:
        """Return whether the object exists."""
        with translate_errors(f"{self.url}/{key}"):
            return await super().exists(key)

    async def set(self, key: str, value: Buffer) -> None:
        """Write an object and record its entity tag."""
        import obstore

        self._check_writable()
        with translate_errors(f"{self.url}/{key}"):
            reply = await obstore.put_async(self.store, key, value.as_buffer_like())
        self.tags[key] = entity_tag(reply["e_tag"])

    async def delete(self, key: str) -> None:
        """Remove an object."""
        with translate_errors(f"{self.url}/{key}"):
            await super().delete(key)

    async def list_dir(self, prefix: str) -> AsyncGenerator[str, None]:
        """Yield the names in a folder."""
        with translate_errors(f"{self.url}/{prefix}"):
            async for name in super().list_dir(prefix):
                yield name
