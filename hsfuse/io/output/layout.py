"""
Layout of an output raster: shape, number type, grid, chunks and band metadata.

An :class:`OutputLayout` is small and immutable, and is sent to every worker. It does not hold the
location of the output; :mod:`hsfuse.io.output.journal` does.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import NamedTuple, get_args

import numpy as np
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from affine import Affine

from hsfuse.errors import PlanError, RasterError
from hsfuse.io.names import STANDARD_ERROR
from hsfuse.io.settings import GRIDS, OUTPUTS, StoredType

__all__ = [
    "Block",
    "OutputLayout",
    "blocks",
    "check_stored_type",
    "default_block_size",
]

_NODATA: dict[str, float] = {"float32": math.nan, "int16": -32768, "uint16": 65535}
_PLAIN = "float32 is stored without scaling: scale 1, offset 0, nodata NaN"


def check_stored_type(dtype: str, scale: float | None, max_error: float = 0.0) -> None:
    """
    Check the stored number type of an output, its scale and its rounding.

    Raises
    ------
    PlanError
        If they are not supported, or contradict each other.
    """
    _check_dtype(dtype)
    if scale is None and dtype != "float32":
        raise PlanError(
            f"{dtype} needs a scale, the value of one stored step: 0.0001 for reflectance "
            "0 to 1, or 1 for values that are whole numbers already"
        )
    if scale is not None and dtype == "float32" and scale != 1:
        raise PlanError(_PLAIN)
    if scale is not None and not (math.isfinite(scale) and scale > 0):
        raise PlanError(f"scale is a positive number, got {scale}")
    if not (math.isfinite(max_error) and max_error >= 0):
        raise PlanError(f"`--max-error` is a positive number, got {max_error}")
    if max_error and dtype != "float32":
        raise PlanError(f"{dtype} is rounded to its scale; `--max-error` is for float32")


def _check_dtype(dtype: str) -> None:
    if dtype not in get_args(StoredType):
        accepted = ", ".join(get_args(StoredType))
        raise PlanError(f"an output is stored as one of {accepted}, got {dtype!r}")


class Block(NamedTuple):
    """A rectangle of the output in pixels, with all planes."""

    row: int
    column: int
    rows: int
    columns: int


@dataclass(frozen=True)
class OutputLayout:
    """
    Shape, number type, grid and bands of an output.

    Parameters
    ----------
    bands, rows, columns : int
        The shape of the cube.
    transform : tuple of float
        In the order ``(a, b, c, d, e, f)`` of rasterio and affine: ``x = a column + b row + c``,
        ``y = d column + e row + f``, where (0, 0) is the corner of a pixel, not its centre.
    crs_wkt : str, optional
        The coordinate reference system as WKT; None when it is not known.
    dtype : {"float32", "int16", "uint16"}
        The stored number type.
    scale, offset : float
        ``value = stored * scale + offset``; for integers only.
    max_error : float
        Largest rounding error of float32 values, see :func:`hsfuse.core.rounding.round_values`;
        0 for no rounding.
    nodata : float, optional
        Stored no-data value. NaN for float32; for integers the minimum or the maximum of the type
        (default -32768 and 65535).
    chunk : tuple of int
        Largest chunk ``(bands, rows, columns)`` of the store; it becomes the chunk, clipped to the
        shape, with as few bands as the same number of chunks needs: the rest would be padding.
    wavelength, fwhm : tuple of float
        In nanometres; NaN where unknown.
    good : tuple of bool
        False for bad bands.
    covered : tuple of bool
        False for bands at whose wavelengths no MS band has a response.
    explained : tuple of float
        Share of the variance of a band that the MS bands explain; NaN where unknown.
    band_name : tuple of str
        Names; may be empty strings.
    standard_error : bool
        Whether a plane of standard errors is stored with the cube, with the same packing.
    attributes : mapping
        Provenance, of JSON types. It does not determine the pixels.

    Raises
    ------
    PlanError
        If the parts contradict each other.
    """

    bands: int
    rows: int
    columns: int
    transform: tuple[float, float, float, float, float, float]
    crs_wkt: str | None = None
    dtype: StoredType = "float32"
    scale: float = 1.0
    offset: float = 0.0
    max_error: float = 0.0
    nodata: float | None = None
    chunk: tuple[int, int, int] = OUTPUTS.chunk
    wavelength: tuple[float, ...] = ()
    fwhm: tuple[float, ...] = ()
    good: tuple[bool, ...] = ()
    covered: tuple[bool, ...] = ()
    explained: tuple[float, ...] = ()
    band_name: tuple[str, ...] = ()
    standard_error: bool = False
    attributes: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fill in the defaults that depend on other fields, and refuse contradictions."""
        check_stored_type(self.dtype, self.scale, self.max_error)
        if min(self.shape) < 1:
            raise PlanError(f"an output has at least one band, row and column, got {self.shape}")
        if len(self.transform) != 6:
            raise PlanError(f"transform holds six numbers, got {len(self.transform)}")
        depth, *side = (min(pair) for pair in zip(self.chunk, self.shape, strict=True))
        depth = math.ceil(self.bands / math.ceil(self.bands / depth))
        unknown = (math.nan,) * self.bands
        settled = {
            "transform": tuple(float(number) for number in self.transform),
            "nodata": _NODATA[self.dtype] if self.nodata is None else float(self.nodata),
            "chunk": (depth, *side),
            "wavelength": tuple(float(nm) for nm in self.wavelength) or unknown,
            "fwhm": tuple(float(nm) for nm in self.fwhm) or unknown,
            "good": tuple(bool(flag) for flag in self.good) or (True,) * self.bands,
            "covered": tuple(bool(flag) for flag in self.covered) or (True,) * self.bands,
            "explained": tuple(float(share) for share in self.explained) or unknown,
            "band_name": tuple(str(name) for name in self.band_name) or ("",) * self.bands,
        }
        for name, value in settled.items():
            object.__setattr__(self, name, value)
        for name in ("wavelength", "fwhm", "good", "covered", "explained", "band_name"):
            if len(getattr(self, name)) != self.bands:
                length = len(getattr(self, name))
                raise PlanError(f"{name} holds one entry a band ({self.bands}), got {length}")
        self._check_numbers()

    def _check_numbers(self) -> None:
        if self.dtype == "float32":
            if (self.scale, self.offset) != (1.0, 0.0) or not math.isnan(self.fill):
                raise PlanError(_PLAIN)
            return
        limits = np.iinfo(self.dtype)
        if not (math.isfinite(self.scale) and self.scale > 0 and math.isfinite(self.offset)):
            raise PlanError(f"scale is a positive number, got {self.scale}, offset {self.offset}")
        if self.fill not in (limits.min, limits.max):
            raise PlanError(
                f"nodata of {self.dtype} is {limits.min} or {limits.max}, got {self.fill:g}"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape ``(bands, rows, columns)``."""
        return (self.bands, self.rows, self.columns)

    @property
    def planes(self) -> int:
        """Number of bands, plus one for the standard error if it is stored."""
        return self.bands + self.standard_error

    @property
    def fill(self) -> float:
        """Stored no-data value."""
        return _NODATA[self.dtype] if self.nodata is None else self.nodata

    @property
    def provenance(self) -> dict[str, object]:
        """The attributes, and the largest rounding error, as stated in a file."""
        rounding = {"max_error": self.max_error} if self.max_error else {}
        return dict(self.attributes) | rounding

    @property
    def bytes(self) -> int:
        """Size of the stored numbers before compression."""
        pixels = self.rows * self.columns
        return self.planes * pixels * np.dtype(self.dtype).itemsize

    @property
    def affine(self) -> Affine:
        """The transform as an :class:`affine.Affine`."""
        return Affine(*self.transform)

    def fingerprint(self) -> dict[str, object]:
        """Return all fields that determine the stored bytes, in JSON types (NaN as None)."""
        parts = asdict(self) | {"transform": list(self.transform), "chunk": list(self.chunk)}
        del parts["attributes"]
        parts["nodata"] = None if math.isnan(self.fill) else self.fill
        for name in ("wavelength", "fwhm", "explained"):
            parts[name] = [None if math.isnan(number) else number for number in parts[name]]
        for name in ("good", "covered", "band_name"):
            parts[name] = list(parts[name])
        return parts

    @classmethod
    def of(
        cls,
        array: xr.DataArray,
        *,
        dtype: StoredType = "float32",
        scale: float | None = None,
        offset: float = 0.0,
        max_error: float = 0.0,
        attributes: Mapping[str, object] | None = None,
    ) -> "OutputLayout":
        """
        Return the layout of the output of a raster.

        Parameters
        ----------
        array : DataArray
            Raster (band, y, x).
        dtype, scale, offset
            Packing of the output; ``scale`` is required for integers.
        max_error : float
            Largest rounding error of float32 values.
        attributes : mapping, optional
            Provenance.

        Raises
        ------
        PlanError
            If the dimensions are others, or an integer type is given without a scale.
        """
        if array.dims != ("band", "y", "x"):
            raise PlanError(f"a raster has the dimensions (band, y, x), got {array.dims}")
        if not all(array.shape):
            raise PlanError(f"a raster has at least one pixel, got the shape {array.shape}")
        check_stored_type(dtype, scale, max_error)
        crs = array.rio.crs

        def per_band(name: str) -> tuple[object, ...]:
            return tuple(array[name].values.tolist()) if name in array.coords else ()

        bands, rows, columns = array.shape
        return cls(
            bands=bands,
            rows=rows,
            columns=columns,
            transform=_transform(array),
            crs_wkt=None if crs is None else crs.to_wkt(),
            dtype=dtype,
            scale=1.0 if scale is None else scale,
            offset=offset,
            max_error=max_error,
            wavelength=per_band("wavelength"),  # type: ignore[arg-type]
            fwhm=per_band("fwhm"),  # type: ignore[arg-type]
            good=per_band("good"),  # type: ignore[arg-type]
            covered=per_band("covered"),  # type: ignore[arg-type]
            explained=per_band("explained"),  # type: ignore[arg-type]
            band_name=per_band("band_name"),  # type: ignore[arg-type]
            standard_error=array.coords.get(STANDARD_ERROR, array).dims == ("y", "x"),
            attributes=dict(attributes or {}),
        )


def _transform(array: xr.DataArray) -> tuple[float, float, float, float, float, float]:
    """
    Return the transform of a raster, which may be a window of the raster that it states.

    The coordinates reflect the window but are rounded; the stated transform is exact. Where they
    differ by a whole number of pixels, the stated transform is translate_errors by that number.
    """
    for name in ("x", "y"):
        if name in array.coords and array[name].dtype.kind in "iuf":
            _check_even(array, name)
    stated = None
    if "spatial_ref" in array.coords:
        stated = array.coords["spatial_ref"].attrs.get("GeoTransform")
    if stated is None or "x" not in array.coords or "y" not in array.coords:
        return tuple(array.rio.transform())[:6]
    c, a, b, f, d, e = (float(number) for number in stated.split())
    x, y = array["x"].values, array["y"].values
    columns = (x[[0, -1]] - c) / a - 0.5
    rows = (y[[0, -1]] - f) / e - 0.5
    moved = np.round([columns[0], rows[0]])
    ends = [moved[0], moved[0] + len(x) - 1, moved[1], moved[1] + len(y) - 1]
    if b or d or not np.allclose([*columns, *rows], ends, rtol=0, atol=GRIDS.window):
        return tuple(array.rio.transform(recalc=not (b or d)))[:6]
    return (a, b, c + a * float(moved[0]), d, e, f + e * float(moved[1]))


def _check_even(array: xr.DataArray, name: str) -> None:
    """Refuse pixels that no transform places, such as a selection of some columns."""
    values = np.asarray(array[name].values, dtype=np.float64)
    even = np.linspace(values[0], values[-1], values.size)
    step = abs(values[-1] - values[0]) / max(values.size - 1, 1)
    if not np.allclose(values, even, rtol=0, atol=GRIDS.uneven * step):
        raise RasterError(
            f"raster: the coordinate {name} is not evenly spaced; expected pixels of a regular grid"
        )


def default_block_size(layout: OutputLayout) -> tuple[int, int]:
    """Return rows and columns of a block: whole chunks, at most 1024 pixels a side and 128 MiB."""
    _, rows, columns = layout.chunk
    chunks = OUTPUTS.block_bytes // (4 * layout.bands * rows * columns)  # that fit one block
    factor = max(1, min(math.isqrt(chunks), OUTPUTS.longest_block // max(rows, columns)))
    return (factor * rows, factor * columns)


def blocks(layout: OutputLayout, block_size: int | tuple[int, int] | None = None) -> list[Block]:
    """
    Divide an output into the blocks in which it is written, row by row.

    Parameters
    ----------
    layout : OutputLayout
        The output.
    block_size : int or tuple of int, optional
        Rows and columns of a block, multiples of the chunk. Blocks at the lower and right edges
        are smaller.

    Raises
    ------
    PlanError
        If two blocks would share a chunk.

    Examples
    --------
    >>> layout = OutputLayout(3, 40, 64, (1, 0, 0, 0, -1, 0), chunk=(3, 32, 32))
    >>> blocks(layout, (32, 64))
    [Block(row=0, column=0, rows=32, columns=64), Block(row=32, column=0, rows=8, columns=64)]
    """
    if block_size is None:
        block_size = default_block_size(layout)
    rows, columns = (block_size, block_size) if isinstance(block_size, int) else block_size
    shared_rows = rows < layout.rows and rows % layout.chunk[1] != 0
    shared_columns = columns < layout.columns and columns % layout.chunk[2] != 0
    if min(rows, columns) < 1 or shared_rows or shared_columns:
        raise PlanError(
            f"a block is a multiple of the chunk {layout.chunk[1:]}, got {(rows, columns)}"
        )
    return [
        Block(row, column, min(rows, layout.rows - row), min(columns, layout.columns - column))
        for row in range(0, layout.rows, rows)
        for column in range(0, layout.columns, columns)
    ]
