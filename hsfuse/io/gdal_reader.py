"""A file that GDAL reads as the raster it holds: its bands, grid, scale and masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader

from hsfuse.errors import RasterError
from hsfuse.io.bands import file_bands
from hsfuse.io.checks import open_file
from hsfuse.io.handles import GDAL_ERRORS, stamp
from hsfuse.io.identity import companions
from hsfuse.io.pixels import FilePixels, Opened

__all__ = ["open_dataset"]

_MOST_COLOURS = 16  # bands of a multispectral image


def open_dataset(path: Path) -> Opened:
    """
    Open a file with GDAL.

    Parameters
    ----------
    path : Path
        GeoTIFF, the data of an ENVI file, or any other raster file that GDAL reads.

    Raises
    ------
    RasterError
        If it is no raster, lacks pixels, or declares what cannot be meant.
    """
    try:
        return _open(path)
    except GDAL_ERRORS as error:
        reason = " ".join(str(error).replace(str(path), "it").split())
        raise RasterError(
            f"{path}: its metadata are damaged ({reason}); get the file again"
        ) from error


def _open(path: Path) -> Opened:
    # Within an Env GDAL's messages become log lines; a no-data number like 1e99 is no overflow.
    with rasterio.Env(), open_file(path) as dataset, np.errstate(over="ignore"):
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
        _check_scaling(dataset, indexes)
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
            beside=companions(dataset.files[1:]),
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


def _check_scaling(dataset: DatasetReader, indexes: list[int]) -> None:
    for index in indexes:
        scale, offset = dataset.scales[index - 1], dataset.offsets[index - 1]
        if not (np.isfinite(scale) and np.isfinite(offset) and scale != 0):
            raise RasterError(
                f"{dataset.name}: band {index} has the scale {scale:g} and the offset {offset:g}; "
                "finite numbers and a scale other than 0 would be accepted"
            )


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
