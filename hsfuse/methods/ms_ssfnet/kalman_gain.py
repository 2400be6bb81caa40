"""
Kalman gain of the MS image: how a residual of its bands is distributed over components.

The errors of components have the variances ``C u``, C by component and u by pixel; those of the
MS image about its response A the covariance N, by its noise, radiometry and an inexact R.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from torch import Tensor

from hsfuse.core.subspace import Subspace
from hsfuse.methods.ms_ssfnet.component_response import surveyed_components
from hsfuse.methods.ms_ssfnet.scales import ComponentScales
from hsfuse.methods.ms_ssfnet.settings import ConsistencySettings
from hsfuse.pair.survey import Survey

__all__ = ["KalmanGain", "error_covariance", "surveyed_residual", "unexplained_share"]


@dataclass(frozen=True)
class KalmanGain:
    """
    ``u C A' (u A C A' + N)^-1`` of the MS image, for the variance u of each pixel.

    Attributes
    ----------
    whitening : ndarray of shape (MS bands, MS bands)
        W, which makes N the unit matrix and ``A C A'`` diagonal.
    power : ndarray of shape (MS bands,)
        That diagonal.
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
        Return the gain.

        Parameters
        ----------
        response : ndarray of shape (MS bands, components)
            A.
        deviation : ndarray of shape (components,)
            Standard deviations, the root of C's diagonal.
        error : ndarray of shape (MS bands, MS bands)
            N: covariance of the MS image about A Z.
        """
        covariance = deviation[:, None] ** 2 * response.T
        signal = response @ covariance
        least = 1e-9 * np.trace(signal + error) / len(error) + 1e-30
        power, vectors = eigh(signal, error + least * np.eye(len(error)))
        return cls(vectors.T, np.maximum(power, 0), covariance @ vectors)

    def misfit(self, residual: Tensor) -> Tensor:
        """
        Return the square of a residual in units of N, mean over the bands.

        Parameters
        ----------
        residual : Tensor of shape (MS bands, rows, columns)
            The MS image less A Z.

        Returns
        -------
        Tensor of shape (rows, columns)
            1 in the mean where the residual has the covariance N.
        """
        whitening = torch.from_numpy(self.whitening).to(residual)
        return torch.tensordot(whitening, residual, dims=1).square().mean(dim=0)

    def update(self, residual: Tensor, variance: Tensor) -> Tensor:
        """
        Return the change of components by a residual of the MS image.

        Parameters
        ----------
        residual : Tensor of shape (MS bands, rows, columns)
            The MS image less A Z.
        variance : Tensor of shape (rows, columns)
            u.

        Returns
        -------
        Tensor of shape (components, rows, columns)
        """
        whitening, power, distribution = (
            torch.from_numpy(each).to(residual)
            for each in (self.whitening, self.power, self.distribution)
        )
        weight = variance / (variance * power[:, None, None] + 1)
        white = torch.tensordot(whitening, residual, dims=1)
        return torch.tensordot(distribution, weight * white, dims=1)


def surveyed_residual(
    survey: Survey, subspace: Subspace, scales: ComponentScales
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Return what the HS image leaves of the MS image on its grid, and that image.

    Parameters
    ----------
    survey : Survey
        Of the pair.
    subspace : Subspace
        Of its components.
    scales : ComponentScales
        With the response A.

    Returns
    -------
    tuple of ndarray of shape (MS bands, HS pixels)
    """
    components, seen = surveyed_components(survey, subspace)
    return seen - scales.mean_response[:, None] - scales.response @ components, seen


def unexplained_share(residual: NDArray[np.float64], seen: NDArray[np.float64]) -> float:
    """
    Return the share of the MS image's variance that a residual holds, mean over its bands.

    Parameters
    ----------
    residual, seen : ndarray of shape (MS bands, HS pixels)
        From :func:`surveyed_residual`.

    Returns
    -------
    float
        From 0 to 1.
    """
    pixels = max(residual.shape[1], 1)
    left = np.square(residual).sum(axis=1) / pixels
    variance = np.square(seen - seen.mean(axis=1, keepdims=True)).sum(axis=1) / pixels
    return float(np.minimum(left / np.maximum(variance, 1e-30), 1).mean())


def error_covariance(
    residual: NDArray[np.float64],
    noise: NDArray[np.float64],
    unexplained: float,
    settings: ConsistencySettings,
) -> NDArray[np.float64]:
    """
    Return N: the covariance of the MS image about ``A Z``, with its noise.

    D averages away what differs between the sensors within an HS pixel, as edges that do not
    coincide do: N is larger than on the HS grid, the more so the more they differ there.

    Parameters
    ----------
    residual : ndarray of shape (MS bands, HS pixels)
        From :func:`surveyed_residual`.
    noise : ndarray of shape (MS bands,)
        Standard deviation of the noise of MS pixels.
    unexplained : float
        From :func:`unexplained_share`.
    settings : ConsistencySettings
        The numbers.

    Returns
    -------
    ndarray of shape (MS bands, MS bands)
    """
    covariance = residual @ residual.T / max(residual.shape[1], 1)
    factor = settings.fine_error * (1 + settings.unexplained * unexplained)
    # D averages the noise of MS pixels away as well; it is added in full.
    return np.asarray(factor * (covariance + np.diag(noise**2)))
