"""
Rasters opened lazily: one :class:`xarray.DataArray` for every format.

A raster has the dimensions (band, y, x), float32 values with scale and offset applied,
and NaN for no data. Opening reads metadata; pixels are read when they are computed.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from affine import Affine
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader

from hsfuse.core.sensor import Sensor
from hsfuse.errors import PlanError, RasterError
from hsfuse.io.bands import BandTable, file_bands, with_sensor
from hsfuse.io.checks import locate, open_file
from hsfuse.io.stored import Opened, open_store
from hsfuse.io.windows import FilePixels, MaskedPixels, chunk_size, lazy, stamp
from hsfuse.sensor import pick_sensor

__all__ = ["open_raster"]

_MOST_COLOURS = 16  # bands of a multispectral image


def open_raster(
    path: str | os.PathLike[str],
    *,
    sensor: str | Sensor | None = None,
    mask: str | os.PathLike[str] | None = None,
    chunk: int | None = None,
) -> xr.DataArray:
    """
    Open a raster lazily.

    Parameters
    ----------
    path : str or path
        A GeoTIFF, an ENVI file (its header or its data), a zarr store of xarray,
        rioxarray or hsfuse, or any other raster file that GDAL reads.
    sensor : str or Sensor, optional
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
        ``mask``, ``mask_file`` and ``georeferencing``.

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
    found, is_store = locate(path)
    opened = open_store(found) if is_store else _open_file(found)
    if mask is not None:
        opened = _masked(opened, found, Path(mask))
    bands = opened.bands if definition is None else with_sensor(opened.bands, definition)
    size = (chunk, chunk) if chunk else chunk_size(opened.pixels.shape, opened.block)
    array = xr.DataArray(
        lazy(opened.pixels, size),
        dims=("band", "y", "x"),
        coords=_coordinates(bands, opened),
        attrs={
            "source": str(found),
            "sensor": _sensor_name(sensor),
            "wavelength_source": bands.source,
            "georeferenced": opened.transform is not None,
            **opened.attributes,
        },
    )
    if opened.crs is not None:
        array = array.rio.write_crs(opened.crs)
    # An identity is how rasterio says that there is no transform.
    placed: xr.DataArray = array.rio.write_transform(opened.transform or Affine.identity())
    return placed


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


def _sensor_name(sensor: str | Sensor | None) -> str:
    """Return what :func:`hsfuse.sensor.pick_sensor` takes: a name, its bands, or a path."""
    if isinstance(sensor, Sensor):
        return sensor.id
    if sensor is None:
        return ""
    return os.fspath(sensor)


def _open_file(path: Path) -> Opened:
    with open_file(path) as dataset:
        indexes = [
            index
            for index, meaning in zip(dataset.indexes, dataset.colorinterp, strict=True)
            if meaning is not ColorInterp.alpha
        ] or list(dataset.indexes)
        attributes: dict[str, object] = {"source_dtype": _one_or_all(dataset.dtypes)}
        nodata = tuple(dataset.nodatavals[index - 1] for index in indexes)
        if any(number is not None for number in nodata):
            attributes["nodata"] = _one_or_all(nodata)
        together = _nodata_together(dataset, indexes)
        if together:
            attributes["nodata_where"] = "every band holds it"
        units = {dataset.units[index - 1] for index in indexes}
        if len(units) == 1 and (unit := units.pop()):
            attributes["units"] = unit
        mask = _mask(dataset, indexes)
        if mask:
            attributes["mask"] = mask
        # GDAL applies an ENVI header's gains and offsets, but not its scale of reflectance.
        divisor = _reflectance_scale(dataset)
        pixels = FilePixels(
            path=str(path),
            state=stamp(str(path)),
            size=(dataset.height, dataset.width),
            indexes=tuple(indexes),
            nodata=nodata,
            scale=tuple(dataset.scales[index - 1] / divisor for index in indexes),
            offset=tuple(dataset.offsets[index - 1] / divisor for index in indexes),
            together=together,
            mask="none" if not mask else "bands" if mask == "mask of each band" else "dataset",
        )
        transform = None if dataset.transform.is_identity else dataset.transform
        if transform is None and dataset.gcps[0]:
            attributes["georeferencing"] = "ground control points only; warp it to a grid to use it"
        elif transform is None and dataset.rpcs is not None:
            attributes["georeferencing"] = "rational polynomials only; warp it to a grid to use it"
        return Opened(
            pixels,
            dataset.block_shapes[0],
            file_bands(dataset, indexes),
            transform,
            dataset.crs,
            attributes,
        )


