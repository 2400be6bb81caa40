"""
The whole flow, every stage in order: two lazy rasters become one lazy raster.

Planning is eager and cheap: pair the grids, survey the scene, let the method prepare,
lay out the tiles. Pixels come later, block by block: :func:`fuse_block` is a pure
function of the plan and a block's index, and the local loop, dask futures and the
chunks of the lazy array all call it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial

import dask.array
import numpy as np
import torch
import xarray as xr
from dask.base import tokenize
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hsfuse.core.grid import Geometry, Span
from hsfuse.core.tiles import Tiling
from hsfuse.errors import PlanError
from hsfuse.methods import Fuser, Options, Window, load_method
from hsfuse.pair import Pair, make_pair
from hsfuse.radiometry import Radiometry, measure_radiometry
from hsfuse.sensor import Sensor, pick_sensor
from hsfuse.survey import survey_pair

__all__ = ["Plan", "fuse", "fuse_block", "plan_fusion"]

# HS pixels read beyond a window: what cubic interpolation needs at the window's edge.
_MARGIN = 2.0
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
    radiometry: Radiometry
    fuser: Fuser
    rows: Tiling
    columns: Tiling
    options: Options
    notes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, rows and columns of the output."""
        return self.pair.hs.sizes["band"], self.rows.length, self.columns.length

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


def fuse(
    hs: xr.DataArray,
    rgb: xr.DataArray,
    *,
    method: str = "ms-ssfnet",
    hs_sensor: Sensor | str | None = None,
    rgb_sensor: Sensor | str | None = None,
    weights: str | None = None,
    device: str = "auto",
) -> xr.DataArray:
    """
    Return the high-resolution hyperspectral raster, lazily.

    Only a survey of the scene is read here; every chunk of the result is fused when it
    is computed, alone, so a crop costs a crop.

    Parameters
    ----------
    hs, rgb : DataArray
        From :func:`hsfuse.open_raster`: (band, y, x), NaN for no data.
    method : str
        A name of :func:`hsfuse.list_methods`.
    hs_sensor, rgb_sensor : Sensor or str, optional
        Definition, name or file; the rasters' own by default.
    weights : str, optional
        Weights file for a network.
    device : str
        ``auto``, ``cpu`` or ``cuda``.

    Returns
    -------
    DataArray
        (band, y, x), float32, on the grid of ``rgb`` cut to the overlap, in units of
        ``hs``, with its wavelengths; NaN exactly where an input has no data.

    Raises
    ------
    PairError
        If the rasters do not make a pair.
    PlanError
        If the method or device cannot be had.
    """
    plan = plan_fusion(
        hs,
        rgb,
        method=method,
        hs_sensor=hs_sensor,
        rgb_sensor=rgb_sensor,
        options=Options(weights, device),
    )
    return lazy_result(plan)


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
) -> Plan:
    """
    Return the plan of a fusion: grids, survey, prepared method and tiles.

    Parameters
    ----------
    hs, rgb, method, hs_sensor, rgb_sensor
        As :func:`fuse`.
    options : Options, optional
        Weights, device (``auto`` allowed) and precision.
    tile : int, optional
        Pixels of a tile's core, on the fine grid.
    overlap : int, optional
        Pixels a tile sees beyond its core; at least the method's reach. What exceeds the
        reach is blended.

    Raises
    ------
    PairError, PlanError, WeightsError
        One line each.
    """
    options = _settled(options or Options())
    pair = make_pair(hs, rgb, hs_sensor=_sensor(hs_sensor, hs), rgb_sensor=_sensor(rgb_sensor, rgb))
    with _one_thread(), threadpool_limits(1):  # a plan resumed on another machine is the same
        survey = survey_pair(pair)
        radiometry = measure_radiometry(survey)
        survey = replace(survey, response=radiometry.response)
        fuser = load_method(method).prepare(survey, options)
    rows, columns = _tilings(pair.geometry, fuser, tile, overlap)
    notes = (*pair.notes, *radiometry.notes, *fuser.notes)
    return Plan(pair, radiometry, fuser, rows, columns, options, notes)


def _sensor(asked: Sensor | str | None, raster: xr.DataArray) -> Sensor | None:
    if isinstance(asked, Sensor):
        return asked
    name = asked or raster.attrs.get("sensor")
    return pick_sensor(name) if name else None


def _settled(options: Options) -> Options:
    available = "cuda" if torch.cuda.is_available() else "cpu"
    device = available if options.device == "auto" else options.device
    if device not in ("cpu", "cuda"):
        raise PlanError(f"device must be auto, cpu or cuda, got {options.device!r}")
    if device == "cuda" and available == "cpu":
        raise PlanError("device cuda was asked for and this machine shows none; use cpu or auto")
    return replace(options, device=device)


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


def fuse_block(plan: Plan, row: int, column: int) -> NDArray[np.float32]:
    """
    Return the pixels of one block: read, fuse, blend, mask.

    Parameters
    ----------
    plan : Plan
        Frozen; the result depends on it and the index alone.
    row, column : int
        Index of the block.

    Returns
    -------
    ndarray of shape (bands, rows, columns)
        NaN exactly where the fine image or the HS pixel under it has no data.
    """
    block = plan.rows.core(row), plan.columns.core(column)
    tiles = [(i, j) for i in plan.rows.touching(block[0]) for j in plan.columns.touching(block[1])]
    with _one_thread():
        if len(tiles) == 1:  # no neighbour reaches in: the weight is one everywhere
            window, _ = read_tile(plan, row, column, block)
            (values,) = plan.fuser.fuse([window])
        else:
            values = _blended(plan, tiles, block)
    return _masked(plan, values, block)


