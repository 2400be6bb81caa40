"""Reader of raster files by GDAL: bands, grid, scale, no-data values and masks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window

from hsfuse.errors import RasterError
from hsfuse.io.files.identity import companions
from hsfuse.io.files.location import stamp
from hsfuse.io.files.url import as_path
from hsfuse.io.input.bands import file_bands
from hsfuse.io.input.checks import open_file
from hsfuse.io.input.georeferencing import read_georeferencing
from hsfuse.io.input.handles import GDAL_ERRORS, gdal_options
from hsfuse.io.input.packing import nodata_in_all_bands
from hsfuse.io.input.pixels import FilePixels, Opened
from hsfuse.io.names import ITEMS, STANDARD_ERROR, STANDARD_ERROR_FIELD, error_file
from hsfuse.io.settings import CHECKS

__all__ = ["open_dataset"]


def open_dataset(path: str | os.PathLike[str]) -> Opened:
    """
    Open a file with GDAL.

    Parameters
    ----------
    path : str or Path
        Path or GDAL name of a GeoTIFF, the data file of an ENVI image, or any other raster file
        that GDAL reads.

    Raises
    ------
    RasterError
        If the file is no raster, is truncated, or declares implausible sizes.
    """
    try:
        return _open(path)
    except GDAL_ERRORS as error:
        reason = " ".join(str(error).replace(str(path), "it").split())
        raise RasterError(
            f"{path}: its metadata are damaged ({reason}); get the file again"
        ) from error


def _open(path: str | os.PathLike[str]) -> Opened:
    # Within an Env, GDAL's messages become log lines; a no-data value like 1e99 must not warn.
    # GDAL requests the listed files again, so the endpoint is needed here too.
    with gdal_options(str(path)), open_file(path) as dataset, np.errstate(over="ignore"):
        notes: list[str] = []
        tagged = _tagged_alpha(dataset)
        alpha = tagged if tagged and _is_mask(dataset, tagged) else 0
        if tagged and not alpha:
            notes.append(
                f"band {tagged} is tagged as alpha and holds many values: it is taken for a band"
            )
        error = _standard_error_band(dataset)
        indexes = [index for index in dataset.indexes if index not in (alpha, error)]
        mask = _mask(dataset, indexes, tagged, alpha)
        _check_scaling(dataset, indexes)
        pixels = _file_pixels(path, dataset, indexes, mask)
        attributes = _attributes(dataset, pixels, mask)
        standard_error = _standard_error_pixels(dataset, pixels, error)
        georeferencing = read_georeferencing(dataset)
        if georeferencing.unsupported:
            attributes["georeferencing"] = georeferencing.unsupported
        if ColorInterp.palette in dataset.colorinterp:
            attributes["colour_table"] = True
        bands = file_bands(dataset, indexes)
        attributes["notes"] = [*notes, *georeferencing.notes]
        return Opened(
            pixels,
            dataset.block_shapes[0],
            bands,
            georeferencing.transform,
            georeferencing.crs,
            attributes,
            standard_error,
        )


def _file_pixels(
    path: str | os.PathLike[str], dataset: DatasetReader, indexes: Sequence[int], mask: str
) -> FilePixels:
    # GDAL applies gains and offsets of an ENVI header, but not its reflectance scale factor.
    divisor = _reflectance_scale(dataset)
    return FilePixels(
        path=str(path),
        state=stamp(str(path)),
        size=(dataset.height, dataset.width),
        indexes=tuple(indexes),
        nodata=tuple(dataset.nodatavals[index - 1] for index in indexes),
        scale=tuple(dataset.scales[index - 1] / divisor for index in indexes),
        offset=tuple(dataset.offsets[index - 1] / divisor for index in indexes),
        nodata_in_all_bands=(
            dataset.nodata is not None and nodata_in_all_bands(dataset.dtypes, len(indexes))
        ),
        companions=companions(dataset.files[1:]),
        mask="none" if not mask else "bands" if mask == "mask of each band" else "dataset",
    )


def _attributes(dataset: DatasetReader, pixels: FilePixels, mask: str) -> dict[str, object]:
    """Return the attributes of the raster that describe its stored values."""
    attributes: dict[str, object] = {"source_dtype": _one_or_all(dataset.dtypes)}
    if any(number is not None for number in pixels.nodata):
        attributes["nodata"] = _one_or_all(pixels.nodata)
    if pixels.nodata_in_all_bands:
        attributes["nodata_where"] = "every band holds it"
    units = {dataset.units[index - 1] for index in pixels.indexes}
    if len(units) == 1 and (unit := units.pop()):
        attributes["units"] = unit
    if mask:
        attributes["mask"] = mask
    return attributes


def _standard_error_pixels(
    dataset: DatasetReader, pixels: FilePixels, error: int
) -> FilePixels | None:
    """Return the pixels of the standard error: band ``error`` if not 0, or a file beside it."""
    if error:
        number, scale, offset = (
            values[error - 1] for values in (dataset.nodatavals, dataset.scales, dataset.offsets)
        )
        return replace(pixels, indexes=(error,), nodata=(number,), scale=(scale,), offset=(offset,))
    if dataset.tags(ns="ENVI").get(STANDARD_ERROR_FIELD.replace(" ", "_")) == "1":
        return _standard_error_file(pixels)
    return None


def _standard_error_band(dataset: DatasetReader) -> int:
    """Return the number of the band that hsfuse wrote as standard error, 0 if there is none."""
    roles = (dataset.tags(index, ns=ITEMS).get("ROLE") for index in dataset.indexes)
    return next((index for index, role in enumerate(roles, start=1) if role == STANDARD_ERROR), 0)


def _standard_error_file(pixels: FilePixels) -> FilePixels | None:
    """Return the pixels of the standard error file of an ENVI output of hsfuse, if any."""
    path = error_file(as_path(pixels.path))
    if not path.is_file():
        return None
    return replace(
        pixels,
        path=str(path),
        state=stamp(str(path)),
        indexes=(1,),
        nodata=pixels.nodata[:1],
        scale=pixels.scale[:1],
        offset=pixels.offset[:1],
        companions=(),
    )


def _check_scaling(dataset: DatasetReader, indexes: list[int]) -> None:
    for index in indexes:
        scale, offset = dataset.scales[index - 1], dataset.offsets[index - 1]
        if not (np.isfinite(scale) and np.isfinite(offset) and scale != 0):
            raise RasterError(
                f"{dataset.name}: band {index} has the scale {scale:g} and the offset {offset:g}; "
                "expected finite numbers and a scale other than 0"
            )


def _tagged_alpha(dataset: DatasetReader) -> int:
    """Return the number of the band tagged as alpha, 0 if none is or it is the only band."""
    masks = [
        index
        for index, meaning in zip(dataset.indexes, dataset.colorinterp, strict=True)
        if meaning is ColorInterp.alpha
    ]
    return masks[0] if masks and len(masks) < dataset.count else 0


def _is_mask(dataset: DatasetReader, band: int) -> bool:
    """
    Return whether a band tagged as alpha is a mask: nearly all values are 0 or the maximum.

    Many writers tag any fourth band of bytes as alpha, often the near infrared.
    """
    tops, lefts = (
        sorted(
            {
                int(at)
                for at in np.linspace(0, max(length - CHECKS.alpha_side, 0), CHECKS.alpha_windows)
            }
        )
        for length in dataset.shape
    )
    windows = [
        Window(left, top, CHECKS.alpha_side, CHECKS.alpha_side) for top in tops for left in lefts
    ]
    with gdal_options(dataset.name):
        values = np.concatenate([dataset.read(band, window=each).ravel() for each in windows])
    limits = (
        np.iinfo(values.dtype).max if values.dtype.kind in "iu" else np.nanmax(values, initial=0)
    )
    between = values[np.isfinite(values) & (values != 0) & (values != limits)]
    return bool(
        between.size <= CHECKS.alpha_between * values.size
        or np.unique(between).size < CHECKS.alpha_values
    )


def _mask(dataset: DatasetReader, indexes: list[int], tagged: int, alpha: int) -> str:
    """Describe the mask that GDAL applies besides the no-data values, if any."""
    flags = dataset.mask_flag_enums[indexes[0] - 1]
    if alpha:
        return f"alpha band {alpha}"
    if tagged and MaskFlags.alpha in flags:  # the tagged band is an image band
        return ""
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
