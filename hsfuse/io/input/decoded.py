"""
Arrays of xarray whose numbers are decoded: rasters that hsfuse opened, and what was made of them.

Computing, masking or selecting keeps what :func:`hsfuse.open_raster` states in the attributes. The
stored no-data value among these is applied already, and must not be applied to values again.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.errors import RasterError
from hsfuse.io.input.bands import store_bands
from hsfuse.io.input.coordinates import array_georeferencing, pixel_places
from hsfuse.io.input.labels import raster_label

__all__ = [
    "NODATA",
    "PACKING",
    "check_whole",
    "decoded_attributes",
    "is_decoded",
    "is_opened",
    "is_packed",
    "with_band_table",
    "with_current_grid",
]

#: Packing attributes: no-data value, scale and offset, as CF, rioxarray and GDAL name them.
NODATA = ("_FillValue", "missing_value", "nodata", "nodatavals", "fill_value")
PACKING = (*NODATA, "scale_factor", "add_offset")

# Largest rounding of a wavelength that is read, in nanometres.
_ROUNDING = 1e-6
_ALONG_BANDS = ("wavelength", "fwhm", "good", "band_name")
# Attributes of open_raster that describe the file and remain true of what is made of its pixels.
_KEPT = ("nodata", "nodata_where", "mask", "mask_file", "georeferencing", "product", "units")


def is_decoded(array: xr.DataArray) -> bool:
    """Return whether the numbers of an array are those that :func:`hsfuse.open_raster` decoded."""
    return "source_dtype" in array.attrs and "georeferenced" in array.attrs


def is_packed(array: xr.DataArray) -> bool:
    """Return whether attributes state a no-data value, a scale or an offset still to be applied."""
    applied = {"nodata"} if is_decoded(array) else set()
    return any(name in array.attrs for name in PACKING if name not in applied)


def is_opened(array: xr.DataArray) -> bool:
    """
    Return whether an array has the form of :func:`hsfuse.open_raster`, as a part of a raster has.

    Coordinates that were replaced, such as wavelengths in micrometres, have to be read again.
    """
    return (
        is_decoded(array)
        and array.dims == ("band", "y", "x")
        and array.dtype == np.float32
        and array.chunks is not None
        and not is_packed(array)
        and all(name in array.coords and array[name].dims == ("band",) for name in _ALONG_BANDS)
        and array["good"].dtype == bool
        and _in_nanometres(array)
    )


def _in_nanometres(array: xr.DataArray) -> bool:
    table = store_bands(array)
    return _states(array, "wavelength", table.wavelength) and _states(array, "fwhm", table.fwhm)


def _states(array: xr.DataArray, name: str, lengths: NDArray[np.float64]) -> bool:
    """Return whether a coordinate holds these lengths, but for rounding."""
    values = array[name].values
    return values.dtype.kind == "f" and np.allclose(
        values, lengths, rtol=0, atol=_ROUNDING, equal_nan=True
    )


def decoded_attributes(array: xr.DataArray) -> dict[str, object]:
    """Return the attributes that remain of a raster that hsfuse opened; none of other arrays."""
    if not is_decoded(array):
        return {}
    return {name: array.attrs[name] for name in _KEPT if name in array.attrs}


def with_current_grid(raster: xr.DataArray) -> xr.DataArray:
    """
    Return a raster of the form of :func:`hsfuse.open_raster` that states whether it has a place.

    Raises
    ------
    RasterError
        If its coordinates are not evenly spaced, or it is part of a rotated grid.
    """
    check_whole(raster)
    place = array_georeferencing(raster_label(raster), raster, raster.attrs)
    if raster.attrs["georeferenced"] or place.transform is None:
        return raster
    # Coordinates were assigned to a file without a place.
    placed = raster.rio.write_transform(place.transform).assign_attrs(georeferenced=1)
    placed.attrs.pop("georeferencing", None)
    return placed


def check_whole(raster: xr.DataArray, label: str = "") -> None:
    """
    Refuse part of a rotated raster, whose transform does not follow the selection.

    Raises
    ------
    RasterError
        If the raster is rotated and has fewer rows or columns than when it was opened.
    """
    whole = Counter(raster.encoding.get("original_shape", ()))  # of dimensions in any order
    if not whole or not Counter((raster.sizes["y"], raster.sizes["x"])) - whole:
        return
    if "x" in raster.coords and "y" in raster.coords:  # of one dimension: not rotated
        return
    if raster.rio.transform().is_rectilinear or pixel_places(raster) is not None:
        return
    raise RasterError(
        f"{label or raster_label(raster)}: its grid is rotated, and a part of it does not state "
        "its place; use the whole raster"
    )


def with_band_table(raster: xr.DataArray) -> xr.DataArray:
    """Return a raster (band, y, x) with wavelengths and FWHM in nanometres, and names of bands."""
    table = store_bands(raster)
    found: dict[str, object] = {}
    for name, lengths in (("wavelength", table.wavelength), ("fwhm", table.fwhm)):
        stated = name in raster.coords
        if (stated and not _states(raster, name, lengths)) or (
            not stated and np.isfinite(lengths).any()
        ):
            found[name] = ("band", lengths, {"units": "nm"})
    if table.named and "band_name" not in raster.coords:
        found["band_name"] = ("band", np.array(table.names, dtype=np.dtypes.StringDType()))
    return raster.assign_coords(found)
