"""Values of a fused block brighter than both images explain (:mod:`hsfuse.core.excess`)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from hsfuse.core.excess import Excess
from hsfuse.core.grid import Geometry
from hsfuse.fusion.block import BlockInput
from hsfuse.fusion.plan import Plan
from hsfuse.observe import Degrade

__all__ = ["find_excess"]

# Smallest share of the PSF of an HS pixel on MS pixels with data.
_MINIMUM_PSF_SHARE = 0.5


def find_excess(plan: Plan, read: BlockInput, values: NDArray[np.float32]) -> Excess:
    """
    Return the values of a block above the limits that planning and the input of the block give.

    Parameters
    ----------
    plan : Plan
        Plan of the fusion, whose sample may lack the brightest pixels.
    read : BlockInput
        Input of the block.
    values : ndarray of shape (planes, rows, columns)
        The fused block; a plane of standard errors is ignored.
    """
    fine = read.fine.values
    known = plan.bright.including(read.hs.values, fine, _degraded(plan, read))
    return known.excess(values[: plan.shape[0]], (read.rows.start, read.columns.start))


def _degraded(plan: Plan, read: BlockInput) -> NDArray[np.float32]:
    """Return the MS image of a block degraded by the PSF, NaN where half of that lies outside."""
    geometry = plan.pair.geometry
    window = Geometry(
        geometry.y.cut(read.fine.rows, read.hs.rows),
        geometry.x.cut(read.fine.columns, read.hs.columns),
    )
    fine = torch.from_numpy(read.fine.values)
    operator = Degrade.between(window, plan.pair.psf)
    degraded, share = operator.forward_masked(fine, torch.isfinite(fine).all(dim=0))
    usable = share > _MINIMUM_PSF_SHARE
    return torch.where(usable, degraded, torch.full_like(degraded, torch.nan)).numpy()
