"""
Restriction of a pair to some bands of the HS image and a bounding box of the MS image.

Both are applied before planning, so that survey, method and tiles refer to the part alone. Around
the box, the MS image is read with the same margin as around the overlap of a whole pair.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import dask.array
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from hsfuse.core.grid import Span
from hsfuse.core.numbers import check_real_numbers
from hsfuse.core.text import listed
from hsfuse.errors import PairError, PlanError
from hsfuse.io.input.labels import (
    crs_label,
    join_notes,
    raster_band_labels,
    raster_label,
    raster_notes,
)
from hsfuse.pair.geometry import transform
from hsfuse.pair.response import covered_bands
from hsfuse.sensor.model import Sensor

__all__ = [
    "BBox",
    "Bands",
    "check_bands",
    "check_bbox",
    "find_window",
    "restrict_ms",
    "select_bands",
]

#: Left, bottom, right and top.
BBox = tuple[float, float, float, float]
#: Text such as ``"1-50,60,900-1000nm"``, or band numbers from 1.
Bands = str | Sequence[int]

_NUMBERS = re.compile(r"(\d+)(?:-(\d+))?")
_LENGTHS = re.compile(r"(\d+\.?\d*)-(\d+\.?\d*) *nm", re.IGNORECASE)
_SYNTAX = "numbers from 1, ranges, or wavelength ranges, as in 1-50,60,900-1000nm"
# Points along each edge of a bounding box in a transformation to another CRS, as in GDAL.
_DENSIFIED = 21


class _Range(NamedTuple):
    """First and last band of a range: numbers from 1, or wavelengths in nanometres."""

    first: float
    last: float
    nanometres: bool
    text: str


def check_bands(bands: Bands) -> None:
    """
    Check the syntax of a band selection.

    Parameters
    ----------
    bands : str or sequence of int
        Band numbers from 1, ranges of numbers and ranges of wavelengths in nanometres, separated
        by commas; or a sequence of numbers.

    Raises
    ------
    PlanError
        If the selection is invalid.

    Examples
    --------
    >>> check_bands("1-50, 60, 900-1000nm")
    """
    _ranges(bands)


def _ranges(bands: Bands) -> list[_Range]:
    try:
        words = bands.split(",") if isinstance(bands, str) else [str(number) for number in bands]
    except TypeError:
        raise PlanError(f"bands: found {bands!r}; expected {_SYNTAX}") from None
    if not words:
        raise PlanError(f"bands: found none; expected {_SYNTAX}")
    return [_range(word.strip()) for word in words]


def _range(text: str) -> _Range:
    if match := _NUMBERS.fullmatch(text):
        first, last = int(match[1]), int(match[2] or match[1])
        nanometres = False
    elif match := _LENGTHS.fullmatch(text):
        first, last, nanometres = float(match[1]), float(match[2]), True  # type: ignore[assignment]
    else:
        raise PlanError(f"bands: found {text!r}; expected {_SYNTAX}")
    if first > last or (first < 1 and not nanometres):
        raise PlanError(f"bands: found {text!r}; expected {_SYNTAX}, the smaller number first")
    return _Range(first, last, nanometres, text)


def select_bands(hs: xr.DataArray, bands: Bands) -> xr.DataArray:
    """
    Select bands of a raster, lazily, in the order of the raster and renumbered from 1.

    Parameters
    ----------
    hs : DataArray of shape (bands, rows, columns)
        Raster of :func:`hsfuse.open_raster`.
    bands : str or sequence of int
        As in :func:`check_bands`. A wavelength range selects the bands with centres inside it.

    Returns
    -------
    DataArray of shape (selected bands, rows, columns)
        Lazy; the attribute ``selected_bands`` lists the selected bands.

    Raises
    ------
    PairError
        If the raster has no such bands, or fewer than two are selected.
    """
    chosen = np.zeros(hs.sizes["band"], dtype=bool)
    for band_range in _ranges(bands):
        chosen |= _bands_within(hs, band_range)
    index = np.flatnonzero(chosen)
    if index.size < 2:
        raise PairError(
            f"{raster_label(hs)}: bands {_text(bands)} are one band; expected two or more"
        )
    # One slice for each run of adjacent bands: dask passes slices on to the file, but not lists.
    runs = np.split(index, np.flatnonzero(np.diff(index) > 1) + 1)
    pieces = [hs.data[run[0] : run[-1] + 1] for run in runs]
    data = pieces[0]
    if len(pieces) > 1:
        data = dask.array.concatenate(pieces).rechunk({0: -1})
    part = hs.isel(band=index).copy(data=data)
    part = part.assign_coords(band=np.arange(1, index.size + 1))
    return part.assign_attrs(selected_bands=f"{_runs(index + 1)} of {hs.sizes['band']}")


def _bands_within(hs: xr.DataArray, band_range: _Range) -> NDArray[np.bool_]:
    """Return the mask of bands in a range; refuse a range without bands."""
    count = hs.sizes["band"]
    if not band_range.nanometres:
        if band_range.last > count:
            raise PairError(f"{raster_label(hs)}: has {count} bands, no band {band_range.last:g}")
        number = np.arange(1, count + 1)
        return (number >= band_range.first) & (number <= band_range.last)
    centre = np.asarray(hs["wavelength"].values, dtype=np.float64)
    finite = centre[np.isfinite(centre)]
    if not finite.size:
        raise PairError(
            f"{raster_label(hs)}: states no wavelengths, by which {band_range.text} is selected; "
            "name its sensor (`--hs-sensor`), or select bands by number"
        )
    selected = (centre >= band_range.first) & (centre <= band_range.last)
    if not selected.any():
        raise PairError(
            f"{raster_label(hs)}: has no band within {band_range.text}; its bands are "
            f"{finite.min():.0f} to {finite.max():.0f} nm"
        )
    return selected


def _text(bands: Bands) -> str:
    return bands if isinstance(bands, str) else ",".join(map(str, bands))


def _runs(numbers: NDArray[np.intp]) -> str:
    """Format numbers as text, with runs of consecutive numbers as ranges."""
    ends = np.flatnonzero(np.diff(numbers) > 1) + 1
    return ",".join(
        f"{run[0]}-{run[-1]}" if run.size > 1 else f"{run[0]}" for run in np.split(numbers, ends)
    )


class RestrictedMS(NamedTuple):
    """
    The MS image restricted to the selected HS bands and the bounding box.

    Attributes
    ----------
    rgb : DataArray of shape (MS bands, rows, columns)
        Without the MS bands outside the selected HS bands, which a note in its attributes lists.
    sensor : Sensor or None
        Sensor with the bands of ``rgb``, where known.
    window : tuple of Span or None
        Rows and columns inside the bounding box, where there is one.
    """

    rgb: xr.DataArray
    sensor: Sensor | None
    window: tuple[Span, Span] | None


def restrict_ms(
    hs: xr.DataArray,
    rgb: xr.DataArray,
    sensor: Sensor | None,
    bbox: BBox | None,
    crs: str | None,
) -> RestrictedMS:
    """
    Restrict the MS image of a pair to the selected HS bands and a bounding box.

    Parameters
    ----------
    hs : DataArray
        HS image, from :func:`select_bands` where bands were selected.
    rgb : DataArray
        The MS image.
    sensor : Sensor or None
        Sensor of ``rgb``.
    bbox, crs
        As in :func:`find_window`; None for all pixels.

    Raises
    ------
    PairError
        If no MS band is inside the selected HS bands, or no pixel inside the box.
    """
    window = None if bbox is None else find_window(rgb, bbox, crs)
    if "selected_bands" not in hs.attrs:
        return RestrictedMS(rgb, sensor, window)
    covered, matched = covered_bands(hs, rgb, sensor)
    if covered.all():
        return RestrictedMS(rgb, sensor, window)
    label = raster_label(rgb, "MS image")
    selected = f"the selected HS bands ({hs.attrs['selected_bands']})"
    if not covered.any():
        raise PairError(
            f"{label}: no MS band lies within {selected}; expected HS bands that cover one; for "
            "others fuse all bands and select them from the output"
        )
    labels = raster_band_labels(rgb)
    omitted = [f"MS {labels[band]}" for band in np.flatnonzero(~covered)]
    verb = "lies outside {} and is" if len(omitted) == 1 else "lie outside {} and are"
    note = f"{listed(omitted)} {verb.format(selected)} left out"
    index = np.flatnonzero(covered)
    part = rgb.isel(band=index)
    part = part.assign_coords(band=np.arange(1, index.size + 1))
    part = part.assign_attrs(notes=join_notes([*raster_notes(rgb), note]))
    if sensor is not None and matched is not None:
        sensor = matched.select([matched.band_names[number] for number in index])
    return RestrictedMS(part, sensor, window)


def check_bbox(bbox: BBox, crs: str | None) -> None:
    """
    Check a bounding box and its CRS.

    Parameters
    ----------
    bbox : tuple of float
        Left, bottom, right and top.
    crs : str or None
        Coordinate reference system of the box, in any form that pyproj accepts.

    Raises
    ------
    PlanError
        If the box is empty or the CRS unknown.
    """
    sides = check_real_numbers("bbox", bbox, 4)
    text = " ".join(f"{number:.10g}" for number in sides)
    left, bottom, right, top = sides
    if not all(map(math.isfinite, sides)) or left >= right or bottom >= top:
        raise PlanError(
            f"bbox: found {text}; expected LEFT BOTTOM RIGHT TOP, of increasing x and y"
        )
    if crs is not None:
        _parsed(crs)


def _parsed(crs: str) -> CRS:
    try:
        return CRS.from_user_input(crs)
    except CRSError as error:
        raise PlanError(f"bbox CRS: found {crs!r}; expected one such as EPSG:4326") from error


def find_window(rgb: xr.DataArray, bbox: BBox, crs: str | None = None) -> tuple[Span, Span]:
    """
    Return the rows and columns of a raster whose pixel centres are inside a bounding box.

    In a rotated grid, they enclose the box.

    Parameters
    ----------
    rgb : DataArray of shape (bands, rows, columns)
        Georeferenced raster.
    bbox : tuple of float
        Left, bottom, right and top in ``crs``: x before y, longitude before latitude.
    crs : str, optional
        CRS of ``bbox``; by default that of the raster.

    Raises
    ------
    PairError
        If the raster is not georeferenced or has no pixel in the box.
    """
    label = raster_label(rgb, "MS image")
    if not rgb.attrs.get("georeferenced", True):
        raise PairError(f"{label}: is not georeferenced; expected an MS image that is, for a bbox")
    left, bottom, right, top = bbox if crs is None else _transformed(rgb, bbox, crs)
    inside = ~transform(rgb)
    corners = [
        inside * corner for corner in ((left, top), (right, top), (left, bottom), (right, bottom))
    ]
    spans = []
    for axis, along in (("y", 1), ("x", 0)):
        places = [corner[along] for corner in corners]
        first = max(math.ceil(min(places) - 0.5 - 1e-6), 0)
        last = min(math.floor(max(places) - 0.5 + 1e-6) + 1, rgb.sizes[axis])
        spans.append((first, last))
    if any(last <= first for first, last in spans):
        box = " ".join(f"{number:.10g}" for number in (left, bottom, right, top))
        bounds = " ".join(f"{number:.10g}" for number in rgb.rio.bounds())
        raise PairError(
            f"{label}: has no pixel in the bbox {box}; its own bounds are {bounds}"
            f"{'' if crs else _crs_hint(rgb, bbox)}"
        )
    rows, columns = (Span(first, last) for first, last in spans)
    return rows, columns


def _crs_hint(rgb: xr.DataArray, bbox: BBox) -> str:
    """Return a hint where a bounding box may be in degrees and the raster is in metres."""
    left, bottom, right, top = bbox
    degrees = left >= -180 and right <= 360 and bottom >= -90 and top <= 90
    if not degrees or rgb.rio.crs is None or rgb.rio.crs.is_geographic:
        return ""
    return "; for a bbox in longitude and latitude pass `--bbox-crs EPSG:4326`"


def _transformed(rgb: xr.DataArray, bbox: BBox, crs: str) -> BBox:
    """Transform a bounding box to the CRS of a raster, with densified edges."""
    target, label = rgb.rio.crs, raster_label(rgb, "MS image")
    if target is None:
        raise PairError(
            f"{label}: states no CRS; expected a bbox in its coordinates, without a CRS"
        )
    transformer = Transformer.from_crs(_parsed(crs), CRS.from_wkt(target.to_wkt()), always_xy=True)
    try:
        transformed = transformer.transform_bounds(*bbox, densify_pts=_DENSIFIED, errcheck=True)
    except ProjError as error:
        raise PairError(
            f"{label}: the bbox cannot be transformed from {crs} to {crs_label(target)} ({error})"
        ) from error
    return transformed
