"""CRS and transform of an xarray array, from its coordinates and attributes."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError

from hsfuse.errors import RasterError
from hsfuse.io.input.georeferencing import Georeferencing
from hsfuse.io.settings import GRIDS

__all__ = ["array_georeferencing", "pixel_places"]

_CRS_NAMES = (
    "proj:code", "proj:wkt2", "proj:projjson", "proj:epsg", "epsg", "crs", "crs_wkt",
    "spatial_ref", "epsg_code",
)  # fmt: skip
_KILOMETRES = ("km", "kilometer", "kilometre", "kilometers", "kilometres")
_SWATH = ("lat", "latitude", "lon", "longitude", "xc", "yc")


def array_georeferencing(
    source: str, array: xr.DataArray, metadata: Mapping[Hashable, object]
) -> Georeferencing:
    """
    Return the transform and CRS of an array (band, y, x), with notes on assumptions.

    Coordinates are pixel centres. They take precedence over a stated transform that they
    contradict, since a saved subset often keeps the transform of the whole. Where they are half
    a pixel off the lattice of that transform, they are pixel corners, and the transform is used.

    Raises
    ------
    RasterError
        If the coordinates are not evenly spaced.
    """
    notes: list[str] = []
    crs = _crs(array, metadata)
    degrees = [str(array[name].attrs.get("units", "")).startswith("degree") for name in _xy(array)]
    if crs is None and degrees and all(degrees):
        crs = CRS.from_epsg(4326)
        notes.append("states no CRS; its coordinates in degrees are taken for WGS 84")
    stated = _stated_transform(array, metadata)
    if stated is not None and (stated.b or stated.d):
        return Georeferencing(pixel_places(array) or stated, crs, notes=tuple(notes))
    (x, step_x), (y, step_y) = (_axis(source, array, name, crs) for name in ("x", "y"))
    if stated is not None:
        step_x, step_y = step_x or stated.a, step_y or stated.e
    step_x, step_y = step_x or abs(step_y), step_y or -abs(step_x)  # a single row or column
    if x is None or y is None or not step_x or not step_y:
        return Georeferencing(stated, crs, _unsupported(array, stated), tuple(notes))
    unplaced = not metadata.get("georeferenced", True) and _counts_part(x, step_x, y, step_y)
    if unplaced or (_counts_pixels(x, step_x) and _counts_pixels(y, step_y) and crs is None):
        return Georeferencing(None, None, _unsupported(array, None), tuple(notes))
    transform = Affine(step_x, 0.0, x[0] - step_x / 2, 0.0, step_y, y[0] - step_y / 2)
    if stated is None or _agree(stated, transform, array.sizes["x"], array.sizes["y"]):
        return Georeferencing(stated or transform, crs, notes=tuple(notes))
    shift = _half_pixels(stated, transform, array.sizes["x"], array.sizes["y"])
    if shift is not None:
        notes.append(
            "its x and y are corners of pixels by its stated transform, which is used; they are "
            "half a pixel off the centres"
        )
        transform = transform * Affine.translation(*shift)
    return Georeferencing(transform, crs, notes=tuple(notes))


def _counts_pixels(values: NDArray[np.float64], step: float) -> bool:
    """Return whether a coordinate is a pixel index, or that of a pixel centre."""
    return abs(step) == 1 and values[0] in (0.0, 0.5, 1.0)


def _counts_part(
    x: NDArray[np.float64], step_x: float, y: NDArray[np.float64], step_y: float
) -> bool:
    """Return whether coordinates are pixel centres of part of a file without a transform."""
    return step_x == step_y == 1 and x[0] % 1 == y[0] % 1 == 0.5


def pixel_places(array: xr.DataArray) -> Affine | None:
    """
    Return the transform of a rotated array by rioxarray, from the centres of its pixels.

    They are the coordinates ``xc`` and ``yc`` (y, x), which follow a selection, as the stated
    transform does not. None where they are absent or hold a single row or column.
    """
    if not all(name in array.coords and array[name].dims == ("y", "x") for name in ("xc", "yc")):
        return None
    rows, columns = array.sizes["y"] - 1, array.sizes["x"] - 1
    if not rows or not columns:
        return None
    ends = (slice(None, None, rows), slice(None, None, columns))
    x, y = (np.asarray(array[name].values[ends], dtype=np.float64) for name in ("xc", "yc"))
    a, b = (x[0, 1] - x[0, 0]) / columns, (x[1, 0] - x[0, 0]) / rows
    d, e = (y[0, 1] - y[0, 0]) / columns, (y[1, 0] - y[0, 0]) / rows
    return Affine(a, b, x[0, 0], d, e, y[0, 0]) * Affine.translation(-0.5, -0.5)


def _xy(array: xr.DataArray) -> list[str]:
    return [name for name in ("x", "y") if name in array.coords]


def _crs(array: xr.DataArray, metadata: Mapping[Hashable, object]) -> CRS | None:
    try:
        crs = array.rio.crs
    except (CRSError, ValueError, TypeError, KeyError):  # rioxarray, of malformed attributes
        crs = None
    scalars = {
        str(name): coordinate.item()
        for name, coordinate in array.coords.items()
        if coordinate.ndim == 0 and coordinate.dtype.kind in "iufUSO"
    }
    for name in _CRS_NAMES:
        for stated in (metadata.get(name), scalars.get(name)):
            crs = crs or _parse_crs(stated)
    for coordinate in array.coords.values():
        if crs is None and coordinate.ndim == 0:
            crs = _parse_crs(coordinate.attrs.get("crs_wkt", coordinate.attrs.get("spatial_ref")))
    return crs


def _parse_crs(stated: Any) -> CRS | None:
    if isinstance(stated, (bytes, np.bytes_)):
        stated = stated.decode("utf-8", "replace")
    if isinstance(stated, (float, np.floating)) and float(stated).is_integer():
        stated = int(stated)
    if isinstance(stated, (int, np.integer)):
        stated = int(stated)
        if stated <= 0:
            return None
    elif isinstance(stated, str):
        stated = int(stated) if stated.strip().isdigit() else stated
    elif isinstance(stated, dict):
        stated = json.dumps(stated)
    elif not hasattr(stated, "to_wkt"):
        return None
    try:
        return CRS.from_user_input(stated.to_wkt() if hasattr(stated, "to_wkt") else stated)
    except CRSError:
        return None


def _stated_transform(array: xr.DataArray, metadata: Mapping[Hashable, object]) -> Affine | None:
    mapping = array.rio.grid_mapping
    if mapping in array.coords and "GeoTransform" in array.coords[mapping].attrs:
        numbers = array.coords[mapping].attrs["GeoTransform"]
        numbers = numbers.split() if isinstance(numbers, str) else list(numbers)
        transform = Affine.from_gdal(*(float(number) for number in numbers))
        return None if transform.is_identity else transform
    for name in ("spatial:transform", "proj:transform", "transform"):
        affine_order = metadata.get(name)
        if isinstance(affine_order, (list, tuple, np.ndarray)) and len(affine_order) >= 6:
            return Affine(*(float(number) for number in affine_order[:6]))
    return None


def _axis(
    source: str, array: xr.DataArray, name: str, crs: CRS | None
) -> tuple[NDArray[np.float64] | None, float]:
    if (
        name not in array.coords
        or array[name].dims != (name,)
        or array[name].dtype.kind not in "iuf"
    ):
        return None, 0.0
    values = array[name].values.astype(np.float64)
    if str(array[name].attrs.get("units", "")) in _KILOMETRES and crs and crs.is_projected:
        values *= 1000.0 / crs.linear_units_factor[1]
    if values.size == 1:
        return values, 0.0
    step = float(values[-1] - values[0]) / (values.size - 1)
    even = values[0] + step * np.arange(values.size)
    if step == 0 or not np.allclose(values, even, rtol=0, atol=GRIDS.uneven * abs(step)):
        raise RasterError(
            f"{source}: the coordinate {name} is not evenly spaced; resample it to a regular grid"
        )
    return values, step


def _unsupported(array: xr.DataArray, stated: Affine | None) -> str:
    """Return a description of the georeferencing that is given in place of a transform."""
    if stated is not None:
        return ""
    if array.sizes["x"] == array.sizes["y"] == 1 and _measures(array):
        return (
            "coordinates of a single pixel without its size; expected a transform, as "
            "rio.write_transform writes it"
        )
    if any("gcps" in coordinate.attrs for coordinate in array.coords.values()):
        return "ground control points only; open the file itself, or warp it to a map grid first"
    curved = [str(name) for name, coord in array.coords.items() if coord.dims == ("y", "x")]
    if not any(name.lower() in _SWATH for name in curved):
        return ""
    return f"coordinates of each pixel only ({', '.join(curved)}); warp it to a map grid first"


def _measures(array: xr.DataArray) -> bool:
    """Return whether x and y are map coordinates rather than the number of a pixel."""
    return all(
        name in array.coords
        and array[name].dtype.kind in "iuf"
        and float(array[name].values.flat[0]) not in (0.0, 0.5, 1.0)
        for name in ("x", "y")
    )


def _agree(first: Affine, second: Affine, columns: int, rows: int) -> bool:
    pairs = [
        (first.c, second.c, first.a),
        (first.f, second.f, first.e),
        (first.c + first.a * columns, second.c + second.a * columns, first.a),
        (first.f + first.e * rows, second.f + second.e * rows, first.e),
    ]
    return all(abs(one - other) <= GRIDS.uneven * abs(pixel) for one, other, pixel in pairs)


def _half_pixels(
    stated: Affine, found: Affine, columns: int, rows: int
) -> tuple[float, float] | None:
    """Return the shift of half a pixel (x, y) onto the stated lattice; None if it is another."""
    drift = abs(found.a / stated.a - 1) * columns, abs(found.e / stated.e - 1) * rows
    away = ~stated * (found.c, found.f)
    half = [abs(abs(part - round(part)) - 0.5) <= GRIDS.uneven for part in away]
    if max(drift) > GRIDS.uneven or not all(half):
        return None
    # A whole grid may be off by half a pixel either way; in a subset, corners are upper left.
    whole = [-0.5 if abs(part - 0.5) <= GRIDS.uneven else 0.5 for part in away]
    return whole[0], whole[1]
