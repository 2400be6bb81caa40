"""
Rasters opened lazily: one :class:`xarray.DataArray` for every format.

A raster has the dimensions (band, y, x), float32 values with scale and offset applied,
and NaN for no data. Opening reads metadata; pixels are read when they are computed.
"""

from __future__ import annotations

import os
from pathlib import Path

import dask.array
import numpy as np
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from affine import Affine

from hsfuse.errors import PlanError, RasterError
from hsfuse.io.bands import BandTable, with_sensor
from hsfuse.io.checks import locate
from hsfuse.io.gdal_reader import open_dataset
from hsfuse.io.labels import raster_label
from hsfuse.io.pixels import FilePixels, MaskedPixels, Opened, chunk_size, lazy
from hsfuse.io.products import open_product
from hsfuse.io.zarr_reader import open_store
from hsfuse.sensor.catalogue import pick_sensor
from hsfuse.sensor.model import Sensor

__all__ = ["mask_raster", "open_raster"]

_LEAST_STEP = 1e-12  # pixel over coordinate


def open_raster(
    path: str | os.PathLike[str],
    *,
    sensor: str | os.PathLike[str] | Sensor | None = None,
    mask: str | os.PathLike[str] | None = None,
    chunk: int | None = None,
) -> xr.DataArray:
    """
    Open a raster lazily.

    Parameters
    ----------
    path : str or path
        A GeoTIFF, an ENVI file (its header or its data), a zarr store of xarray,
        rioxarray or hsfuse, any other raster file that GDAL reads, or a product as its
        maker delivers it (:mod:`hsfuse.io.products`), which tells its own sensor.
    sensor : str, path or Sensor, optional
        The sensor that made it: a name or a definition for :func:`hsfuse.load_sensor`.
        It gives the wavelengths that the file does not know.
    mask : str or path, optional
        A raster file of the same rows and columns: where its first band is 0 or has no data,
        no band has data. That is GDAL's convention; a cloud mask is often the other way round.
    chunk : int, optional
        Rows and columns of a dask chunk. By default whole blocks of the file, at most
        64 MiB.

    Returns
    -------
    DataArray of shape (bands, rows, columns)
        float32, NaN for no data, with the coordinates ``band``, ``wavelength`` and
        ``fwhm`` (nanometres, NaN where unknown), ``good``, ``band_name``, ``x`` and ``y``
        (pixel centres; absent from rotated grids) and ``spatial_ref``. Attributes:
        ``source``, ``sensor``, ``wavelength_source``, ``georeferenced``, ``source_dtype``
        and, where there is something to say, ``units``, ``nodata``, ``nodata_where``,
        ``mask``, ``mask_file``, ``georeferencing``, ``product`` and ``notes``: what was
        assumed of it, a list of sentences.

    Raises
    ------
    RasterError
        If the file is missing, damaged, incomplete, or no raster that hsfuse reads.
        Computing raises it too, for pixels that cannot be read.
    SensorError
        If the sensor is unknown.
    PlanError
        If ``chunk`` is not positive.
    """
    if chunk is not None and chunk < 1:
        raise PlanError(f"chunk is a positive number of pixels, got {chunk}")
    definition = pick_sensor(sensor) if isinstance(sensor, (str, os.PathLike)) else sensor
    opened = open_product(path)
    if opened is None:
        found, is_store = locate(path)
        opened = open_store(found) if is_store else open_dataset(found)
    _check_grid(opened)
    if mask is not None:
        opened = _masked(opened, Path(mask))
    bands = opened.bands if definition is None else with_sensor(opened.bands, definition)
    size = (chunk, chunk) if chunk else chunk_size(opened.pixels.shape, opened.block)
    array = xr.DataArray(
        lazy(opened.pixels, size),
        dims=("band", "y", "x"),
        coords=_coordinates(bands, opened),
        attrs={
            "source": opened.pixels.path,
            "wavelength_source": bands.source,
            "georeferenced": opened.transform is not None,
            **opened.attributes,
            "sensor": _sensor_name(sensor) or opened.attributes.get("sensor", ""),
        },
    )
    if opened.crs is not None:
        array = array.rio.write_crs(opened.crs)
    # An identity is how rasterio says that there is no transform.
    placed: xr.DataArray = array.rio.write_transform(opened.transform or Affine.identity())
    return placed


