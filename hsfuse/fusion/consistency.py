"""Data consistency of a fused block: R Z against the MS image, D(Z) against the HS image."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from hsfuse.core.discrepancy import Discrepancy
from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.resample import share_inside
from hsfuse.fusion.block import BlockInput
from hsfuse.fusion.plan import Plan
from hsfuse.observe import Degrade, respond
from hsfuse.pair.radiometry import Radiometry

__all__ = ["compare_block", "compared_pixels", "finite_in", "hs_bands", "ms_bands"]

# Number of bands that are compared at a time.
_BANDS = 16
# Share of a PSF on pixels with data above which it is complete, up to rounding.
_WHOLE_PSF = 0.999
# Share of a PSF along an axis inside an output that is part of the HS image: on a box of the
# sample the difference is that of inner pixels from 0.98, and 3.6 times that below 0.8.
_INSIDE_PSF = 0.98


def compare_block(
    plan: Plan, read: BlockInput, values: NDArray[np.float32]
) -> tuple[Discrepancy, Discrepancy]:
    """
    Compare a fused block with the HS image and with the MS image.

    Parameters
    ----------
    plan : Plan
        Plan of the fusion.
    read : BlockInput
        Input of the block.
    values : ndarray of shape (planes, rows, columns)
        The fused block Z; a plane of standard errors is ignored.

    Returns
    -------
    tuple of Discrepancy
        D(Z) minus the HS image, over the HS pixels whose PSF is inside the block; and R Z with
        gain and offset minus the MS image, over all pixels.
    """
    values = values[: plan.shape[0]]
    return _against_hs(plan, read, values), _against_fine(plan, read, values)


def _against_fine(plan: Plan, read: BlockInput, values: NDArray[np.float32]) -> Discrepancy:
    observed = read.fine.cut(read.rows, read.columns)
    predicted = ms_bands(values, plan.radiometry)
    return sum(map(Discrepancy.between, observed, predicted), Discrepancy())


def ms_bands(values: NDArray[np.float32], radiometry: Radiometry) -> NDArray[np.float32]:
    """
    Return R Z with gain and offset: the MS image predicted from a fused cube.

    Parameters
    ----------
    values : ndarray of shape (bands, rows, columns)
        Z. Bands that no MS band sees are ignored.
    radiometry : Radiometry
        Radiometry of the pair.

    Returns
    -------
    ndarray of shape (MS bands, rows, columns)
    """
    weights = radiometry.response.astype(np.float32)
    used = np.flatnonzero(weights.any(axis=0))
    response, cube = torch.from_numpy(weights[:, used]), torch.from_numpy(_take(values, used))
    predicted: NDArray[np.float32] = respond(response, cube).numpy()
    for plane, gain, offset in zip(predicted, radiometry.gain, radiometry.offset, strict=True):
        plane[...] = gain * plane + offset
    return predicted


def _against_hs(plan: Plan, read: BlockInput, values: NDArray[np.float32]) -> Discrepancy:
    geometry, psf = plan.pair.geometry, plan.pair.psf
    rows, columns = read.rows, read.columns
    inner_rows = _complete_pixels(geometry.y, rows, psf.reach[0], psf.fwhm[0])
    inner_columns = _complete_pixels(geometry.x, columns, psf.reach[1], psf.fwhm[1])
    if not (len(inner_rows) and len(inner_columns)):
        return Discrepancy()
    window = Geometry(geometry.y.cut(rows, inner_rows), geometry.x.cut(columns, inner_columns))
    operator = Degrade.between(window, psf)
    good = np.flatnonzero(plan.radiometry.good)
    valid = finite_in(values, good)
    observed = read.hs.cut(inner_rows, inner_columns)
    total = Discrepancy()
    for first in range(0, len(good), _BANDS):  # a copy of all bands would be as large as the block
        bands = good[first : first + _BANDS]
        predicted = hs_bands(_take(values, bands), operator, valid)
        total += Discrepancy.between(observed[bands], predicted)
    return total


def finite_in(values: NDArray[np.float32], bands: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return the mask (rows, columns) of pixels of a cube that are finite in all given bands."""
    valid = np.ones(values.shape[1:], dtype=bool)
    for band in bands:
        valid &= np.isfinite(values[band])
    return valid


def hs_bands(
    values: NDArray[np.float32], operator: Degrade, valid: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """
    Return D(Z) of some bands where the PSF is on pixels with data, NaN elsewhere.

    Parameters
    ----------
    values : ndarray of shape (bands, rows, columns)
        Z.
    operator : Degrade
        D.
    valid : ndarray of bool, shape (rows, columns)
        Pixels with data.

    Returns
    -------
    ndarray of shape (bands, coarse rows, coarse columns)
    """
    degraded, share = operator.forward_masked(torch.from_numpy(values), torch.from_numpy(valid))
    return torch.where(share > _WHOLE_PSF, degraded, torch.full_like(degraded, torch.nan)).numpy()


def _take(values: NDArray[np.float32], bands: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return some bands, as a view where they are adjacent."""
    adjacent = len(bands) > 0 and bands[-1] - bands[0] == len(bands) - 1
    return values[bands[0] : bands[-1] + 1] if adjacent else values[bands]


def compared_pixels(axis: Axis, fwhm: float) -> NDArray[np.bool_]:
    """
    Return which HS pixels are compared with the degraded output, shape (coarse,).

    Those with their centre on the output. At an edge beyond which the HS image continues, as that
    of a bounding box, the PSF must be inside as well: what an HS pixel sees beyond is not fused, so
    that the mean over the rest is another value. If no PSF is inside, all are compared.

    Parameters
    ----------
    axis : Axis
        Axis of the HS image relative to the output.
    fwhm : float
        FWHM of the PSF in HS pixels.

    Examples
    --------
    >>> compared_pixels(Axis(fine=12, coarse=5, ratio=4.0, origin=-8.0), fwhm=1.0).tolist()
    [False, False, False, True, True]
    """
    centres = axis.centres()
    on_output = (centres > 0) & (centres < axis.fine)
    before = axis.origin + axis.ratio <= 0
    after = axis.origin + (axis.coarse - 1) * axis.ratio >= axis.fine
    continued = np.where(centres < axis.fine / 2, before, after)
    inside = on_output & (~continued | (share_inside(axis, fwhm) > _INSIDE_PSF))
    return np.asarray(inside if inside.any() else on_output)


def _complete_pixels(axis: Axis, fine: Span, reach: float, fwhm: float) -> Span:
    """Return the compared HS pixels whose PSF is inside a fine span, or beyond the output."""
    centres = axis.centres()
    first = (centres - reach * axis.ratio >= fine.start) | (fine.start == 0)
    last = (centres + reach * axis.ratio <= fine.stop) | (fine.stop == axis.fine)
    inside = (centres > fine.start) & (centres < fine.stop) & first & last
    index = np.flatnonzero(inside & compared_pixels(axis, fwhm))
    return Span(int(index[0]), int(index[-1]) + 1) if len(index) else Span(0, 0)
