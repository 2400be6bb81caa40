"""
Text about the two inputs of a run and their common grid, from metadata alone.

The module imports neither torch nor matplotlib, so that this text is printed without delay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import xarray as xr

from hsfuse.core.text import along_axes, image_size, table
from hsfuse.io.input.labels import crs_label
from hsfuse.io.read import check_georeferencing, open_raster
from hsfuse.pair.geometry import Pair, make_pair
from hsfuse.pair.part import Bands, BBox, restrict_ms, select_bands
from hsfuse.report.record import grid_of, spectral_range
from hsfuse.sensor.catalogue import known_sensor

if TYPE_CHECKING:
    from hsfuse.fusion.settings import PathLike, SensorLike

__all__ = [
    "PartOfPair",
    "describe_extent",
    "describe_inputs",
    "input_lines",
    "pixel_size",
    "raster_bands",
    "raster_crs",
    "raster_size",
]


class PartOfPair(NamedTuple):
    """The part of a pair to fuse, as in :class:`hsfuse.fusion.settings.FusionSettings`."""

    bbox: BBox | None = None
    bbox_crs: str | None = None
    bands: Bands | None = None


WHOLE = PartOfPair()


def describe_inputs(
    scene: PathLike,
    rgb: PathLike,
    *,
    sensors: tuple[SensorLike | None, SensorLike | None] = (None, None),
    masks: tuple[PathLike | None, PathLike | None] = (None, None),
    part: PartOfPair = WHOLE,
) -> str:
    """
    Return a description of the two inputs and of their common grid, one line each.

    Parameters
    ----------
    scene, rgb : path or URL
        The HS image and the MS image.
    sensors, masks : tuple
        Of the HS and the MS image, as in :class:`hsfuse.fusion.settings.FusionSettings`.
    part : PartOfPair
        Part of the pair to fuse.

    Raises
    ------
    RasterError, SensorError, PairError
        If an input cannot be opened, or the two do not form a pair.
    """
    return table(input_lines(scene, rgb, sensors=sensors, masks=masks, part=part))


def input_lines(
    scene: PathLike,
    rgb: PathLike,
    *,
    sensors: tuple[SensorLike | None, SensorLike | None] = (None, None),
    masks: tuple[PathLike | None, PathLike | None] = (None, None),
    part: PartOfPair = WHOLE,
) -> list[tuple[str, str]]:
    """Return the lines of :func:`describe_inputs` as pairs of label and text."""
    hs, ms = (
        open_raster(path, sensor=sensor, mask=mask)
        for path, sensor, mask in zip((scene, rgb), sensors, masks, strict=True)
    )
    for raster in (hs, ms):
        check_georeferencing(raster)
    if part.bands is not None:
        hs = select_bands(hs, part.bands)
    ms_sensor = known_sensor(sensors[1], ms.attrs.get("sensor"))
    restricted = restrict_ms(hs, ms, ms_sensor, part.bbox, part.bbox_crs)
    ms = restricted.rgb
    pair = make_pair(
        hs,
        ms,
        hs_sensor=known_sensor(sensors[0], hs.attrs.get("sensor")),
        rgb_sensor=restricted.sensor,
        window=restricted.window,
    )
    return [
        ("HS image", _input(scene, hs, masks[0])),
        ("MS image", _input(rgb, ms, masks[1])),
        ("grid", _grid(pair, part.bbox is not None)),
    ]


def _input(path: PathLike, raster: xr.DataArray, mask: PathLike | None) -> str:
    selected = raster.attrs.get("selected_bands")
    parts = [
        f"{path}: {raster_size(raster)}",
        raster_bands(raster) + (f" ({selected})" if selected else ""),
        pixel_size(raster) or "not georeferenced",
    ]
    if raster.rio.crs is not None:
        parts.append(raster_crs(raster))
    elif raster.attrs.get("georeferenced", True):
        parts.append("no CRS stated")
    if mask:
        parts.append(f"masked by {mask}")
    if raster.attrs.get("sensor"):
        parts.append(f"sensor {raster.attrs['sensor']}")
    return ", ".join(parts)


def _grid(pair: Pair, cut: bool) -> str:
    """Return the text about the output grid; its size is final only after co-registration."""
    axes = pair.geometry
    size, where = pixel_size(pair.rgb), " within the bbox" if cut else ""
    if pair.ms_size != (pair.geometry.y.fine, pair.geometry.x.fine):
        where += ", cut to the part that the HS image covers"
    return (
        f"that of the MS image{where}, {f'pixels of {size}' if size else 'not georeferenced'}; "
        f"ratio {along_axes(axes.y.ratio, axes.x.ratio)} MS pixels per HS pixel"
    )


def describe_extent(pair: Pair, cut: bool = False) -> str:
    """
    Return which part of the MS image the output covers; empty if it is the whole.

    Parameters
    ----------
    pair : Pair
        The pair after co-registration.
    cut : bool
        Whether the output is restricted to a bounding box.
    """
    rows, columns = pair.geometry.y.fine, pair.geometry.x.fine
    if pair.ms_size == (rows, columns):
        return ""
    left_out = 1 - rows * columns / (pair.ms_size[0] * pair.ms_size[1])
    share = "less than 0.1%" if left_out < 0.001 else f"{left_out:.1%}"
    return (
        f"the part of the MS image ({image_size(*pair.ms_size)}"
        f"{' within the bbox' if cut else ''}) that the HS image covers; {share} of its pixels lie "
        "outside and are not in the output"
    )


def raster_bands(raster: xr.DataArray) -> str:
    """Return the number of bands and, if known, their spectral range as text."""
    count, span = raster.sizes["band"], spectral_range(raster)
    text = f"{count} band{'' if count == 1 else 's'}"
    if span is None:
        return text
    low, high = (f"{nm:.0f}" for nm in span)
    return f"{text}, {low} nm" if low == high else f"{text}, {low} to {high} nm"


def raster_size(raster: xr.DataArray) -> str:
    """Return the numbers of rows and columns as text."""
    return image_size(raster.sizes["y"], raster.sizes["x"])


def pixel_size(raster: xr.DataArray) -> str:
    """
    Return the pixel size with its unit; empty if the raster is not georeferenced.

    Without a CRS the unit is not known: the coordinates are in map units of some kind.
    """
    grid = grid_of(raster)
    size = grid["pixel_size"]
    if not isinstance(size, list):
        return ""
    unit = "map unit" if size == [1.0, 1.0] else "map units"
    return along_axes(size[0], size[1], str(grid["unit"] or unit))


def raster_crs(raster: xr.DataArray) -> str:
    """Return the name of the coordinate reference system."""
    if raster.rio.crs is not None:
        return crs_label(raster.rio.crs)
    placed = raster.attrs.get("georeferenced", True)
    return "none stated, so the unit of the coordinates is not known" if placed else "none"
