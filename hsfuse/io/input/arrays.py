"""
Interpretation of an xarray object as a raster: its dimensions, grid, packing and bands.

Zarr stores, netCDF files and arrays in memory share this code. It knows the usual names of
dimensions, the CF packing attributes, and the attributes that state a CRS and a transform.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from dask.base import tokenize

from hsfuse.core.text import listed
from hsfuse.errors import RasterError
from hsfuse.io.input.bands import UNIT_KEYS, store_bands
from hsfuse.io.input.coordinates import array_georeferencing
from hsfuse.io.input.decoded import NODATA, check_whole, decoded_attributes, is_decoded
from hsfuse.io.input.labels import raster_notes
from hsfuse.io.input.packing import nodata_in_all_bands
from hsfuse.io.input.pixels import Opened, StorePixels
from hsfuse.io.names import STANDARD_ERROR

__all__ = ["open_array"]

_SPECTRAL = ("wavelength", "wavelengths", "wvl", "wl", "lambda")
_DIMENSIONS = {
    "band": (
        "band", "bands", *_SPECTRAL, "channel", "channels", "spectral", "spectral_band", "z",
    ),
    "y": ("y", "lat", "latitude", "row", "rows", "line", "lines", "northing"),
    "x": (
        "x", "lon", "long", "longitude", "col", "cols", "column", "columns", "sample", "samples",
        "easting",
    ),
}  # fmt: skip


def open_array(
    source: str,
    data: xr.DataArray | xr.Dataset,
    *,
    variable: str = "",
    stored: bool = False,
    token: object = None,
) -> Opened:
    """
    Interpret an array, or the only raster variable of a dataset.

    Parameters
    ----------
    source : str
        Name of the object in messages.
    data : DataArray or Dataset
        Stored numbers are unpacked by the attributes in
        :data:`hsfuse.io.input.decoded.PACKING`. Encodings are ignored, since xarray has already
        applied them.
    variable : str
        Name of the variable of the dataset; by default the only one that can be a raster. Where
        all variables are (y, x), they are stacked as bands.
    stored : bool
        Whether the numbers are those stored in a file, so that floating point ones may be packed.
    token : object, optional
        Identifier of the content for dask; by default a hash of the data.

    Raises
    ------
    RasterError
        If the object holds no raster, more than one, or one with unknown dimensions or types.
    """
    notes: list[str] = []
    array = (
        data
        if isinstance(data, xr.DataArray)
        else _select_raster(source, data, variable, stored, notes)
    )
    metadata = dict(data.attrs) | dict(array.attrs)
    block = _stored_block(array)
    error = _standard_error(data, array, stored, token)
    array = _rename_dimensions(source, array)
    check_whole(array, source)
    _check_dtype(source, array)
    nodata, scale, offset = _packing(array, stored, notes)
    grid = array_georeferencing(source, array, metadata)
    pixels = StorePixels(
        source,
        array.variable,
        nodata,
        scale,
        offset,
        nodata_in_all_bands=bool(nodata)
        and nodata_in_all_bands([array.dtype], array.sizes["band"]),
        token=tokenize(array.data) if token is None else token,
    )
    attributes: dict[str, object] = {"source_dtype": str(array.dtype)}
    if nodata:
        if pixels.nodata_in_all_bands:
            attributes["nodata_where"] = "every band holds it"
        attributes["nodata"] = nodata[0] if len(nodata) == 1 else list(nodata)
    if isinstance(array.attrs.get("units"), str):
        attributes["units"] = array.attrs["units"]
    if grid.unsupported:
        attributes["georeferencing"] = grid.unsupported
    attributes |= decoded_attributes(array)
    attributes["notes"] = [*_stated_notes(array), *notes, *grid.notes]
    return Opened(pixels, block, store_bands(array), grid.transform, grid.crs, attributes, error)


def _stated_notes(array: xr.DataArray) -> list[str]:
    """Return the notes of a raster that hsfuse opened."""
    return raster_notes(array) if is_decoded(array) else []


def _standard_error(
    data: xr.DataArray | xr.Dataset, array: xr.DataArray, stored: bool, token: object
) -> StorePixels | None:
    """Return the standard error (y, x) of an array, from a coordinate or an ancillary variable."""
    named = str(array.attrs.get("ancillary_variables", "")).split()
    if STANDARD_ERROR in array.coords:
        error = array[STANDARD_ERROR]
    elif STANDARD_ERROR in named and isinstance(data, xr.Dataset) and STANDARD_ERROR in data:
        error = data[STANDARD_ERROR]
    else:
        return None
    if error.dims != ("y", "x"):
        return None
    name = f"{STANDARD_ERROR} of {array.name}"
    plane = xr.Variable(("band", "y", "x"), error.variable.expand_dims("band"))
    packing = _packing(error, stored, [])
    return StorePixels(
        name, plane, *packing, token=(tokenize(error.data) if token is None else (token, name))
    )


def _select_raster(
    source: str, dataset: xr.Dataset, variable: str, stored: bool, notes: list[str]
) -> xr.DataArray:
    """Return the only raster variable of a dataset, or its 2-D variables stacked as bands."""
    if variable:
        if variable not in dataset.data_vars:
            raise RasterError(
                f"{source}: has no variable {variable}; it has "
                f"{listed([str(name) for name in dataset.data_vars]) or 'none'}"
            )
        return _with_grid_mapping(dataset, dataset[variable])
    rasters = {
        name: len(_renaming(array))
        for name, array in dataset.data_vars.items()
        if _is_raster(array)
    }
    for axes in (3, 2):
        names = [name for name, count in rasters.items() if count == axes]
        if len(names) == 1:
            return _with_grid_mapping(dataset, dataset[names[0]])
        if names and axes == 2 and _are_bands(dataset, names, named=stored):
            found = ", ".join(map(str, names))
            notes.append(f"its variables are taken for bands: {found}")
            return _stack_bands(dataset, names)
        if names:
            found = ", ".join(sorted(map(str, names)))
            raise RasterError(
                f"{source}: holds several rasters ({found}); choose one of them, as "
                "NETCDF:file:variable in a netCDF file, or stack them along band as a single raster"
            )
    found = ", ".join(f"{name} {array.dims}" for name, array in dataset.data_vars.items())
    raise RasterError(
        f"{source}: no variable with the dimensions (band, y, x) or (y, x), found "
        f"{found or 'none'}; lat/lon, row/col and wavelength are understood too"
    )


def _is_raster(array: xr.DataArray) -> bool:
    more = [size for name, size in array.sizes.items() if name not in _renaming(array).values()]
    return {"y", "x"} <= set(_renaming(array)) and all(size == 1 for size in more)


def _are_bands(dataset: xr.Dataset, names: Sequence[Hashable], *, named: bool) -> bool:
    """
    Return whether 2-D variables are the bands of one image: same dimensions, type and unit.

    Variables of a file must also be named like bands, since a file may hold other quantities.
    """
    first = dataset[names[0]]
    alike = all(
        dataset[name].dims == first.dims
        and dataset[name].dtype == first.dtype
        and dataset[name].attrs.get("units") == first.attrs.get("units")
        for name in names
    )
    return alike and (not named or all(_is_band_name(str(name)) for name in names))


def _is_band_name(name: str) -> bool:
    word = name.lower().strip("_ 0123456789")
    return word in _BAND_WORDS or any(char.isdigit() for char in name)


_BAND_WORDS = {
    "red", "green", "blue", "nir", "coastal", "yellow", "rededge", "red_edge", "swir", "pan",
    "band", "b", "r", "g", "n", "aerosol", "coastal_aerosol", "coastal_blue", "near_infrared",
    "infrared", "nir_narrow", "cirrus", "nadir",
}  # fmt: skip


def _stack_bands(dataset: xr.Dataset, names: Sequence[Hashable]) -> xr.DataArray:
    planes = [dataset[name].reset_coords(drop=True) for name in names]
    lengths = [
        plane.attrs.get("wavelength", plane.attrs.get("center_wavelength")) for plane in planes
    ]
    stacked: xr.DataArray = xr.concat(planes, "band", combine_attrs="drop_conflicts")
    stacked = stacked.assign_coords(band=[str(name) for name in names])
    if all(isinstance(length, (int, float)) for length in lengths):
        unit = str(planes[0].attrs.get("wavelength_units", ""))
        stacked = stacked.assign_coords(wavelength=("band", lengths, {"units": unit}))
    scalars = {name: coord for name, coord in dataset.coords.items() if coord.ndim == 0}
    stacked = stacked.assign_coords(scalars)
    return _with_grid_mapping(dataset, stacked)


def _with_grid_mapping(dataset: xr.Dataset, array: xr.DataArray) -> xr.DataArray:
    """Restore the grid mapping, which xarray drops when it writes with an encoding."""
    for name in ("spatial_ref", "crs"):
        if name in dataset and array.rio.grid_mapping not in array.coords:
            array = array.assign_coords({name: dataset[name].variable})
            array.encoding["grid_mapping"] = name
    return array


def _renaming(array: xr.DataArray) -> dict[str, Hashable]:
    """Return the array's names of the dimensions band, y and x."""
    dimensions: dict[str, Hashable] = {}
    for dimension in array.dims:
        for axis, names in _DIMENSIONS.items():
            if str(dimension).lower() in names:
                dimensions.setdefault(axis, dimension)
    return dimensions


