"""
Radiometry of a surveyed pair: R where it is unknown, gain and offset of each MS band.

The two sensors rarely share units. For each MS band, ``D(Y) = gain · R X + offset`` is fitted on
the HS grid and reported; the fused cube has the units of the HS image. Pixels that changed between
the two images, such as clouds, have a low weight (Tukey's biweight).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.band_labels import list_bands
from hsfuse.core.colours import band_colour
from hsfuse.core.robust import tukey_biweight
from hsfuse.core.text import listed
from hsfuse.pair.plausibility import CURVE_MEANING, response_warning
from hsfuse.pair.response_estimate import (
    ResponseEstimate,
    estimate_response,
    predictor_weights,
)
from hsfuse.pair.saturation import saturation_notes
from hsfuse.pair.survey import Survey
from hsfuse.sensor.response import response_levels

__all__ = ["COVERAGE_LEVEL", "Radiometry", "measure_radiometry", "paired_spectra"]

#: Level relative to its peak at which a response covers an HS band. Half the peak is the limit of
#: the FWHM that specifies a band, where a Gaussian and a measured curve agree; at a tenth of the
#: peak, the Gaussian of a broad band extends half as far again.
COVERAGE_LEVEL = 0.5


@dataclass(frozen=True, slots=True)
class _Settings:
    """Settings of the estimate of R, and thresholds of notes."""

    # Iterations of the robust weights; a fixed number needs no tolerance.
    rounds: int = 6
    # If a pixel has a smaller weight, it changed, and R is estimated again with the weights.
    changed_weight: float = 1e-3
    # Below this correlation the two images may show different areas.
    lowest_correlation: float = 0.5
    # A stated response is reported if the share of unexplained variance of a band is larger than
    # this, and this many times that of the response estimated from the pair.
    unexplained: float = 0.03
    times_worse: float = 2.0
    # An MS band follows the HS image along a curve if a quadratic function of R X leaves less than
    # this share of the variance that a linear one leaves, and that is more than rounding or noise:
    # bands with the tone curve of sRGB leave 0.1 to 0.8, linear ones 0.9 or more.
    curved: float = 0.8
    least_unexplained: float = 0.005


_SETTINGS = _Settings()


@dataclass(frozen=True)
class Radiometry:
    """
    Relation of the MS bands to the HS bands.

    Attributes
    ----------
    good : ndarray of bool, shape (bands,)
        Usable HS bands.
    response : ndarray of shape (MS bands, bands)
        R, with rows that sum to one. Where no response is stated, the weights of the HS bands that
        predict the MS bands best (:func:`hsfuse.pair.response_estimate.predictor_weights`).
    gain, offset : ndarray of shape (MS bands,)
        ``D(Y) = gain * R X + offset``.
    correlation : ndarray of shape (MS bands,)
        Correlation of ``D(Y)`` and ``R X``.
    covered : ndarray of bool, shape (bands,)
        HS bands within the spectral coverage of the MS bands, where the response of one is at
        least half its peak; all where R is estimated.
    explained : ndarray of shape (bands,)
        Share of the variance of each HS band that a linear function of the MS bands explains on
        the HS grid; NaN for bad bands.
    notes : tuple of str
        Notes for the user, one sentence each.
    curved : tuple of bool
        Whether each MS band follows the HS image along a curve, as photographs do.
    estimate : ResponseEstimate or None
        Spectral response estimated from the pair, at all bands; None where one is stated.
    warning : str
        Why the estimate should not be trusted, and what to do; empty if there is no reason.
    """

    good: NDArray[np.bool_]
    response: NDArray[np.float64]
    gain: NDArray[np.float64]
    offset: NDArray[np.float64]
    correlation: NDArray[np.float64]
    covered: NDArray[np.bool_]
    explained: NDArray[np.float64]
    notes: tuple[str, ...] = ()
    curved: tuple[bool, ...] = ()
    estimate: ResponseEstimate | None = None
    warning: str = ""


def measure_radiometry(survey: Survey) -> Radiometry:
    """
    Estimate response, gain and offset of a surveyed pair.

    A stated response is used unchanged; a note reports where a response estimated from the pair
    explains much more variance.
    """
    good = survey.good
    spectra, degraded = paired_spectra(survey)
    predictor, weight = _robust_predictor(spectra, degraded)
    response, estimate = survey.response, None
    misfits: tuple[str, ...] = ()
    if response is None:
        response = _at_all(predictor, good)
        estimate = _estimate(survey, spectra, degraded, weight)
        seen = estimate.response[:, good] @ spectra
    else:
        seen = response[:, good] @ spectra
        weight = _robust_weights(seen, degraded)
        misfits = _misfit_notes(survey, seen, predictor @ spectra, degraded, weight)
    curved = _curved(seen, degraded, weight)
    gain, offset, correlation = _regress(response[:, good] @ spectra, degraded, weight)
    # An estimated response depends on the spectra of the scene and does not show the coverage.
    stated = survey.response is not None
    covered = (
        _covered(response, survey.wavelength, survey.marked)
        if stated
        else np.ones(len(good), dtype=bool)
    )
    explained = np.full(len(good), np.nan)
    explained[good] = _explained(spectra, degraded, weight)
    notes = (
        *_bad_notes(survey),
        *saturation_notes(survey),
        *_correlation_notes(survey, correlation),
        *misfits,
        *(_curve_notes(survey, curved) if stated else ()),
        *_uncovered_notes(good, covered, explained, survey.wavelength),
    )
    warning = ""
    if estimate is not None:
        warning = response_warning(estimate, survey.ms_labels, curved)
    return Radiometry(
        good,
        response,
        gain,
        offset,
        correlation,
        covered,
        explained,
        notes,
        tuple(curved.tolist()),
        estimate,
        warning,
    )


def _at_all(rows: NDArray[np.float64], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return rows at the good bands as rows at all bands, zero at the others."""
    whole = np.zeros((len(rows), len(good)))
    whole[:, good] = rows
    return whole


