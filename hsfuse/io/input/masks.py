"""Masks: raster files that define where another raster has data."""

from __future__ import annotations

import os

import dask.array
import numpy as np
import xarray as xr
from affine import Affine

from hsfuse.core.text import image_size
from hsfuse.errors import RasterError
from hsfuse.io.files.url import AnyPath, as_path
from hsfuse.io.input.checks import locate
from hsfuse.io.input.coordinates import array_georeferencing
from hsfuse.io.input.gdal_reader import open_dataset
from hsfuse.io.input.labels import raster_label
from hsfuse.io.input.pixels import FilePixels, MaskedPixels, Opened

__all__ = ["mask_raster", "mask_opened"]


def mask_raster(raster: xr.DataArray, mask: str | os.PathLike[str]) -> xr.DataArray:
    """
    Return a raster with NaN wherever a mask file is 0 or has no data, lazily.

    Parameters
    ----------
    raster : DataArray of shape (bands, rows, columns)
    mask : str or path
        The mask, as in :func:`open_raster`.

    Raises
    ------
    RasterError
        If the mask is not a raster file on the grid of ``raster``.
    """
    place = array_georeferencing(raster_label(raster), raster, raster.attrs).transform
    valid = _open_mask(as_path(mask), raster_label(raster), raster.shape, place)
    chunks = (1, *raster.chunks[1:]) if raster.chunks else "auto"
    flags = dask.array.from_array(valid, chunks=chunks, asarray=True, fancy=True)
    data = dask.array.where(flags > 0, raster.data, np.float32(np.nan))
    return raster.copy(data=data).assign_attrs(mask_file=str(mask))


def mask_opened(opened: Opened, mask: AnyPath) -> Opened:
    """Return an opened file with its pixels and standard error masked."""
    valid = _open_mask(mask, opened.pixels.path, opened.pixels.shape, opened.transform)
    attributes = opened.attributes | {"mask_file": str(mask)}
    pixels, error = (
        None if each is None else MaskedPixels(each, valid)
        for each in (opened.pixels, opened.standard_error)
    )
    return opened._replace(pixels=pixels, standard_error=error, attributes=attributes)


def _open_mask(
    mask: AnyPath, name: str, shape: tuple[int, ...], transform: Affine | None
) -> FilePixels:
    """Open a mask file; refuse one that is not on the grid of the raster to be masked."""
    place = locate(mask)
    if place.store:
        raise RasterError(f"{mask}: a zarr store; expected a raster file, as a GeoTIFF")
    other = open_dataset(place.path)
    if other.pixels.shape[1:] != shape[1:]:
        sizes = [image_size(*size[1:]) for size in (other.pixels.shape, shape)]
        raise RasterError(
            f"{mask}: has {sizes[0]}, and {name}, which it masks, {sizes[1]}; "
            "expected a mask of the same rows and columns"
        )
    if (
        other.transform is not None
        and transform is not None
        and not _same_place(other.transform, transform, (shape[1], shape[2]))
    ):
        raise RasterError(
            f"{mask}: lies elsewhere than {name}, which it masks; expected a mask on the "
            "same grid, or without georeferencing"
        )
    valid: FilePixels = other.pixels
    return valid


def _same_place(first: Affine, second: Affine, size: tuple[int, int]) -> bool:
    """Return whether the corners of two grids agree within a tenth of a pixel."""
    rows, columns = size
    away = [
        ~second * (first * corner) for corner in ((0, 0), (columns, 0), (0, rows), (columns, rows))
    ]
    wanted = [(0, 0), (columns, 0), (0, rows), (columns, rows)]
    return bool(np.abs(np.array(away) - np.array(wanted)).max() < 0.1)
