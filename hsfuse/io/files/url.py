"""
URLs of objects in object stores or on web servers, with the subset of pathlib methods used here.

Credentials are found by obstore, and by GDAL for the pixels of raster files. Neither a URL nor an
option of hsfuse contains any.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from hsfuse.errors import OutputError, RasterError
from hsfuse.io.files.bucket import entity_tag, open_bucket, translate_errors
from hsfuse.io.settings import NETWORK

__all__ = ["AnyPath", "ObjectState", "Url", "as_path"]

# Shells and pathlib may collapse the slashes of a URL into one.
_URL = re.compile(r"(s3|gs|az|https?):/+([^/]+)(?:/(.*))?", re.IGNORECASE | re.DOTALL)
_VIRTUAL = {"s3": "/vsis3/", "gs": "/vsigs/", "az": "/vsiaz/"}
_WEB = "/vsicurl/"


class ObjectState(NamedTuple):
    """Size of an object and a number that changes with its content, named as in os.stat_result."""

    st_size: int
    st_mtime_ns: int
    changed: str
    entity_tag: str | None


@dataclass(frozen=True, order=True)
class Url(os.PathLike[str]):
    """
    The URL of an object, or of a folder: all objects whose keys begin with its key and a slash.

    Attributes
    ----------
    scheme : {"s3", "gs", "az", "https", "http"}
    host : str
        Bucket or container; for a web server, host and port.
    key : str
        Key without a leading slash.
    """

    scheme: str
    host: str
    key: str

    @classmethod
    def parse(cls, text: str) -> Url | None:
        """
        Parse a URL, or the GDAL path of one; return None for any other text.

        Raises
        ------
        RasterError
            If it contains a query or a password, which records of runs would expose.

        Examples
        --------
        >>> str(Url.parse("/vsis3/bucket/a/scene.tif")), str(Url.parse("https:/host/b.tif"))
        ('s3://bucket/a/scene.tif', 'https://host/b.tif')
        """
        for scheme, start in _VIRTUAL.items():
            if text.startswith(start):
                text = f"{scheme}://{text.removeprefix(start)}"
        match = _URL.fullmatch(text.removeprefix(_WEB))
        if match is None:
            return None
        scheme, host, key = match[1].lower(), match[2], (match[3] or "").rstrip("/")
        web = scheme.startswith("http")
        if "@" in host or (web and any(mark in host + key for mark in "?#")):
            raise RasterError(
                f"{scheme}://{host.rpartition('@')[2].partition('?')[0]}: a URL with a query or a "
                "password; expected a plain one, credentials are found by the means of its store"
            )
        if any(part in (".", "..") for part in key.split("/")):
            raise RasterError(f"{text}: expected a URL without . and .. in its path")
        return cls(scheme, host, key)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}" + (f"/{self.key}" if self.key else "")

    def __fspath__(self) -> str:
        return str(self)

    def __truediv__(self, name: str) -> Url:
        return replace(self, key=f"{self.key}/{name}" if self.key else name)

    @property
    def virtual(self) -> str:
        """Path in the virtual file systems of GDAL."""
        if self.writable:
            return f"{_VIRTUAL[self.scheme]}{self.host}/{self.key}"
        return f"{_WEB}{self.scheme}://{self.host}/{quote(self.key, safe='/%~!$&()*+,;=:@')}"

    @property
    def writable(self) -> bool:
        """Whether it is in an object store, not on a web server."""
        return self.scheme in _VIRTUAL

    def check_writable(self, expected: str = "an output") -> None:
        """
        Refuse a web server.

        Parameters
        ----------
        expected : str
            What is expected instead, for the message.

        Raises
        ------
        OutputError
            If it is on a web server.
        """
        if not self.writable:
            raise OutputError(
                f"{self}: a web server, which is only read; expected {expected} on this machine or "
                "at s3://, gs:// or az://"
            )

    @property
    def name(self) -> str:
        """Last component of the key."""
        return self.key.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """Suffix of the name, from its last dot on."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> Url:
        """Folder that contains it."""
        return replace(self, key=self.key.rpartition("/")[0])

    def with_name(self, name: str) -> Url:
        """Return the URL of another name in the same folder."""
        return self.parent / name

    def absolute(self) -> Url:
        """Return the URL itself, which is always absolute."""
        return self

    def exists(self) -> bool:
        """Return whether the object or folder exists."""
        return self.is_file() or self.is_dir()

    def is_file(self) -> bool:
        """Return whether the object exists."""
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    def is_dir(self) -> bool:
        """Return whether the folder contains an object; False for a web server."""
        return self.writable and next(self.objects(), None) is not None

    def stat(self) -> ObjectState:
        """
        Return size and state of the object.

        Raises
        ------
        FileNotFoundError
            If it does not exist.
        RasterError
            If the store cannot be reached.
        """
        with translate_errors(str(self)):
            reply = self._bucket.head(self._path)
        changed = reply["last_modified"].isoformat(timespec="seconds")
        tag = reply["e_tag"]
        mark = hashlib.sha256(f"{tag} {reply['version']} {changed}".encode()).digest()
        return ObjectState(reply["size"], int.from_bytes(mark[:7], "big"), changed, tag)

    def objects(self) -> Iterator[Url]:
        """Yield all objects in the folder, in no particular order."""
        return (replace(self, key=each["path"]) for each in self._listed())

    def tagged_objects(self) -> Iterator[tuple[Url, str]]:
        """Yield all objects in the folder with their entity tags, in no particular order."""
        for each in self._listed():
            yield replace(self, key=each["path"]), entity_tag(each["e_tag"])

    def disk_usage(self) -> int:
        """Return the total size in bytes of all objects in the folder."""
        return sum(each["size"] for each in self._listed())

    def _listed(self) -> Iterator[Any]:
        with translate_errors(str(self)):
            for some in self._bucket.list(f"{self.key}/" if self.key else None):
                yield from some

    def iterdir(self) -> Iterator[Url]:
        """Yield the objects and folders in the folder."""
        with translate_errors(str(self)):
            listing = self._bucket.list_with_delimiter(f"{self.key}/" if self.key else None)
        for key in (*listing["common_prefixes"], *(each["path"] for each in listing["objects"])):
            yield replace(self, key=key.rstrip("/"))

    def read_bytes(self) -> bytes:
        """Return the content; raise FileNotFoundError if the object does not exist."""
        with translate_errors(str(self)):
            return bytes(self._bucket.get(self._path).bytes())

    def write_bytes(self, content: bytes) -> int:
        """Write the object in one request."""
        with translate_errors(str(self)):
            self._bucket.put(self._path, content, use_multipart=False)
        return len(content)

    def upload(self, path: Path) -> None:
        """Upload a file as the object, in parts."""
        part = max(NETWORK.part_bytes, -(-path.stat().st_size // NETWORK.most_parts))
        with translate_errors(str(self)):
            self._bucket.put(self._path, path, chunk_size=part, max_concurrency=NETWORK.parts)

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Remove the object; stores do not report whether it existed."""
        del missing_ok
        with translate_errors(str(self)):
            self._bucket.delete(self._path)

    def remove_folder(self) -> None:
        """Remove every object in the folder."""
        keys = [each.key for each in self.objects()]
        with translate_errors(str(self)):
            if keys:
                self._bucket.delete(keys)

    @property
    def _bucket(self) -> Any:
        return open_bucket(self.scheme, self.host)

    @property
    def _path(self) -> str:
        return self.key if self.writable else unquote(self.key)


AnyPath = Path | Url


def as_path(path: str | os.PathLike[str]) -> AnyPath:
    """
    Return a URL, or the path of a file on this machine.

    Examples
    --------
    >>> as_path(Path("s3://bucket/scene.tif"))
    Url(scheme='s3', host='bucket', key='scene.tif')
    """
    return Url.parse(os.fspath(path)) or Path(path)
