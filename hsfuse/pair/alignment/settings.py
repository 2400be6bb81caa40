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
    """Surveyed windows on which the two images are compared."""

    # Windows along each axis of a large scene, for the six terms of a second-order surface.
    along_axis: int = 5
    # Windows along each axis where only the width of the PSF is estimated.
    fewest: int = 3
    # Halo of MS pixels around a window, in HS pixels, for blur and shift.
    halo: float = 4.0
    # Values of the MS image in all windows: with four bands 4096 pixels along each axis, which at
    # ratio 16 are three windows of 64 HS pixels with their halo. They take 268 MB.
    fine_values: int = 4 * 4096**2
    # Principal components of X that D(Y) is regressed on.
    components: int = 8
    # HS pixels for each column of a regression, against overfitting.
    pixels_per_column: int = 12
    # MS pixels are averaged down to this ratio, which suffices to determine a width.
    ratio: float = 4.0
    # An HS pixel is used if this share of a PSF of this FWHM, in HS pixels, is on MS pixels with
    # data. Beyond ``psf_reach`` HS pixels from its centre such a PSF has 1 % of its weight.
    widest_psf: float = 2.0
    psf_reach: float = 2.2
    minimum_coverage: float = 0.98


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Search of the shift in whole HS pixels."""

    # Largest shift in HS pixels along each axis.
    largest_shift: int = 8
    # The largest shift is at most the side of a window divided by this.
    sides: int = 5
    # Number of shifts that are refined to sub-pixel accuracy until one explains the detail.
    candidates: int = 5
    # Initial FWHM of the PSF in HS pixels; most sensors have slightly more than one pixel.
    initial_fwhm: float = 1.2
    # Share of the pixels used by the least trimmed squares fit, since a quarter may have changed,
    # and number of its iterations, which only rank the shifts.
    trimmed_share: float = 0.75
    trimmings: int = 3
    # HS pixels of all windows on which the shifts are compared; more give no better ranking.
    pixels: int = 4096


@dataclass(frozen=True, slots=True)
class FitSettings:
    """Robust least squares for shift and PSF width."""

    # Bounds of the FWHM in HS pixels: below, the area of the detector element dominates; above, an
    # HS pixel would not be a resolution element.
    narrowest: float = 0.3
    widest: float = 3.0
    # Alternating updates of weights and parameters, until the change of shift and width is below
    # ``tolerance`` in HS pixels, which is less than the standard errors.
    rounds: int = 12
    tolerance: float = 0.005
    # Iterations of Tukey's biweight for given parameters.
    reweightings: int = 4
    # Margin in HS pixels by which the shift may change during the fit.
    slack: float = 0.8
    # Weight at or below which a pixel is an outlier. It counts as changed if its residual also
    # exceeds this share of the standard deviation of a band, which rare materials do not.
    outlier_weight: float = 0.1
    minimum_change: float = 0.15
    # Side in pixels of the moving mean of the high-pass filter.
    detail_window: int = 5
    # Correlation of pixels two apart above which an image shows structure: white noise blurred by a
    # PSF of two HS pixels has 0.06.
    texture: float = 0.4
    # Largest number of windows for shift and width; others only contribute to the drift.
    maximum_windows: int = 9
    # The estimate is reliable if the unexplained share of the detail of D(Y) and the standard error
    # in HS pixels are below these: images of different areas leave two thirds or more unexplained,
    # or have a large error. Pairs above ``mismatch`` are refused.
    unexplained: float = 0.4
    shift_error: float = 0.08
    mismatch: float = 0.7


@dataclass(frozen=True, slots=True)
class CorrectionSettings:
    """Thresholds above which estimates are applied or reported."""

    # Number of standard errors by which a shift or a width has to differ.
    standard_errors: float = 4.0
    # Smallest shift and smallest change of an assumed FWHM that are applied, in HS pixels; smaller
    # ones do not affect the fusion.
    smallest_shift: float = 0.02
    smallest_widening: float = 0.03
    # Relative difference of an estimated FWHM from a stated one above which it is reported.
    psf_difference: float = 0.15
    # Smallest drift over the scene in HS pixels that is corrected, since resampling blurs. It must
    # also exceed this multiple of the scatter of the windows.
    smallest_drift: float = 0.1
    drift_scatters: float = 2.0
    # Share of changed pixels above which they are reported.
    reported_change: float = 0.05


@dataclass(frozen=True, slots=True)
class AlignmentSettings:
    """Settings of the co-registration."""

    windows: WindowSettings = WindowSettings()
    search: SearchSettings = SearchSettings()
    fit: FitSettings = FitSettings()
    correction: CorrectionSettings = CorrectionSettings()


DEFAULT = AlignmentSettings()
