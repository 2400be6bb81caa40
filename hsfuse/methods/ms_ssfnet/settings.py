"""Settings of `ms-ssfnet` where it fuses principal components; each value with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from hsfuse.core.psf import PSF
from hsfuse.methods.cnmf.settings import CnmfSettings
from hsfuse.methods.kriging.settings import DEFAULT as KRIGING
from hsfuse.methods.kriging.settings import KrigingSettings

__all__ = [
    "DEFAULT",
    "ComponentSettings",
    "ConsistencySettings",
    "ErrorModelSettings",
    "NetworkSettings",
    "ResponseSettings",
    "ScaleSettings",
]


@dataclass(frozen=True, slots=True)
class ScaleSettings:
    """Of the scales of the network's input; its weights are trained with them."""

    # Standard deviation of the error of an MS band, in its own root mean square, and variance of
    # the error of the initial estimate, in that of its detail: the residual of the MS image is
    # distributed over the components by these.
    fine_error: float = 1e-2
    initial_error: float = 0.1
    # Smallest detail, in a component's standard deviation, and smallest prior standard deviation,
    # in that of the detail.
    least_detail: float = 0.25
    least_prior: float = 0.02
    # Quantile of the squared differences of the estimates at which they are limited: in a scene of
    # water and a few roofs these decide the root mean square, in units of which the noise then
    # seems small. On one (`abu_beach_1`) it gains 0.85 dB in the darkest tenth; on another
    # (`pavia_centre_crop` in colour) it loses 0.04 dB.
    outliers: float = 0.95
    # Variance of a direction of the MS bands, in that of a band; below it is noise, and would fill
    # a channel.
    least_direction: float = 1e-3
    # Surveyed windows, spread over the scene, on which the estimates are compared, and MS pixels of
    # them all.
    compared_windows: int = 3
    pixels: int = 2**19
    # HS pixels a side of the middle of such a window, which one cell of `kriging` holds, and the
    # MS pixels a side in its middle on which they are compared.
    compared_side: int = 48
    compared_pixels: int = 256
    # Every so many MS pixels of the survey are enough for the covariance of the MS bands.
    fine_step: int = 7


