"""
Array-like pixels that are read when they are indexed: float32, NaN for no data.

dask slices a :class:`FilePixels` or :class:`StorePixels`; both are small and picklable, and are
read from any number of threads without a lock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import dask
import dask.array as da
import numpy as np
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.windows import Window

from hsfuse.errors import RasterError
from hsfuse.io.files.identity import identity
from hsfuse.io.input.bands import BandTable
from hsfuse.io.input.handles import GDAL_ERRORS, gdal_options, open_in_thread
from hsfuse.io.input.packing import all_nodata, decode
from hsfuse.io.settings import READING

__all__ = [
    "Cube",
    "FilePixels",
    "Key",
    "MaskedPixels",
    "Opened",
    "Pixels",
    "StackedPixels",
    "StorePixels",
    "chunk_size",
    "lazy",
    "read_part",
    "split_index",
]

Cube = NDArray[np.float32]
Index = slice | int | list[int] | None
Key = tuple[Index, ...]  # dask merges slices of slices into these


class Pixels(Protocol):
    """
    Array-like interface for dask: small, picklable, readable from any thread without a lock.

    ``path`` is used in messages; indexing gives float32 with NaN for no data.
    """

    @property
    def path(self) -> str:
        """Return the file or store."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return bands, rows and columns."""

    def __getitem__(self, key: Key) -> Cube:
        """Read bands of a window."""


class Opened(NamedTuple):
    """An opened file: pixels, stored block (rows, columns), bands, georeferencing, attributes."""

    pixels: Any  # of the protocol Pixels
    block: tuple[int, int]
    bands: BandTable
    transform: Affine | None
    crs: CRS | None
    attributes: dict[str, object]
    standard_error: Any = None  # Pixels of one band, or None

    @property
    def notes(self) -> list[str]:
        """Assumptions made when it was read, one sentence each."""
        notes = self.attributes.get("notes", ())
        return [*map(str, notes)] if isinstance(notes, (list, tuple)) else []


