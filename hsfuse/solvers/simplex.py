"""Projection on the probability simplex: abundances that are non-negative and sum to one."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["project_simplex"]


def project_simplex(values: Tensor, tolerance: float = 1e-6) -> Tensor:
    """
    Return the nearest abundances of each pixel.

    ``max(v - t, 0)``, where t makes it sum to one. The sum is convex, piecewise linear and
    falling in t, so that Newton's method from the left finds t in a few steps (Michelot 1986,
    doi:10.1007/BF00938486; Condat 2016, doi:10.1007/s10107-015-0946-6).

    Parameters
    ----------
    values : Tensor of shape (endmembers, pixels)
        Finite numbers.
    tolerance : float
        Largest excess of a sum over one.

    Returns
    -------
    Tensor of shape (endmembers, pixels)

    Examples
    --------
    >>> project_simplex(torch.tensor([[0.9], [0.5], [-1.0]])).flatten().tolist()
    [0.699999988079071, 0.30000001192092896, 0.0]
    """
    threshold = (values.sum(dim=0) - 1) / len(values)
    for _ in range(len(values)):
        positive = (values - threshold).clamp_min_(0)
        excess = positive.sum(dim=0).sub_(1)
        if bool(excess.max() <= tolerance):
            break
        # A mask of the values' type: on CPUs, count_nonzero takes several times as long.
        count = torch.gt(positive, 0, out=torch.empty_like(positive)).sum(dim=0)
        threshold = threshold + excess / count
    return positive
