"""
Non-negative least squares for all pixels at once, sparse or summing to one.

SUnSAL: J. M. Bioucas-Dias, M. A. T. Figueiredo, "Alternating Direction Algorithms for Constrained
Sparse Regression: Application to Hyperspectral Unmixing", WHISPERS 2010,
doi:10.1109/WHISPERS.2010.5594963. It minimises ``||Y - D A||^2 / 2 + penalty ||A||_1`` over
``A >= 0`` (and ``1'A = 1'``) by the alternating direction method of multipliers (ADMM).
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["nonnegative_codes"]


def nonnegative_codes(
    dictionary: Tensor,
    image: Tensor,
    *,
    penalty: float = 0.0,
    sum_to_one: bool = False,
    iterations: int = 200,
    start: Tensor | None = None,
) -> Tensor:
    """
    Return the codes of every pixel.

    Parameters
    ----------
    dictionary : Tensor of shape (bands, atoms)
        D.
    image : Tensor of shape (bands, pixels)
        Y.
    penalty : float
        Weight of the sum of a pixel's codes.
    sum_to_one : bool
        Whether codes sum to one; they do as far as the iterations have converged.
    iterations : int
        Number of iterations of ADMM, fixed: the codes of a pixel do not depend on the others.
    start : Tensor of shape (atoms, pixels), optional
        Codes to begin with; zeros by default.

    Returns
    -------
    Tensor of shape (atoms, pixels)
        Non-negative.
    """
    gram, correlated = dictionary.mT @ dictionary, dictionary.mT @ image
    # Proportional to the largest curvature; no factor halves the error of spectra faster than 1 %.
    weight = 0.01 * float(torch.linalg.matrix_norm(gram, 2).clamp_min(1e-30))
    inverse = torch.linalg.inv(
        gram.double() + weight * torch.eye(len(gram), dtype=torch.float64, device=gram.device)
    ).to(gram)
    ones = inverse.sum(dim=1, keepdim=True)  # (D'D + w)^-1 1
    codes = torch.zeros_like(correlated) if start is None else start.clone()
    dual = torch.zeros_like(codes)
    for _ in range(iterations):
        free = inverse @ (correlated + weight * (codes + dual))
        if sum_to_one:
            free += ones * ((1 - free.sum(dim=0)) / ones.sum())
        codes = (free - dual - penalty / weight).clamp_min_(0)
        dual += codes - free
    return codes
