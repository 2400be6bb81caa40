"""
The normal equations of data consistency on the grid of the HS image.

``D u D'``, with D the HS sensor and u the variances of MS pixels, couples HS pixels whose PSFs
overlap: neighbours, at most a few pixels apart. Held as a stencil of these offsets it is applied
on the HS grid alone, whatever the ratio.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hsfuse.core.resample import FWHM_PER_SIGMA
from hsfuse.observe import Degrade

__all__ = ["NormalMatrix", "overlap_reach", "solve"]


def overlap_reach(fwhm: float, least: float) -> int:
    """
    Return how many HS pixels apart the PSFs of two of them still overlap.

    Parameters
    ----------
    fwhm : float
        Of the PSF, in HS pixels; 0 for the mean over the pixel, which overlaps with no other.
    least : float
        Overlap, in that of a PSF with itself, that counts.
    """
    # The overlap of two Gaussians at distance d is exp(-d**2 / (4 sigma**2)).
    farthest = 2 * fwhm / FWHM_PER_SIGMA * math.sqrt(math.log(1 / least))
    return max(math.ceil(farthest) - 1, 0)


@dataclass(frozen=True)
class NormalMatrix:
    """
    ``D u D'`` between HS pixels at most some pixels apart; symmetric.

    Attributes
    ----------
    stencil : dict of (int, int) to Tensor
        By offset in rows and columns, none and those below or to the right: the entries of the
        HS pixels that have another at this offset, and that one.
    """

    stencil: dict[tuple[int, int], Tensor]

    @classmethod
    def of(
        cls, degrade: Degrade, weight: Tensor, variance: Tensor, reach: tuple[int, int]
    ) -> NormalMatrix:
        """
        Return the matrix of D, its rows weighted, and u.

        Parameters
        ----------
        degrade : Degrade
            D.
        weight : Tensor of shape (coarse rows, coarse columns)
            Factor of each HS pixel's row of D; 0 for those that are not used.
        variance : Tensor of shape (rows, columns)
            u.
        reach : tuple of int
            Largest offset along y and x, as of :func:`overlap_reach`.
        """
        # D is separable, and so are the products of its weights in two HS pixels.
        across = {
            right: variance @ _products(degrade.columns, right).mT
            for right in range(-reach[1], reach[1] + 1)
        }
        stencil = {}
        for down in range(reach[0] + 1):
            for right, half in across.items():
                if (down, right) >= (0, 0):
                    (top, bottom), (left, far) = _offset_pairs((down, right), weight.shape)
                    both = weight[top, left] * weight[bottom, far]
                    stencil[down, right] = both * (_products(degrade.rows, down) @ half)
        return cls(stencil)

    def __matmul__(self, coarse: Tensor) -> Tensor:
        """Return the product with values of shape (..., coarse rows, coarse columns)."""
        result = self.stencil[0, 0] * coarse
        for (down, right), entries in self.stencil.items():
            if (down, right) == (0, 0):
                continue
            (top, bottom), (left, far) = _offset_pairs((down, right), coarse.shape[-2:])
            result[..., top, left] += entries * coarse[..., bottom, far]
            result[..., bottom, far] += entries * coarse[..., top, left]
        return result


def _products(weights: Tensor, offset: int) -> Tensor:
    """Return the products of each row of weights and the one at an offset, where both exist."""
    first, second = _pairs(offset, len(weights))
    return weights[first] * weights[second]


def _offset_pairs(offset: tuple[int, int], shape: torch.Size) -> list[tuple[slice, slice]]:
    """Return :func:`_pairs` of both axes."""
    return [_pairs(each, length) for each, length in zip(offset, shape, strict=True)]


def _pairs(offset: int, length: int) -> tuple[slice, slice]:
    """Return the indices that have another at an offset, and those others."""
    size = max(length - abs(offset), 0)
    first, second = max(-offset, 0), max(offset, 0)
    return slice(first, first + size), slice(second, second + size)


def solve(
    matrix: NormalMatrix, noise: Tensor, residual: Tensor, *, rounds: int, smallest: float
) -> Tensor:
    """
    Return ``(A + N)^-1 r`` by rounds of Chebyshev's iteration.

    Saad 2003, "Iterative Methods for Sparse Linear Systems", algorithm 12.1. Unlike conjugate
    gradients it is the same polynomial for every pixel: the result reaches as far as ``rounds - 1``
    products with A, so that tiled equals whole.

    Parameters
    ----------
    matrix : NormalMatrix
        A.
    noise : Tensor of shape (components, coarse rows, coarse columns)
        The diagonal of N.
    residual : Tensor of shape (components, coarse rows, coarse columns)
        r.
    rounds : int
        At least one.
    smallest : float
        Smallest eigenvalue, in the largest sum of a row, for which it converges.

    Returns
    -------
    Tensor of shape (components, coarse rows, coarse columns)
    """
    # Entries are not negative: in units of the sum of its row no eigenvalue exceeds one.
    scale = (matrix @ torch.ones_like(noise) + noise).clamp_min(1e-30)
    solved, left, step = torch.zeros_like(residual), residual, torch.zeros_like(residual)
    for index, (momentum, size) in enumerate(_chebyshev(rounds, smallest)):
        if index:
            left = residual - matrix @ solved - noise * solved
        step = momentum * step + size * left / scale
        solved = solved + step
    return solved


def _chebyshev(rounds: int, smallest: float) -> Iterator[tuple[float, float]]:
    """Yield the momentum and size of each step for eigenvalues between the smallest and one."""
    middle, half = (1 + smallest) / 2, (1 - smallest) / 2
    before = half / middle
    yield 0.0, 1 / middle
    for _ in range(rounds - 1):
        now = 1 / (2 * middle / half - before)
        yield now * before, 2 * now / half
        before = now
