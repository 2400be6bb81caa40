"""
Other files that a raster file reads: sources of a VRT, links of an HDF5 file.

A local file may refer to remote files or to files outside its folder. GDAL and HDF5 would open
them; here they are refused.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from hsfuse.errors import RasterError
from hsfuse.io.files.expansion import check_stored
from hsfuse.io.files.location import is_remote, locate_file
from hsfuse.io.settings import CHECKS

if TYPE_CHECKING:
    import h5py

__all__ = ["check_links", "is_hdf5", "is_inside", "vrt_sources"]

_HDF5 = b"\x89HDF\r\n\x1a\n"
_HDF5_STARTS = (0, *(512 * 2**power for power in range(8)))  # after a user block

# XML descriptions of web services, which GDAL opens like files.
_SERVICES = (b"<GDAL_WMS", b"<WCS_GDAL", b"<GDAL_WMTS", b"<WMTS", b"<WCS", b"<WMS")
_NAMING = ("SourceFilename", "SourceDataset")


def vrt_sources(path: Path, outer: Sequence[Path] = ()) -> list[str]:
    """
    Return the sources of a VRT, including those of nested VRTs; empty for other files.

    Parameters
    ----------
    path : Path
        Any file.
    outer : sequence of Path
        The VRTs in which it is nested.

    Raises
    ------
    RasterError
        If a source is missing, on another machine, or outside the folder of the outermost VRT, if
        the VRT is not valid XML, or if the file describes a web service.
    """
    root = _read_vrt(path)
    return [] if root is None else _sources(path, root, outer)


def is_inside(path: Path, folder: Path) -> bool:
    """Return whether a file is in a folder, after resolving symbolic links."""
    return path.resolve().is_relative_to(folder.resolve())


def _read_vrt(path: Path) -> Element | None:
    """Return the XML of a VRT; None for another file."""
    with path.open("rb") as file:
        head = file.read(CHECKS.vrt_head)
        if any(word in head for word in _SERVICES):
            raise RasterError(
                f"{path}: describes a service on another machine; only files on this machine are "
                "read: download what it serves as a GeoTIFF"
            )
        if b"<VRTDataset" not in head and not head.lstrip().startswith(b"<VRT"):
            return None
        text = head + file.read(CHECKS.largest_vrt)
    return _parsed(path, text)


def _parsed(path: Path, text: bytes | str) -> Element:
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise RasterError(f"{path}: a VRT that is damaged ({error}); get it again") from error


def _sources(path: Path, root: Element, outer: Sequence[Path]) -> list[str]:
    if len(outer) > CHECKS.deepest_vrt:
        raise RasterError(
            f"{path}: VRTs are nested more than {CHECKS.deepest_vrt} deep, or name each other; "
            "write the raster as a GeoTIFF"
        )
    sources: list[str] = []
    for element in root.iter():
        if element.tag not in _NAMING or not element.text:
            continue
        name = element.text.strip()
        if name.startswith("<"):  # a nested VRT in place of a name
            sources += _sources(path, _parsed(path, name), [*outer, path])
            continue
        if is_remote(name):
            raise RasterError(
                f"{path}: its source {name} lies on another machine; only files on this machine "
                "are read: download it and name the copy"
            )
        relative = element.get("relativeToVRT", element.get("relativetoVRT", "0")) == "1"
        source = path.parent / name if relative else Path(name)
        local = not name.startswith("/vsi") and ":" not in name
        _check_place(path, name, source if local else Path(locate_file(name).file), outer)
        if local:
            if not source.exists():
                raise RasterError(f"{path}: its source {name} is missing; put it there")
            if source.is_file():
                sources += vrt_sources(source, [*outer, path])
        sources.append(str(source) if not name.startswith("/vsi") else name)
    return sources


def _check_place(path: Path, name: str, file: Path, outer: Sequence[Path]) -> None:
    """Refuse a source outside the folder of the outermost VRT."""
    if not is_inside(file, [*outer, path][0].parent):
        raise RasterError(
            f"{path}: its source {name} lies outside the folder of the VRT; only files in it are "
            "read: put the VRT into a folder that holds its sources, or write one GeoTIFF"
        )


def is_hdf5(path: Path) -> bool:
    """Return whether a file is HDF5, by its signature, without importing h5py."""
    with path.open("rb") as file:
        for start in _HDF5_STARTS:
            file.seek(start)
            signature = file.read(len(_HDF5))
            if signature == _HDF5:
                return True
            if len(signature) < len(_HDF5):
                return False
    return False


def check_links(path: Path) -> None:
    """
    Refuse an HDF5 file with content from outside its own folder.

    Checked are external links, external storage and the sources of virtual datasets.

    Raises
    ------
    RasterError
        If one refers to a file outside the folder, or the file cannot be read.
    """
    if not is_hdf5(path):
        return
    import h5py  # slow to import, so only for HDF5 files

    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            for name, target in _targets(file):
                _check_target(path, name, target)
            _check_chunks(path, file)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        if isinstance(error, RasterError):
            raise
        raise RasterError(
            f"{path}: cannot be read as HDF5, it is damaged or incomplete "
            f"({' '.join(str(error).split())}); get the whole file"
        ) from error


def _targets(file: h5py.File) -> Iterator[tuple[str, str]]:
    """Yield the name of each object stored in another file, with the name of that file."""
    import h5py

    links: list[tuple[str, str]] = []

    def add_link(name: str, link: object) -> None:
        if isinstance(link, h5py.ExternalLink):
            links.append((name, link.filename))

    file.visititems_links(add_link)
    yield from links
    datasets: list[tuple[str, h5py.Dataset]] = []

    def add_dataset(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            datasets.append((name, item))

    file.visititems(add_dataset)
    for name, dataset in datasets:
        yield from ((name, str(entry[0])) for entry in dataset.external or ())
        if dataset.is_virtual:
            yield from ((name, source.file_name) for source in dataset.virtual_sources())


def _check_chunks(path: Path, file: h5py.File) -> None:
    """Refuse chunks that would decompress to more bytes than they declare."""
    import h5py

    def check(_: str, item: object) -> None:
        if not isinstance(item, h5py.Dataset) or item.chunks is None or item.is_virtual:
            return
        raw = math.prod(item.chunks) * item.dtype.itemsize
        item.id.chunk_iter(lambda chunk: check_stored(str(path), chunk.size, raw))

    file.visititems(check)


def _check_target(path: Path, name: str, target: str) -> None:
    if target == ".":  # a virtual dataset refers to its own file
        return
    folder = path.resolve().parent
    if is_remote(target) or not is_inside(folder / os.fsdecode(target), folder):
        raise RasterError(
            f"{path}: {name} lies in another file, {target}, outside the folder of this one; "
            "only files beside it are read: copy it there, or write one file without links"
        )