def _check_grid(opened: Opened) -> None:
    place = opened.transform
    if place is None:
        return
    # The coordinates of neighbouring pixels have to differ in float64.
    least = _LEAST_STEP * max(abs(place.c), abs(place.f))
    if np.isfinite(place[:6]).all() and abs(place.determinant) > least**2:
        return
    numbers = ", ".join(f"{number:.7g}" for number in place[:6])
    raise RasterError(
        f"{opened.pixels.path}: its transform ({numbers}) puts no pixel on a map; finite numbers "
        "and pixels with an area would be accepted, or no transform at all"
    )


def _coordinates(bands: BandTable, opened: Opened) -> dict[str, object]:
    count, rows, columns = opened.pixels.shape
    coordinates: dict[str, object] = {
        "band": np.arange(1, count + 1),
        "wavelength": ("band", bands.wavelength, {"units": "nm"}),
        "fwhm": ("band", bands.fwhm, {"units": "nm"}),
        "good": ("band", bands.good),
        "band_name": ("band", list(bands.names)),
    }
    place = opened.transform or Affine.identity()
    if place.b == 0 and place.d == 0:
        coordinates["y"] = place.f + place.e * (np.arange(rows) + 0.5)
        coordinates["x"] = place.c + place.a * (np.arange(columns) + 0.5)
    return coordinates


def _sensor_name(sensor: str | os.PathLike[str] | Sensor | None) -> str:
    """Return what ``pick_sensor`` takes: a name, its bands, or a path."""
    if isinstance(sensor, Sensor):
        return sensor.id
    if sensor is None:
        return ""
    return os.fspath(sensor)


def mask_raster(raster: xr.DataArray, mask: str | os.PathLike[str]) -> xr.DataArray:
    """
    Return a raster without data wherever a mask file is 0 or has no data, lazily.

    Parameters
    ----------
    raster : DataArray of shape (bands, rows, columns)
    mask : str or path
        As for :func:`open_raster`.

    Raises
    ------
    RasterError
        If the mask is not a raster file on the grid of ``raster``.
    """
    stated = Affine(*raster.rio.transform()[:6])
    place = stated if raster.attrs.get("georeferenced", not stated.is_identity) else None
    valid = _open_mask(Path(mask), raster_label(raster), raster.shape, place)
    chunks = (1, *raster.chunks[1:]) if raster.chunks else "auto"
    flags = dask.array.from_array(valid, chunks=chunks, asarray=True, fancy=True)
    data = dask.array.where(flags > 0, raster.data, np.float32(np.nan))
    return raster.copy(data=data).assign_attrs(mask_file=str(mask))


def _masked(opened: Opened, mask: Path) -> Opened:
    """Return what was opened, without data where a mask file says so."""
    valid = _open_mask(mask, opened.pixels.path, opened.pixels.shape, opened.transform)
    attributes = opened.attributes | {"mask_file": str(mask)}
    return opened._replace(pixels=MaskedPixels(opened.pixels, valid), attributes=attributes)


def _open_mask(
    mask: Path, name: str, shape: tuple[int, ...], transform: Affine | None
) -> FilePixels:
    """Return the pixels of a mask file, if they are on the grid of the raster that it masks."""
    found, is_store = locate(mask)
    if is_store:
        raise RasterError(f"{mask}: a zarr store; expected a raster file, as a GeoTIFF")
    other = open_dataset(found)
    if other.pixels.shape[1:] != shape[1:]:
        sizes = [" x ".join(map(str, size)) for size in (other.pixels.shape[1:], shape[1:])]
        raise RasterError(
            f"{mask}: has {sizes[0]} pixels, and {name}, which it masks, {sizes[1]}; "
            "expected a mask of the same rows and columns"
        )
    places = other.transform, transform
    if None not in places and not _same_place(*places, (shape[1], shape[2])):
        raise RasterError(
            f"{mask}: lies elsewhere than {name}, which it masks; expected a mask on the "
            "same grid, or without georeferencing"
        )
    return other.pixels


def _same_place(first: Affine, second: Affine, size: tuple[int, int]) -> bool:
    """Tell whether the corners of two grids lie within a tenth of a pixel of each other."""
    rows, columns = size
    away = [
        ~second * (first * corner) for corner in ((0, 0), (columns, 0), (0, rows), (columns, rows))
    ]
    wanted = [(0, 0), (columns, 0), (0, rows), (columns, rows)]
    return bool(np.abs(np.array(away) - np.array(wanted)).max() < 0.1)