@dataclass(frozen=True)
class FilePixels:
    """
    The pixels of a file that GDAL reads.

    Attributes
    ----------
    path : str
        The file.
    state : tuple of int
        Its :func:`stamp` when it was opened; reading a file that changed since is an error.
    size : tuple of int
        Rows and columns.
    indexes : tuple of int
        Numbers of the bands in the file, from 1.
    nodata : tuple of (float or None)
        Stored no-data value of each band.
    scale, offset : tuple of float
        ``value = stored * scale + offset`` of each band.
    mask : {"none", "dataset", "bands"}
        Mask that GDAL applies besides the no-data values: none, one, or one for each band.
    nodata_in_all_bands : bool
        Whether a pixel has no data only where every band holds its no-data value.
    invalid : tuple of float
        Further stored numbers that are not measurements, such as saturation, in any band.
    companions : tuple of (str, int, int)
        Other files that affect the values, see :func:`companions`.
    overview : int, optional
        Number of the overview that is read, from 0; ``size`` is then its size.
    """

    path: str
    state: tuple[int, int]
    size: tuple[int, int]
    indexes: tuple[int, ...]
    nodata: tuple[float | None, ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    mask: Literal["none", "dataset", "bands"] = "none"
    nodata_in_all_bands: bool = False
    invalid: tuple[float, ...] = ()
    companions: tuple[tuple[str, int, int], ...] = ()
    overview: int | None = None
    dtype: np.dtype[np.float32] = np.dtype(np.float32)  # noqa: RUF009 - a constant
    ndim: int = 3
    __dask_tokenize__ = identity

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape ``(bands, rows, columns)``."""
        return (len(self.indexes), *self.size)

    def __getitem__(self, key: Key) -> Cube:
        """Read bands of a window."""
        (bands, rows, columns), rest = split_index(key, self.shape)
        window = Window(columns.start, rows.start, len(columns), len(rows))
        try:
            cube = self._read(bands, window)
        except (*GDAL_ERRORS, OSError) as error:
            if isinstance(error, RasterError):
                raise
            raise RasterError(
                f"{self.path}: rows {rows.start} to {rows.stop - 1}, columns {columns.start} to "
                f"{columns.stop - 1} cannot be read; the file is damaged or incomplete ({error})"
            ) from error
        return cube[rest]

    def _read(self, bands: range, window: Window) -> Cube:
        indexes = [self.indexes[band] for band in bands]
        if not indexes or not window.width or not window.height:
            return np.empty((len(bands), window.height, window.width), dtype=np.float32)
        dataset = open_in_thread(self.path, self.state, self.overview)
        with gdal_options(self.path):
            kind = np.result_type(*dataset.dtypes)
            raw = dataset.read(indexes, window=window, out_dtype=kind)
            others = None
            if self.nodata_in_all_bands and any(number is not None for number in self.nodata):
                others = dataset.read(list(self.indexes), window=window, out_dtype=kind)
        cube = np.empty(raw.shape, dtype=np.float32)
        for plane, stored, band in zip(cube, raw, bands, strict=True):
            numbers = (None if self.nodata_in_all_bands else self.nodata[band], *self.invalid)
            plane[...] = decode(stored, self.scale[band], self.offset[band], numbers)
        if others is not None:
            cube[:, all_nodata(others, self.nodata)] = np.nan
        if self.mask == "dataset":
            cube[:, dataset.read_masks(indexes[0], window=window) == 0] = np.nan
        elif self.mask == "bands":
            cube[dataset.read_masks(indexes, window=window) == 0] = np.nan
        return cube


@dataclass(frozen=True)
class StackedPixels:
    """
    Pixels of several files on one grid, stacked as bands.

    Attributes
    ----------
    path : str
        Product that the files belong to, for messages.
    layers : tuple of FilePixels
        Pixels of one size, in the order of the bands.
    """

    path: str
    layers: tuple[FilePixels, ...]
    dtype: np.dtype[np.float32] = np.dtype(np.float32)  # noqa: RUF009 - a constant
    ndim: int = 3
    __dask_tokenize__ = identity

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape ``(bands, rows, columns)``."""
        return (sum(layer.shape[0] for layer in self.layers), *self.layers[0].size)

    def __getitem__(self, key: Key) -> Cube:
        """Read bands of a window."""
        (bands, rows, columns), rest = split_index(key, self.shape)
        window = slice(rows.start, rows.stop), slice(columns.start, columns.stop)
        parts = [np.empty((0, len(rows), len(columns)), dtype=np.float32)]
        first = 0
        for layer in self.layers:
            count = layer.shape[0]
            mine = slice(max(0, bands.start - first), max(0, min(count, bands.stop - first)))
            if mine.start < mine.stop:
                parts.append(layer[(mine, *window)])
            first += count
        return np.concatenate(parts)[rest]


@dataclass(frozen=True)
class MaskedPixels:
    """
    Pixels with NaN wherever a mask is 0 or has no data.

    Attributes
    ----------
    pixels : Pixels
    mask : FilePixels
        One band of the same size.
    """

    pixels: Pixels
    mask: FilePixels
    dtype: np.dtype[np.float32] = np.dtype(np.float32)  # noqa: RUF009 - a constant
    ndim: int = 3
    __dask_tokenize__ = identity

    @property
    def path(self) -> str:
        """File or store that is masked."""
        return self.pixels.path

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape ``(bands, rows, columns)``."""
        return self.pixels.shape

    def __getitem__(self, key: Key) -> Cube:
        """Read bands of a window."""
        spans, rest = split_index(key, self.shape)
        bands, *window = (slice(span.start, span.stop) for span in spans)
        cube = self.pixels[(bands, *window)]
        kept = self.mask[(slice(0, 1), *window)]
        with np.errstate(invalid="ignore"):
            cube = np.where(kept > 0, cube, np.float32(np.nan))
        return cube[rest]


@dataclass(frozen=True, eq=False)
class StorePixels:
    """
    The pixels of an xarray variable, in memory or lazy.

    Attributes
    ----------
    path : str
        The store or file, or the name of the array.
    variable : Variable of shape (bands, rows, columns)
        The stored numbers.
    nodata : tuple of float
        Stored no-data values.
    scale, offset : float
        ``value = stored * scale + offset``.
    nodata_in_all_bands : bool
        Whether a pixel has no data only where every band holds a no-data value.
    token : object
        Identifier of the content for dask, which would otherwise read all of it to hash it.
    """

    path: str
    variable: xr.Variable
    nodata: tuple[float, ...] = ()
    scale: float = 1.0
    offset: float = 0.0
    nodata_in_all_bands: bool = False
    token: object = None
    dtype: np.dtype[np.float32] = np.dtype(np.float32)  # noqa: RUF009 - a constant
    ndim: int = 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape ``(bands, rows, columns)``."""
        bands, rows, columns = self.variable.shape
        return (bands, rows, columns)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Return the identifier of these pixels for dask."""
        packing = (self.nodata, self.scale, self.offset, self.nodata_in_all_bands)
        return ("StorePixels", self.shape, self.token, packing)

    def __getitem__(self, key: Key) -> Cube:
        """Read bands of a window."""
        spans, rest = split_index(key, self.shape)
        bands, *window = (slice(span.start, span.stop) for span in spans)
        stored = self._read((bands, *window))
        cube = decode(
            stored, self.scale, self.offset, () if self.nodata_in_all_bands else self.nodata
        )
        if self.nodata_in_all_bands:
            whole = stored if len(spans[0]) == self.shape[0] else self._read((slice(None), *window))
            for number in self.nodata:
                cube[:, all_nodata(whole, (number,) * len(whole))] = np.nan
        return cube[rest]

    def _read(self, window: tuple[slice, ...]) -> NDArray[np.generic]:
        try:
            with dask.config.set(scheduler="synchronous"):  # for a variable backed by dask
                return np.asarray(self.variable[window].values)
        except (OSError, RuntimeError, ValueError) as error:  # depends on the codec
            if isinstance(error, RasterError):
                raise
            raise RasterError(
                f"{self.path}: a chunk cannot be read; the store is damaged or incomplete ({error})"
            ) from error


def lazy(pixels: Pixels, chunk: tuple[int, int]) -> da.Array:
    """
    Return the pixels as a dask array; a chunk has all bands of ``chunk`` rows and columns.

    A slice of the array reads only its own window, not the whole chunks it touches.
    """
    return da.from_array(
        pixels,
        chunks=(pixels.shape[0], *chunk),
        asarray=True,
        fancy=True,  # without it dask does not merge slices either
        meta=np.empty((0, 0, 0), dtype=np.float32),
    )


def read_part(source: da.Array, *spans: range) -> Cube:
    """Return a window of lazy pixels, computed in the calling thread."""
    part = source[tuple(slice(span.start, span.stop) for span in spans)]
    return np.asarray(part.compute(scheduler="synchronous"), dtype=np.float32)


def chunk_size(shape: tuple[int, int, int], block: tuple[int, int]) -> tuple[int, int]:
    """
    Return the rows and columns of a chunk: whole blocks of the file, at most 64 MiB.

    Parameters
    ----------
    shape : tuple of int
        Bands, rows and columns of the raster.
    block : tuple of int
        Rows and columns of a stored block. A block as wide as the raster is a strip, and its
        chunks are as wide.

    Examples
    --------
    >>> chunk_size((224, 5000, 5000), (128, 128)), chunk_size((3, 5000, 20000), (1, 20000))
    ((256, 256), (279, 20000))
    """
    bands, rows, columns = shape
    block_rows, block_columns = min(block[0], rows), min(block[1], columns)
    pixels = max(1, READING.chunk_bytes // (4 * bands))
    if block_columns == columns:
        fit = min(pixels // columns, max(READING.longest_chunk, block_rows))
        strip = max(1, fit // block_rows) * block_rows
        # One block may be the whole file: divide it, GDAL's cache then holds it.
        return (min(strip, max(1, fit), rows), min(columns, pixels))
    side = min(READING.longest_chunk, math.isqrt(pixels))
    return (
        min(rows, max(1, side // block_rows) * block_rows),
        min(columns, max(1, side // block_columns) * block_columns),
    )


def split_index(key: Key, shape: tuple[int, ...]) -> tuple[list[range], Key]:
    """Split an index into the contiguous span to read along each axis, and an index into these."""
    spans: list[range] = []
    rest: list[Index] = []
    for index in key:
        if index is None:
            rest.append(None)
            continue
        wanted = range(shape[len(spans)])[index] if isinstance(index, (slice, int)) else index
        places = [wanted] if isinstance(wanted, int) else wanted
        span = range(min(places), max(places) + 1) if len(places) else range(0)
        spans.append(span)
        if isinstance(wanted, int):
            rest.append(0)
        elif isinstance(wanted, range):
            rest.append(slice(None, None, wanted.step))
        else:
            rest.append([int(place) - span.start for place in wanted])
    return spans, tuple(rest)
