"""
HDF5 files, opened for each block that is read.

GDAL reads single bands of such cubes slowly, so h5py does. A file is open only while a block
is read: nothing is shared between threads or inherited by processes, and h5py lets one thread
at a time into the library anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from hsfuse.errors import RasterError
from hsfuse.io.location import stamp
from hsfuse.io.sources import check_links

__all__ = ["Granule", "opened"]


@dataclass(frozen=True)
class Granule:
    """
    An open file, and errors that name it.

    Attributes
    ----------
    path : str
    file : h5py.File
    """

    path: str
    file: h5py.File

    def array(self, name: str, dimensions: int) -> h5py.Dataset:
        """
        Return an array of so many dimensions, unread.

        Raises
        ------
        RasterError
            If there is none of this name, or it has others.
        """
        found = self.file.get(name)
        if not isinstance(found, h5py.Dataset) or found.ndim != dimensions:
            shape = f"one of shape {found.shape}" if isinstance(found, h5py.Dataset) else "none"
            raise RasterError(
                f"{self.path}: expected an array {name} of {dimensions} dimensions, found "
                f"{shape}; get the whole product"
            )
        return found

    def numbers(self, name: str, count: int | None = None) -> NDArray[np.float64]:
        """
        Return the numbers of an attribute of the file.

        Raises
        ------
        RasterError
            If there is none, it holds no numbers, or not so many.
        """
        try:
            found = np.ravel(self.file.attrs[name]).astype(np.float64)
        except (KeyError, ValueError, TypeError) as error:
            raise RasterError(
                f"{self.path}: the attribute {name} is missing or holds no numbers; expected the "
                "product as it was delivered"
            ) from error
        if count is not None and found.size != count:
            raise RasterError(
                f"{self.path}: the attribute {name} holds {found.size} numbers; expected {count}"
            )
        return found

    def text(self, name: str) -> str:
        """
        Return the text of an attribute of the file.

        Raises
        ------
        RasterError
            If there is none.
        """
        found = self.file.attrs.get(name)
        if isinstance(found, bytes):
            found = found.decode("utf-8", "replace")
        if not isinstance(found, str):
            raise RasterError(
                f"{self.path}: the attribute {name} is missing or is no text; expected the "
                "product as it was delivered"
            )
        return found


@contextmanager
def opened(path: str, state: tuple[int, int] | None = None) -> Iterator[Granule]:
    """
    Open a file for reading.

    Parameters
    ----------
    path : str
    state : tuple of int, optional
        Its :func:`hsfuse.io.location.stamp` when it was planned with; a file that changed since
        is not read.

    Raises
    ------
    RasterError
        If it is no HDF5, refers to files outside its folder, is damaged or changed, also where
        the body finds that out.
    """
    try:
        _check_unchanged(path, state)
        with h5py.File(path, "r", locking="best-effort") as file:
            if state is None:  # once, when it is planned with
                check_links(Path(path))
            yield Granule(path, file)
    except RasterError:
        raise
    except (OSError, RuntimeError) as error:  # as HDF5 and its filters please
        reason = " ".join(str(error).split())
        raise RasterError(
            f"{path}: cannot be read as HDF5, it is damaged or incomplete ({reason}); expected "
            "the whole product"
        ) from error


def _check_unchanged(path: str, state: tuple[int, int] | None) -> None:
    if state is not None and stamp(path) != state:
        raise RasterError(f"{path}: changed since it was opened; open it again")
