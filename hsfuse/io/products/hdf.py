"""
Reading of HDF5 products by h5py, since GDAL reads single bands of such cubes slowly.

A file is opened for each block, so that handles are neither shared between threads nor inherited
by processes; h5py serialises access to the library anyway.
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
from hsfuse.io.files.location import stamp
from hsfuse.io.input.sources import check_links

__all__ = ["Granule", "opened"]


@dataclass(frozen=True)
class Granule:
    """
    An open HDF5 file; errors name the file.

    Attributes
    ----------
    path : str
    file : h5py.File
    """

    path: str
    file: h5py.File

    def array(self, name: str, dimensions: int) -> h5py.Dataset:
        """
        Return an array with a given number of dimensions, without reading it.

        Raises
        ------
        RasterError
            If it does not exist, or has another number of dimensions.
        """
        dataset = self.file.get(name)
        if not isinstance(dataset, h5py.Dataset) or dataset.ndim != dimensions:
            shape = f"one of shape {dataset.shape}" if isinstance(dataset, h5py.Dataset) else "none"
            raise RasterError(
                f"{self.path}: expected an array {name} of {dimensions} dimensions, found "
                f"{shape}; get the whole product"
            )
        return dataset

    def numbers(self, name: str, count: int | None = None) -> NDArray[np.float64]:
        """
        Return the numbers of an attribute of the file.

        Raises
        ------
        RasterError
            If it is missing, is not numeric, or has another length.
        """
        try:
            numbers = np.ravel(self.file.attrs[name]).astype(np.float64)
        except (KeyError, ValueError, TypeError) as error:
            raise RasterError(
                f"{self.path}: the attribute {name} is missing or holds no numbers; expected the "
                "product as it was delivered"
            ) from error
        if count is not None and numbers.size != count:
            raise RasterError(
                f"{self.path}: the attribute {name} holds {numbers.size} numbers; expected {count}"
            )
        return numbers

    def text(self, name: str) -> str:
        """
        Return a text attribute of the file.

        Raises
        ------
        RasterError
            If it is missing or not text.
        """
        text = self.file.attrs.get(name)
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        if not isinstance(text, str):
            raise RasterError(
                f"{self.path}: the attribute {name} is missing or is no text; expected the "
                "product as it was delivered"
            )
        return text


@contextmanager
def opened(path: str, state: tuple[int, int] | None = None) -> Iterator[Granule]:
    """
    Open a file for reading.

    Parameters
    ----------
    path : str
    state : tuple of int, optional
        Its :func:`hsfuse.io.files.location.stamp` when it was first opened; a file that changed
        since is not read.

    Raises
    ------
    RasterError
        If it is not HDF5, refers to files outside its folder, changed, or is damaged; also for
        errors of reading in the body of the ``with`` statement.
    """
    try:
        _check_unchanged(path, state)
        with h5py.File(path, "r", locking="best-effort") as file:
            if state is None:  # only when it is first opened
                check_links(Path(path))
            yield Granule(path, file)
    except RasterError:
        raise
    except (OSError, RuntimeError) as error:  # depends on HDF5 and its filters
        reason = " ".join(str(error).split())
        raise RasterError(
            f"{path}: cannot be read as HDF5, it is damaged or incomplete ({reason}); expected "
            "the whole product"
        ) from error


def _check_unchanged(path: str, state: tuple[int, int] | None) -> None:
    if state is not None and stamp(path) != state:
        raise RasterError(f"{path}: changed since it was opened; open it again")