@dataclass(frozen=True, slots=True)
class ResponseSettings:
    """Of the correction of the stated response by what the pair shows."""

    # Nanometres within which the error of a response is alike: bands that lie off by some
    # nanometres, or are wider, err over about their edges.
    correlation: float = 15.0
    # Share of the HS pixels that count as independent: neighbours share ground, and errors of D
    # and of single objects are no white noise. On eleven scenes with the right response a share of
    # 1 loses 0.04 dB in the mean, a quarter 0.04 dB on one, a tenth 0.001 dB.
    independent: float = 0.1
    # Least biweight of a pixel that takes part.
    least_weight: float = 0.01
    # Least variance of noise-free components, in that of noisy ones; and least share of the
    # residual's variance that is left, beyond which the noise that is subtracted decides.
    least_signal: float = 1e-3
    least_left: float = 0.05


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Of the use of the network."""

    # Components are corrected until they hold this share of the differences between the
    # estimates, and at most so many; each costs as much as another. 0.995 loses 0.09 dB and 0.04
    # degrees in the mean of eleven scenes in colour at ratio 8, 0.99 0.23 dB on samson in colour.
    # Twelve gain 0.005 dB in the mean of nine pairs and take a third more, six lose 0.12 dB on
    # samson.
    share: float = 0.998
    most: int = 8
    # HS pixels of a scene at which corrections have half their weight: of few pixels the scales of
    # a scene are not well known. On crops of four scenes, four bands and colour at ratio 4, full
    # corrections cost 0.05 degrees with 64 to 240 HS pixels against half of them, and gain nothing
    # with 384 and 576 against three quarters.
    few: float = 100.0
    # By how much corrections have less weight where the HS image leaves a share of the MS image's
    # variance unexplained: networks are trained on pairs that leave less. On real pairs, which
    # leave 0.045 to 0.08, full corrections lose 0.02 to 0.16 dB against a quarter or half of them.
    unexplained: float = 30.0
    # Relative variance of a pixel's errors at which corrections have lost half of what they lose
    # with more, and the weight that is left then. On eight of eleven remote-sensing scenes 99 % of
    # the pixels lie below 10, so that networks hardly see more in training; beyond, corrections add
    # errors on seven of 22 scenes, 0.1 to 0.2 dB on four. None left loses 0.01 dB in colour.
    variance: float = 15.0
    least_certain: float = 0.3
    # The same of the squared residual of the MS image, in units of N and mean over its bands, by
    # how much a correction increases it: a correction that one image contradicts is as wrong in the
    # directions that no image shows. It is above 1 on pairs with little noise alone; there the
    # weight with the smallest squared error is 0.2 to 1.3 (mean 0.7 of ten scenes), else about 1.
    misfit: float = 4.0
    least_consistent: float = 0.5
    # MS pixels whose features are in memory at once.
    strip: int = 2**18

    def weight(self, pixels: int, unexplained: float) -> float:
        """
        Return the weight of corrections over the scene.

        Parameters
        ----------
        pixels : int
            HS pixels of the scene.
        unexplained : float
            Share of the MS image's variance that the HS image leaves.

        Examples
        --------
        >>> NetworkSettings(few=100.0, unexplained=30.0).weight(300, 0.1)
        0.1875
        """
        return pixels / (pixels + self.few) / (1 + self.unexplained * unexplained)

    def local_weight(self, variance: Tensor, misfit: Tensor) -> Tensor:
        """
        Return the weight of corrections of pixels, beside that over the scene.

        Parameters
        ----------
        variance : Tensor
            Relative variance of a pixel's errors.
        misfit : Tensor
            By how much its correction increases the misfit of the MS image
            (:meth:`hsfuse.methods.ms_ssfnet.kalman_gain.KalmanGain.misfit`).

        Examples
        --------
        >>> import torch
        >>> settings = NetworkSettings()
        >>> variance, misfit = torch.tensor([0.0, 15.0, 0.0]), torch.tensor([0.0, 0.0, 4.0])
        >>> settings.local_weight(variance, misfit)
        tensor([1.0000, 0.6500, 0.7500])
        """
        certain = 1 / (1 + (variance / self.variance).square())
        consistent = 1 / (1 + misfit.clamp_min(0) / self.misfit)
        certain = self.least_certain + (1 - self.least_certain) * certain
        return certain * (self.least_consistent + (1 - self.least_consistent) * consistent)


@dataclass(frozen=True, slots=True)
class ConsistencySettings:
    """Of the update of fused components by both images."""

    # Chebyshev iterations for the HS image, and the smallest eigenvalue for which they converge.
    # Each reaches farther. Of random errors and an FWHM of one HS pixel three leave 6 to 12 % of
    # the update to the direct solution, as four with an eigenvalue of 0.1 do; of a D that is known
    # to two percent no more is worth having.
    rounds: int = 3
    smallest_eigenvalue: float = 0.2
    # Overlap of the PSFs of two HS pixels, in that of one with itself, below which their residuals
    # are uncorrelated. At an FWHM of one HS pixel neighbours overlap by 0.25 and the next by 0.004,
    # without which the update differs by less than one percent.
    least_overlap: float = 0.05
    # Standard error of the FWHM of the PSF, in the FWHM. What a pair's own estimate was wrong by,
    # and more than a Gaussian sampled at the centres of pixels differs from an integrated one.
    psf_error: float = 0.02
    # Prior standard deviation for the MS image, in that for the HS image; the power of a pixel's
    # relative variance there, and what the latter does not exceed: estimates of single objects
    # differ by hundreds of times the mean, and their errors do not. N is that of the scene: too
    # large where the ground is even, too small where it is rough, which a power below one meets.
    # With a limit of 3 and the prior deviation as it is, on seventeen pairs with noise, a power of
    # 0.5 without a limit adds 0.01 degrees (0.03 in the darkest tenth), one of 1 loses 0.01 dB
    # (0.05 on one), a deviation of 0.6 0.1 dB on one.
    fine_prior: float = 0.45
    fine_power: float = 0.75
    fine_limit: float = 10.0
    # N in the covariance on the HS grid: factor, and what the share of the MS image's variance that
    # A Z leaves there adds to it, once more (0.0001 to 0.005 of simulated pairs, 0.045 to 0.08 of
    # real ones, whose edges do not coincide within an HS pixel). With 1 and 0 the update by the MS
    # image lost 0.1 to 0.18 dB on real pairs; these lose 0.01 dB on nine simulated pairs with four
    # MS bands and gain 0.03 dB and 0.04 degrees on four in colour.
    fine_error: float = 1.5
    unexplained: float = 100.0
    # Added to the relative variance of a pixel's errors: estimates that agree may be wrong.
    least_variance: float = 0.02
    # Share of an HS pixel's PSF that has to lie on MS pixels with data.
    least_coverage: float = 0.5

    def wider(self, psf: PSF) -> PSF:
        """Return a PSF that is wider by its standard error: its own where that is larger."""
        errors = psf.standard_error or (0.0, 0.0)
        y, x = (
            width + max(self.psf_error * width, error)
            for width, error in zip(psf.fwhm, errors, strict=True)
        )
        return replace(psf, fwhm=(y, x))


@dataclass(frozen=True, slots=True)
class ErrorModelSettings:
    """Of the model of standard errors."""

    # Of the logarithm of the error: spread of the estimates, difference of `cnmf`, contrast,
    # brightness. `python benchmarks/uncertainty.py --scenes CUBES --cave CUBES`, 33 pairs of eleven
    # remote-sensing and eleven CAVE scenes at ratios 4 and 8.
    intercept: float = 0.065
    coefficients: tuple[float, ...] = (0.190, 0.256, 0.201, 0.183)
    # Root mean square, as a factor, of what the level of a scene is off by with the model of the
    # others.
    scene_factor: float = 1.5
    # Where these hold: ratios, and reference noise in the prior standard deviation, above which
    # lies one of the 33 pairs; more is not extrapolated to.
    ratios: tuple[float, float] = (2.0, 16.0)
    most_noise: float = 1.5
    # HS pixels with data in both images; with fewer prior standard deviation and noise are guesses.
    fewest_pixels: int = 100
    # Standard errors of a band's noise within which it counts as typical. With fewer, what few HS
    # pixels of a large ratio leave open is taken for noise of the ground.
    noise_errors: float = 2.5
    # Added to each quantity of a pixel, in its unit, before its logarithm: nothing is certain where
    # the estimates happen to agree. Of contrast the unit is the standard deviation of the MS bands.
    least: float = 0.02
    # Pixels on either side in which contrast and difference are computed.
    radius: int = 2


@dataclass(frozen=True, slots=True)
class ComponentSettings:
    """All numbers of `ms-ssfnet` for principal components, those of its estimators included."""

    kriging: KrigingSettings = KRIGING
    # One estimate of several: on six scenes at ratios 4 and 8, as many updates as `cnmf` has by
    # itself gain less than 0.01 dB in the mean, and take a fifth of a run.
    cnmf: CnmfSettings = CnmfSettings(updates=50, rounds=1, updates_coarse=50, updates_fine=12)  # noqa: RUF009
    scales: ScaleSettings = ScaleSettings()
    network: NetworkSettings = NetworkSettings()
    consistency: ConsistencySettings = ConsistencySettings()
    error_model: ErrorModelSettings = ErrorModelSettings()
    response: ResponseSettings = ResponseSettings()


DEFAULT = ComponentSettings()
