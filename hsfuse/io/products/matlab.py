"""
Reader of scenes of the Harvard, ICVL and NUS data sets: MATLAB files, distinguished by variables.

- Harvard (Chakrabarti and Zickler 2011, Statistics of real-world hyperspectral images): ``ref``
  (rows, columns, 31) at 420 to 720 nm, and ``lbl`` (rows, columns), 0 where something moved during
  the exposures.
- ICVL (Arad and Ben-Shahar 2016, Sparse recovery of hyperspectral signal from natural RGB images):
  ``rad`` (rows, columns, 31) of 12 bits, ``bands`` (31) in nanometres; ``rgb`` is not read.
- NUS (Nguyen, Prasad and Brown 2014, Training-based spectral reconstruction from a single RGB
  image): ``tensor`` (rows, columns, 31) at 400 to 700 nm.

Axes are in the order of MATLAB. Version 7.3 is HDF5, which stores them in reverse order; single
windows can be read. Earlier versions store a variable as one compressed stream, which is read
completely.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import h5py
import numpy as np
import scipy.io
from numpy.typing import NDArray

from hsfuse.errors import RasterError
from hsfuse.io.files.expansion import check_stored
from hsfuse.io.files.identity import identity
from hsfuse.io.files.location import stamp
from hsfuse.io.input.bands import BandTable
from hsfuse.io.input.checks import check_block, check_shape
from hsfuse.io.input.pixels import Cube, Key, Opened, split_index
from hsfuse.io.products.hdf import opened

__all__ = ["MatlabPixels", "open_product"]


class _Layout(NamedTuple):
    """Layout of a data set: its variables, and constants that its files do not state."""

    product: str
    first: float  # wavelength in nanometres of the first of 31 bands with a spacing of 10 nm
    mask: str = ""
    centres: str = ""
    full_scale: float | None = None


#: Variable of the cube -> data set.
_LAYOUTS = {
    "ref": _Layout("Harvard", 420.0, mask="lbl"),
    "rad": _Layout("ICVL", 400.0, centres="bands", full_scale=4095.0),
    "tensor": _Layout("NUS", 400.0),
}
_BANDS, _STEP = 31, 10.0
_NUMBERS = {
    "double": 8, "single": 4, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4,
    "uint32": 4, "logical": 1,
}  # fmt: skip
# Errors that scipy raises for damaged files of version 5.
_DAMAGE = (OSError, ValueError, TypeError, KeyError, IndexError, zlib.error, struct.error)
_READING = Lock()


@dataclass(frozen=True)
class MatlabPixels:
    """
    The pixels of a cube (rows, columns, bands) in a MATLAB file.

    Attributes
    ----------
    path : str
    state : tuple of int
        Its :func:`hsfuse.io.files.location.stamp` when it was opened.
    variable, mask : str
        Names of the cube, and of the array (rows, columns) that is 0 for no data (may be empty).
    shape : tuple of int
        Bands, rows and columns.
    windows : bool
        Whether single windows can be read, as in version 7.3.
    """

    path: str
    state: tuple[int, int]
    variable: str
    mask: str
    shape: tuple[int, int, int]
    windows: bool
    dtype: np.dtype[np.float32] = np.dtype(np.float32)  # noqa: RUF009 - a constant
    ndim: int = 3
    __dask_tokenize__ = identity

    def __getitem__(self, key: Key) -> Cube:
        """Read bands of a window."""
        spans, rest = split_index(key, self.shape)
        bands, rows, columns = (slice(span.start, span.stop) for span in spans)
        if not self.windows:
            with _READING:  # one thread reads the file into the cache, the others wait
                whole = _read_whole(self.path, self.state, self.variable, self.mask)
            return whole[bands, rows, columns][rest]
        with opened(self.path, self.state) as granule:
            stored = granule.array(self.variable, 3)[bands, columns, rows]
            values = np.ascontiguousarray(np.swapaxes(stored, 1, 2), dtype=np.float32)
            if self.mask:
                values[:, granule.array(self.mask, 2)[columns, rows].T == 0] = np.nan
        return values[rest]


def open_product(path: Path) -> Opened:
    """
    Open a scene of the Harvard, ICVL or NUS data set.

    Parameters
    ----------
    path : Path
        A MATLAB file of version 5 or later.

    Raises
    ------
    RasterError
        If it is damaged, or has none of the variables of these data sets.
    """
    if h5py.is_hdf5(path):
        return _open_windows(path)
    return _open_whole(path)


def _open_windows(path: Path) -> Opened:
    """Open a file of version 7.3."""
    state = stamp(str(path))
    with opened(str(path)) as granule:
        arrays = {
            name: (item.shape[::-1], str(item.dtype))
            for name, item in granule.file.items()
            if isinstance(item, h5py.Dataset)
        }
        variable, layout = _recognised(path, {name: shape for name, (shape, _) in arrays.items()})
        cube = granule.array(variable, 3)
        centres = granule.file[layout.centres][...] if layout.centres in arrays else None
        bands, columns, rows = cube.shape
        kind, block = str(cube.dtype), cube.chunks[:0:-1] if cube.chunks else (rows, columns)
    if np.dtype(kind).kind not in "iuf":
        raise RasterError(f"{path}: {variable} holds {kind}; expected numbers")
    mask = layout.mask if layout.mask in arrays else ""
    pixels = MatlabPixels(str(path), state, variable, mask, (bands, rows, columns), windows=True)
    return _described(pixels, layout, block, kind, centres)


def _open_whole(path: Path) -> Opened:
    """Open a file of version 5 to 7."""
    state = stamp(str(path))
    try:
        listed = {name: (shape, kind) for name, shape, kind in scipy.io.whosmat(str(path))}
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    variable, layout = _recognised(path, {name: shape for name, (shape, _) in listed.items()})
    (rows, columns, bands), kind = listed[variable]
    if kind not in _NUMBERS:
        raise RasterError(f"{path}: {variable} holds {kind}; expected numbers")
    check_shape(str(path), (bands, rows, columns))
    check_block(str(path), (rows, columns, bands), _NUMBERS[kind])
    raw = sum(math.prod(shape) * _NUMBERS.get(name, 8) for shape, name in listed.values())
    check_stored(str(path), path.stat().st_size, raw)
    mask = layout.mask if layout.mask in listed else ""
    centres = _variable(path, layout.centres) if layout.centres in listed else None
    pixels = MatlabPixels(str(path), state, variable, mask, (bands, rows, columns), windows=False)
    return _described(pixels, layout, (rows, columns), kind, centres)


def _recognised(path: Path, shapes: dict[str, tuple[int, ...]]) -> tuple[str, _Layout]:
    """Return the variable of the cube and the layout of its data set."""
    variable = next((name for name in _LAYOUTS if len(shapes.get(name, ())) == 3), "")
    if not variable:
        held = ", ".join(f"{name} ({' x '.join(map(str, s))})" for name, s in shapes.items())
        expected = ", ".join(f"{name} ({layout.product})" for name, layout in _LAYOUTS.items())
        raise RasterError(
            f"{path}: holds {held[:200] or 'no variables'}; expected a cube rows x columns x bands "
            f"called {expected}; write other MATLAB files as GeoTIFF"
        )
    layout = _LAYOUTS[variable]
    size = shapes[variable][:2]
    if layout.mask in shapes and shapes[layout.mask] != size:
        raise RasterError(
            f"{path}: {layout.mask} is {' x '.join(map(str, shapes[layout.mask]))} pixels and "
            f"{variable} {' x '.join(map(str, size))}; expected the file as it was delivered"
        )
    return variable, layout


def _described(
    pixels: MatlabPixels,
    layout: _Layout,
    block: tuple[int, int],
    kind: str,
    centres: NDArray[np.generic] | None,
) -> Opened:
    """Return the opened scene with its bands and attributes."""
    count = pixels.shape[0]
    wavelength: NDArray[np.float64]
    if centres is not None and centres.size == count:
        wavelength = np.ravel(centres).astype(np.float64)
    elif count == _BANDS:
        wavelength = layout.first + _STEP * np.arange(count, dtype=np.float64)
    else:
        raise RasterError(
            f"{pixels.path}: {pixels.variable} has {count} bands; expected the {_BANDS} of "
            f"{layout.product}" + (f", or as many in {layout.centres}" if layout.centres else "")
        )
    notes = []
    if pixels.mask:
        notes.append(f"pixels that are 0 in {pixels.mask} (movement) have no data")
    attributes: dict[str, object] = {
        "source_dtype": kind,
        "product": layout.product,
        "notes": notes,
    }
    if layout.full_scale is not None:
        attributes["full_scale"] = layout.full_scale
    bands = BandTable(
        wavelength=wavelength,
        fwhm=np.full(count, np.nan),
        good=np.ones(count, dtype=bool),
        names=tuple(f"{nanometres:g} nm" for nanometres in wavelength),
        source="layout of the data set",
        named=True,
    )
    return Opened(pixels, block, bands, None, None, attributes)


@lru_cache(maxsize=1)
def _read_whole(path: str, state: tuple[int, int], variable: str, mask: str) -> Cube:
    """Return a cube (bands, rows, columns) of version 5; the last one is cached."""
    if stamp(path) != state:
        raise RasterError(f"{path}: changed since it was opened; open it again")
    stored = _variable(Path(path), variable)
    cube = np.ascontiguousarray(np.moveaxis(stored, -1, 0), dtype=np.float32)
    if mask:
        cube[:, _variable(Path(path), mask) == 0] = np.nan
    return cube


def _variable(path: Path, name: str) -> NDArray[np.generic]:
    try:
        array: NDArray[np.generic] = scipy.io.loadmat(str(path), variable_names=[name])[name]
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    return array


def _damaged(path: Path, error: Exception) -> RasterError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return RasterError(
        f"{path}: cannot be read as a MATLAB file, it is damaged or incomplete ({reason}); get the "
        "whole file"
    )
