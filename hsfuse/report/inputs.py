"""
Text of the two inputs of a run and of their common grid: what is known before a pixel is read.

Imported alone it needs neither torch nor matplotlib, so that these lines come soon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import xarray as xr

from hsfuse.core.text import by, image_kind, table
from hsfuse.io.labels import crs_label
from hsfuse.io.read import check_georeferencing, open_raster
from hsfuse.pair.geometry import Pair, make_pair
from hsfuse.pair.part import Bands, BBox, restrict_ms, select_bands
from hsfuse.report.record import grid_of, spectral_range
from hsfuse.sensor.catalogue import known_sensor

if TYPE_CHECKING:
    from hsfuse.fusion.settings import PathLike, SensorLike

__all__ = [
    "PartOfPair",
    "describe_inputs",
    "input_lines",
    "pixel_size",
    "raster_crs",
    "raster_size",
]


class PartOfPair(NamedTuple):
    """What of a pair is fused, as in :class:`hsfuse.fusion.settings.FusionSettings`."""

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
    Return the two inputs and the grid that their georeferencing gives, one line each.

    Parameters
    ----------
    scene, rgb : path or URL
        The HS image and the MS image.
    sensors, masks : tuple
        Of both, as in :class:`hsfuse.fusion.settings.FusionSettings`.
    part : PartOfPair
        That is fused.

    Raises
    ------
    RasterError, SensorError, PairError
        If one cannot be opened, or they do not make a pair.
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
    """Return labels and texts of :func:`describe_inputs`."""
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
        (f"{image_kind(ms.sizes['band'])} image", _input(rgb, ms, masks[1])),
        ("grid", _grid(pair, part.bbox is not None)),
    ]


def _input(path: PathLike, raster: xr.DataArray, mask: PathLike | None) -> str:
    span, selected = spectral_range(raster), raster.attrs.get("selected_bands")
    parts = [
        f"{path}: {raster_size(raster)}",
        f"{raster.sizes['band']} bands"
        + (f" {span[0]:.0f} to {span[1]:.0f} nm" if span else "")
        + (f" ({selected})" if selected else ""),
        pixel_size(raster) or "not georeferenced",
    ]
    if raster.rio.crs is not None:
        parts.append(raster_crs(raster))
    if mask:
        parts.append(f"masked by {mask}")
    if raster.attrs.get("sensor"):
        parts.append(f"sensor {raster.attrs['sensor']}")
    return ", ".join(parts)


def _grid(pair: Pair, cut: bool) -> str:
    axes, rgb = pair.geometry, pair.rgb
    where = " within the bbox" if cut else ""
    return (
        f"ratio {by(axes.y.ratio, axes.x.ratio)}; overlap of both images{where} "
        f"{raster_size(rgb)}, "
        f"{pixel_size(rgb) or 'not georeferenced'}"
    )


def raster_size(raster: xr.DataArray) -> str:
    """Return rows and columns."""
    return f"{raster.sizes['y']} x {raster.sizes['x']} pixels"


def pixel_size(raster: xr.DataArray) -> str:
    """Return the pixel size with its unit; an empty text where there is none."""
    grid = grid_of(raster)
    size = grid["pixel_size"]
    return f"{by(*size)} {grid['unit'] or '(unit unknown)'}" if isinstance(size, list) else ""


def raster_crs(raster: xr.DataArray) -> str:
    """Return the name of the coordinate reference system."""
    return "none" if raster.rio.crs is None else crs_label(raster.rio.crs)
