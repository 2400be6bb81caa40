"""Protection of input files: what a command reads is not replaced by what it writes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from hsfuse.errors import OutputError, RasterError
from hsfuse.io.files.location import locate_file, real_path
from hsfuse.io.files.url import AnyPath, Url
from hsfuse.io.input.checks import header_of
from hsfuse.io.input.sources import vrt_sources
from hsfuse.io.output.formats import find_format
from hsfuse.io.output.qgis_style import style_path

__all__ = ["InputFiles", "check_not_input", "files_of", "side_files"]

# Suffixes of what is written beside an output, or removed as GDAL would read it into a new file.
_SIDE_SUFFIXES = (".json", ".png", ".html", ".stac.json", ".aux.xml", ".ovr", ".msk")
_WITHOUT_HEADER = (".tif", ".tiff", ".vrt")


def side_files(path: AnyPath) -> list[AnyPath]:
    """
    Return the files that may be written, or removed, with an output.

    Examples
    --------
    >>> [str(each) for each in side_files(Path("a.tif"))][:3]
    ['a.qml', 'a.tif.json', 'a.tif.png']
    """
    style = [style_path(path)] if isinstance(path, Path) else []
    named = [path.with_name(path.name + suffix) for suffix in _SIDE_SUFFIXES]
    return [*find_format(path).companions(path), *style, *named]


def files_of(source: str | os.PathLike[str]) -> list[AnyPath]:
    """Return the files of an input: itself or its archive, an ENVI header, sources of a VRT."""
    try:
        file = locate_file(source).file
    except RasterError:  # reported where it is opened
        return []
    files = [file]
    if isinstance(file, Url):
        return files
    if file.suffix.lower() not in _WITHOUT_HEADER and (header := header_of(file)):
        files.append(header)
    if file.suffix.lower() == ".vrt":
        with suppress(RasterError, OSError):
            files += [locate_file(name).file for name in vrt_sources(file)]
    return files


class InputFiles:
    """
    The files of the inputs of a command.

    Parameters
    ----------
    inputs : iterable of str or path
        Rasters, masks, definitions of sensors, weights, STAC items or other files that are read.

    Attributes
    ----------
    files : list of Path or Url
        Files of all inputs (:func:`files_of`).
    """

    def __init__(self, inputs: Iterable[str | os.PathLike[str]]) -> None:
        self.files: list[AnyPath] = []
        self._sources: dict[AnyPath, str] = {}
        for source in inputs:
            for file in files_of(source):
                self.files.append(file)
                for place in (_place(file), file if isinstance(file, Url) else real_path(file)):
                    self._sources.setdefault(place, os.fspath(source))
        self._names = {place.name for place in self._sources}

    def find(self, written: Iterable[AnyPath]) -> tuple[AnyPath, str] | None:
        """Return the first file that belongs to an input, and that input; None if none does."""
        for path in written:
            # Names are compared first: links are resolved by the file system.
            if path.name in self._names and (place := _place(path)) in self._sources:
                return path, self._sources[place]
        return None


def check_not_input(
    written: Iterable[AnyPath], inputs: Iterable[str | os.PathLike[str]] | InputFiles
) -> None:
    """
    Check that none of the files to be written belongs to an input.

    Raises
    ------
    OutputError
        If one does.
    """
    files = inputs if isinstance(inputs, InputFiles) else InputFiles(inputs)
    if found := files.find(written):
        path, source = found
        raise OutputError(
            f"{path}: would be replaced, and belongs to the input {source}; expected another name "
            "or folder for what is written"
        )


def _place(path: AnyPath) -> AnyPath:
    """Return a path without symbolic links in its folder: a written file replaces a link itself."""
    return path if isinstance(path, Url) else real_path(path.parent) / path.name
