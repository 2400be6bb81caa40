"""A zarr store as the raster it holds: which variable, which dimensions, which grid."""

from __future__ import annotations

import json
import warnings
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

import numpy as np
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError
from zarr.errors import BaseZarrError, UnstableSpecificationWarning

from hsfuse.errors import RasterError
from hsfuse.io.bands import store_bands
from hsfuse.io.checks import check_block
from hsfuse.io.pixels import Opened, StorePixels
from hsfuse.io.zarr_layout import COMPLETE

__all__ = ["open_store"]

_DIMENSIONS = {
    "band": ("band", "bands", "wavelength", "wavelengths", "channel", "spectral", "wl", "z"),
    "y": ("y", "lat", "latitude", "row", "rows", "line", "lines", "northing"),
    "x": ("x", "lon", "longitude", "col", "cols", "column", "columns", "sample", "easting"),
}
_NODATA = ("nodata", "nodatavals", "fill_value")
_EVEN = 0.05  # of a pixel: how far a coordinate may be off an even spacing


def open_store(path: Path) -> Opened:
    """
    Open the one raster of a zarr store.

    Parameters
    ----------
    path : Path
        A zarr group of version 2 or 3, as xarray, rioxarray or hsfuse write them.

    Raises
    ------
    RasterError
        If there is no variable, or more than one, that a raster could be.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnstableSpecificationWarning)  # of strings
            raw = xr.open_dataset(
                path, engine="zarr", chunks=None, consolidated=False, decode_cf=False, cache=False
            )
    except (OSError, ValueError, KeyError, TypeError, BaseZarrError) as error:
        reason = " ".join(str(error).split())
        raise RasterError(
            f"{path}: not a zarr group that xarray can open ({reason}); a store with one variable "
            "(band, y, x) is accepted"
        ) from error
    if raw.attrs.get(COMPLETE) is False:
        warnings.warn(f"{path}: an unfinished output of hsfuse, parts are empty", stacklevel=3)
    for variable in raw.data_vars.values():
        _state_nodata(variable)
    dataset = xr.decode_cf(raw, decode_coords="all", decode_times=False)
    name = _main_variable(path, dataset)
    array = _standard(path, _with_grid_mapping(dataset, dataset[name]))
    _check_dtype(path, array)
    encoding = array.encoding
    stored = dict(zip(dataset[name].dims, _blocks(dataset[name]), strict=True))
    block = tuple(stored.get(_original(dataset[name], axis), 1) for axis in ("band", "y", "x"))
    check_block(str(path), block, np.dtype(encoding.get("dtype", array.dtype)).itemsize)
    metadata = dict(dataset.attrs) | dict(array.attrs)
    transform, crs = _grid(path, array, metadata)
    attributes: dict[str, object] = {"source_dtype": str(encoding.get("dtype", array.dtype))}
    nodata = encoding.get("_FillValue", encoding.get("missing_value"))
    if nodata is not None:
        attributes["nodata"] = float(np.ravel(nodata)[0])
    if isinstance(array.attrs.get("units"), str):
        attributes["units"] = array.attrs["units"]
    return Opened(
        StorePixels(str(path), array.variable),
        (block[1], block[2]),
        store_bands(array),
        transform,
        crs,
        attributes,
    )


def _state_nodata(variable: xr.DataArray) -> None:
    """Say in CF's words what rioxarray and GDAL call nodata."""
    if "_FillValue" in variable.attrs or "missing_value" in variable.attrs:
        return
    for name in _NODATA:
        stated = variable.attrs.get(name)
        number = np.ravel(np.array(stated))[:1]
        if stated is None or number.dtype.kind not in "iuf":
            continue
        value = number[0]
        if variable.dtype.kind in "iu":
            limits = np.iinfo(variable.dtype)
            if not (limits.min <= value <= limits.max and float(value).is_integer()):
                return
        variable.attrs["_FillValue"] = variable.dtype.type(value)
        return


def _main_variable(path: Path, dataset: xr.Dataset) -> Hashable:
    for dimensions in (3, 2):
        names = [
            name
            for name, array in dataset.data_vars.items()
            if array.ndim == dimensions and {"y", "x"} <= set(_renaming(array))
        ]
        if len(names) == 1:
            return names[0]
        if names:
            found = ", ".join(sorted(map(str, names)))
            raise RasterError(
                f"{path}: holds several rasters ({found}); save one of them alone, or stack them "
                "along band"
            )
    found = ", ".join(f"{name} {array.dims}" for name, array in dataset.data_vars.items())
    raise RasterError(
        f"{path}: no variable with the dimensions (band, y, x) or (y, x), found {found or 'none'}; "
        "lat/lon, row/col and wavelength are understood too"
    )


def _with_grid_mapping(dataset: xr.Dataset, array: xr.DataArray) -> xr.DataArray:
    """Find the grid mapping again that xarray forgets when it writes with an encoding."""
    for name in ("spatial_ref", "crs"):
        if name in dataset and array.rio.grid_mapping not in array.coords:
            array = array.assign_coords({name: dataset[name].variable})
            array.encoding["grid_mapping"] = name
    return array


