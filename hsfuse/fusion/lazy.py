"""
The fusion of two rasters as one lazy raster.

The pair is surveyed when the array is made; pixels are fused chunk by chunk when they are
computed (:mod:`hsfuse.fusion.block`), with the local models that it needs
(:mod:`hsfuse.fusion.conditioning`), so that a crop costs a crop.
"""

from __future__ import annotations

import logging
from typing import Any, Literal

import dask.array
import numpy as np
import xarray as xr
from dask.delayed import delayed
from numpy.typing import NDArray

from hsfuse.fusion.block import fuse_input, read_block
from hsfuse.fusion.plan import Plan, plan_fusion
from hsfuse.fusion.settings import FusionSettings, check_weights, with_choices
from hsfuse.fusion.undeclared import count_undeclared, find_undeclared
from hsfuse.io.labels import raster_label
from hsfuse.io.masks import mask_raster
from hsfuse.io.names import STANDARD_ERROR
from hsfuse.io.read import Raster, as_raster
from hsfuse.pair.part import select_bands
from hsfuse.parallel import pick_device

__all__ = ["fuse", "lazy_result", "open_input"]

_LOG = logging.getLogger(__name__)


def fuse(
    hs: Raster,
    rgb: Raster,
    settings: FusionSettings | None = None,
    **choices: Any,
) -> xr.DataArray:
    """
    Return the high-resolution hyperspectral raster; its pixels are computed later.

    The pair is surveyed here, which reads a sample of its pixels and takes seconds to a minute.
    Every chunk of the result is fused when it is computed, alone, so a crop costs a crop.
    Undeclared fill that the sample did not show is logged then, as a warning.

    Parameters
    ----------
    hs, rgb : DataArray, Dataset or path
        As :func:`hsfuse.open_raster` returns them, or what it opens; arrays of rioxarray or made
        by a program, with dimensions in any order and under any usual name (y/x, lat/lon,
        row/col; band, wavelength); variables (y, x) of a dataset are its bands.
    settings : FusionSettings, optional
        What is asked.
    **choices
        Fields of :class:`~hsfuse.fusion.settings.FusionSettings` that replace those of
        ``settings``: method, hs_sensor, rgb_sensor, hs_mask, rgb_mask, hs_nodata, rgb_nodata,
        bbox, bbox_crs, bands, weights, device, precision, uncertainty, fwhm, align, tile, overlap.

    Returns
    -------
    DataArray of shape (bands, rows, columns)
        float32, on the grid of ``rgb`` cut to the overlap of both, in units of
        ``hs``, with its wavelengths; NaN exactly where an input has no data, elsewhere within the
        physical range (:mod:`hsfuse.fusion.value_range`). Beside ``good``
        it has the coordinates ``covered``, false for bands outside the spectral coverage of
        the MS bands, and ``explained``, the share of a band's variance on the HS grid that
        the MS bands explain. With ``uncertainty`` it has the coordinate ``standard_error``
        (rows, columns), lazy, in units of ``hs``: of 90 % of the pixels the root mean square
        error over the good bands is below 1.645 of it.

    Raises
    ------
    PairError
        If the rasters do not make a pair.
    PlanError
        If the method or device cannot be had, or the method cannot tell its uncertainty.
    RasterError
        If a file cannot be read.
    TypeError
        If there is no such option.
    """
    settings = with_choices(settings or FusionSettings(), choices, "fuse")
    pick_device(settings.device)
    check_weights(settings)
    inputs = (
        open_input(hs, settings, "hs"),
        open_input(rgb, settings, "rgb"),
    )
    return lazy_result(plan_fusion(*inputs, settings))


def open_input(
    raster: Raster, settings: FusionSettings, role: Literal["hs", "rgb"]
) -> xr.DataArray:
    """Return an input with the sensor, mask, no-data number and bands that are asked for."""
    sensor, mask, nodata = (
        getattr(settings, f"{role}_{name}") for name in ("sensor", "mask", "nodata")
    )
    opened = as_raster(raster, role.upper(), sensor=sensor, nodata=nodata)
    opened = opened if mask is None else mask_raster(opened, mask)
    if role == "rgb" or settings.bands is None:
        return opened
    return select_bands(opened, settings.bands)


def lazy_result(plan: Plan) -> xr.DataArray:
    """Return the output of a plan as a lazy raster, one chunk a block."""
    bands = plan.shape[0]
    chunks = (
        (plan.planes,),
        tuple(len(plan.rows.core(i)) for i in range(plan.rows.count)),
        tuple(len(plan.columns.core(j)) for j in range(plan.columns.count)),
    )
    digest = plan.digest[:32]
    # A task of its own, so that workers of a cluster receive the plan once, not with every chunk.
    # It is not traversed: dask would compute the rasters that it holds.
    held = delayed(plan, name=f"hsfuse-plan-{digest}", traverse=False)
    data = dask.array.map_blocks(
        _chunk,
        plan=held,
        name=f"hsfuse-{digest}",
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
        coords[STANDARD_ERROR] = (("y", "x"), data[bands])
    attrs = {k: hs.attrs[k] for k in ("wavelength_source", "units") if k in hs.attrs}
    # No sensor has made it, so that its PSF is not taken for that of one.
    attrs |= {
        "source": f"fusion of {raster_label(hs, 'HS image')} and {raster_label(rgb, 'MS image')}",
        "sensor": "",
        "hs_sensor": str(hs.attrs.get("sensor", "")),
        "ms_sensor": str(rgb.attrs.get("sensor", "")),
        "method": plan.fuser.name,
    }
    fused = xr.DataArray(
        data[:bands], dims=("band", "y", "x"), coords=coords, attrs=attrs, name="fused"
    )
    fused.encoding["_FillValue"] = np.nan  # as no data, which rioxarray and xarray then write
    fused.encoding["original_shape"] = fused.shape  # as of a raster that is opened
    return fused


def _chunk(block_id: tuple[int, int, int], plan: Plan) -> NDArray[np.float32]:
    read = read_block(plan, block_id[1], block_id[2])
    for fill in count_undeclared([find_undeclared(plan, read)]):
        _LOG.warning("%s", fill.advice)
    return fuse_input(plan, read)[0]