def _rename_dimensions(source: str, array: xr.DataArray) -> xr.DataArray:
    """Return the array with the dimensions renamed and transposed to (band, y, x)."""
    renaming = _renaming(array)
    known = set(renaming.values())
    array = array.isel({name: 0 for name, n in array.sizes.items() if name not in known and n == 1})
    odd = [str(name) for name in array.dims if name not in known]
    if odd or not {"y", "x"} <= set(renaming):
        dimensions = ", ".join(map(str, array.dims))
        raise RasterError(
            f"{source}: {_label(array)} has the dimensions ({dimensions}); (band, y, x) "
            "are expected in any order, or lat/lon, row/col, wavelength"
            + (f": choose one element of {', '.join(odd)}" if odd else "")
        )
    spectral = str(renaming.get("band", "band"))
    if "band" not in renaming:
        array = array.drop_vars("band", errors="ignore").expand_dims("band")
    along_bands: dict[str, object] = {}
    if spectral != "band" and spectral in array.coords:
        name = "wavelength" if spectral.lower() in _SPECTRAL else "band_name"
        along_bands[name] = ("band", array[spectral].values, dict(array[spectral].attrs))
        array = array.drop_vars(spectral)
    # A coordinate may already have the new name of a dimension.
    taken = [a for a, d in renaming.items() if d != a and a in array.coords and a not in array.dims]
    array = array.drop_vars(taken)
    names = {dimension: axis for axis, dimension in renaming.items() if dimension != axis}
    array = array.rename(names).assign_coords(along_bands).transpose("band", "y", "x")
    return _with_listed_bands(array)


