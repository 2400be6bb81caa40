"""
Everything that is decided before a pixel is fused.

Eager and cheap: pair the grids, survey the scene, let the method prepare, lay out the
tiles. The result is frozen and picklable; pixels come later (:mod:`hsfuse.fusion.block`).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
import xarray as xr
from dask.base import tokenize
from threadpoolctl import threadpool_limits

from hsfuse.core.grid import Geometry
from hsfuse.core.tiles import Tiling
from hsfuse.errors import PlanError
from hsfuse.methods import Fuser, Options, check_options, load_method, methods_with
from hsfuse.pair.alignment import Alignment, align_pair
from hsfuse.pair.geometry import Pair, make_pair
from hsfuse.pair.radiometry import Radiometry, measure_radiometry
from hsfuse.pair.survey import Survey, survey_pair
from hsfuse.parallel import one_thread, pick_device
from hsfuse.sensor.catalogue import Sensor, pick_sensor

__all__ = ["Plan", "plan_fusion", "survey_for"]

# Blocks are whole chunks of the store, 256 pixels a side.
_CHUNK = 256


@dataclass(frozen=True)
class Plan:
    """
    All that is decided before a pixel is fused.

    Attributes
    ----------
    pair : Pair
        The two lazy rasters on their grids; ``pair.rgb``'s grid is the output's.
    alignment : Alignment or None
        What the pair tells of shift and blur; None where that was not asked or cannot be told.
    radiometry : Radiometry
        Response, gain and offset, and the bands that hold data.
    fuser : Fuser
        The method, prepared for this pair.
    rows, columns : Tiling
        The tiles along y and x; one tile's core is one block of the output.
    options : Options
        Device and precision.
    notes : tuple of str
        What was assumed or chosen, a sentence each.
    """

    pair: Pair
    alignment: Alignment | None
    radiometry: Radiometry
    fuser: Fuser
    rows: Tiling
    columns: Tiling
    options: Options
    notes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, rows and columns of the output; standard errors are its last band."""
        bands = self.pair.hs.sizes["band"] + self.fuser.gives_standard_error
        return bands, self.rows.length, self.columns.length

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """Index of every block, row by row."""
        return [(i, j) for i in range(self.rows.count) for j in range(self.columns.count)]

    @cached_property
    def digest(self) -> str:
        """Hash of all that decides the pixels: inputs, grids, method, tiles, device."""
        parts = (
            tokenize(self.pair.hs.data, self.pair.rgb.data),
            repr(self.pair.geometry),
            repr(self.pair.blur),
            tokenize(self.fuser),
            repr((self.rows, self.columns, self.options, torch.__version__)),
        )
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def plan_fusion(
    hs: xr.DataArray,
    rgb: xr.DataArray,
    *,
    method: str = "ms-ssfnet",
    hs_sensor: Sensor | str | None = None,
    rgb_sensor: Sensor | str | None = None,
    options: Options | None = None,
    tile: int | None = None,
    overlap: int | None = None,
    align: bool = True,
) -> Plan:
    """
    Return the plan of a fusion: grids, survey, prepared method and tiles.

    Parameters
    ----------
    hs, rgb, method, hs_sensor, rgb_sensor
        As :func:`fuse`.
    options : Options, optional
        Weights, device (``auto`` allowed), precision, and whether uncertainty is told.
    tile : int, optional
        Pixels of a tile's core, on the fine grid.
    overlap : int, optional
        Pixels a tile sees beyond its core; at least the method's reach. What exceeds the
        reach is blended.
    align : bool
        Lay the HS image where the pair tells; as its file says otherwise.

    Raises
    ------
    PairError, PlanError, WeightsError
        One line each.
    """
    options = options or Options()
    prepared_by = load_method(method)
    check_options(method, options)
    options = replace(options, device=pick_device(options.device))
    known = {"hs_sensor": _sensor(hs_sensor, hs), "rgb_sensor": _sensor(rgb_sensor, rgb)}
    with one_thread(), threadpool_limits(1):  # a plan resumed on another machine is the same
        pair, alignment = (
            align_pair(hs, rgb, **known) if align else (make_pair(hs, rgb, **known), None)
        )
        survey, radiometry = survey_for(pair)
        fuser = prepared_by.prepare(survey, options)
    if options.uncertainty and not fuser.gives_standard_error:
        raise PlanError(
            f"{fuser.name} would fuse this pair and gives no standard error; "
            f"{methods_with('gives_standard_error')} does, with weights for any sensor that fit "
            "the pair, such as those that come with hsfuse"
        )
    rows, columns = _tilings(pair.geometry, fuser, tile, overlap)
    notes = (*pair.notes, *radiometry.notes, *fuser.notes)
    return Plan(pair, alignment, radiometry, fuser, rows, columns, options, notes)


def survey_for(pair: Pair) -> tuple[Survey, Radiometry]:
    """Return the survey of a pair that methods are prepared with, and what it tells of R."""
    survey = survey_pair(pair)
    radiometry = measure_radiometry(survey)
    return replace(survey, response=radiometry.response), radiometry


def _sensor(asked: Sensor | str | None, raster: xr.DataArray) -> Sensor | None:
    if isinstance(asked, Sensor):
        return asked
    name = asked or raster.attrs.get("sensor")
    return pick_sensor(name) if name else None


def _tilings(
    geometry: Geometry, fuser: Fuser, tile: int | None, overlap: int | None
) -> tuple[Tiling, Tiling]:
    step = fuser.step
    reaches = [
        math.ceil(reach * axis.ratio)
        for reach, axis in zip(fuser.reach, (geometry.y, geometry.x), strict=True)
    ]
    size = tile or _default_tile(max(reaches), step)
    if size % step or size < 1:
        raise PlanError(f"tile must be a multiple of {step} for {fuser.name}, got {size}")
    if overlap is not None and overlap < max(reaches):
        raise PlanError(
            f"overlap must be at least the reach of {fuser.name}, {max(reaches)} pixels, "
            f"got {overlap}: tiles would differ from the whole"
        )
    tilings = []
    for axis, reach in zip((geometry.y, geometry.x), reaches, strict=True):
        blend = 0 if overlap is None else overlap - reach
        if 2 * blend > size:
            raise PlanError(
                f"overlap must be at most the reach plus half a tile, {reach + size // 2} "
                f"pixels, got {overlap}"
            )
        tilings.append(Tiling(axis.fine, size, blend, reach, step))
    return tilings[0], tilings[1]


def _default_tile(reach: int, step: int) -> int:
    """
    Return the tile that costs least: the halo's share falls with size, memory grows.

    512 pixels hold 63 MB at 60 bands, and a reach of 20 HS pixels at ratio 8 makes the window
    2.6 times as large as the block, of which the many bands see none. A reach beyond half
    a tile doubles it.
    """
    size = 2 * _CHUNK if reach <= _CHUNK else 4 * _CHUNK
    return -(-size // math.lcm(step, _CHUNK)) * math.lcm(step, _CHUNK)