def _masked(opened: Opened, path: Path, mask: Path) -> Opened:
    """Return what was opened, without data where a mask file says so."""
    found, is_store = locate(mask)
    if is_store:
        raise RasterError(f"{mask}: a zarr store; a mask is a raster file, as a GeoTIFF")
    other = _open_file(found)
    if other.pixels.shape[1:] != opened.pixels.shape[1:]:
        sizes = [" x ".join(map(str, pixels.shape[1:])) for pixels in (other.pixels, opened.pixels)]
        raise RasterError(
            f"{mask}: has {sizes[0]} pixels, and {path}, which it masks, {sizes[1]}; "
            "a mask of the same rows and columns would be accepted"
        )
    places = other.transform, opened.transform
    if None not in places and not _same_place(*places, opened.pixels.shape[1:]):
        raise RasterError(
            f"{mask}: lies elsewhere than {path}, which it masks; a mask on the same grid, or "
            "without georeferencing, would be accepted"
        )
    attributes = opened.attributes | {"mask_file": str(mask)}
    return opened._replace(pixels=MaskedPixels(opened.pixels, other.pixels), attributes=attributes)


def _same_place(first: Affine, second: Affine, size: tuple[int, int]) -> bool:
    """Tell whether the corners of two grids lie within a tenth of a pixel of each other."""
    rows, columns = size
    away = [
        ~second * (first * corner) for corner in ((0, 0), (columns, 0), (0, rows), (columns, rows))
    ]
    wanted = [(0, 0), (columns, 0), (0, rows), (columns, rows)]
    return bool(np.abs(np.array(away) - np.array(wanted)).max() < 0.1)


def _nodata_together(dataset: DatasetReader, indexes: list[int]) -> bool:
    """
    Tell whether a pixel lacks data only where every band holds the no-data number.

    In colour and multispectral images of unsigned integers that number is also a value: 0 is
    black in one band, 255 white. Where a sensor saw nothing, all bands hold it.
    """
    unsigned = all(np.dtype(kind).kind == "u" for kind in dataset.dtypes)
    return unsigned and 1 < len(indexes) <= _MOST_COLOURS and dataset.nodata is not None


def _mask(dataset: DatasetReader, indexes: list[int]) -> str:
    """Describe the mask that GDAL has beside the no-data numbers, if any."""
    flags = dataset.mask_flag_enums[indexes[0] - 1]
    if MaskFlags.alpha in flags:
        alpha = dataset.colorinterp.index(ColorInterp.alpha) + 1
        return f"alpha band {alpha}"
    if MaskFlags.per_dataset in flags:
        return "mask of all bands"
    if MaskFlags.all_valid in flags or MaskFlags.nodata in flags:
        return ""
    return "mask of each band"


def _reflectance_scale(dataset: DatasetReader) -> float:
    tags = dataset.tags(ns="ENVI") if dataset.driver == "ENVI" else {}
    try:
        divisor = float(tags.get("reflectance_scale_factor", "1").strip(" {}"))
    except ValueError:
        return 1.0
    return divisor if np.isfinite(divisor) and divisor > 0 else 1.0


def _one_or_all(values: tuple[object, ...]) -> object:
    return values[0] if len(set(map(str, values))) == 1 else list(values)
