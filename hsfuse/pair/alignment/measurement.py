"""Estimates of shift, PSF width, drift and change from a surveyed pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.drift import Drift, fit_drift
from hsfuse.core.psf import PSF
from hsfuse.pair.alignment.fit import Fit, local_shifts
from hsfuse.pair.alignment.search import search_shifts
from hsfuse.pair.alignment.settings import DEFAULT
from hsfuse.pair.alignment.windows import window_pairs
from hsfuse.pair.survey import Survey

__all__ = ["Alignment", "describe_shift", "measure_alignment"]

Array = NDArray[np.float64]

_SETTINGS = DEFAULT.fit


@dataclass(frozen=True)
class Alignment:
    """
    Shift of the HS image and width of its point spread function, estimated from the pair.

    Attributes
    ----------
    shift : tuple of float
        Correction of the position of the HS image along y and x, in HS pixels; the MS image is the
        reference.
    psf : PSF
        PSF of the HS sensor in HS pixels, with its standard error.
    shift_error : tuple of float
        Standard error of ``shift``.
    unexplained : float
        Share of the variance of D(Y) that the HS image does not explain.
    detail : float
        The same share after high-pass filtering, which is more specific: at low spatial
        frequencies, images of different areas may be similar too.
    textured : bool
        Whether both images show spatial structure beyond noise.
    changed : float
        Share of the pixels that are outliers: cloud, shadow or change.
    local : ndarray of shape (patches, 6)
        For each surveyed window: row and column of its centre in HS pixels, its shift along y and
        x, and the standard errors of these.
    drift : Drift or None
        Variation of the shift over the scene.
    resampled : Drift or None
        Drift by which the HS image was resampled after the shift; None where it was not.
    """

    shift: tuple[float, float]
    psf: PSF
    shift_error: tuple[float, float]
    unexplained: float
    detail: float
    textured: bool
    changed: float
    local: Array
    drift: Drift | None
    resampled: Drift | None = None

    @property
    def reliable(self) -> bool:
        """Whether the estimate is used."""
        return self.detail < _SETTINGS.unexplained and max(self.shift_error) < _SETTINGS.shift_error

    @property
    def description(self) -> str:
        """The shift in words."""
        return describe_shift(self.shift, self.shift_error)

    @property
    def mismatched(self) -> bool:
        """Whether the images show different areas at every shift."""
        return self.textured and self.detail > _SETTINGS.mismatch


def describe_shift(shift: Sequence[float], errors: Sequence[float]) -> str:
    """
    Return a shift in words.

    Parameters
    ----------
    shift : sequence of two floats
        Shift along y (down) and x (right), in HS pixels.
    errors : sequence of two floats
        Standard errors of the shift; the larger one is stated.

    Examples
    --------
    >>> describe_shift((-0.294, 0.47), (0.014, 0.01))
    '0.29 HS pixels up and 0.47 HS pixels right (standard error 0.014 HS pixels)'
    >>> describe_shift((0.001, 0.0), (0.0001, 0.0001))
    'no shift (standard error below 0.0005 HS pixels)'
    """
    words = [
        f"{abs(move):.2f} HS pixels {directions[move > 0]}"
        for move, directions in zip(shift, (("up", "down"), ("left", "right")), strict=True)
        if abs(move) >= 0.005
    ]
    error = max(errors)
    size = "below 0.0005" if error < 0.0005 else f"{error:.3f}"
    return f"{' and '.join(words) or 'no shift'} (standard error {size} HS pixels)"


def measure_alignment(survey: Survey, psf: PSF | None = None) -> Alignment | None:
    """
    Estimate shift, PSF and drift of a surveyed pair.

    Parameters
    ----------
    survey : Survey
        Survey; its PSF and response are not used.
    psf : PSF, optional
        PSF of the HS sensor; estimated by default.

    Returns
    -------
    Alignment or None
        None where the scene is too small, or has too little contrast.
    """
    windows = window_pairs(survey)
    # About nine windows determine the shift and the width; the others only the drift.
    compared = windows[:: -(-len(windows) // _SETTINGS.maximum_windows)] if windows else []
    best, initial = None, DEFAULT.search.initial_fwhm
    start = (initial, initial) if psf is None else psf.fwhm
    for shift in search_shifts(compared) if compared else ():
        trial = Fit.of(compared, shift)
        if trial is None:
            continue
        estimate = trial.solve(np.array([*shift, *start], float), widths=psf is None)
        detail = trial.detail(estimate)
        if best is None or detail < best[0]:
            best = (detail, trial, estimate)
        if detail < _SETTINGS.unexplained:
            break
    if best is None:
        return None
    detail, fit, parameters = best
    error = fit.errors(parameters)
    at, fwhm = (
        (float(parameters[0]), float(parameters[1])),
        (float(parameters[2]), float(parameters[3])),
    )
    fwhm_error = float(error[2]), float(error[3])
    local = local_shifts(windows, parameters)
    return Alignment(
        shift=at,
        psf=psf or PSF(fwhm, "estimated from the pair", standard_error=fwhm_error),
        shift_error=(float(error[0]), float(error[1])),
        unexplained=fit.unexplained(parameters),
        detail=detail,
        textured=fit.textured(parameters),
        changed=fit.changed(parameters),
        local=local,
        drift=fit_drift(local, survey.coarse_shape),
    )
