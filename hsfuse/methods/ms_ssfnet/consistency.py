"""
Data consistency: update fused components by both images, as far as their noise allows.

With Z the fused components, S those of the HS image, D its sensor and A the response of the MS
sensor to components, the errors of Z are modelled as normal with variance C u: C by component, u
by pixel. The residual of the HS image, S - D(Z), is then distributed by ``u D' (D u D' + N_S)^-1``,
most of it to pixels where the estimates disagree (a Kalman update, as optimal interpolation in
Daley 1991, "Atmospheric Data Analysis", ch. 4); the residual of the MS image by the Kalman gain
``C A' (A C A' + N)^-1``. How far either improves the result depends on how well the two sensors
are known: it is selected at reduced resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from torch import Tensor

from hsfuse.core.grid import Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.core.subspace import Subspace
from hsfuse.methods.ms_ssfnet.normal_equations import NormalMatrix, overlap_reach, solve
from hsfuse.methods.ms_ssfnet.settings import ConsistencySettings
from hsfuse.methods.observation_errors import REACH, psf_error_variance, unseen_variance
from hsfuse.observe import Degrade, unseen_share
from hsfuse.pair.survey import Survey

__all__ = [
    "CANDIDATES",
    "ConsistencyTerms",
    "KalmanGain",
    "Observations",
    "apply_consistency",
    "fine_error_covariance",
    "update_region",
]

_DEFAULT = ConsistencySettings()


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


@dataclass(frozen=True, slots=True)
class ConsistencyTerms:
    """
    The images by which components are updated.

    Attributes
    ----------
    hs : bool
        The HS image.
    fine : bool
        The MS image.
    """

    hs: bool = True
    fine: bool = True

    @property
    def images(self) -> tuple[str, ...]:
        """Names of the images."""
        return ("HS",) * self.hs + ("MS",) * self.fine

    def sentence(self) -> str:
        """Return what is done, for a note."""
        if not self.images:
            return "without data consistency"
        return f"with data consistency to the {' and the '.join(self.images)} image"

    def reach(self, psf: PSF, settings: ConsistencySettings = _DEFAULT) -> tuple[float, float]:
        """Return how far a pixel's update reaches, in HS pixels along y and x."""
        if not self.hs:
            return 0.0, 0.0
        along = []
        for width, radius in zip(psf.fwhm, psf.reach, strict=True):
            overlap = overlap_reach(width, settings.least_overlap)
            # Adjoint of D, products with the normal matrix, and its scale and noise.
            along.append(radius + (settings.rounds - 1) * overlap + max(overlap, REACH))
        return along[0], along[1]


# The first is used where nothing can be selected.
CANDIDATES = (
    ConsistencyTerms(),
    ConsistencyTerms(fine=False),
    ConsistencyTerms(hs=False),
    ConsistencyTerms(hs=False, fine=False),
)


@dataclass(frozen=True)
class Observations:
    """
    What both sensors measured of a region, and how well.

    Attributes
    ----------
    geometry : Geometry
        Of the region's HS pixels over its fine ones.
    psf : PSF
        Of the HS sensor, in HS pixels.
    hs : Tensor of shape (components, coarse rows, coarse columns)
        Components of the HS image.
    hs_valid : Tensor of shape (coarse rows, coarse columns)
        HS pixels with data.
    fine : Tensor of shape (MS bands, rows, columns)
        The MS image less its response to the mean spectrum.
    fine_valid : Tensor of shape (rows, columns)
        MS pixels with data.
    noise : Tensor of shape (components,)
        Standard deviation of the HS image's noise.
    prior_deviation : Tensor of shape (components,)
        Prior standard deviation of the errors of fused components.
    response : Tensor of shape (MS bands, components)
        A.
    gain : KalmanGain
        Of the MS image.
    """

    geometry: Geometry
    psf: PSF
    hs: Tensor
    hs_valid: Tensor
    fine: Tensor
    fine_valid: Tensor
    noise: Tensor
    prior_deviation: Tensor
    response: Tensor
    gain: KalmanGain


def update_region(
    geometry: Geometry,
    core: tuple[Span, Span],
    psf: PSF,
    reach: tuple[float, float],
) -> tuple[tuple[Span, Span], tuple[Span, Span]]:
    """
    Return the MS and the HS pixels on which the update of a core depends.

    Parameters
    ----------
    geometry : Geometry
        Of a window that contains them.
    core : tuple of Span
        MS pixels along y and x.
    psf : PSF
        The widest of the HS sensor, in HS pixels:
        :meth:`~hsfuse.methods.ms_ssfnet.settings.ConsistencySettings.wider`.
    reach : tuple of float
        From :meth:`ConsistencyTerms.reach`.
    """
    region, coarse = [], []
    axes = geometry.y, geometry.x
    for axis, span, radius, update in zip(axes, core, psf.reach, reach, strict=True):
        wide = axis.coarse_span(span, update)
        coarse.append(wide)
        needed = axis.fine_span(wide, radius)
        region.append(Span(min(needed.start, span.start), max(needed.stop, span.stop)))
    return (region[0], region[1]), (coarse[0], coarse[1])


