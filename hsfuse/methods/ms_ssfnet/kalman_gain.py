"""
Kalman gain of the MS image, by which a residual of its bands is distributed over components.

The errors of the components of a pixel are normal with covariance ``u C``, C diagonal and u the
relative variance of the pixel; the errors of the MS image about its response A are normal with
covariance N_Y, which contains its noise and the errors of R and of the radiometry. The gain is that
of optimal interpolation (Daley 1991, "Atmospheric Data Analysis", chapter 4). It differs from pixel
to pixel only by u, so N_Y and ``A C A'`` are diagonalised together, once (Golub and Van Loan 2013,
"Matrix Computations", section 8.7).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from torch import Tensor

__all__ = ["KalmanGain"]


@dataclass(frozen=True)
class KalmanGain:
    """
    ``u C A' (u A C A' + N_Y)^-1`` for any relative variance u.

    With ``W N_Y W'`` the unit matrix and ``W A C A' W'`` the diagonal matrix P, this is
    ``C A' W' (P + 1 / u)^-1 W``.

    Attributes
    ----------
    whitening : ndarray of shape (MS bands, MS bands)
        W.
    power : ndarray of shape (MS bands,)
        Diagonal of P.
    distribution : ndarray of shape (components, MS bands)
        ``C A' W'``.
    """

    whitening: NDArray[np.float64]
    power: NDArray[np.float64]
    distribution: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        response: NDArray[np.float64],
        deviation: NDArray[np.float64],
        error: NDArray[np.float64],
    ) -> KalmanGain:
        """
        Return the gain for a response and covariances.

        Parameters
        ----------
        response : ndarray of shape (MS bands, components)
            A.
        deviation : ndarray of shape (components,)
            Square root of the diagonal of C.
        error : ndarray of shape (MS bands, MS bands)
            N_Y.
        """
        covariance = deviation[:, None] ** 2 * response.T
        signal = response @ covariance
        # N_Y has to be positive definite, also where the residual of a pair vanishes.
        ridge = 1e-9 * np.trace(signal + error) / len(error) + 1e-30
        power, vectors = eigh(signal, error + ridge * np.eye(len(error)))
        return cls(vectors.T, np.maximum(power, 0), covariance @ vectors)

    def misfit(self, residual: Tensor) -> Tensor:
        """
        Return the squared Mahalanobis norm of a residual, divided by the number of bands.

        Parameters
        ----------
        residual : Tensor of shape (MS bands, rows, columns)
            The MS image minus its response to components.

        Returns
        -------
        Tensor of shape (rows, columns)
            The expectation for a residual with covariance N_Y is one.
        """
        whitening = torch.from_numpy(self.whitening).to(residual)
        return torch.tensordot(whitening, residual, dims=1).square().mean(dim=0)

    def update(self, residual: Tensor, variance: Tensor) -> Tensor:
        """
        Return the change of the components by a residual of the MS image.

        Parameters
        ----------
        residual : Tensor of shape (MS bands, rows, columns)
            The MS image minus its response to the components.
        variance : Tensor of shape (rows, columns)
            u.

        Returns
        -------
        Tensor of shape (components, rows, columns)
        """
        whitening, power, distribution = (
            torch.from_numpy(values).to(residual)
            for values in (self.whitening, self.power, self.distribution)
        )
        weight = variance / (variance * power[:, None, None] + 1)
        white = torch.tensordot(whitening, residual, dims=1)
        return torch.tensordot(distribution, weight * white, dims=1)
