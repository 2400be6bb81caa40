"""Data consistency of a fused block: R Z against the MS image, D(Z) against the HS image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from hsfuse.core.discrepancy import Discrepancy
from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.fusion.block import BlockInput
from hsfuse.fusion.plan import Plan
from hsfuse.observe import Degrade
from hsfuse.pair.radiometry import Radiometry

__all__ = ["compare_block", "finite_in", "hs_bands", "ms_band"]

# Bands that are compared at a time.
_BANDS = 16
# Share of a PSF on known pixels from which on it lies on them: the rest is rounding.
_WHOLE_PSF = 0.999


def compare_block(
    plan: Plan, read: BlockInput, values: NDArray[np.float32]
) -> tuple[Discrepancy, Discrepancy]:
    """
    Return how a fused block differs from the HS image and from the MS image.

    Parameters
    ----------
    plan : Plan
        Of the fusion.
    read : BlockInput
        What the block was fused from.
    values : ndarray of shape (planes, rows, columns)
        The fused block; neither image shows its standard error.

    Returns
    -------
    tuple of Discrepancy
        D(Z) against the HS image, over the HS pixels whose PSF lies within the block, and
        R Z with gain and offset against the MS image, over every pixel.
    """
    values = values[: plan.shape[0]]
    return _against_hs(plan, read, values), _against_fine(plan, read, values)


def _against_fine(plan: Plan, read: BlockInput, values: NDArray[np.float32]) -> Discrepancy:
    observed = read.fine.cut(read.rows, read.columns)
    total = Discrepancy()
    for band, plane in enumerate(observed):
        total += Discrepancy.between(plane, ms_band(values, plan.radiometry, band))
    return total


def ms_band(values: NDArray[np.float32], radiometry: Radiometry, band: int) -> NDArray[np.float32]:
    """
    Return a band of R Z with gain and offset: what a fused cube gives for a band of the MS image.

    Parameters
    ----------
    values : ndarray of shape (bands, rows, columns)
        Z.
    radiometry : Radiometry
        Of the pair.
    band : int
        Index of the MS band.

    Returns
    -------
    ndarray of shape (rows, columns)
    """
    weights = radiometry.response[band].astype(np.float32)
    seen = np.zeros_like(values[0])
    for used in _few(np.flatnonzero(weights)):
        seen += np.tensordot(weights[used], values[used], axes=1)
    return np.asarray(radiometry.gain[band] * seen + radiometry.offset[band], np.float32)


def _against_hs(plan: Plan, read: BlockInput, values: NDArray[np.float32]) -> Discrepancy:
    geometry, psf = plan.pair.geometry, plan.pair.psf
    rows, columns = read.rows, read.columns
    inner_rows = _whole(geometry.y, rows, psf.reach[0])
    inner_columns = _whole(geometry.x, columns, psf.reach[1])
    if not (len(inner_rows) and len(inner_columns)):
        return Discrepancy()
    window = Geometry(geometry.y.cut(rows, inner_rows), geometry.x.cut(columns, inner_columns))
    operator = Degrade.between(window, psf)
    good = np.flatnonzero(plan.radiometry.good)
    known = finite_in(values, good)
    observed = read.hs.cut(inner_rows, inner_columns)
    total = Discrepancy()
    for bands in _few(good):
        found = hs_bands(values[bands], operator, known)
        total += Discrepancy.between(observed[bands], found)
    return total


def finite_in(values: NDArray[np.float32], bands: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which pixels of a cube are finite in all of some bands, of shape (rows, columns)."""
    known = np.ones(values.shape[1:], dtype=bool)
    for band in bands:
        known &= np.isfinite(values[band])
    return known


def hs_bands(
    values: NDArray[np.float32], operator: Degrade, known: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """
    Return D(Z) of some bands where the PSF lies on known pixels, NaN elsewhere.

    Parameters
    ----------
    values : ndarray of shape (bands, rows, columns)
        Z.
    operator : Degrade
        D.
    known : ndarray of bool, shape (rows, columns)
        The pixels with data.

    Returns
    -------
    ndarray of shape (bands, coarse rows, coarse columns)
    """
    seen, share = operator.forward_masked(torch.from_numpy(values), torch.from_numpy(known))
    return torch.where(share > _WHOLE_PSF, seen, torch.full_like(seen, torch.nan)).numpy()


def _few(bands: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Yield a few bands at a time: a copy of all would be as large as the block."""
    for first in range(0, len(bands), _BANDS):
        yield bands[first : first + _BANDS]


def _whole(axis: Axis, fine: Span, reach: float) -> Span:
    """Return the coarse pixels whose PSF lies within a fine span, or past the scene's end."""
    centres = axis.centres()
    first = (centres - reach * axis.ratio >= fine.start) | (fine.start == 0)
    last = (centres + reach * axis.ratio <= fine.stop) | (fine.stop == axis.fine)
    inside = (centres > fine.start) & (centres < fine.stop) & first & last
    index = np.flatnonzero(inside)
    return Span(int(index[0]), int(index[-1]) + 1) if len(index) else Span(0, 0)
