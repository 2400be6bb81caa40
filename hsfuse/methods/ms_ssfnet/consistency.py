"""
Data consistency: update of fused components by both images, as far as their noise allows.

With S the fused components, S_X the components of the HS image, D its sensor and A the response of
the MS sensor to components, the errors of S are modelled as normal with variance C u: C for each
component, u for each pixel. The residual of the HS image, S_X - D(S), is then distributed by
``u D' (D u D' + N_X)^-1``, most of it to pixels where the estimates differ, and the residual of the
MS image Y by ``u C A' (u A C A' + N_Y)^-1`` (Kalman updates, as in optimal interpolation, Daley
1991, "Atmospheric Data Analysis", chapter 4). N_X and N_Y contain the errors of D, of R and of the
radiometry beside the noise. The limit and the power of u in the second update are hsfuse's own,
with their reasons in :class:`ConsistencySettings`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.core.subspace import Subspace
from hsfuse.methods import Window
from hsfuse.methods.kriging.appearance import column
from hsfuse.methods.ms_ssfnet.kalman_gain import KalmanGain
from hsfuse.methods.ms_ssfnet.normal_equations import NormalMatrix, overlap_reach, solve
from hsfuse.methods.ms_ssfnet.observation_errors import REACH, psf_error_variance, unseen_variance
from hsfuse.observe import Degrade, unseen_share

__all__ = ["ConsistencySettings", "DataConsistency", "Observations", "UpdateRegion"]


@dataclass(frozen=True, slots=True)
class ConsistencySettings:
    """Settings of the updates by both images."""

    # Chebyshev iterations for the HS image, and the smallest eigenvalue for which they converge.
    # Each reaches farther. Of random errors and an FWHM of one HS pixel three leave 6 to 12 % of
    # the update to the direct solution, as four with an eigenvalue of 0.1 do; of a D that is known
    # to two percent no more is worth having.
    iterations: int = 3
    smallest_eigenvalue: float = 0.2
    # Overlap of the PSFs of two HS pixels, relative to that of one with itself, below which their
    # residuals are treated as uncorrelated. At an FWHM of one HS pixel neighbours overlap by 0.25
    # and the next by 0.004, without which the update differs by less than one percent.
    minimum_overlap: float = 0.05
    # Relative standard error of the FWHM of the PSF: that of estimates from a pair, and more than
    # the difference of a Gaussian sampled at the centres of pixels from an integrated one.
    psf_error: float = 0.02
    # Prior standard deviation in the update by the MS image, relative to that by the HS image;
    # power of the relative variance of a pixel there; and limit of that variance, since estimates
    # of single objects differ by hundreds of times the mean, and their errors do not. N_Y is that
    # of the scene: too large where the ground is even, too small where it is rough, for which a
    # power below one compensates. With a limit of 3 and the prior deviation as it is, on seventeen
    # pairs with noise, a power of 0.5 without a limit adds 0.01 degrees (0.03 in the darkest
    # tenth), one of 1 loses 0.01 dB (0.05 on one), a deviation of 0.6 0.1 dB on one.
    ms_prior_factor: float = 0.45
    ms_variance_power: float = 0.75
    ms_variance_limit: float = 10.0
    # Added to the relative variance of a pixel: estimates that agree may be wrong.
    added_variance: float = 0.02
    # Smallest share of the PSF of an HS pixel on MS pixels with data.
    minimum_coverage: float = 0.5

    def wider(self, psf: PSF) -> PSF:
        """Return a PSF that is wider by its standard error, stated or assumed, if larger."""
        errors = psf.standard_error or (0.0, 0.0)
        y, x = (
            width + max(self.psf_error * width, error)
            for width, error in zip(psf.fwhm, errors, strict=True)
        )
        return replace(psf, fwhm=(y, x))


@dataclass(frozen=True, slots=True)
class UpdateRegion:
    """
    The pixels of a window on which the update of a core depends.

    Attributes
    ----------
    fine : tuple of Span
        Rows and columns of MS pixels; they contain the core.
    coarse : tuple of Span
        Rows and columns of HS pixels.
    """

    fine: tuple[Span, Span]
    coarse: tuple[Span, Span]


@dataclass(frozen=True)
class Observations:
    """
    Observations of a region by both sensors.

    Attributes
    ----------
    geometry : Geometry
        Grid of the HS pixels of the region relative to its MS pixels.
    hs : Tensor of shape (components, coarse rows, coarse columns)
        S_X: components of the HS image, finite.
    hs_valid : Tensor of shape (coarse rows, coarse columns)
        HS pixels with data.
    ms : Tensor of shape (MS bands, rows, columns)
        The MS image minus its response to the mean spectrum, finite.
    ms_valid : Tensor of shape (rows, columns)
        MS pixels with data.
    """

    geometry: Geometry
    hs: Tensor
    hs_valid: Tensor
    ms: Tensor
    ms_valid: Tensor

    @classmethod
    def of(
        cls,
        window: Window,
        region: UpdateRegion,
        subspace: Subspace,
        mean: NDArray[np.float64],
        *,
        device: str = "cpu",
    ) -> Observations:
        """
        Return the observations of a region of a window.

        Parameters
        ----------
        window : Window
            Window of the pair.
        region : UpdateRegion
            Pixels of the window.
        subspace : Subspace
            Subspace of the components.
        mean : ndarray of shape (MS bands,)
            Response of the MS sensor to the mean spectrum.
        device : str
            Device of the tensors.
        """
        axes = window.geometry.y, window.geometry.x
        rows, columns = region.coarse
        hs, hs_valid = subspace.project(window.coarse[:, rows.slice, columns.slice])
        rows, columns = region.fine
        fine = window.fine[:, rows.slice, columns.slice]
        ms_valid = np.isfinite(fine).all(axis=0)
        ms = np.where(ms_valid, fine - mean[:, None, None], 0.0).astype(np.float32)
        spans = zip(axes, region.fine, region.coarse, strict=True)
        return cls(
            Geometry(*(axis.cut(fine_span, coarse_span) for axis, fine_span, coarse_span in spans)),
            *(torch.from_numpy(values).to(device) for values in (hs, hs_valid, ms, ms_valid)),
        )


@dataclass(frozen=True)
class DataConsistency:
    """
    Update of the fused components of a scene by both images.

    Attributes
    ----------
    psf : PSF
        PSF of the HS sensor, in HS pixels.
    response : ndarray of shape (MS bands, components)
        A.
    hs_noise : ndarray of shape (components,)
        Standard deviation of the noise of the components of the HS image.
    prior_deviation : ndarray of shape (components,)
        Prior standard deviation of the errors of fused components.
    gain : KalmanGain
        Gain of the MS image.
    settings : ConsistencySettings
        Settings of the updates.
    """

    psf: PSF
    response: NDArray[np.float64]
    hs_noise: NDArray[np.float64]
    prior_deviation: NDArray[np.float64]
    gain: KalmanGain
    settings: ConsistencySettings = ConsistencySettings()

    @property
    def reach(self) -> tuple[float, float]:
        """Distance (y, x) in HS pixels over which the update of a pixel depends on residuals."""
        iterations, along = self.settings.iterations, []
        for radius, overlap in zip(self.psf.reach, self._overlap, strict=True):
            # Adjoint of D, products with the normal matrix, and its scale and noise.
            along.append(radius + (iterations - 1) * overlap + max(overlap, REACH))
        return along[0], along[1]

    @property
    def fine_reach(self) -> tuple[float, float]:
        """Distance (y, x) in HS pixels over which it depends on MS pixels, by the wider PSF."""
        y, x = map(sum, zip(self.reach, self.settings.wider(self.psf).reach, strict=True))
        return y, x

    @property
    def _overlap(self) -> tuple[int, int]:
        """Largest distance (y, x) in HS pixels at which PSFs overlap."""
        y, x = (overlap_reach(width, self.settings.minimum_overlap) for width in self.psf.fwhm)
        return y, x

    def region(self, geometry: Geometry, core: tuple[Span, Span]) -> UpdateRegion:
        """
        Return the pixels on which the update of a core depends.

        Parameters
        ----------
        geometry : Geometry
            Geometry of a window that contains them.
        core : tuple of Span
            MS pixels along y and x.
        """
        fine, coarse = [], []
        for axis, span, reach, radius in zip(
            (geometry.y, geometry.x),
            core,
            self.reach,
            self.settings.wider(self.psf).reach,
            strict=True,
        ):
            observed = axis.coarse_span(span, reach)
            inside = axis.fine_span(observed, radius)
            coarse.append(observed)
            fine.append(Span(min(inside.start, span.start), max(inside.stop, span.stop)))
        return UpdateRegion((fine[0], fine[1]), (coarse[0], coarse[1]))

    def update(self, fused: Tensor, variance: Tensor, observations: Observations) -> Tensor:
        """
        Return components updated by the HS image, then by the MS image.

        Parameters
        ----------
        fused : Tensor of shape (components, rows, columns)
            S over a region.
        variance : Tensor of shape (rows, columns)
            u: variance of the errors of a pixel, in units of the squared prior standard deviations.
        observations : Observations
            Observations of the region.

        Returns
        -------
        Tensor of shape (components, rows, columns)
            Exact for a core whose :meth:`region` is the region, or a part of it.
        """
        # In place: the components of a whole block are large.
        updated = self.hs_update(fused, variance, observations).add_(fused)
        return updated.add_(self.ms_update(updated, variance, observations))

    def ms_update(self, fused: Tensor, variance: Tensor, observations: Observations) -> Tensor:
        """Return the change by the MS image; parameters as in :meth:`update`."""
        response = torch.from_numpy(self.response).to(fused)
        residual = observations.ms - torch.tensordot(response, fused, dims=1)
        residual = torch.where(observations.ms_valid, residual, 0.0)
        limited = variance / (1 + variance / self.settings.ms_variance_limit)
        return self.gain.update(residual, limited**self.settings.ms_variance_power)

    def hs_update(self, fused: Tensor, variance: Tensor, observations: Observations) -> Tensor:
        """
        Return the change by the HS image, ``u D' (D u D' + N_X)^-1 (S_X - D S)``.

        Parameters as in :meth:`update`. The system is solved in units of the prior variance of each
        component.
        """
        settings = self.settings
        degrade = Degrade.between(observations.geometry, self.psf, device=str(fused.device))
        degraded, share = degrade.forward_masked(fused, observations.ms_valid)
        used = observations.hs_valid & (share > settings.minimum_coverage)
        residual = torch.where(used, observations.hs - degraded, 0.0)
        variance = torch.where(observations.ms_valid, variance, 0.0)
        # D is the mean over MS pixels with data.
        weight = torch.where(used, 1 / share.clamp_min(settings.minimum_coverage), 0.0)
        matrix = NormalMatrix.of(degrade, weight, variance, self._overlap)
        prior = column(self.prior_deviation, fused).clamp_min(1e-30)
        noise = self._hs_error_variance(fused, degraded, share, observations) / prior.square()
        solved = solve(
            matrix,
            noise,
            residual,
            iterations=settings.iterations,
            smallest=settings.smallest_eigenvalue,
        )
        return degrade.adjoint(weight * solved).mul_(variance)

    def _hs_error_variance(
        self, fused: Tensor, degraded: Tensor, share: Tensor, observations: Observations
    ) -> Tensor:
        """Return the diagonal of N_X: noise, errors of the PSF, and area without MS pixels."""
        geometry, hs = observations.geometry, observations.hs
        psf = self.settings.wider(self.psf)
        operator = Degrade.between(geometry, psf, device=str(fused.device))
        wider, _ = operator.forward_masked(fused, observations.ms_valid)
        unseen = unseen_share(geometry, self.psf, share)
        return (
            column(self.hs_noise, fused).square()
            + psf_error_variance(degraded, wider)
            + unseen_variance(hs, observations.hs_valid, unseen)
        )
