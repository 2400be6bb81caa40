"""
Parsing of input paths: local files, members of archives, variables of netCDF files, URLs.

Any other remote path is refused here, before it is passed to GDAL.
"""

from __future__ import annotations

import os
import re
import tarfile
import time
import zipfile
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import overload

from hsfuse.core.text import listed
from hsfuse.errors import RasterError
from hsfuse.io.files.url import AnyPath, ObjectState, Url
from hsfuse.io.settings import NETWORK

__all__ = [
    "ARCHIVE_SUFFIXES",
    "Location",
    "NETWORKED",
    "full_path",
    "is_remote",
    "locate_file",
    "real_path",
    "size_of",
    "stamp",
]

# Shells and pathlib may collapse the slashes of a URL into one.
_SCHEME = re.compile(r"(?<![a-zA-Z0-9])([a-zA-Z][a-zA-Z0-9+.-]+):/")
_LOCAL_SCHEMES = {"file", "zip", "tar", "gzip", "netcdf", "hdf5", "hdf4_sds", "gtiff_dir", "vrt"}
_VIRTUAL = re.compile(r"/vsi([a-z0-9_]+)(?:/|$)")
_ARCHIVES = ("zip", "tar", "gzip")
#: GDAL drivers whose files describe remote data.
NETWORKED = (
    "DAAS", "EEDA", "EEDAI", "NGW", "OGCAPI", "PLMOSAIC", "PLScenes", "STACIT", "STACTA", "WCS",
    "WMS", "WMTS",
)  # fmt: skip
_REMOTE_DRIVERS = re.compile(rf"({'|'.join(NETWORKED)}|PG|RASTERLITE):", re.IGNORECASE)
_VARIABLE = re.compile(r"""(NETCDF|HDF5):["']?(.+?)["']?:(//?)?([^:]+)""", re.IGNORECASE)
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".gz")


@dataclass(frozen=True)
class Location:
    """
    Location of the pixels of an input.

    Attributes
    ----------
    path : str
        Path with which it is opened, also used in messages.
    file : Path or Url
        File or folder on disk (the archive, or the netCDF file of a variable), or the URL.
    variable : str
        Variable of a netCDF or HDF5 file; empty where none is given.
    store : bool
        Whether it is a zarr store.
    """

    path: str
    file: AnyPath
    variable: str = ""
    store: bool = False

    @property
    def remote(self) -> bool:
        """Whether it is a URL."""
        return isinstance(self.file, Url)

    @property
    def archived(self) -> bool:
        """Whether the file is in an archive."""
        return self.path.startswith("/vsi")


def is_remote(text: str) -> bool:
    """
    Return whether a path, or the connection string of a driver, refers to another machine.

    Examples
    --------
    >>> [is_remote(text) for text in ("s3://bucket/a.tif", "/vsizip//vsicurl/a.zip", "a/b.tif")]
    [True, True, False]
    """
    virtual = set(_VIRTUAL.findall(text))
    schemes = {name.lower() for name in _SCHEME.findall(text)}
    local = {*_ARCHIVES, "subfile", "sparse", "mem", "cached", "stdin"}
    return bool(
        virtual - local or schemes - _LOCAL_SCHEMES or _REMOTE_DRIVERS.match(text.strip("\"' "))
    )


def locate_file(path: str | os.PathLike[str]) -> Location:
    """
    Parse a path; only archives are checked for existence.

    Parameters
    ----------
    path : str or path
        A path; a URL, ``s3://bucket/key``, ``gs://``, ``az://`` or ``https://``; ``file://`` and
        ``zip://archive!member``; ``/vsizip/``, ``/vsitar/`` and ``/vsigzip/`` of a local archive;
        ``NETCDF:file:variable`` or ``HDF5:file://variable``.

    Raises
    ------
    RasterError
        If it refers to another machine by other means, or to a missing member of an archive.
    """
    text = os.fspath(path)
    url = Url.parse(text)
    if url is not None:
        _state.cache_clear()
        return Location(str(url), url)
    if is_remote(text):
        raise RasterError(
            f"{text}: lies on another machine; expected a file on this machine, or a URL that "
            "begins with s3://, gs://, az:// or https://: download it first"
        )
    scheme = _SCHEME.match(text)
    if scheme and scheme.group(1).lower() in (*_ARCHIVES, "file"):
        name, rest = scheme.group(1).lower(), re.sub(r"^/+", "/", text[scheme.end() - 1 :])
        if name == "file":
            return Location(rest, Path(rest))
        text = f"/vsi{name}/{rest.replace('!/', '/').replace('!', '/')}"
    virtual = _VIRTUAL.match(text)
    if virtual:
        return _archived(text, virtual)
    variable = _VARIABLE.fullmatch(text)
    if variable and not Path(text).exists():
        driver, file, _, name = variable.groups()
        local = Path(file).expanduser()
        return Location(f'{driver.upper()}:"{local}":{name}', local, name)
    local = Path(text).expanduser()
    return Location(str(local), local)