def _with_listed_bands(array: xr.DataArray) -> xr.DataArray:
    """Return the array with wavelengths, FWHM and band names from its attributes as coordinates."""
    count = array.sizes["band"]
    unit = next((array.attrs[key] for key in UNIT_KEYS if key in array.attrs), None)
    for name, places in _LISTED.items():
        for place in places:
            values = array.attrs.get(place)
            listed_there = isinstance(values, (list, tuple, np.ndarray)) and len(values) == count
            if name not in array.coords and listed_there:
                array = array.assign_coords({name: ("band", np.asarray(values))})
    for name in ("wavelength", "fwhm"):
        if unit and name in array.coords and "units" not in array[name].attrs:
            array[name].attrs["units"] = str(unit)
    return array


_LISTED = {
    "wavelength": ("wavelength", "wavelengths", "center_wavelength"),
    "fwhm": ("fwhm",),
    "band_name": ("long_name", "band_names", "descriptions"),
}


def _label(array: xr.DataArray) -> str:
    return "it" if array.name is None else str(array.name)


def _check_dtype(source: str, array: xr.DataArray) -> None:
    if array.dtype.kind not in "iuf" or 0 in array.shape:
        raise RasterError(
            f"{source}: {_label(array)} holds {array.dtype} of shape {array.shape}; "
            "integers and floats are accepted, with at least one band, row and column"
        )


def _stored_block(array: xr.DataArray) -> tuple[int, int]:
    """Return the rows and columns of a stored chunk."""
    encoding = array.encoding
    chunks = encoding.get("shards") or encoding.get("chunks") or encoding.get("chunksizes")
    if array.chunks is not None:
        chunks = array.data.chunksize
    sizes = dict(zip(array.dims, chunks or array.shape, strict=False))
    rows, columns = (int(sizes.get(_renaming(array).get(axis), 1)) for axis in ("y", "x"))
    return rows, columns


def _masked_integers(array: xr.DataArray) -> bool:
    """
    Return whether floats are stored integers that were masked but not scaled.

    ``rioxarray.open_rasterio(path, masked=True)`` returns such arrays: the encoding names an
    integer type, and the scale is in the attributes instead of the encoding.
    """
    encoding = array.encoding
    names = ("dtype", "rasterio_dtype")
    integers = any(np.dtype(encoding[n]).kind in "iu" for n in names if n in encoding)
    return integers and "scale_factor" not in encoding


def _packing(
    array: xr.DataArray, stored: bool, notes: list[str]
) -> tuple[tuple[float, ...], float, float]:
    """Return the no-data values, scale and offset that the attributes state."""
    unsigned = array.dtype.kind == "u"
    nodata: list[float] = []
    decoded = is_decoded(array) and array.dtype.kind == "f"
    for name in NODATA:
        if decoded and name == "nodata":  # of the stored numbers, and applied when it was opened
            continue
        numbers = np.ravel(np.array(array.attrs.get(name, ())))
        if numbers.dtype.kind not in "iuf" or not numbers.size:
            continue
        number = float(numbers[0])
        if unsigned and number < 0:  # CF stores the no-data value of unsigned bytes as signed
            number += float(np.iinfo(array.dtype).max) + 1
        if not np.isnan(number) and number not in nodata:
            nodata.append(number)
    scale, offset = (
        float(np.ravel(array.attrs.get(name, default))[0])
        for name, default in (("scale_factor", 1.0), ("add_offset", 0.0))
    )
    floating = array.dtype.kind == "f" and not stored
    if (scale, offset) != (1.0, 0.0) and floating and not _masked_integers(array):
        notes.append(
            f"its attributes state the scale {scale:g} and the offset {offset:g}; its numbers are "
            "floating point and taken for scaled already"
        )
        return tuple(nodata), 1.0, 0.0
    if not (np.isfinite(scale) and np.isfinite(offset) and scale != 0):
        raise RasterError(
            f"{_label(array)}: has the scale {scale:g} and the offset {offset:g}; finite "
            "numbers and a scale other than 0 are expected"
        )
    return tuple(nodata), scale, offset
