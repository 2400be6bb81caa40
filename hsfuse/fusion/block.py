"""
The whole flow, every stage in order: two lazy rasters become one lazy raster.

Planning is eager and cheap (:mod:`hsfuse.fusion.plan`). Pixels come later, block by block:
:func:`fuse_block` is a pure function of the plan and a block's index, and the local
loop, dask futures and the chunks of the lazy array all call it.
"""

from __future__ import annotations

from functools import partial

import dask.array
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.core.grid import Geometry, Span
from hsfuse.fusion.plan import Plan, plan_fusion
from hsfuse.methods import Options, Window
from hsfuse.methods.ms_ssfnet.uncertainty import BAND
from hsfuse.pair.radiometry import Radiometry
from hsfuse.parallel import one_thread
from hsfuse.sensor.catalogue import Sensor

__all__ = ["fuse", "fuse_block", "lazy_result"]

# HS pixels read beyond a window: what cubic interpolation needs at the window's edge.
_MARGIN = 2.0


def fuse(
    hs: xr.DataArray,
    rgb: xr.DataArray,
    *,
    method: str = "ms-ssfnet",
    hs_sensor: Sensor | str | None = None,
    rgb_sensor: Sensor | str | None = None,
    weights: str | None = None,
    device: str = "auto",
    uncertainty: bool = False,
    align: bool = True,
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
    uncertainty : bool
        Add a last band, named ``standard error`` and flagged as bad: the error to be expected
        of each pixel's spectrum, root mean square over the good bands.
    align : bool
        Lay the HS image where the pair itself tells, to a fraction of an HS pixel; where its
        file says otherwise.

    Returns
    -------
    DataArray
        (band, y, x), float32, on the grid of ``rgb`` cut to the overlap, in units of
        ``hs``, with its wavelengths; NaN exactly where an input has no data. Beside ``good``
        it has the coordinates ``covered``, false for bands at whose wavelengths no fine band
        sees anything, and ``explained``, the share of a band's variance on the HS grid that
        the fine bands explain.

    Raises
    ------
    PairError
        If the rasters do not make a pair.
    PlanError
        If the method or device cannot be had, or the method cannot tell its uncertainty.
    """
    plan = plan_fusion(
        hs,
        rgb,
        method=method,
        hs_sensor=hs_sensor,
        rgb_sensor=rgb_sensor,
        options=Options(weights, device, uncertainty=uncertainty),
        align=align,
    )
    return lazy_result(plan)


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
    with one_thread():
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
        (coarse_rows.start, coarse_columns.start),
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
    for name in ("good", "covered", "explained"):
        coords[name] = ("band", getattr(plan.radiometry, name))
    if plan.fuser.gives_standard_error:
        coords |= _with_sureness(hs, plan.radiometry)
    attrs = {k: hs.attrs[k] for k in ("wavelength_source", "units") if k in hs.attrs}
    attrs |= {"source": "", "sensor": "", "method": plan.fuser.name}
    return xr.DataArray(data, dims=("band", "y", "x"), coords=coords, attrs=attrs, name="fused")


def _with_sureness(hs: xr.DataArray, radiometry: Radiometry) -> dict[str, xr.Variable]:
    """Return what is said of the bands of HS, and after them of the standard error."""
    more: dict[str, float | str] = {"wavelength": np.nan, "fwhm": np.nan, "band_name": BAND}
    if "band" in hs.coords:
        more["band"] = hs["band"].values[-1] + 1
    coords = {
        name: xr.Variable("band", np.append(hs[name].values, np.array([value])), hs[name].attrs)
        for name, value in more.items()
        if name in hs.coords
    }
    last: dict[str, bool | float] = {"good": False, "covered": True, "explained": np.nan}
    return coords | {
        name: xr.Variable("band", np.append(getattr(radiometry, name), np.array([value])))
        for name, value in last.items()
    }


def _chunk(plan: Plan, block_id: tuple[int, int, int]) -> NDArray[np.float32]:
    return fuse_block(plan, block_id[1], block_id[2])
