"""
Normal equations of data consistency on the grid of the HS image.

``D u D'``, with D the HS sensor and u the variances of MS pixels, couples HS pixels whose PSFs
overlap: neighbours, at most a few pixels apart. It is stored as a stencil of these offsets, so that
products with it are computed on the HS grid alone, whatever the ratio.
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


def overlap_reach(fwhm: float, minimum: float) -> int:
    """
    Return the largest distance in HS pixels at which the PSFs of two HS pixels overlap.

    Parameters
    ----------
    fwhm : float
        FWHM of the PSF in HS pixels; 0 for the mean over the pixel, which overlaps with no other.
    minimum : float
        Smallest overlap that counts, relative to that of a PSF with itself.

    Examples
    --------
    >>> overlap_reach(1.0, minimum=0.05), overlap_reach(2.0, minimum=0.05)
    (1, 2)
    """
    # The overlap of two Gaussians at distance d is exp(-d**2 / (4 sigma**2)), in that at d = 0.
    distance = 2 * fwhm / FWHM_PER_SIGMA * math.sqrt(math.log(1 / minimum))
    return max(math.ceil(distance) - 1, 0)


@dataclass(frozen=True)
class NormalMatrix:
    """
    ``D u D'`` between HS pixels up to a distance; symmetric.

    Attributes
    ----------
    stencil : dict of (int, int) to Tensor
        Entries by offset in rows and columns, for no offset and those below or to the right. They
        couple each HS pixel that has another at this offset with that one.
    """

    stencil: dict[tuple[int, int], Tensor]

    @classmethod
    def of(
        cls, degrade: Degrade, weight: Tensor, variance: Tensor, reach: tuple[int, int]
    ) -> NormalMatrix:
        """
        Return the matrix for D, with weighted rows, and u.

        Parameters
        ----------
        degrade : Degrade
            D.
        weight : Tensor of shape (coarse rows, coarse columns)
            Factor of the row of D of each HS pixel; 0 for HS pixels that are not used.
        variance : Tensor of shape (rows, columns)
            u.
        reach : tuple of int
            Largest offset along y and x, from :func:`overlap_reach`.
        """
        # D is separable, and so are the products of its weights in two HS pixels.
        across = {
            right: variance @ _products(degrade.columns, right).mT
            for right in range(-reach[1], reach[1] + 1)
        }
        stencil = {}
        for down in range(reach[0] + 1):
            for right, product in across.items():
                if (down, right) >= (0, 0):
                    first, second = _offset_pairs((down, right), weight.shape)
                    both = weight[first] * weight[second]
                    stencil[down, right] = both * (_products(degrade.rows, down) @ product)
        return cls(stencil)

    def __matmul__(self, coarse: Tensor) -> Tensor:
        """Return the product with values of shape (..., coarse rows, coarse columns)."""
        result = self.stencil[0, 0] * coarse
        for offset, entries in self.stencil.items():
            if offset == (0, 0):
                continue
            first, second = _offset_pairs(offset, coarse.shape[-2:])
            result[..., *first] += entries * coarse[..., *second]
            result[..., *second] += entries * coarse[..., *first]
        return result


def _products(weights: Tensor, offset: int) -> Tensor:
    """Return the products of each row of weights with the row at an offset, where both exist."""
    first, second = _pairs(offset, len(weights))
    return weights[first] * weights[second]


def _offset_pairs(
    offset: tuple[int, int], shape: torch.Size
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the rows and columns of pixels that have another at an offset, and of those others."""
    (top, bottom), (left, right) = (
        _pairs(distance, length) for distance, length in zip(offset, shape, strict=True)
    )
    return (top, left), (bottom, right)


def _pairs(offset: int, length: int) -> tuple[slice, slice]:
    """Return the indices along an axis that have another at an offset, and those others."""
    size = max(length - abs(offset), 0)
    first, second = max(-offset, 0), max(offset, 0)
    return slice(first, first + size), slice(second, second + size)


def solve(
    matrix: NormalMatrix, noise: Tensor, residual: Tensor, *, iterations: int, smallest: float
) -> Tensor:
    """
    Return ``(A + N)^-1 r`` by Chebyshev iterations.

    Saad 2003, "Iterative Methods for Sparse Linear Systems", algorithm 12.1, preconditioned by the
    sums of the rows. Unlike conjugate gradients it is the same polynomial for every pixel: the
    result depends on pixels up to ``iterations - 1`` products with A away, so that tiled equals
    whole.

    Parameters
    ----------
    matrix : NormalMatrix
        A.
    noise : Tensor of shape (components, coarse rows, coarse columns)
        The diagonal of N.
    residual : Tensor of shape (components, coarse rows, coarse columns)
        r.
    iterations : int
        At least one.
    smallest : float
        Smallest eigenvalue of the preconditioned matrix for which the iteration converges.

    Returns
    -------
    Tensor of shape (components, coarse rows, coarse columns)
    """
    # Entries are not negative: divided by the sums of its rows the matrix has no eigenvalue above
    # one.
    scale = (matrix @ torch.ones_like(noise) + noise).clamp_min(1e-30)
    solution, remaining, change = torch.zeros_like(residual), residual, torch.zeros_like(residual)
    for index, (momentum, step) in enumerate(_chebyshev(iterations, smallest)):
        if index:
            remaining = residual - matrix @ solution - noise * solution
        change = momentum * change + step * remaining / scale
        solution = solution + change
    return solution


def _chebyshev(iterations: int, smallest: float) -> Iterator[tuple[float, float]]:
    """Yield momentum and step of each iteration for eigenvalues from the smallest to one."""
    # In the notation of Saad: centre is theta, half_width delta, and rho the ratio.
    centre, half_width = (1 + smallest) / 2, (1 - smallest) / 2
    previous = half_width / centre
    yield 0.0, 1 / centre
    for _ in range(iterations - 1):
        ratio = 1 / (2 * centre / half_width - previous)
        yield ratio * previous, 2 * ratio / half_width
        previous = ratio
