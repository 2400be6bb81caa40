"""
The Sylvester equation of image fusion, solved in closed form for a separable D.

The normal equations of a quadratic fusion problem,
``A U D'D + B U = D'(C) + F`` with U of shape (components, pixels), are the Sylvester equation
``C1 U + U C2 = C3`` of Wei et al. 2015, doi:10.1109/TIP.2015.2458572, eq. 15, with
``C1 = A^-1 B``, ``C2 = D'D`` and ``C3 = A^-1 (D'(C) + F)``. They diagonalise C2 by the Fourier
transform, for a circular blur and a whole ratio. Here D is a matrix of rows and one of columns,
so ``D'D = (Ry'Ry) x (Rx'Rx)`` (Kronecker) has the singular vectors of these two: the solution is
exact for any PSF, real ratio and border.

1. T with ``T'A T = I`` and ``T'B T = diag(b)`` (Cholesky factor of A, then eigenvectors of a
   symmetric matrix) separates the components: with ``U = T W`` each row of W solves
   ``w (b I + D'D) = D'(c) + f``, where c and f are that row of T'C and of T'F.
2. With ``D = P diag(s) Q'``, P and Q of orthonormal columns,
   ``w = f / b + Q [(s P'c - s^2 Q'f / b) / (b + s^2)]``: only as many singular vectors as coarse
   rows and columns are needed, and nothing is cancelled where b is small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Axis
from hsfuse.core.psf import PSF
from hsfuse.core.resample import degrade_matrix
from hsfuse.observe import Degrade

__all__ = ["SingularVectors", "SylvesterSolver", "impulse_response", "influence"]

# Share of the influence of an HS pixel that is neglected, and the largest distance in HS pixels:
# for a PSF of one pixel and a weight b of 1e-5 it is seven.
_NEGLECTED_SHARE = 1e-4
_MAXIMUM_INFLUENCE = 24
# A larger ratio is replaced by this one: ``D D'`` decreases with it, so the halo is an upper bound.
_LARGE_RATIO = 8.0


@dataclass(frozen=True)
class SingularVectors:
    """
    Singular value decomposition of D along both axes.

    Attributes
    ----------
    coarse : tuple of Tensor of shape (coarse rows or columns, vectors)
        P along y and x.
    fine : tuple of Tensor of shape (rows or columns, vectors)
        Q along y and x.
    values : Tensor of shape (vectors along y, vectors along x)
        s, products of those along the axes.
    """

    coarse: tuple[Tensor, Tensor]
    fine: tuple[Tensor, Tensor]
    values: Tensor

    @classmethod
    def of(cls, operator: Degrade) -> SingularVectors:
        """Return the decomposition of D, computed in float64, in the type of D."""
        parts = [
            torch.linalg.svd(matrix.double(), full_matrices=False)
            for matrix in (operator.rows, operator.columns)
        ]
        (p_y, s_y, q_y), (p_x, s_x, q_x) = (
            [factor.to(operator.rows) for factor in (p, s, q.mT)] for p, s, q in parts
        )
        return cls((p_y, p_x), (q_y, q_x), s_y[:, None] * s_x)

    def project_coarse(self, image: Tensor) -> Tensor:
        """Return P' of (..., coarse rows, coarse columns)."""
        return self.coarse[0].mT @ image @ self.coarse[1]

    def project_fine(self, image: Tensor) -> Tensor:
        """Return Q' of (..., rows, columns)."""
        return self.fine[0].mT @ image @ self.fine[1]

    def expand_fine(self, coefficients: Tensor) -> Tensor:
        """Return Q of (..., vectors along y, vectors along x)."""
        return self.fine[0] @ coefficients @ self.fine[1].mT


