"""A file that GDAL reads as the raster it holds: its bands, grid, scale and masks."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window

from hsfuse.errors import RasterError
from hsfuse.io.bands import file_bands
from hsfuse.io.checks import open_file
from hsfuse.io.handles import GDAL_ERRORS, gdal_options
from hsfuse.io.identity import companions
from hsfuse.io.layout import ITEMS, STANDARD_ERROR, STANDARD_ERROR_FIELD, error_file
from hsfuse.io.location import stamp
from hsfuse.io.packing import means_together
from hsfuse.io.pixels import FilePixels, Opened
from hsfuse.io.placement import place_of
from hsfuse.io.settings import CHECKS
from hsfuse.io.url import as_path

__all__ = ["open_dataset"]


def open_dataset(path: str | os.PathLike[str]) -> Opened:
    """
    Open a file with GDAL.

    Parameters
    ----------
    path : str or Path
        As GDAL names it: GeoTIFF, the data of an ENVI file, or any other raster file that
        GDAL reads.

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


def _open(path: str | os.PathLike[str]) -> Opened:
    # Within an Env GDAL's messages become log lines; a no-data number like 1e99 is no overflow.
    # GDAL asks for files again when they are listed, so the endpoint is stated here.
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
        attributes: dict[str, object] = {"source_dtype": _one_or_all(dataset.dtypes)}
        nodata = tuple(dataset.nodatavals[index - 1] for index in indexes)
        if any(number is not None for number in nodata):
            attributes["nodata"] = _one_or_all(nodata)
        together = dataset.nodata is not None and means_together(dataset.dtypes, len(indexes))
        if together:
            attributes["nodata_where"] = "every band holds it"
        units = {dataset.units[index - 1] for index in indexes}
        if len(units) == 1 and (unit := units.pop()):
            attributes["units"] = unit
        mask = _mask(dataset, indexes, tagged, alpha)
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
        standard_error = None
        if error:
            number, scale, offset = (
                values[error - 1]
                for values in (dataset.nodatavals, dataset.scales, dataset.offsets)
            )
            standard_error = replace(
                pixels, indexes=(error,), nodata=(number,), scale=(scale,), offset=(offset,)
            )
        elif dataset.tags(ns="ENVI").get(STANDARD_ERROR_FIELD.replace(" ", "_")) == "1":
            standard_error = _standard_error_file(pixels)
        place = place_of(dataset)
        if place.without:
            attributes["georeferencing"] = place.without
        if ColorInterp.palette in dataset.colorinterp:
            attributes["colour_table"] = True
        bands = file_bands(dataset, indexes)
        attributes["notes"] = [*notes, *place.notes]
        return Opened(
            pixels,
            dataset.block_shapes[0],
            bands,
            place.transform,
            place.crs,
            attributes,
            standard_error,
        )


def _standard_error_band(dataset: DatasetReader) -> int:
    """Return the band that hsfuse wrote as the standard error of the others, 0 if none is."""
    roles = (dataset.tags(index, ns=ITEMS).get("ROLE") for index in dataset.indexes)
    return next((index for index, role in enumerate(roles, start=1) if role == STANDARD_ERROR), 0)


def _standard_error_file(pixels: FilePixels) -> FilePixels | None:
    """Return the pixels of the file of standard errors beside an ENVI file of hsfuse, if any."""
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
        beside=(),
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
    """Return the band that is tagged as alpha, 0 if none is or no other band is there."""
    found = [
        index
        for index, meaning in zip(dataset.indexes, dataset.colorinterp, strict=True)
        if meaning is ColorInterp.alpha
    ]
    return found[0] if found and len(found) < dataset.count else 0


def _is_mask(dataset: DatasetReader, band: int) -> bool:
    """
    Return whether a band tagged as alpha is one: nearly all of it nothing or everything.

    Writers tag a fourth band of bytes so whatever it holds, near infrared mostly.
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
        seen = np.concatenate([dataset.read(band, window=each).ravel() for each in windows])
    limits = np.iinfo(seen.dtype).max if seen.dtype.kind in "iu" else np.nanmax(seen, initial=0)
    between = seen[np.isfinite(seen) & (seen != 0) & (seen != limits)]
    return bool(
        between.size <= CHECKS.alpha_between * seen.size
        or np.unique(between).size < CHECKS.alpha_values
    )


def _mask(dataset: DatasetReader, indexes: list[int], tagged: int, alpha: int) -> str:
    """Describe the mask that GDAL has beside the no-data numbers, if any."""
    flags = dataset.mask_flag_enums[indexes[0] - 1]
    if alpha:
        return f"alpha band {alpha}"
    if tagged and MaskFlags.alpha in flags:  # a band that is no mask, whatever its tag
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