def apply_consistency(
    fused: Tensor,
    variance: Tensor,
    observations: Observations,
    terms: ConsistencyTerms,
    settings: ConsistencySettings = _DEFAULT,
) -> Tensor:
    """
    Return components updated by both images.

    Parameters
    ----------
    fused : Tensor of shape (components, rows, columns)
        Over the region.
    variance : Tensor of shape (rows, columns)
        u: variance of a pixel's errors, in units of the squared prior standard deviations.
    observations : Observations
        Of the region.
    terms : ConsistencyTerms
        The images to use.
    settings : ConsistencySettings
        Iterations.

    Returns
    -------
    Tensor of shape (components, rows, columns)
        Exact where the region extends :meth:`ConsistencyTerms.reach` farther, or ends with the
        scene.
    """
    result = fused
    if terms.hs:
        result = result + _hs_update(fused, variance, observations, settings)
    if terms.fine:
        residual = observations.fine - torch.tensordot(observations.response, result, dims=1)
        residual = torch.where(observations.fine_valid, residual, 0.0)
        result = result + observations.gain.update(residual, variance)
    return result


def _hs_update(
    fused: Tensor, variance: Tensor, observations: Observations, settings: ConsistencySettings
) -> Tensor:
    """Return ``u D' (D u D' + N)^-1 (S - D Z)``."""
    degrade = Degrade.between(observations.geometry, observations.psf, device=str(fused.device))
    degraded, share = degrade.forward_masked(fused, observations.fine_valid)
    used = observations.hs_valid & (share > settings.least_coverage)
    residual = torch.where(used, observations.hs - degraded, 0.0)
    free = torch.where(observations.fine_valid, variance, 0.0)
    # D is the mean over MS pixels with data.
    weight = torch.where(used, 1 / share.clamp_min(settings.least_coverage), 0.0)
    overlap = [overlap_reach(width, settings.least_overlap) for width in observations.psf.fwhm]
    matrix = NormalMatrix.of(degrade, weight, free, (overlap[0], overlap[1]))
    prior = observations.prior_deviation.clamp_min(1e-30)[:, None, None]
    noise = _hs_variance(fused, degraded, share, observations, settings) / prior.square()
    solved = solve(
        matrix, noise, residual, rounds=settings.rounds, smallest=settings.smallest_eigenvalue
    )
    return free * degrade.adjoint(weight * solved)


def _hs_variance(
    fused: Tensor,
    degraded: Tensor,
    share: Tensor,
    observations: Observations,
    settings: ConsistencySettings,
) -> Tensor:
    """Return the variance of ``S - D Z`` by noise, an inexact D and unseen ground."""
    wider = Degrade.between(
        observations.geometry, settings.wider(observations.psf), device=str(fused.device)
    ).forward_masked(fused, observations.fine_valid)[0]
    unseen = unseen_share(observations.geometry, observations.psf, share)
    return (
        observations.noise[:, None, None].square()
        + psf_error_variance(degraded, wider)
        + unseen_variance(observations.hs, observations.hs_valid, unseen)
    )


def fine_error_covariance(
    survey: Survey,
    subspace: Subspace,
    mean_response: NDArray[np.float64],
    response: NDArray[np.float64],
) -> NDArray[np.float64]:
    """
    Return N: the covariance of the MS image about ``A Z``, with its noise.

    Parameters
    ----------
    survey : Survey
        Of the pair.
    subspace : Subspace
        Of its components.
    mean_response : ndarray of shape (MS bands,)
        What the MS sensor measures of the mean spectrum.
    response : ndarray of shape (MS bands, components)
        A.

    Returns
    -------
    ndarray of shape (MS bands, MS bands)
    """
    residuals = []
    for patch in survey.patches:
        degraded, used = survey.degraded(patch)
        components, _ = subspace.project(patch.coarse)
        residuals.append(
            degraded[:, used] - mean_response[:, None] - response @ components[:, used]
        )
    residual = np.concatenate(residuals, axis=1)
    # D averages the noise of MS pixels away; it is added in full.
    noise = np.diag(survey.fine_noise**2)
    return np.asarray(residual @ residual.T / max(residual.shape[1], 1) + noise)
