"""
Pixels read when they are asked for: windows of a file as float32, NaN for no data.

A :class:`FilePixels` or :class:`StorePixels` is what dask slices; both are small, can be
pickled, and are read from any number of threads without a lock.
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
from hsfuse.io.bands import BandTable
from hsfuse.io.handles import GDAL_ERRORS, gdal_options, open_in_thread
from hsfuse.io.identity import identity
from hsfuse.io.packing import all_empty, decoded
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
    "split",
]

Cube = NDArray[np.float32]
Index = slice | int | list[int] | None
Key = tuple[Index, ...]  # whatever dask makes of slices of slices


class Pixels(Protocol):
    """
    What dask slices: small, picklable, and read from any thread without a lock.

    ``path`` is what people know it by; an index gives float32 with NaN for no data.
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
    """What a file says: its pixels, how it stores them, its bands and its place."""

    pixels: Any  # Pixels: what dask slices
    block: tuple[int, int]
    bands: BandTable
    transform: Affine | None
    crs: CRS | None
    attributes: dict[str, object]
    standard_error: Any = None  # Pixels of one band, where there is one

    @property
    def notes(self) -> list[str]:
        """What was assumed of it, a sentence each."""
        found = self.attributes.get("notes", ())
        return [*map(str, found)] if isinstance(found, (list, tuple)) else []