def _archived(text: str, virtual: re.Match[str]) -> Location:
    kind, rest = virtual.group(1), text[virtual.end() :]
    if kind not in _ARCHIVES or "/vsi" in rest:
        raise RasterError(
            f"{text}: only files and /vsizip/, /vsitar/ or /vsigzip/ with a file on this machine "
            "are read; extract it first"
        )
    rest = rest.replace("{", "").replace("}", "")
    # pathlib collapses the two slashes before an absolute path into one.
    for whole in (rest, f"/{rest.lstrip('/')}"):
        parts = whole.split("/")
        for count in range(1, len(parts) + 1):
            archive = Path("/".join(parts[:count]) or "/")
            if archive.is_file():
                member = "/".join(part for part in parts[count:] if part)
                return _member(kind, archive, member)
    raise RasterError(f"{text}: no such archive; a file on this machine is expected")


def _member(kind: str, archive: Path, member: str) -> Location:
    if kind == "gzip":
        return Location(f"/vsigzip/{archive}", archive)
    named = archive.name.lower().endswith(ARCHIVE_SUFFIXES)
    start = f"/vsi{kind}/{archive}" if named else f"/vsi{kind}/{{{archive}}}"
    names = _members(archive, kind)
    if not member and len(names) == 1:
        member = next(iter(names))
    if member not in names:
        raise RasterError(
            f"{archive}: holds {listed(list(names)) or 'nothing'}, no "
            f"{member or 'single file'}; name one as /vsi{kind}/{archive}/NAME"
        )
    return Location(f"{start}/{member}", archive)


def _members(archive: Path, kind: str) -> dict[str, int]:
    """Return the files of an archive and their sizes in bytes."""
    status = archive.stat()
    return _read_members(archive, kind, (status.st_size, status.st_mtime_ns))


@cache
def _read_members(archive: Path, kind: str, _state: tuple[int, int]) -> dict[str, int]:
    try:
        if kind == "zip":
            with zipfile.ZipFile(archive) as opened:
                return {i.filename: i.file_size for i in opened.infolist() if not i.is_dir()}
        with tarfile.open(archive) as tar:
            return {entry.name.removeprefix("./"): entry.size for entry in tar if entry.isfile()}
    except (OSError, zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise RasterError(
            f"{archive}: not a {kind} archive that can be read, it is damaged or incomplete "
            f"({error}); get the whole file"
        ) from error


def _on_disk(path: str) -> tuple[str, Path, str]:
    """Return the kind of archive (may be empty), the file on disk and the member of a GDAL path."""
    virtual = _VIRTUAL.match(path)
    if virtual is None:
        variable = _VARIABLE.fullmatch(path)
        named = variable is not None and not Path(path).exists()
        return "", Path(variable.group(2) if variable is not None and named else path), ""
    rest = path[virtual.end() :]
    if rest.startswith("{"):
        archive, _, member = rest[1:].partition("}")
        return virtual.group(1), Path(archive), member.lstrip("/")
    parts = rest.split("/")
    for count in range(1, len(parts) + 1):
        file = Path("/".join(parts[:count]) or "/")
        if file.is_file():
            return virtual.group(1), file, "/".join(parts[count:])
    return virtual.group(1), Path(rest), ""


def size_of(path: str) -> int | None:
    """Return the uncompressed size in bytes of a file by its GDAL path; None where unknown."""
    url = Url.parse(path)
    if url is not None:
        return _recent_state(url).st_size
    kind, file, member = _on_disk(path)
    if kind == "gzip" or not file.is_file():
        return None
    return _members(file, kind).get(member) if kind else file.stat().st_size


def real_path(path: str | os.PathLike[str]) -> Path:
    """Return a path without symbolic links; one that leads to itself stays."""
    return Path(os.path.realpath(path))


@overload
def full_path(path: Path) -> Path: ...
@overload
def full_path(path: AnyPath) -> AnyPath: ...
def full_path(path: AnyPath) -> AnyPath:
    """
    Return the absolute path of a file without ``..``, for messages and records; URLs as they are.

    Where ``..`` follows a symbolic link it is the folder above the link's target.

    Examples
    --------
    >>> str(full_path(Path("/data/pairs/../scenes/a.tif")))
    '/data/scenes/a.tif'
    """
    if not isinstance(path, Path) or ".." not in path.parts:
        return path.absolute()
    plain = Path(os.path.abspath(path))
    return plain if real_path(plain) == real_path(path) else real_path(path)


def stamp(path: str) -> tuple[int, int]:
    """Return size in bytes and modification time in ns of a file, which identify its version."""
    url = Url.parse(path)
    status = _on_disk(path)[1].stat() if url is None else _recent_state(url)
    return (status.st_size, status.st_mtime_ns)


def _recent_state(url: Url) -> ObjectState:
    """Return the state of an object, cached for a few seconds."""
    return _state(url, int(time.monotonic() / NETWORK.fresh))


@lru_cache(maxsize=256)
def _state(url: Url, _period: int) -> ObjectState:
    return url.stat()
