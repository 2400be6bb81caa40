"""
Radiometry of a surveyed pair: R where it is unknown, gain and offset of each MS band.

The two sensors rarely share units. For each MS band, ``D(Y) = gain · R X + offset`` is fitted on
the HS grid and reported; the fused cube has the units of the HS image. Pixels that changed between
the two images, such as clouds, have a low weight (Tukey's biweight).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from hsfuse.core.band_labels import list_bands
from hsfuse.core.robust import tukey_biweight
from hsfuse.core.text import listed
from hsfuse.pair.saturation import saturation_notes
from hsfuse.pair.survey import Survey
from hsfuse.sensor.response import band_cells

__all__ = ["Radiometry", "measure_radiometry", "paired_spectra"]


@dataclass(frozen=True, slots=True)
class _Settings:
    """Settings of the estimate of R, and thresholds of notes."""

    # Weight of spectral smoothness relative to the fit, in units of the mean band variance: on a
    # simulated pair 1e-3 does not affect the fit, and still distributes R among similar bands.
    smoothness: float = 1e-3
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
    # Level relative to its peak at which a response covers an HS band. Half the peak is the limit
    # of the FWHM that specifies a band, where a Gaussian and a measured curve agree; at a tenth of
    # the peak, the Gaussian of a broad band extends half as far again.
    coverage_level: float = 0.5


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
        R, with rows that sum to one.
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
    """

    good: NDArray[np.bool_]
    response: NDArray[np.float64]
    gain: NDArray[np.float64]
    offset: NDArray[np.float64]
    correlation: NDArray[np.float64]
    covered: NDArray[np.bool_]
    explained: NDArray[np.float64]
    notes: tuple[str, ...] = ()


def measure_radiometry(survey: Survey) -> Radiometry:
    """
    Estimate response, gain and offset of a surveyed pair.

    A stated response is used unchanged; a note reports where a response estimated from the pair
    explains much more variance.
    """
    good = survey.good
    spectra, degraded = paired_spectra(survey)
    estimated, weight = _estimate_robust_response(spectra, degraded)
    response = survey.response
    misfits: tuple[str, ...] = ()
    if response is None:
        response = np.zeros((len(degraded), len(good)))
        response[:, good] = estimated
    else:
        weight = _robust_weights(response[:, good] @ spectra, degraded)
        misfits = _misfit_notes(
            survey, response[:, good] @ spectra, estimated @ spectra, degraded, weight
        )
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
        *_uncovered_notes(good, covered, explained, survey.wavelength),
    )
    return Radiometry(good, response, gain, offset, correlation, covered, explained, notes)


def _estimate_robust_response(
    spectra: NDArray[np.float64], degraded: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return R estimated from the pair, and the robust weights (pixels,)."""
    response = estimate_response(spectra, degraded)
    weight = _robust_weights(response @ spectra, degraded)
    if weight.min() < _SETTINGS.changed_weight:  # changed pixels affected R
        response = estimate_response(spectra, degraded, weight)
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


def estimate_response(
    spectra: NDArray[np.float64],
    degraded: NDArray[np.float64],
    weight: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """
    Estimate the non-negative, smooth R that explains the MS bands.

    Minimises ``|Y - g R X - o|² + s |∂R|²`` over ``R >= 0`` for each MS band
    (non-negative least squares, Lawson and Hanson 1974).

    Parameters
    ----------
    spectra : ndarray of shape (bands, pixels)
        HS spectra X.
    degraded : ndarray of shape (MS bands, pixels)
        MS bands degraded to the HS grid, D(Y).
    weight : ndarray of shape (pixels,), optional
        Weights of the pixels.

    Returns
    -------
    ndarray of shape (MS bands, bands)
        Rows sum to one.
    """
    bands, pixels = spectra.shape
    share = np.full(pixels, 1 / pixels) if weight is None else weight / weight.sum()
    centred = spectra - (spectra @ share)[:, None]
    covariance = (centred * share) @ centred.T
    level = np.trace(covariance) / bands
    step = np.diff(np.eye(bands), axis=0) * np.sqrt(_SETTINGS.smoothness * level)
    # The square root of the covariance represents all pixels in the least squares problem.
    values, vectors = np.linalg.eigh(covariance)
    root = np.sqrt(np.maximum(values, 1e-12 * max(values.max(), 1e-30)))
    design = np.concatenate([root[:, None] * vectors.T, step])
    response = np.empty((len(degraded), bands))
    for index, band in enumerate(degraded):
        moment = centred @ (share * (band - band @ share))
        target = np.concatenate([vectors.T @ moment / root, np.zeros(bands - 1)])
        weights, _ = nnls(design, target, maxiter=30 * bands)
        total = weights.sum()
        response[index] = weights / total if total > 0 else 1 / bands
    return response


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
    # R includes the spectral width of each band; divided by it, R is the response.
    cells = band_cells(wavelength[order], np.full(order.size, np.nan))
    level = response[:, order] * cells.sharing / (cells.high - cells.low)
    level /= np.maximum(level.max(axis=1, keepdims=True), 1e-300)
    highest = np.interp(wavelength, wavelength[order], level.max(axis=0), left=0.0, right=0.0)
    return np.asarray(highest >= _SETTINGS.coverage_level)


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