@dataclass(frozen=True)
class FilePixels:
    """
    The pixels of a file that GDAL reads.

    Attributes
    ----------
    path : str
        The file.
    state : tuple of int
        Its :func:`stamp` when it was opened; a file that changed since is not read.
    size : tuple of int
        Rows and columns.
    indexes : tuple of int
        The bands, as the file counts them from 1.
    nodata : tuple of (float or None)
        The stored number that means no data, for each band.
    scale, offset : tuple of float
        ``value = stored * scale + offset``, for each band.
    mask : {"none", "dataset", "bands"}
        Whether GDAL has a mask beside the no-data numbers: one, or one for each band.
    together : bool
        Whether a pixel lacks data only where every band holds its no-data number.
    void : tuple of float
        More stored numbers that are no measurement, in every band: saturation, say.
    beside : tuple of (str, int, int)
        Other files that decide the values, see :func:`companions`.
    overview : int, optional
        Which of the file's overviews is read, counted from 0; ``size`` is then that of it.
    """

    path: str
    state: tuple[int, int]
    size: tuple[int, int]
    indexes: tuple[int, ...]
    nodata: tuple[float | None, ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    mask: Literal["none", "dataset", "bands"] = "none"
    together: bool = False
    void: tuple[float, ...] = ()
    beside: tuple[tuple[str, int, int], ...] = ()
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
        (bands, rows, columns), rest = split(key, self.shape)
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
            if self.together and any(number is not None for number in self.nodata):
                others = dataset.read(list(self.indexes), window=window, out_dtype=kind)
        cube = np.empty(raw.shape, dtype=np.float32)
        for plane, stored, band in zip(cube, raw, bands, strict=True):
            numbers = (None if self.together else self.nodata[band], *self.void)
            plane[...] = decoded(stored, self.scale[band], self.offset[band], numbers)
        if others is not None:
            cube[:, all_empty(others, self.nodata)] = np.nan
        if self.mask == "dataset":
            cube[:, dataset.read_masks(indexes[0], window=window) == 0] = np.nan
        elif self.mask == "bands":
            cube[dataset.read_masks(indexes, window=window) == 0] = np.nan
        return cube


@dataclass(frozen=True)
class StackedPixels:
    """
    Files on one grid as the bands of one raster.

    Attributes
    ----------
    path : str
        What all of them belong to.
    layers : tuple of FilePixels
        Of one size, in the order of the bands.
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
        (bands, rows, columns), rest = split(key, self.shape)
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
    Pixels that lack data wherever another raster is 0 or lacks data.

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
        """The file or store that is masked."""
        return self.pixels.path

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape ``(bands, rows, columns)``."""
        return self.pixels.shape

    def __getitem__(self, key: Key) -> Cube:
        """Read bands of a window."""
        spans, rest = split(key, self.shape)
        bands, *window = (slice(span.start, span.stop) for span in spans)
        cube = self.pixels[(bands, *window)]
        kept = self.mask[(slice(0, 1), *window)]
        with np.errstate(invalid="ignore"):
            cube = np.where(kept > 0, cube, np.float32(np.nan))
        return cube[rest]


@dataclass(frozen=True, eq=False)
class StorePixels:
    """
    The pixels of an array that xarray holds or opened, in memory or not.

    Attributes
    ----------
    path : str
        The store or file, or what the array is called.
    variable : Variable of shape (bands, rows, columns)
        The numbers as they are stored.
    nodata : tuple of float
        The stored numbers that mean no data.
    scale, offset : float
        ``value = stored * scale + offset``.
    together : bool
        Whether a pixel lacks data only where every band holds such a number.
    token : object
        What names the content for dask, which would read all of it to make a name.
    """

    path: str
    variable: xr.Variable
    nodata: tuple[float, ...] = ()
    scale: float = 1.0
    offset: float = 0.0
    together: bool = False
    token: object = None
    dtype: np.dtype[np.float32] = np.dtype(np.float32)  # noqa: RUF009 - a constant
    ndim: int = 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape ``(bands, rows, columns)``."""
        bands, rows, columns = self.variable.shape
        return (bands, rows, columns)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Return what names these pixels."""
        packing = (self.nodata, self.scale, self.offset, self.together)
        return ("StorePixels", self.shape, self.token, packing)

    def __getitem__(self, key: Key) -> Cube:
        """Read bands of a window."""
        spans, rest = split(key, self.shape)
        bands, *window = (slice(span.start, span.stop) for span in spans)
        stored = self._read((bands, *window))
        cube = decoded(stored, self.scale, self.offset, () if self.together else self.nodata)
        if self.together:
            whole = stored if len(spans[0]) == self.shape[0] else self._read((slice(None), *window))
            for number in self.nodata:
                cube[:, all_empty(whole, (number,) * len(whole))] = np.nan
        return cube[rest]

    def _read(self, window: tuple[slice, ...]) -> NDArray[np.generic]:
        try:
            with dask.config.set(scheduler="synchronous"):  # of an array in chunks
                return np.asarray(self.variable[window].values)
        except (OSError, RuntimeError, ValueError) as error:  # as codecs please
            if isinstance(error, RasterError):
                raise
            raise RasterError(
                f"{self.path}: a chunk cannot be read; the store is damaged or incomplete ({error})"
            ) from error


def lazy(pixels: Pixels, chunk: tuple[int, int]) -> da.Array:
    """
    Return the pixels as a dask array, all bands of ``chunk`` rows and columns together.

    A slice of it reads its own window only, not the whole chunks it touches.
    """
    return da.from_array(
        pixels,
        chunks=(pixels.shape[0], *chunk),
        asarray=True,
        fancy=True,  # without it dask does not merge slices either
        meta=np.empty((0, 0, 0), dtype=np.float32),
    )


def read_part(source: da.Array, *spans: range) -> Cube:
    """Return a window of lazy pixels, read by this thread alone."""
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
        Rows and columns that the file stores together; a block as wide as the raster is
        a strip, and chunks of it are as wide.

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
        # One block may be the whole file: cut it, the reader then keeps it in GDAL's cache.
        return (min(strip, max(1, fit), rows), min(columns, pixels))
    side = min(READING.longest_chunk, math.isqrt(pixels))
    return (
        min(rows, max(1, side // block_rows) * block_rows),
        min(columns, max(1, side // block_columns) * block_columns),
    )


def split(key: Key, shape: tuple[int, ...]) -> tuple[list[range], Key]:
    """Split an index into the contiguous span to read of each axis, and what to take of it."""
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