def _estimate(
    survey: Survey,
    spectra: NDArray[np.float64],
    degraded: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> ResponseEstimate:
    """Return the response estimated from a surveyed pair, at all HS bands."""
    good = survey.good
    numbers, wavelength = 1.0 + np.flatnonzero(good), survey.wavelength[good]
    nanometres = bool(np.isfinite(wavelength).all())
    found = estimate_response(
        spectra,
        degraded,
        weight,
        wavelength if nanometres else numbers.astype(np.float64),
        nanometres=nanometres,
        colours=tuple(band_colour(label) for label in survey.ms_labels),
    )
    return replace(found, response=_at_all(found.response, good))


def _robust_predictor(
    spectra: NDArray[np.float64], degraded: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the predictor of the MS bands, and the robust weights (pixels,)."""
    response = predictor_weights(spectra, degraded)
    weight = _robust_weights(response @ spectra, degraded)
    if weight.min() < _SETTINGS.changed_weight:  # changed pixels affected it
        response = predictor_weights(spectra, degraded, weight)
        weight = _robust_weights(response @ spectra, degraded)
    return response, weight


def _robust_weights(
    predicted: NDArray[np.float64], degraded: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a weight (pixels,) for each pixel, low where it changed between the images."""
    weight = np.ones(degraded.shape[1])
    for _ in range(_SETTINGS.rounds):
        gain, offset, _ = _regress(predicted, degraded, weight)
        weight = tukey_biweight(degraded - gain[:, None] * predicted - offset[:, None], degraded)
        if not weight.any():
            return np.ones(degraded.shape[1])
    return weight


def paired_spectra(
    survey: Survey, bands: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Return the surveyed HS spectra with data in both images, and D(Y) at these pixels.

    Parameters
    ----------
    survey : Survey
        Survey of the pair.
    bands : ndarray of bool, shape (bands,), optional
        HS bands to return; by default the good ones.

    Returns
    -------
    tuple of ndarray
        Spectra (bands, pixels), NaN only in bad bands, and D(Y) (MS bands, pixels).
    """
    bands = survey.good if bands is None else bands
    spectra, fine = [], []
    for patch in survey.patches:
        degraded, used = survey.degraded(patch)
        spectra.append(patch.coarse[bands][:, used])
        fine.append(degraded[:, used])
    return np.concatenate(spectra, axis=1).astype(np.float64), np.concatenate(fine, axis=1)


def _regress(
    predicted: NDArray[np.float64], degraded: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return slope, intercept and correlation (MS bands,) of ``degraded`` on ``predicted``."""
    share = weight / weight.sum()
    x = predicted - (predicted @ share)[:, None]
    y = degraded - (degraded @ share)[:, None]
    xx, yy, xy = (x * x) @ share, (y * y) @ share, (x * y) @ share
    gain = np.divide(xy, xx, out=np.ones_like(xx), where=xx > 0)
    offset = degraded @ share - gain * (predicted @ share)
    spread = np.sqrt(xx * yy)
    return gain, offset, np.divide(xy, spread, out=np.zeros_like(xx), where=spread > 0)


def _curved(
    predicted: NDArray[np.float64], degraded: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return whether a quadratic function of R X explains each MS band much better."""
    root = np.sqrt(weight / weight.sum())
    curved = []
    for x, y in zip(predicted, degraded, strict=True):
        spread = x.std()
        unit = (x - x.mean()) / (spread if spread > 0 else 1.0)
        terms = np.stack([np.ones_like(unit), unit, unit**2]) * root
        left = [
            np.sum((y * root - np.linalg.lstsq(part.T, y * root, rcond=None)[0] @ part) ** 2)
            for part in (terms[:1], terms[:2], terms)
        ]
        curved.append(
            left[1] > _SETTINGS.least_unexplained * left[0] and left[2] < _SETTINGS.curved * left[1]
        )
    return np.array(curved, dtype=bool)


def _covered(
    response: NDArray[np.float64], wavelength: NDArray[np.float64], used: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """
    Return the mask of HS bands at which the response of an MS band is at least half its peak.

    All bands where wavelengths are unknown. The response at bands excluded from R is interpolated.
    """
    if not np.isfinite(wavelength).all() or not used.any():
        return np.ones(wavelength.size, dtype=bool)
    order = np.flatnonzero(used)[np.argsort(wavelength[used], kind="stable")]
    level = response_levels(response[:, order], wavelength[order])
    highest = np.interp(wavelength, wavelength[order], level.max(axis=0), left=0.0, right=0.0)
    return np.asarray(highest >= COVERAGE_LEVEL)


def _explained(
    spectra: NDArray[np.float64], degraded: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the share of the variance of each HS band that a regression on MS bands explains."""
    root = np.sqrt(weight / weight.sum())
    y, x = ((rows - (rows @ weight / weight.sum())[:, None]) * root for rows in (spectra, degraded))
    fitted = np.linalg.lstsq(x.T, y.T, rcond=None)[0].T @ x
    spread = (y**2).sum(axis=1)
    unexplained = np.divide(
        ((y - fitted) ** 2).sum(axis=1), spread, out=np.ones_like(spread), where=spread > 0
    )
    return np.asarray(1 - unexplained)


def _uncovered_notes(
    good: NDArray[np.bool_],
    covered: NDArray[np.bool_],
    explained: NDArray[np.float64],
    wavelength: NDArray[np.float64],
) -> tuple[str, ...]:
    beyond, within = good & ~covered, good & covered
    if not beyond.any() or not within.any():
        return ()
    return (
        f"{beyond.sum()} of {beyond.size} HS bands lie outside the spectral coverage of the MS "
        "bands, where no MS band responds with half its peak or more: "
        f"{list_bands(beyond, wavelength)}; their detail is inferred from correlation with other "
        "bands and is less certain: the MS bands explain "
        f"{_rounded(np.median(explained[beyond]))} of the variance of these HS bands, and "
        f"{_rounded(np.median(explained[within]))} of that of the HS bands within the coverage",
    )


def _rounded(share: float) -> str:
    """Return a share in whole per cent, of which 100 is left to what is exact."""
    return "more than 99%" if 0.995 <= share < 1 else f"{share:.0%}"


def _misfit_notes(
    survey: Survey,
    stated: NDArray[np.float64],
    estimated: NDArray[np.float64],
    degraded: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> tuple[str, ...]:
    """Return a note for each stated response that fits much worse than the estimated one."""
    stated_share, estimated_share = (
        1 - _regress(predicted, degraded, weight)[2] ** 2 for predicted in (stated, estimated)
    )
    return tuple(
        f"{survey.ms_label(band)}: the stated response explains {1 - a:.1%} of its variance, one "
        f"estimated from the pair {1 - b:.1%}; the stated one is used"
        for band, (a, b) in enumerate(zip(stated_share, estimated_share, strict=True))
        if a > _SETTINGS.unexplained and a > _SETTINGS.times_worse * b
    )


def _curve_notes(survey: Survey, curved: NDArray[np.bool_]) -> tuple[str, ...]:
    if not curved.any():
        return ()
    which = listed([survey.ms_label(band) for band in np.flatnonzero(curved).tolist()])
    return (
        f"the values of {which} {CURVE_MEANING}: they are no linear measure of what the "
        "sensor saw; fuse the linear image (reflectance, radiance or raw) where there is one",
    )


def _correlation_notes(survey: Survey, correlation: NDArray[np.float64]) -> tuple[str, ...]:
    weak = np.flatnonzero(correlation < _SETTINGS.lowest_correlation).tolist()
    if not weak:
        return ()
    verb = "correlates" if len(weak) == 1 else "correlate"
    return (
        f"{listed([survey.ms_label(band) for band in weak])} {verb} with the HS image by less than "
        f"{_SETTINGS.lowest_correlation}: do both images show the same place?",
    )


def _bad_notes(survey: Survey) -> tuple[str, ...]:
    bad = int((~survey.good).sum())
    if not bad:
        return ()
    return (
        f"{bad} of {survey.good.size} HS bands are bad, hold no data or little but noise; "
        "they are not used to estimate the others",
    )