def _blended(
    plan: Plan, tiles: list[tuple[int, int]], block: tuple[Span, Span]
) -> NDArray[np.float32]:
    windows, shares = [], []
    for i, j in tiles:
        window, part = read_tile(plan, i, j, block)
        windows.append(window)
        weight = plan.rows.weights(i, part[0])[:, None] * plan.columns.weights(j, part[1])
        shares.append((part, weight.astype(np.float32)))
    total = np.zeros((plan.shape[0], len(block[0]), len(block[1])), np.float32)
    for fused, (part, share) in zip(plan.fuser.fuse(windows), shares, strict=True):
        total[:, part[0].within(block[0]), part[1].within(block[1])] += share * fused
    return total


def read_tile(
    plan: Plan, i: int, j: int, block: tuple[Span, Span]
) -> tuple[Window, tuple[Span, Span]]:
    """Return a tile's window, and the part of the block on which the tile has a weight."""
    rows, columns = plan.rows.window(i), plan.columns.window(j)
    part = _common(plan.rows.support(i), block[0]), _common(plan.columns.support(j), block[1])
    geometry = plan.pair.geometry
    coarse_rows = geometry.y.coarse_span(rows, _MARGIN)
    coarse_columns = geometry.x.coarse_span(columns, _MARGIN)
    window = Window(
        _pixels(plan.pair.hs, coarse_rows, coarse_columns),
        _pixels(plan.pair.rgb, rows, columns),
        Geometry(geometry.y.cut(rows, coarse_rows), geometry.x.cut(columns, coarse_columns)),
        (_local(part[0], rows), _local(part[1], columns)),
    )
    return window, part


def _masked(
    plan: Plan, values: NDArray[np.float32], block: tuple[Span, Span]
) -> NDArray[np.float32]:
    """Return the values with NaN where an input holds no data."""
    rows, columns = block
    known = np.isfinite(_pixels(plan.pair.rgb, rows, columns)).all(axis=0)
    geometry = plan.pair.geometry
    coarse_rows, coarse_columns = geometry.y.coarse_span(rows), geometry.x.coarse_span(columns)
    coarse = _pixels(plan.pair.hs, coarse_rows, coarse_columns)[plan.radiometry.good]
    seen = np.asarray(np.isfinite(coarse).all(axis=0))
    below = [
        np.clip(
            np.floor((np.arange(fine.start, fine.stop) + 0.5 - axis.origin) / axis.ratio).astype(
                int
            )
            - span.start,
            0,
            len(span) - 1,
        )
        for axis, fine, span in (
            (geometry.y, rows, coarse_rows),
            (geometry.x, columns, coarse_columns),
        )
    ]
    known &= seen[np.ix_(below[0], below[1])]
    values[:, ~known] = np.nan
    return values


def _pixels(raster: xr.DataArray, rows: Span, columns: Span) -> NDArray[np.float32]:
    window = raster.isel(y=rows.slice, x=columns.slice)
    values: NDArray[np.float32] = window.compute(scheduler="synchronous").to_numpy()
    return values


def _common(first: Span, second: Span) -> Span:
    return Span(max(first.start, second.start), min(first.stop, second.stop))


def _local(span: Span, outer: Span) -> Span:
    return Span(span.start - outer.start, span.stop - outer.start)


@contextmanager
def _one_thread() -> Iterator[None]:
    """
    Let torch use one thread for this block; blocks, not loops, run side by side.

    The order of a sum depends on the number of threads, and a dask worker has another
    number than a notebook: one thread a block gives every scheduler the same bits.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def lazy_result(plan: Plan) -> xr.DataArray:
    """Return the output of a plan as a lazy raster, one chunk a block."""
    bands = plan.shape[0]
    chunks = (
        (bands,),
        tuple(len(plan.rows.core(i)) for i in range(plan.rows.count)),
        tuple(len(plan.columns.core(j)) for j in range(plan.columns.count)),
    )
    # A partial, not an argument: dask would compute the rasters that an argument holds.
    data = dask.array.map_blocks(
        partial(_chunk, plan),
        name=f"hsfuse-{plan.digest[:32]}",
        chunks=chunks,
        dtype=np.float32,
        meta=np.empty((0, 0, 0), np.float32),
    )
    hs, rgb = plan.pair.hs, plan.pair.rgb
    coords = {name: rgb.coords[name] for name in ("y", "x", "spatial_ref") if name in rgb.coords}
    for name in ("band", "wavelength", "fwhm", "band_name"):
        if name in hs.coords:
            coords[name] = hs.coords[name]
    coords["good"] = ("band", plan.radiometry.good)
    attrs = {k: hs.attrs[k] for k in ("wavelength_source", "units") if k in hs.attrs}
    attrs |= {"source": "", "sensor": "", "method": plan.fuser.name}
    return xr.DataArray(data, dims=("band", "y", "x"), coords=coords, attrs=attrs, name="fused")


def _chunk(plan: Plan, block_id: tuple[int, int, int]) -> NDArray[np.float32]:
    return fuse_block(plan, block_id[1], block_id[2])
