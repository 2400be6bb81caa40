"""
Text of the two inputs of a run and of their common grid: what is known before a pixel is read.

Imported alone it needs neither torch nor matplotlib, so that these lines come soon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from hsfuse.core.text import by, image_kind, table
from hsfuse.io.labels import crs_label
from hsfuse.io.read import check_placed, open_raster
from hsfuse.pair.geometry import Pair, make_pair
from hsfuse.report.record import grid_of, spectral_range
from hsfuse.sensor.catalogue import known_sensor

if TYPE_CHECKING:
    from hsfuse.fusion.settings import PathLike, SensorLike

__all__ = ["describe_inputs", "input_lines", "pixel_size", "raster_crs", "raster_size"]


def describe_inputs(
    scene: PathLike,
    rgb: PathLike,
    *,
    sensors: tuple[SensorLike | None, SensorLike | None] = (None, None),
    masks: tuple[PathLike | None, PathLike | None] = (None, None),
) -> str:
    """
    Return the two inputs and the grid that their georeferencing gives, one line each.

    Parameters
    ----------
    scene, rgb : path or URL
        The HS image and the MS image.
    sensors, masks : tuple
        Of both, as in :class:`hsfuse.fusion.settings.FusionSettings`.

    Raises
    ------
    RasterError, SensorError, PairError
        If one cannot be opened, or they do not make a pair.
    """
    return table(input_lines(scene, rgb, sensors=sensors, masks=masks))


def input_lines(
    scene: PathLike,
    rgb: PathLike,
    *,
    sensors: tuple[SensorLike | None, SensorLike | None] = (None, None),
    masks: tuple[PathLike | None, PathLike | None] = (None, None),
) -> list[tuple[str, str]]:
    """Return labels and texts of :func:`describe_inputs`."""
    hs, ms = (
        open_raster(path, sensor=sensor, mask=mask)
        for path, sensor, mask in zip((scene, rgb), sensors, masks, strict=True)
    )
    for raster in (hs, ms):
        check_placed(raster)
    pair = make_pair(
        hs,
        ms,
        hs_sensor=known_sensor(sensors[0], hs.attrs.get("sensor")),
        rgb_sensor=known_sensor(sensors[1], ms.attrs.get("sensor")),
    )
    return [
        ("HS image", _input(scene, hs, masks[0])),
        (f"{image_kind(ms.sizes['band'])} image", _input(rgb, ms, masks[1])),
        ("grid", _grid(pair)),
    ]


def _input(path: PathLike, raster: xr.DataArray, mask: PathLike | None) -> str:
    span = spectral_range(raster)
    parts = [
        f"{path}: {raster_size(raster)}",
        f"{raster.sizes['band']} bands" + (f" {span[0]:.0f} to {span[1]:.0f} nm" if span else ""),
        pixel_size(raster) or "not georeferenced",
    ]
    if raster.rio.crs is not None:
        parts.append(raster_crs(raster))
    if mask:
        parts.append(f"masked by {mask}")
    if raster.attrs.get("sensor"):
        parts.append(f"sensor {raster.attrs['sensor']}")
    return ", ".join(parts)


def _grid(pair: Pair) -> str:
    axes, rgb = pair.geometry, pair.rgb
    return (
        f"ratio {by(axes.y.ratio, axes.x.ratio)}; overlap of both images {raster_size(rgb)}, "
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