@dataclass(frozen=True)
class SylvesterSolver:
    """
    Solver of ``A U D'D + B U = D'(C) + F`` for one D and many right-hand sides.

    Attributes
    ----------
    vectors : SingularVectors
        Singular vectors of D.
    transform : Tensor of shape (components, components), or None
        T; None for the identity.
    values : Tensor of shape (components,)
        b, all positive.
    """

    vectors: SingularVectors
    transform: Tensor | None
    values: Tensor

    @classmethod
    def of(cls, operator: Degrade, fine: Tensor, coarse: Tensor | None = None) -> SylvesterSolver:
        """
        Return the solver.

        Parameters
        ----------
        operator : Degrade
            D; its device and type are those of the solution.
        fine : Tensor of shape (components, components)
            B, symmetric and positive definite: the weight of the MS image and of the prior.
        coarse : Tensor of shape (components, components), optional
            A, symmetric and positive definite: the weight of the HS image; the identity by
            default.

        Raises
        ------
        ValueError
            If A or B is not positive definite: the equation has no unique solution.
        """
        transform, values = _diagonalise(fine.double(), coarse)
        like = operator.rows
        return cls(SingularVectors.of(operator), transform.to(like), values.to(like))

    def solve(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """
        Return U.

        Parameters
        ----------
        coarse : Tensor of shape (..., components, coarse rows, coarse columns)
            C.
        fine : Tensor of shape (..., components, rows, columns)
            F.

        Returns
        -------
        Tensor of shape (..., components, rows, columns)
        """
        vectors, values = self.vectors, self.values[:, None, None]
        transposed = None if self.transform is None else self.transform.mT
        c, f = _apply_matrix(transposed, coarse), _apply_matrix(transposed, fine) / values
        s = vectors.values
        inside = (s * vectors.project_coarse(c) - s.square() * vectors.project_fine(f)) / (
            values + s.square()
        )
        return _apply_matrix(self.transform, f.add_(vectors.expand_fine(inside)))


def influence(
    weights: tuple[NDArray[np.float64], NDArray[np.float64]], psf: PSF, ratio: tuple[float, float]
) -> int:
    """
    Return the distance in HS pixels beyond which the influence of an HS pixel on U is negligible.

    The influence decreases like ``(b I + D D')^-1``, most slowly for the smallest b. A halo of this
    width includes all but 1e-4 of it.

    Parameters
    ----------
    weights : tuple of ndarray of shape (components, components)
        A and B.
    psf : PSF
        PSF of the HS sensor.
    ratio : tuple of float
        MS pixels per HS pixel along y and x.
    """
    _, values = _diagonalise(torch.from_numpy(weights[1]), torch.from_numpy(weights[0]))
    maximum = _MAXIMUM_INFLUENCE
    bounded = min(ratio[0], _LARGE_RATIO), min(ratio[1], _LARGE_RATIO)
    kernel = impulse_response(float(values.min()), psf, bounded)
    offset = np.abs(np.arange(-maximum, maximum + 1))
    distance = np.maximum(offset[:, None], offset)
    beyond = (kernel[distance > radius].sum() for radius in range(maximum + 1))
    return next(r for r, outside in enumerate(beyond) if outside <= _NEGLECTED_SHARE * kernel.sum())


def impulse_response(weight: float, psf: PSF, ratio: tuple[float, float]) -> NDArray[np.float64]:
    """
    Return the absolute response of ``(b I + D D')^-1`` to one HS pixel.

    Parameters
    ----------
    weight : float
        b.
    psf : PSF
        PSF of the HS sensor.
    ratio : tuple of float
        MS pixels per HS pixel along y and x.

    Returns
    -------
    ndarray of shape (HS rows, HS columns)
        Response, with that pixel at the centre.
    """
    maximum, decays = _MAXIMUM_INFLUENCE, []
    for one, width in zip(ratio, psf.fwhm, strict=True):
        axis = Axis(int((2 * maximum + 1) * one) + 1, 2 * maximum + 1, one)
        rows = degrade_matrix(axis, width)
        decays.append(np.linalg.eigh(rows @ rows.T))
    (y, p), (x, q) = decays
    # The row of the inverse of the central pixel.
    return np.abs((p * p[maximum]) @ (1 / (weight + np.outer(y, x))) @ (q * q[maximum]).T)


def _diagonalise(fine: Tensor, coarse: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return T and b of ``T'A T = I`` and ``T'B T = diag(b)``."""
    weight = torch.eye(len(fine)).to(fine) if coarse is None else coarse.double()
    factor, failed = torch.linalg.cholesky_ex(weight)
    if bool(failed):
        raise ValueError("the weight of the HS image is not positive definite")
    # factor^-1 B factor^-T, whose eigenvectors are orthonormal.
    half = torch.linalg.solve_triangular(factor, fine, upper=False)
    whitened = torch.linalg.solve_triangular(factor, half.mT, upper=False)
    values, vectors = torch.linalg.eigh((whitened + whitened.mT) / 2)
    if not bool(values.min() > 0):
        raise ValueError(
            "the weight of the MS image and the prior is not positive definite: smallest "
            f"eigenvalue {float(values.min()):g}, expected a positive number"
        )
    return torch.linalg.solve_triangular(factor.mT, vectors, upper=True), values


def _apply_matrix(matrix: Tensor | None, image: Tensor) -> Tensor:
    """Return a matrix times the components of (..., components, rows, columns); None is one."""
    if matrix is None:
        return image
    return (matrix @ image.flatten(-2)).unflatten(-1, image.shape[-2:])
