"""Settings of the co-registration; each value with its reason."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "DEFAULT",
    "AlignmentSettings",
    "CorrectionSettings",
    "FitSettings",
    "SearchSettings",
    "WindowSettings",
]


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """Of the surveyed windows on which the two images are compared."""

    # Windows along each axis of a large scene: a surface of second order has six terms.
    along_axis: int = 5
    # Where only the width of the PSF is estimated.
    fewest: int = 3
    # HS pixels around a window from which MS pixels are taken: what a blur and a shift need.
    halo: float = 4.0
    # Values of the MS image in all windows: with four bands 4096 pixels along each axis, which at
    # ratio 16 are three windows of 64 HS pixels with their halo. They take 268 MB.
    fine_values: int = 4 * 4096**2
    # Principal components of X that D(Y) is regressed on.
    components: int = 8
    # HS pixels for each column of a regression, to distinguish it from chance.
    pixels_per_column: int = 12
    # MS pixels are averaged until an HS pixel spans this many: they determine a width as well.
    ratio: float = 4.0
    # FWHM, in HS pixels, that an HS pixel needs data for; beyond ``psf_reach`` HS pixels from its
    # centre such a PSF holds a hundredth of its weight, and this share has to lie on data.
    widest_psf: float = 2.0
    psf_reach: float = 2.2
    least_coverage: float = 0.98


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Of the search among shifts of whole HS pixels."""

    # HS pixels along each axis: georeferencing that is further off is another scene's.
    largest_shift: int = 8
    # At most this part of a window's side: the rest is enough to identify the shift.
    sides: int = 5
    # Shifts that are refined to a fraction of a pixel until one explains the detail.
    candidates: int = 5
    # FWHM of the PSF in HS pixels before it is estimated: a little over one pixel, as most have.
    initial_fwhm: float = 1.2
    # Share of the pixels that a least trimmed squares fit uses, as a quarter may have changed, and
    # how often they are selected anew: the fit only ranks the shifts.
    trimmed_share: float = 0.75
    trimmings: int = 3
    # HS pixels of all windows on which the shifts are compared: many more only take longer.
    pixels: int = 4096


@dataclass(frozen=True, slots=True)
class FitSettings:
    """Of the robust least squares for shift and PSF width."""

    # Smallest and largest FWHM in HS pixels: below, the detector's own area dominates; above, an
    # HS pixel would be no resolution element.
    narrowest: float = 0.3
    widest: float = 3.0
    # Weights and parameters in turn, until neither width nor shift changes by ``tolerance`` HS
    # pixels, which is below the standard errors.
    rounds: int = 12
    tolerance: float = 0.005
    # Iterations of Tukey's biweight for given parameters.
    reweightings: int = 4
    # HS pixels by which a shift may still change without leaving the data.
    slack: float = 0.8
    # Weight at or below which a pixel does not follow the others. It has changed where its
    # residual exceeds this share of a band's standard deviation as well, which the rare material
    # of a pair without change does not.
    outlier_weight: float = 0.1
    least_change: float = 0.15
    # Pixels a side of the mean whose subtraction leaves the detail.
    detail_window: int = 5
    # Correlation of pixels two apart above which an image shows more than noise: a PSF of two
    # HS pixels leaves 0.06 of white noise.
    texture: float = 0.4
    # Windows that determine one shift and one width; others only show how the shift varies.
    most_windows: int = 9
    # The estimate is reliable where less than this share of the variance of D(Y)'s detail is
    # unexplained and the standard error, in HS pixels, is smaller than this: images of different
    # places leave two thirds or more, or have a large error. Above ``mismatch`` they are refused.
    unexplained: float = 0.4
    shift_error: float = 0.08
    mismatch: float = 0.7


@dataclass(frozen=True, slots=True)
class CorrectionSettings:
    """Of what is corrected, or reported, of the estimates."""

    # Standard errors that a shift or a width has to differ by.
    standard_errors: float = 4.0
    # Smallest shift and change of an assumed FWHM that are corrected, in HS pixels: less has no
    # effect on the fusion.
    smallest_shift: float = 0.02
    smallest_widening: float = 0.03
    # Share by which an estimated FWHM has to differ from a stated one to be reported.
    psf_difference: float = 0.15
    # HS pixels by which a shift has to vary over the scene: less is not worth a resampling, which
    # blurs. It has to exceed this many times the scatter of the windows as well.
    smallest_drift: float = 0.1
    drift_scatters: float = 2.0
    # Share of changed pixels from which they are reported.
    reported_change: float = 0.05


@dataclass(frozen=True, slots=True)
class AlignmentSettings:
    """All numbers of the co-registration."""

    windows: WindowSettings = WindowSettings()
    search: SearchSettings = SearchSettings()
    fit: FitSettings = FitSettings()
    correction: CorrectionSettings = CorrectionSettings()


DEFAULT = AlignmentSettings()
