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
from torch import Tensor

from hsfuse.core.grid import Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.core.subspace import Subspace
from hsfuse.methods.ms_ssfnet.normal_equations import NormalMatrix, overlap_reach, solve
from hsfuse.methods.ms_ssfnet.settings import ConsistencySettings
from hsfuse.observe import Degrade
from hsfuse.pair.survey import Survey

__all__ = [
    "CANDIDATES",
    "ConsistencyTerms",
    "Observations",
    "apply_consistency",
    "fine_error_covariance",
    "kalman_gain",
    "update_region",
]

_DEFAULT = ConsistencySettings()


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
            # Adjoint of D, products with the normal matrix, and the sum of its rows.
            along.append(radius + settings.rounds * overlap)
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
    gain : Tensor of shape (components, MS bands)
        Kalman gain of the MS image.
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
    gain: Tensor


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
        Of the HS sensor, in HS pixels.
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
        result = result + torch.tensordot(observations.gain, residual, dims=1)
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
    relative = observations.noise / observations.prior_deviation.clamp_min(1e-30)
    noise = (relative[:, None, None] ** 2).expand_as(residual)
    solved = solve(
        matrix, noise, residual, rounds=settings.rounds, smallest=settings.smallest_eigenvalue
    )
    return free * degrade.adjoint(weight * solved)


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


def kalman_gain(
    response: NDArray[np.float64], deviation: NDArray[np.float64], error: NDArray[np.float64]
) -> NDArray[np.float64]:
    """
    Return ``C A' (A C A' + N)^-1``, shape (components, MS bands).

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
    total = response @ covariance + error
    total += (1e-9 * np.trace(total) / len(total) + 1e-30) * np.eye(len(total))
    return np.asarray(np.linalg.solve(total, covariance.T).T)
