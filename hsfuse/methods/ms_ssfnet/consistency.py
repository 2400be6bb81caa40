"""
Data consistency: update fused components by both images, as far as their noise allows.

With Z the fused components, S those of the HS image, D its sensor and A the response of the MS
sensor to components, the errors of Z are modelled as normal with variance C u: C by component, u
by pixel. The residual of the HS image, S - D(Z), is then distributed by ``u D' (D u D' + N_S)^-1``,
most of it to pixels where the estimates disagree (a Kalman update, as optimal interpolation in
Daley 1991, "Atmospheric Data Analysis", ch. 4); the residual of the MS image by the Kalman gain
``u C A' (u A C A' + N)^-1``. How far either is followed depends on how well the two sensors are
known: N_S and N hold the errors of D, of R and of the radiometry beside the noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hsfuse.core.grid import Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.methods.ms_ssfnet.kalman_gain import KalmanGain
from hsfuse.methods.ms_ssfnet.normal_equations import NormalMatrix, overlap_reach, solve
from hsfuse.methods.ms_ssfnet.settings import ConsistencySettings
from hsfuse.methods.observation_errors import REACH, psf_error_variance, unseen_variance
from hsfuse.observe import Degrade, unseen_share

__all__ = [
    "Observations",
    "apply_consistency",
    "hs_update",
    "ms_update",
    "update_reach",
    "update_region",
]

_DEFAULT = ConsistencySettings()


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
    gain : KalmanGain
        Of the MS image.
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
    """

    geometry: Geometry
    psf: PSF
    gain: KalmanGain
    hs: Tensor
    hs_valid: Tensor
    fine: Tensor
    fine_valid: Tensor
    noise: Tensor
    prior_deviation: Tensor
    response: Tensor


def update_reach(psf: PSF, settings: ConsistencySettings = _DEFAULT) -> tuple[float, float]:
    """
    Return how far a pixel's update reaches, in HS pixels along y and x.

    What it needs of the MS pixels reaches farther, by that of the wider PSF.
    """
    along = []
    for width, radius in zip(psf.fwhm, psf.reach, strict=True):
        overlap = overlap_reach(width, settings.least_overlap)
        # Adjoint of D, products with the normal matrix, and its scale and noise.
        along.append(radius + (settings.rounds - 1) * overlap + max(overlap, REACH))
    return along[0], along[1]


def update_region(
    geometry: Geometry,
    core: tuple[Span, Span],
    psf: PSF,
    settings: ConsistencySettings = _DEFAULT,
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
    settings : ConsistencySettings
        The numbers.
    """
    region, coarse = [], []
    reach, widest = update_reach(psf, settings), settings.wider(psf).reach
    for axis, span, update, radius in zip(
        (geometry.y, geometry.x), core, reach, widest, strict=True
    ):
        wide = axis.coarse_span(span, update)
        coarse.append(wide)
        needed = axis.fine_span(wide, radius)
        region.append(Span(min(needed.start, span.start), max(needed.stop, span.stop)))
    return (region[0], region[1]), (coarse[0], coarse[1])


def apply_consistency(
    fused: Tensor,
    variance: Tensor,
    observations: Observations,
    settings: ConsistencySettings = _DEFAULT,
) -> Tensor:
    """
    Return components updated by the HS image, then by the MS image.

    Parameters
    ----------
    fused : Tensor of shape (components, rows, columns)
        Over the region.
    variance : Tensor of shape (rows, columns)
        u: variance of a pixel's errors, in units of the squared prior standard deviations.
    observations : Observations
        Of the region.
    settings : ConsistencySettings
        The numbers.

    Returns
    -------
    Tensor of shape (components, rows, columns)
        Exact for a core whose :func:`update_region` it is, or a part of the region.
    """
    # In place: components of a whole block are large.
    result = hs_update(fused, variance, observations, settings).add_(fused)
    return result.add_(ms_update(result, variance, observations, settings))


def ms_update(
    fused: Tensor,
    variance: Tensor,
    observations: Observations,
    settings: ConsistencySettings = _DEFAULT,
) -> Tensor:
    """Return the change by the MS image; parameters as :func:`apply_consistency`."""
    residual = observations.fine - torch.tensordot(observations.response, fused, dims=1)
    residual = torch.where(observations.fine_valid, residual, 0.0)
    limited = variance / (1 + variance / settings.fine_limit)
    return observations.gain.update(residual, limited**settings.fine_power)


def hs_update(
    fused: Tensor,
    variance: Tensor,
    observations: Observations,
    settings: ConsistencySettings = _DEFAULT,
) -> Tensor:
    """
    Return the change by the HS image, ``u D' (D u D' + N)^-1 (S - D Z)``.

    Parameters as :func:`apply_consistency`.
    """
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
    return degrade.adjoint(weight * solved).mul_(free)


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
