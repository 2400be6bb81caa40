"""
Lazy fusion of two rasters.

The pair is surveyed when the array is created; each chunk is fused when it is computed
(:mod:`hsfuse.fusion.block`), with the local models that it needs
(:mod:`hsfuse.fusion.conditioning`), so that a subset takes only its share of the time.
"""

from __future__ import annotations

import logging
from typing import Any, Literal

import dask.array
import numpy as np
import xarray as xr
from dask.delayed import delayed
from numpy.typing import NDArray

from hsfuse.errors import as_arguments
from hsfuse.fusion.block import fuse_input, read_block
from hsfuse.fusion.plan import Plan, plan_fusion
from hsfuse.fusion.settings import FusionSettings, check_weights, with_choices
from hsfuse.fusion.undeclared import count_undeclared, find_undeclared
from hsfuse.io.input.labels import join_notes, raster_label
from hsfuse.io.input.masks import mask_raster
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
    Return the fused raster, with high spatial and spectral resolution, lazily.

    The pair is surveyed immediately, which reads a sample of its pixels and takes seconds to a
    minute. Each chunk of the result is fused independently when it is computed. Undeclared fill
    that the sample did not contain is logged as a warning then.

    Parameters
    ----------
    hs, rgb : DataArray, Dataset or path
        Rasters of :func:`hsfuse.open_raster`, or paths that it opens; or other arrays, such as
        those of rioxarray, with dimensions in any order and of any usual name (y/x, lat/lon,
        row/col; band, wavelength). Variables (y, x) of a dataset are stacked as bands.
    settings : FusionSettings, optional
        Settings of the fusion.
    **choices
        Fields of :class:`~hsfuse.fusion.settings.FusionSettings` that replace those of
        ``settings``: method, hs_sensor, rgb_sensor, hs_mask, rgb_mask, hs_nodata, rgb_nodata,
        bbox, bbox_crs, bands, weights, device, precision, uncertainty, fwhm, align, tile, overlap.

    Returns
    -------
    DataArray of shape (bands, rows, columns)
        float32, on the grid of ``rgb`` cut to the overlap of both, in the units and with the
        wavelengths of ``hs``; NaN exactly where an input has no data, elsewhere within the
        physical range (:mod:`hsfuse.fusion.value_range`). Coordinates along the bands are
        ``good``; ``covered``, false for bands outside the spectral coverage of the MS bands; and
        ``explained``, the share of the variance of a band that the MS bands explain on the HS
        grid. With ``uncertainty`` it has the lazy coordinate ``standard_error`` (rows, columns)
        in units of ``hs``: for 90 % of the pixels, the root mean square error over the good bands
        is below 1.645 times the standard error. The attribute ``notes`` has the assumptions made,
        one a line, such as a CRS taken from the other raster.

    Raises
    ------
    PairError
        If the rasters cannot be fused.
    PlanError
        If the method or device is not available, or the method gives no standard errors.
    RasterError
        If a file cannot be read.
    TypeError
        If an option is unknown.
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
    """Open an input with the sensor, mask, no-data value and bands of the settings."""
    sensor, mask, nodata = (
        getattr(settings, f"{role}_{name}") for name in ("sensor", "mask", "nodata")
    )
    opened = as_raster(raster, role.upper(), sensor=sensor, nodata=nodata)
    opened = opened if mask is None else mask_raster(opened, mask)
    if role == "rgb" or settings.bands is None:
        return opened
    return select_bands(opened, settings.bands)


def lazy_result(plan: Plan) -> xr.DataArray:
    """Return the output of a plan as a lazy raster with one chunk for each block."""
    bands = plan.shape[0]
    chunks = (
        (plan.planes,),
        tuple(len(plan.rows.core(i)) for i in range(plan.rows.count)),
        tuple(len(plan.columns.core(j)) for j in range(plan.columns.count)),
    )
    digest = plan.digest[:32]
    # A separate task, so that workers of a cluster receive the plan once, not with every chunk.
    # It is not traversed: dask would compute the rasters in the plan.
    delayed_plan = delayed(plan, name=f"hsfuse-plan-{digest}", traverse=False)
    data = dask.array.map_blocks(
        _chunk,
        plan=delayed_plan,
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
    # No sensor, so that the output is not assumed to have the PSF of one.
    attrs |= {
        "source": f"fusion of {raster_label(hs, 'HS image')} and {raster_label(rgb, 'MS image')}",
        "sensor": "",
        "hs_sensor": str(hs.attrs.get("sensor", "")),
        "ms_sensor": str(rgb.attrs.get("sensor", "")),
        "method": plan.fuser.name,
        "notes": join_notes(map(as_arguments, plan.notes)),
    }
    fused = xr.DataArray(
        data[:bands], dims=("band", "y", "x"), coords=coords, attrs=attrs, name="fused"
    )
    fused.encoding["_FillValue"] = np.nan  # no-data value that rioxarray and xarray write
    fused.encoding["original_shape"] = fused.shape  # as in hsfuse.io.read
    return fused


def _chunk(block_id: tuple[int, int, int], plan: Plan) -> NDArray[np.float32]:
    read = read_block(plan, block_id[1], block_id[2])
    for fill in count_undeclared([find_undeclared(plan, read)]):
        _LOG.warning("%s", as_arguments(fill.advice))
    return fuse_input(plan, read)[0]
