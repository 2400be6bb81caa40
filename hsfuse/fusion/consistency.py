"""Data consistency of a fused block: R Z against the MS image, D(Z) against the HS image."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from hsfuse.core.discrepancy import Discrepancy
from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.fusion.block import BlockInput
from hsfuse.fusion.plan import Plan
from hsfuse.observe import Degrade

__all__ = ["compare_block"]


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
    values : ndarray of shape (bands, rows, columns)
        The fused block.

    Returns
    -------
    tuple of Discrepancy
        D(Z) against the HS image, over the HS pixels whose PSF lies within the block, and
        R Z with gain and offset against the MS image, over every pixel.
    """
    values = values[: plan.pair.hs.sizes["band"]]  # neither image shows a standard error
    return _against_hs(plan, read, values), _against_fine(plan, read, values)


def _against_fine(plan: Plan, read: BlockInput, values: NDArray[np.float32]) -> Discrepancy:
    radiometry = plan.radiometry
    observed = read.fine.cut(read.rows, read.columns)
    used = radiometry.response != 0
    total = Discrepancy()
    for band, (weights, mask) in enumerate(zip(radiometry.response, used, strict=True)):
        seen = np.tensordot(weights[mask].astype(np.float32), values[mask], axes=1)
        seen = radiometry.gain[band] * seen + radiometry.offset[band]
        total += Discrepancy.between(observed[band], seen)
    return total


def _against_hs(plan: Plan, read: BlockInput, values: NDArray[np.float32]) -> Discrepancy:
    geometry, psf = plan.pair.geometry, plan.pair.psf
    rows, columns = read.rows, read.columns
    inner_rows = _whole(geometry.y, rows, psf.reach[0])
    inner_columns = _whole(geometry.x, columns, psf.reach[1])
    if not (len(inner_rows) and len(inner_columns)):
        return Discrepancy()
    window = Geometry(geometry.y.cut(rows, inner_rows), geometry.x.cut(columns, inner_columns))
    operator = Degrade.between(window, psf)
    cube = torch.from_numpy(values)
    known = torch.isfinite(cube[torch.from_numpy(plan.radiometry.good)]).all(dim=0)
    seen, share = operator.forward_masked(cube, known)
    observed = read.hs.cut(inner_rows, inner_columns)
    good = plan.radiometry.good & np.isfinite(values).any(axis=(1, 2))
    found = torch.where(share > 0.999, seen, torch.full_like(seen, torch.nan)).numpy()
    return Discrepancy.between(observed[good], found[good])


def _whole(axis: Axis, fine: Span, reach: float) -> Span:
    """Return the coarse pixels whose PSF lies within a fine span, or past the scene's end."""
    centres = axis.centres()
    first = (centres - reach * axis.ratio >= fine.start) | (fine.start == 0)
    last = (centres + reach * axis.ratio <= fine.stop) | (fine.stop == axis.fine)
    inside = (centres > fine.start) & (centres < fine.stop) & first & last
    index = np.flatnonzero(inside)
    return Span(int(index[0]), int(index[-1]) + 1) if len(index) else Span(0, 0)
