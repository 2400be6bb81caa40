"""
Lazy opening of rasters: one :class:`xarray.DataArray` for every format.

A raster has the dimensions (band, y, x), float32 values with scale and offset applied,
and NaN for no data. Opening reads metadata; pixels are read when they are computed.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from affine import Affine

from hsfuse.core.numbers import check_whole_number
from hsfuse.errors import PlanError, RasterError
from hsfuse.io.files.location import Location
from hsfuse.io.files.url import Url, as_path
from hsfuse.io.input.arrays import open_array
from hsfuse.io.input.bands import BandTable, with_sensor
from hsfuse.io.input.checks import check_shape, locate
from hsfuse.io.input.decoded import (
    check_whole,
    is_decoded,
    is_opened,
    is_packed,
    with_band_table,
    with_current_grid,
)
from hsfuse.io.input.gdal_reader import open_dataset
from hsfuse.io.input.labels import join_notes, raster_label
from hsfuse.io.input.masks import mask_opened
from hsfuse.io.input.netcdf import NETCDF_SUFFIXES, is_netcdf, open_netcdf
from hsfuse.io.input.packing import nodata_in_all_bands
from hsfuse.io.input.pixels import (
    FilePixels,
    MaskedPixels,
    Opened,
    StackedPixels,
    StorePixels,
    chunk_size,
    lazy,
)
from hsfuse.io.input.sources import check_links
from hsfuse.io.names import CUBE, STANDARD_ERROR
from hsfuse.io.products import open_product
from hsfuse.io.settings import GRIDS
from hsfuse.sensor.catalogue import pick_sensor
from hsfuse.sensor.model import Sensor

__all__ = ["NoData", "Raster", "as_raster", "check_georeferencing", "open_raster"]

#: Accepted rasters: a path, or an xarray array or dataset.
Raster = xr.DataArray | xr.Dataset | str | os.PathLike[str]
#: Stored no-data value; ``none`` if every number is a measurement.
NoData = float | Literal["none"]


def open_raster(
    path: str | os.PathLike[str],
    *,
    sensor: str | os.PathLike[str] | Sensor | None = None,
    mask: str | os.PathLike[str] | None = None,
    nodata: NoData | None = None,
    chunk: int | None = None,
) -> xr.DataArray:
    """
    Open a raster lazily.

    Parameters
    ----------
    path : str or path
        A GeoTIFF, an ENVI file (its header or its data), a zarr store or netCDF file of xarray,
        rioxarray or hsfuse, any other raster file that GDAL reads, or a product as delivered by
        its provider (:mod:`hsfuse.io.products`), which states its sensor. Members of archives are
        ``/vsizip/archive/file`` (``/vsitar/``, ``/vsigzip/``), variables of a netCDF file
        ``NETCDF:file:variable``. GeoTIFF, ENVI data and zarr stores are also read by URL
        (``s3://``, ``gs://``, ``az://``, ``https://``).
    sensor : str, path or Sensor, optional
        The sensor of the raster: a name or a definition for :func:`hsfuse.load_sensor`.
        It supplies wavelengths that the file does not state.
    mask : str or path, optional
        A raster file of the same rows and columns. Pixels where its first band is 0 or has no
        data are masked, the convention of GDAL; cloud masks often use the opposite one.
    nodata : float or "none", optional
        Stored no-data value, instead of the declared one; ``none`` if every number is a
        measurement. In colour and multispectral images of unsigned integers a pixel has no data
        where all bands hold it.
    chunk : int, optional
        Rows and columns of a dask chunk. By default whole stored blocks, at most 64 MiB.

    Returns
    -------
    DataArray of shape (bands, rows, columns)
        float32, NaN for no data. Coordinates: ``band``, ``wavelength`` and ``fwhm``
        (nanometres, NaN where unknown), ``good``, ``band_name``, ``x`` and ``y`` (pixel centres;
        absent for rotated grids) and ``spatial_ref``; for an output of hsfuse with standard
        errors also ``standard_error`` (y, x), lazy (see :func:`hsfuse.fuse`). Attributes:
        ``source``, ``sensor``, ``wavelength_source``, ``georeferenced``, ``source_dtype`` and,
        where they apply, ``source_scale`` and ``source_offset`` (of the stored numbers, already
        applied), ``units``, ``nodata``, ``nodata_where``, ``mask``, ``mask_file``,
        ``georeferencing``, ``product`` and ``notes``, assumptions made when reading, one a line.

    Raises
    ------
    RasterError
        If the file is missing, damaged, incomplete, unreachable, or not a supported raster.
        Also raised on computation, for pixels that cannot be read.
    SensorError
        If the sensor is unknown.
    PlanError
        If ``chunk`` is not positive.
    """
    if chunk is not None and check_whole_number("chunk", chunk) < 1:
        raise PlanError(f"chunk is a positive number of pixels, got {chunk}")
    if not isinstance(path, (str, os.PathLike)):
        raise RasterError(f"the raster is a {type(path).__name__}; expected the path of a file")
    definition = _definition(sensor)
    opened = open_pixels(path)
    if opened.attributes.pop("colour_table", False):
        raise RasterError(
            f"{path}: its pixels are numbers of a colour table, no measurements; expand it to RGB "
            "first, as gdal_translate -expand rgb does"
        )
    if nodata is not None:
        opened = _with_nodata(opened, nodata)
    if mask is not None:
        opened = mask_opened(opened, as_path(mask))
    return _assemble(opened, sensor, definition, chunk)


def open_pixels(path: str | os.PathLike[str]) -> Opened:
    """Open the file or product of :func:`open_raster`, without a sensor, mask or dask array."""
    return open_product(path) or _open_file(locate(path))


def as_raster(
    raster: Raster,
    role: str,
    *,
    sensor: str | os.PathLike[str] | Sensor | None = None,
    nodata: NoData | None = None,
) -> xr.DataArray:
    """
    Return a path, array or dataset as a raster in the form of :func:`open_raster`.

    Parameters
    ----------
    raster : DataArray, Dataset, str or path
        A path is opened. The dimensions of an array may have any order and any usual names
        (y/x, lat/lon, row/col; band, wavelength). No-data value, scale, CRS, transform and
        wavelengths are taken from coordinates and attributes. Variables (y, x) of a dataset are
        stacked as bands.
    role : str
        Name in messages for an array without a source file, such as ``HS``.
    sensor, nodata
        As in :func:`open_raster`.

    Raises
    ------
    RasterError
        If the object cannot be interpreted as a raster.
    PlanError
        If ``nodata`` is given for an array that :func:`open_raster` already decoded.
    """
    if isinstance(raster, (str, os.PathLike)):
        return open_raster(raster, sensor=sensor, nodata=nodata)
    if not isinstance(raster, (xr.DataArray, xr.Dataset)):
        raise RasterError(
            f"{role}: is a {type(raster).__name__}; a DataArray or Dataset of xarray, or the path "
            "of a file, is expected"
        )
    if isinstance(raster, xr.DataArray) and is_decoded(raster):
        if nodata is not None:
            raise PlanError(
                f"{raster_label(raster)}: is opened already; a no-data number is given to "
                "open_raster, or with a path"
            )
        if is_opened(raster):
            return with_current_grid(raster)
    file = _file_of(raster)
    source = str(raster.attrs.get("source") or file or f"{role} array")
    opened = open_array(source, raster)
    if opened.bands.source == "none" and file:
        opened = opened._replace(bands=_bands_of_file(file, raster, opened.bands))
    if nodata is not None:
        opened = _with_nodata(opened, nodata)
    if raster.attrs.get("sensor") and sensor is None:
        sensor = str(raster.attrs["sensor"])
    return _assemble(opened, sensor, _definition(sensor), None)


def as_values(raster: Raster) -> xr.DataArray:
    """
    Return a raster (band, y, x) for writing; an unpacked float array keeps type and coordinates.

    Its wavelengths are converted to nanometres.

    Raises
    ------
    RasterError
        If the object cannot be interpreted as a raster.
    """
    if not isinstance(raster, xr.DataArray) or raster.dims != ("band", "y", "x"):
        return as_raster(raster, "raster")
    if raster.dtype.kind != "f" or is_packed(raster):
        return as_raster(raster, "raster")
    check_whole(raster)
    return with_band_table(raster)


def check_georeferencing(raster: xr.DataArray) -> None:
    """
    Refuse a raster whose only georeferencing is unsupported and would be ignored.

    Raises
    ------
    RasterError
        If it has only control points, rational polynomials or coordinates of each pixel.
    """
    if not raster.attrs.get("georeferenced", True) and raster.attrs.get("georeferencing"):
        raise RasterError(f"{raster_label(raster)}: {raster.attrs['georeferencing']}")


def _definition(sensor: str | os.PathLike[str] | Sensor | None) -> Sensor | None:
    return pick_sensor(sensor) if isinstance(sensor, (str, os.PathLike)) else sensor


def _file_of(raster: xr.DataArray | xr.Dataset) -> str:
    """Return the only source file of an array or dataset; empty where there is none."""
    parts = [raster, *raster.data_vars.values()] if isinstance(raster, xr.Dataset) else [raster]
    files = {str(part.encoding["source"]) for part in parts if part.encoding.get("source")}
    return files.pop() if len(files) == 1 else ""


def _bands_of_file(file: str, raster: xr.DataArray | xr.Dataset, bands: BandTable) -> BandTable:
    """Return the band metadata of the source file of an array; ``bands`` if it cannot be read."""
    try:
        known = _open_file(locate(file)).bands
    except RasterError:
        return bands
    count = len(bands.names)
    chosen = np.arange(1, len(known.names) + 1)
    if "band" in raster.coords and raster["band"].dtype.kind in "iu":
        chosen = np.ravel(raster["band"].values)
    if chosen.size != count or chosen.min() < 1 or chosen.max() > len(known.names):
        return bands
    index = chosen - 1
    return replace(
        known,
        wavelength=known.wavelength[index],
        fwhm=known.fwhm[index],
        good=known.good[index],
        names=tuple(known.names[place] for place in index),
    )


def _assemble(
    opened: Opened,
    sensor: str | os.PathLike[str] | Sensor | None,
    definition: Sensor | None,
    chunk: int | None,
) -> xr.DataArray:
    """Return the lazy array of an opened file, with its coordinates and attributes."""
    check_shape(opened.pixels.path, opened.pixels.shape)
    _check_grid(opened)
    bands = opened.bands if definition is None else with_sensor(opened.bands, definition)
    notes = [*opened.notes, *(bands.notes if bands.source == "none" else ())]
    size = (chunk, chunk) if chunk else chunk_size(opened.pixels.shape, opened.block)
    array = xr.DataArray(
        lazy(opened.pixels, size),
        dims=("band", "y", "x"),
        coords=_coordinates(bands, opened),
        attrs={
            "source": opened.pixels.path,
            "wavelength_source": bands.source,
            "georeferenced": int(opened.transform is not None),  # netCDF has no truth values
            **opened.attributes,
            **_packing(opened.pixels),
            "sensor": _sensor_name(sensor) or opened.attributes.get("sensor", ""),
            "notes": join_notes(notes),
        },
        name=CUBE,  # else xarray takes the key of the dask array
    )
    rows, columns = opened.block
    array.encoding["preferred_chunks"] = {"y": rows, "x": columns}
    array.encoding["original_shape"] = opened.pixels.shape  # to refuse subsets of rotated grids
    if opened.crs is not None:
        array = array.rio.write_crs(opened.crs)
    # The identity is rasterio's convention for "no transform".
    placed: xr.DataArray = array.rio.write_transform(opened.transform or Affine.identity())
    if opened.standard_error is not None:
        error = lazy(opened.standard_error, size)[0]
        placed = placed.assign_coords({STANDARD_ERROR: (("y", "x"), error)})
    return placed


def _packing(pixels: Any) -> dict[str, object]:
    """Return the attributes of scale and offset of the stored numbers, one or one for each band."""
    if isinstance(pixels, MaskedPixels):
        return _packing(pixels.pixels)
    parts = pixels.layers if isinstance(pixels, StackedPixels) else (pixels,)
    attributes: dict[str, object] = {}
    for name, neutral in (("scale", 1.0), ("offset", 0.0)):
        stated = [number for part in parts for number in np.ravel(getattr(part, name, neutral))]
        if any(number != neutral for number in stated):
            numbers = [float(number) for number in stated]
            attributes[f"source_{name}"] = numbers[0] if len(set(numbers)) == 1 else numbers
    return attributes


def _open_file(place: Location) -> Opened:
    if place.store:
        from hsfuse.io.input.stores import open_store

        return open_store(place.file)
    if isinstance(place.file, Url):
        return open_dataset(place.path)
    if place.path.startswith("NETCDF:") or is_netcdf(place.file):
        return open_netcdf(place.file, place.variable)
    if place.archived and place.path.lower().endswith(NETCDF_SUFFIXES):
        raise RasterError(f"{place.path}: a netCDF file in an archive; extract it first")
    if place.variable:
        check_links(place.file)
    return open_dataset(place.path)


def _with_nodata(opened: Opened, nodata: NoData) -> Opened:
    """Return an opened file with another no-data value than the declared one."""
    pixels, attributes = opened.pixels, dict(opened.attributes)
    for name in ("nodata", "nodata_where"):
        attributes.pop(name, None)
    bands = pixels.shape[0]
    number = None if nodata == "none" else float(nodata)
    all_bands = number is not None and nodata_in_all_bands(
        [str(kind) for kind in np.ravel(np.array(attributes["source_dtype"]))], bands
    )
    if isinstance(pixels, FilePixels):
        pixels = replace(pixels, nodata=(number,) * bands, nodata_in_all_bands=all_bands)
    elif isinstance(pixels, StorePixels):
        known = () if number is None else (number,)
        pixels = replace(pixels, nodata=known, nodata_in_all_bands=all_bands)
    else:
        raise RasterError(
            f"{pixels.path}: is {attributes.get('product', 'a product')}, whose no data is known; "
            "a no-data number can be given for single files only"
        )
    attributes["nodata"] = nodata
    if all_bands:
        attributes["nodata_where"] = "every band holds it"
    attributes["nodata_given"] = True
    return opened._replace(pixels=pixels, attributes=attributes)


def _check_grid(opened: Opened) -> None:
    place = opened.transform
    if place is None:
        return
    # The coordinates of neighbouring pixels must differ in float64.
    least = GRIDS.least_step * max(abs(place.c), abs(place.f))
    if np.isfinite(place[:6]).all() and abs(place.determinant) > least**2:
        return
    numbers = ", ".join(f"{number:.7g}" for number in place[:6])
    raise RasterError(
        f"{opened.pixels.path}: its transform ({numbers}) puts no pixel on a map; expected finite "
        "numbers and pixels with an area, or no transform at all"
    )


def _coordinates(bands: BandTable, opened: Opened) -> dict[str, object]:
    count, rows, columns = opened.pixels.shape
    coordinates: dict[str, object] = {
        "band": np.arange(1, count + 1),
        "wavelength": ("band", bands.wavelength, {"units": "nm"}),
        "fwhm": ("band", bands.fwhm, {"units": "nm"}),
        "good": ("band", bands.good),
        # zarr warns that its format 3 does not specify text of fixed length.
        "band_name": ("band", np.array(bands.names, dtype=np.dtypes.StringDType())),
    }
    place = opened.transform or Affine.identity()
    if place.b == 0 and place.d == 0:
        coordinates["y"] = place.f + place.e * (np.arange(rows) + 0.5)
        coordinates["x"] = place.c + place.a * (np.arange(columns) + 0.5)
    return coordinates


def _sensor_name(sensor: str | os.PathLike[str] | Sensor | None) -> str:
    """Return the sensor as ``pick_sensor`` accepts it: a name with bands, or a path."""
    if isinstance(sensor, Sensor):
        return sensor.id
    if sensor is None:
        return ""
    return os.fspath(sensor)
