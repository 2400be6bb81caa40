"""
Evaluation of an estimated raster against the reference: RMSE, PSNR, SAM, SSIM, ERGAS, UIQI and CC.

Both rasters are read block by block, with a halo for the windows that start in a block, so that
the metrics are those of the whole and neither raster needs to fit in memory.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import product
from operator import add
from typing import TypeVar

import numpy as np
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from numpy.typing import NDArray

from hsfuse.core.grid import Span
from hsfuse.core.metrics import Score, summarise
from hsfuse.core.tally import HALO, Tally, take_tally
from hsfuse.core.text import image_size
from hsfuse.errors import PairError, PlanError
from hsfuse.io.input.labels import raster_label
from hsfuse.io.names import STANDARD_ERROR
from hsfuse.io.read import Raster, as_raster
from hsfuse.pair.lattice import common_bands, lattice_offset
from hsfuse.parallel import each, local_workers, one_thread

__all__ = ["evaluate"]

_log = logging.getLogger(__name__)

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class _Settings:
    """Settings of the block size."""

    # Values of one raster in one block with its halo: 64 MB of float32.
    block_values: int = 16_000_000


_SETTINGS = _Settings()


@dataclass(frozen=True)
class _Common:
    """Two rasters cut to the same bands and pixels."""

    truth: xr.DataArray
    estimate: xr.DataArray
    bad_bands: int  # that either raster marks as bad
    sizes: tuple[str, str]  # of both rasters before they were cut


def evaluate(
    truth: Raster, estimate: Raster, *, ratio: float | None = None, peak: float | None = None
) -> Score:
    """
    Return the metrics of an estimated raster against the reference.

    Bands that either raster marks as bad are excluded, and pixels without data in any other band.
    Where the rasters cover different parts of one pixel lattice, their intersection is compared; a
    warning is logged if that excludes pixels of the estimate.

    Parameters
    ----------
    truth, estimate : DataArray, Dataset or path
        The reference and the estimate, as in :func:`hsfuse.fuse`, in the same units.
    ratio : float, optional
        MS pixels per HS pixel of the pair that was fused; without it ERGAS is NaN.
    peak : float, optional
        Largest possible value, in the units of the data; by default the largest compared value of
        the reference. ``Score.peak`` is the value used.

    Returns
    -------
    Score
        All metrics, and the number of bands and pixels compared.

    Raises
    ------
    PairError
        If the rasters have different bands, or their pixels do not share one lattice.
    PlanError
        If ratio or peak are not positive numbers.
    """
    for name, value in (("ratio", ratio), ("peak", peak)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise PlanError(f"{name} must be a positive number, got {value}")
    pair = _common(_opened(truth, "reference"), _opened(estimate, "estimate"))
    if peak is None:
        peak = max(_map_blocks(pair, _largest))
        if not (math.isfinite(peak) and peak > 0):
            raise PairError(
                f"{raster_label(pair.truth, 'reference')}: has no value above zero where it is "
                "compared; give the largest possible value as `--peak`"
            )
    tally: Tally = reduce(add, _map_blocks(pair, partial(_tally, peak=peak)))
    if tally.moments.pixels == 0:
        raise PairError(
            f"{_names(pair.truth, pair.estimate)}: no pixel has data in all "
            f"{pair.truth.sizes['band']} bands of both"
        )
    _log_common(pair)
    score = summarise(tally, peak, ratio)
    if math.isnan(score.ergas):
        reason = (
            "it needs the ratio, MS pixels per HS pixel of the pair that was fused"
            if ratio is None
            else "a band of the reference is zero on average"
        )
        _log.warning("%s: no ERGAS: %s", _names(pair.truth, pair.estimate), reason)
    return replace(score, bad_bands=pair.bad_bands, units=_units(pair))


def _units(pair: _Common) -> str:
    """Return the units of the data that the reference states, or else the estimate."""
    stated = [str(raster.attrs.get("units") or "") for raster in (pair.truth, pair.estimate)]
    if all(stated) and stated[0] != stated[1]:
        _log.warning("%s: are in %s and %s", _names(pair.truth, pair.estimate), *stated)
    return stated[0] or stated[1]


def _opened(raster: Raster, role: str) -> xr.DataArray:
    return as_raster(raster, role).drop_vars(STANDARD_ERROR, errors="ignore")


def _names(truth: xr.DataArray, estimate: xr.DataArray) -> str:
    return f"{raster_label(truth, 'reference')} and {raster_label(estimate, 'estimate')}"


def _common(truth: xr.DataArray, estimate: xr.DataArray) -> _Common:
    """Cut two rasters to their common good bands and pixels."""
    good = common_bands(truth, estimate, _names(truth, estimate))
    rows, columns = lattice_offset(truth, estimate, _names(truth, estimate))
    cut_truth, cut_estimate = {}, {}
    for axis, start in (("y", rows), ("x", columns)):
        first, last = max(start, 0), min(start + estimate.sizes[axis], truth.sizes[axis])
        if first >= last:
            raise PairError(f"{_names(truth, estimate)}: have no pixel in common")
        cut_truth[axis] = slice(first, last)
        cut_estimate[axis] = slice(first - start, last - start)
    return _Common(
        truth.isel(cut_truth).isel(band=good).transpose("band", "y", "x"),
        estimate.isel(cut_estimate).isel(band=good).transpose("band", "y", "x"),
        bad_bands=truth.sizes["band"] - good.size,
        sizes=(_size(truth), _size(estimate)),
    )


def _size(raster: xr.DataArray) -> str:
    return image_size(raster.sizes["y"], raster.sizes["x"])


def _log_common(pair: _Common) -> None:
    """Log that the rasters were cut, with a warning if pixels of the estimate are left out."""
    common = _size(pair.truth)
    if pair.sizes[0] != pair.sizes[1]:
        # A fused raster ends with its HS image, and the reference may extend beyond it.
        _log.log(
            logging.INFO if common == pair.sizes[1] else logging.WARNING,
            "%s: compared on their common part, %s, of %s and %s",
            _names(pair.truth, pair.estimate),
            common,
            *pair.sizes,
        )


def _map_blocks(pair: _Common, work: Callable[[_Common, Span, Span], _Result]) -> list[_Result]:
    """Return a result for each block, in order, for reproducible sums."""
    bands, rows, columns = pair.truth.shape
    edge = max(math.isqrt(_SETTINGS.block_values // bands) - HALO, 4 * HALO)
    blocks = list(product(_spans(rows, edge), _spans(columns, edge)))

    def numbered(number: int) -> tuple[int, _Result]:
        with one_thread():
            return number, work(pair, *blocks[number])

    results = dict(each(numbered, range(len(blocks)), workers=local_workers(None, "cpu")))
    return [results[number] for number in range(len(blocks))]


def _spans(length: int, edge: int) -> list[Span]:
    return [Span(start, min(start + edge, length)) for start in range(0, length, edge)]


def _tally(pair: _Common, rows: Span, columns: Span, *, peak: float) -> Tally:
    more = (Span(rows.start, rows.stop + HALO), Span(columns.start, columns.stop + HALO))
    truth, estimate = (_pixels(raster, *more) for raster in (pair.truth, pair.estimate))
    return take_tally(truth, estimate, peak, (len(rows), len(columns)))


def _largest(pair: _Common, rows: Span, columns: Span) -> float:
    values = _pixels(pair.truth, rows, columns)
    return float(np.max(values, initial=-np.inf, where=np.isfinite(values)))


def _pixels(raster: xr.DataArray, rows: Span, columns: Span) -> NDArray[np.floating]:
    window = raster.isel(y=rows.slice, x=columns.slice)
    # Blocks already run in parallel; further threads of dask would only compete.
    return window.compute(scheduler="synchronous").to_numpy()