def _renaming(array: xr.DataArray) -> dict[str, Hashable]:
    """Return what the array calls band, y and x."""
    found: dict[str, Hashable] = {}
    for dimension in array.dims:
        for axis, names in _DIMENSIONS.items():
            if str(dimension).lower() in names:
                found.setdefault(axis, dimension)
    return found


def _original(array: xr.DataArray, axis: str) -> Hashable | None:
    return _renaming(array).get(axis)


def _standard(path: Path, array: xr.DataArray) -> xr.DataArray:
    """Return the array with the dimensions (band, y, x)."""
    renaming = _renaming(array)
    if len(renaming) < array.ndim:
        odd = [str(name) for name in array.dims if name not in renaming.values()]
        raise RasterError(
            f"{path}: {array.name} has the dimension {', '.join(odd)}; dimensions (band, y, x) "
            "are accepted, choose one element of it"
        )
    if "band" not in renaming:
        array = array.expand_dims("band")
    along_bands: dict[str, object] = {}
    spectral = str(renaming.get("band", "band"))
    if spectral != "band" and spectral in array.coords:
        name = "wavelength" if spectral.startswith("w") else "band_name"
        along_bands[name] = ("band", array[spectral].values, dict(array[spectral].attrs))
        array = array.drop_vars(spectral)
    names = {dimension: axis for axis, dimension in renaming.items() if dimension != axis}
    return array.rename(names).assign_coords(along_bands).transpose("band", "y", "x")


def _check_dtype(path: Path, array: xr.DataArray) -> None:
    if array.dtype.kind not in "iuf" or 0 in array.shape:
        raise RasterError(
            f"{path}: {array.name} holds {array.dtype} of shape {array.shape}; integers and floats "
            "with at least one band, row and column are accepted"
        )


def _blocks(array: xr.DataArray) -> Sequence[int]:
    chunks = array.encoding.get("shards") or array.encoding.get("chunks") or array.shape
    return [int(length) for length in chunks]


def _grid(
    path: Path, array: xr.DataArray, metadata: Mapping[str, object]
) -> tuple[Affine | None, CRS | None]:
    """
    Return transform and CRS of a store.

    The coordinates win over a stated transform that they contradict: that is what a
    subset looks like when it was saved.
    """
    crs = array.rio.crs
    if crs is None:
        crs = _parse_crs(metadata.get("proj:code") or metadata.get("proj:wkt2"))
    stated = _stated_transform(array, metadata)
    axes = [_axis(path, array, name) for name in ("x", "y")]
    if stated is not None and (stated.b or stated.d):
        return stated, crs
    (x, step_x), (y, step_y) = axes
    if stated is not None:
        step_x, step_y = step_x or stated.a, step_y or stated.e
    step_x, step_y = step_x or abs(step_y), step_y or -abs(step_x)  # of a single row or column
    if x is None or y is None or not step_x or not step_y:
        return stated, crs
    found = Affine(step_x, 0.0, x[0] - step_x / 2, 0.0, step_y, y[0] - step_y / 2)
    if stated is not None and _agree(stated, found, array.sizes["x"], array.sizes["y"]):
        return stated, crs
    return found, crs


def _stated_transform(array: xr.DataArray, metadata: Mapping[str, object]) -> Affine | None:
    mapping = array.rio.grid_mapping
    if mapping in array.coords and "GeoTransform" in array.coords[mapping].attrs:
        numbers = array.coords[mapping].attrs["GeoTransform"]
        numbers = numbers.split() if isinstance(numbers, str) else list(numbers)
        return Affine.from_gdal(*(float(number) for number in numbers))
    affine_order = metadata.get("spatial:transform", metadata.get("transform"))
    if isinstance(affine_order, (list, tuple)) and len(affine_order) >= 6:
        return Affine(*(float(number) for number in affine_order[:6]))
    return None


def _axis(path: Path, array: xr.DataArray, name: str) -> tuple[NDArray[np.float64] | None, float]:
    if (
        name not in array.coords
        or array[name].dims != (name,)
        or array[name].dtype.kind not in "iuf"
    ):
        return None, 0.0
    values = array[name].values.astype(np.float64)
    if values.size == 1:
        return values, 0.0
    step = float(values[-1] - values[0]) / (values.size - 1)
    even = values[0] + step * np.arange(values.size)
    if step == 0 or not np.allclose(values, even, rtol=0, atol=_EVEN * abs(step)):
        raise RasterError(
            f"{path}: the coordinate {name} is not evenly spaced; resample it to a regular grid"
        )
    return values, step


def _agree(first: Affine, second: Affine, columns: int, rows: int) -> bool:
    pairs = [
        (first.c, second.c, first.a),
        (first.f, second.f, first.e),
        (first.c + first.a * columns, second.c + second.a * columns, first.a),
        (first.f + first.e * rows, second.f + second.e * rows, first.e),
    ]
    return all(abs(one - other) <= _EVEN * abs(pixel) for one, other, pixel in pairs)


def _parse_crs(stated: object) -> CRS | None:
    if stated is None:
        return None
    try:
        return CRS.from_user_input(stated if isinstance(stated, str) else json.dumps(stated))
    except CRSError:
        return None
