"""
Radiometry of a surveyed pair: R where it is unknown, gain and offset of each MS band.

The two sensors rarely share units. Per MS band, ``D(Y) = gain · R X + offset`` is
fitted on the HS grid and reported; the fused cube keeps the units of the HS image. Pixels that
changed between the two images, as under a cloud, have a low weight (Tukey's biweight).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from hsfuse.core.robust import tukey_biweight
from hsfuse.pair.survey import Survey
from hsfuse.sensor.response import band_cells

__all__ = ["Radiometry", "measure_radiometry", "paired_spectra"]


@dataclass(frozen=True, slots=True)
class _Settings:
    """Of the estimate of R and of what is reported."""

    # Weight of smoothness along the spectrum against the fit, in mean variances of a band: on a
    # simulated pair 1e-3 leaves the fit alone and still decides between neighbouring bands.
    smoothness: float = 1e-3
    # Iterations of the weights of unchanged pixels; a fixed number needs no tolerance.
    rounds: int = 6
    # Smallest weight of a pixel below which pixels changed, and R is estimated again without them.
    changed_weight: float = 1e-3
    # Below this correlation the two images may show different places.
    lowest_correlation: float = 0.5
    # A stated response is reported where it leaves this share of a band's variance unexplained,
    # and this many times the share that one estimated from the pair leaves.
    unexplained: float = 0.03
    times_worse: float = 2.0
    # Share of its peak at or above which a response covers an HS band. Half the peak bounds the
    # FWHM by which bands are specified, and there a Gaussian of this FWHM and a measured curve
    # agree; at a tenth the Gaussian of a broad band reaches half as far again.
    coverage_level: float = 0.5
    # Share of the surveyed pixels at a band's largest value: more than a scene has by chance.
    saturated: float = 0.01
    # Wavelength ranges that one note lists.
    most_ranges: int = 6


_SETTINGS = _Settings()


@dataclass(frozen=True)
class Radiometry:
    """
    Relation of the MS bands to the HS bands.

    Attributes
    ----------
    good : ndarray of bool, shape (bands,)
        HS bands that carry a spectrum.
    response : ndarray of shape (MS bands, bands)
        R, rows summing to one.
    gain, offset : ndarray of shape (MS bands,)
        ``D(Y) = gain * R X + offset``.
    correlation : ndarray of shape (MS bands,)
        Between the two sides.
    covered : ndarray of bool, shape (bands,)
        HS bands within the spectral coverage of the MS bands, where one of them responds with
        half its peak or more; all where R is estimated.
    explained : ndarray of shape (bands,)
        Share of each HS band's variance that the MS bands explain on the HS grid; NaN for
        bands that are not good.
    notes : tuple of str
        For the user, a sentence each.
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
    Return the response, gain and offset of the surveyed pair.

    A stated response is used as it is; a note says where one estimated from the pair explains
    much more.
    """
    good = survey.good
    spectra, seen = paired_spectra(survey)
    own, weight = _read_response(spectra, seen)
    response = survey.response
    doubts: tuple[str, ...] = ()
    if response is None:
        response = np.zeros((len(seen), len(good)))
        response[:, good] = own
    else:
        weight = _unchanged(response[:, good] @ spectra, seen)
        doubts = _doubts(response[:, good] @ spectra, own @ spectra, seen, weight)
    gain, offset, correlation = _lines(response[:, good] @ spectra, seen, weight)
    # An estimated response fits the spectra of the scene and does not determine the coverage.
    stated = survey.response is not None
    covered = (
        _covered(response, survey.wavelength, survey.marked)
        if stated
        else np.ones(len(good), dtype=bool)
    )
    explained = np.full(len(good), np.nan)
    explained[good] = _explained(spectra, seen, weight)
    notes = (
        *_bad_notes(survey),
        *_saturated_notes(survey),
        *_notes(correlation),
        *doubts,
        *_uncovered_notes(good, covered, explained, survey.wavelength),
    )
    return Radiometry(good, response, gain, offset, correlation, covered, explained, notes)


def _read_response(
    spectra: NDArray[np.float64], seen: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return R estimated from the pair, and the weights of the pixels."""
    response = estimate_response(spectra, seen)
    weight = _unchanged(response @ spectra, seen)
    if weight.min() < _SETTINGS.changed_weight:  # some pixels changed, and R with them
        response = estimate_response(spectra, seen, weight)
        weight = _unchanged(response @ spectra, seen)
    return response, weight


def _unchanged(predicted: NDArray[np.float64], seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each pixel's weight, low where it changed between the images."""
    weight = np.ones(seen.shape[1])
    for _ in range(_SETTINGS.rounds):
        gain, offset, _ = _lines(predicted, seen, weight)
        weight = tukey_biweight(seen - gain[:, None] * predicted - offset[:, None], seen)
        if not weight.any():
            return np.ones(seen.shape[1])
    return weight


def paired_spectra(
    survey: Survey, bands: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Return the surveyed HS pixels with data in both images, and D(Y) there.

    Parameters
    ----------
    survey : Survey
        Of the pair.
    bands : ndarray of bool, shape (bands,), optional
        HS bands that are wanted; the good ones by default.

    Returns
    -------
    tuple of ndarray
        Of shape (bands, pixels), NaN only in bands that are not good, and (MS bands, pixels).
    """
    bands = survey.good if bands is None else bands
    spectra, fine = [], []
    for patch in survey.patches:
        seen, used = survey.degraded(patch)
        spectra.append(patch.coarse[bands][:, used])
        fine.append(seen[:, used])
    return np.concatenate(spectra, axis=1).astype(np.float64), np.concatenate(fine, axis=1)


def estimate_response(
    spectra: NDArray[np.float64],
    seen: NDArray[np.float64],
    weight: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """
    Return the non-negative, smooth R that explains the MS bands.

    Minimises ``|Y - g R X - o|² + s |∂R|²`` over ``R >= 0`` for each MS band
    (non-negative least squares, Lawson and Hanson 1974).

    Parameters
    ----------
    spectra : ndarray of shape (bands, pixels)
    seen : ndarray of shape (MS bands, pixels)
        The MS bands as the HS sensor would see them.
    weight : ndarray of shape (pixels,), optional
        How much each pixel counts.

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
    # The covariance's square root stands for all pixels in the least squares.
    values, vectors = np.linalg.eigh(covariance)
    root = np.sqrt(np.maximum(values, 1e-12 * max(values.max(), 1e-30)))
    design = np.concatenate([root[:, None] * vectors.T, step])
    response = np.empty((len(seen), bands))
    for index, band in enumerate(seen):
        moment = centred @ (share * (band - band @ share))
        target = np.concatenate([vectors.T @ moment / root, np.zeros(bands - 1)])
        weights, _ = nnls(design, target, maxiter=30 * bands)
        total = weights.sum()
        response[index] = weights / total if total > 0 else 1 / bands
    return response


def _lines(
    predicted: NDArray[np.float64], seen: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return slope, intercept and correlation of each row of ``seen`` on ``predicted``."""
    share = weight / weight.sum()
    x = predicted - (predicted @ share)[:, None]
    y = seen - (seen @ share)[:, None]
    xx, yy, xy = (x * x) @ share, (y * y) @ share, (x * y) @ share
    gain = np.divide(xy, xx, out=np.ones_like(xx), where=xx > 0)
    offset = seen @ share - gain * (predicted @ share)
    spread = np.sqrt(xx * yy)
    return gain, offset, np.divide(xy, spread, out=np.zeros_like(xx), where=spread > 0)


def _covered(
    response: NDArray[np.float64], wavelength: NDArray[np.float64], used: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """
    Return which HS bands the MS bands cover: where one of them responds with half its peak.

    All of them where wavelengths are not known. Bands that R leaves out follow from the used ones
    on either side.
    """
    if not np.isfinite(wavelength).all() or not used.any():
        return np.ones(wavelength.size, dtype=bool)
    order = np.flatnonzero(used)[np.argsort(wavelength[used], kind="stable")]
    # R weights a band by its part of the spectrum: without that it is the response.
    cells = band_cells(wavelength[order], np.full(order.size, np.nan))
    level = response[:, order] * cells.sharing / (cells.high - cells.low)
    level /= np.maximum(level.max(axis=1, keepdims=True), 1e-300)
    highest = np.interp(wavelength, wavelength[order], level.max(axis=0), left=0.0, right=0.0)
    return np.asarray(highest >= _SETTINGS.coverage_level)


def _explained(
    spectra: NDArray[np.float64], seen: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the share of each HS band's variance that a line of the MS bands explains."""
    root = np.sqrt(weight / weight.sum())
    y, x = ((rows - (rows @ weight / weight.sum())[:, None]) * root for rows in (spectra, seen))
    fitted = np.linalg.lstsq(x.T, y.T, rcond=None)[0].T @ x
    spread = (y**2).sum(axis=1)
    left = np.divide(
        ((y - fitted) ** 2).sum(axis=1), spread, out=np.ones_like(spread), where=spread > 0
    )
    return np.asarray(1 - left)


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
        f"{beyond.sum()} HS bands lie outside the spectral coverage of the MS bands, where each "
        f"responds with less than half its peak ({_ranges(wavelength, beyond)} nm): their detail "
        "is inferred from correlation with other bands and is less certain; the MS bands "
        f"explain {np.median(explained[beyond]):.0%} of their variance, "
        f"{np.median(explained[within]):.0%} of the others'",
    )


def _ranges(wavelength: NDArray[np.float64], chosen: NDArray[np.bool_]) -> str:
    """Return the wavelength ranges of the chosen bands, the first few of them."""
    order = np.argsort(wavelength)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], chosen[order].astype(int), [0]])))
    ranges = [
        " to ".join(dict.fromkeys(f"{wavelength[order[at]]:.0f}" for at in (start, stop - 1)))
        for start, stop in zip(edges[::2], edges[1::2], strict=True)
    ]
    more = len(ranges) - _SETTINGS.most_ranges
    return ", ".join(ranges[: _SETTINGS.most_ranges]) + (f" and {more} more" if more > 0 else "")


def _doubts(
    named: NDArray[np.float64],
    own: NDArray[np.float64],
    seen: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> tuple[str, ...]:
    """Return a note for each response that fits much worse than one estimated from the pair."""
    left, least = (1 - _lines(predicted, seen, weight)[2] ** 2 for predicted in (named, own))
    return tuple(
        f"MS band {index}: the stated response explains {1 - a:.1%} of its variance, one "
        f"estimated from the pair {1 - b:.1%}; the stated one is used"
        for index, (a, b) in enumerate(zip(left, least, strict=True), start=1)
        if a > _SETTINGS.unexplained and a > _SETTINGS.times_worse * b
    )


def _saturated_notes(survey: Survey) -> tuple[str, ...]:
    notes = []
    for band in range(len(survey.patches[0].fine)):
        values = np.concatenate([p.fine[band][np.isfinite(p.fine[band])] for p in survey.patches])
        if not values.size or values.min() == values.max():
            continue
        share = float((values == values.max()).mean())
        if share > _SETTINGS.saturated:
            notes.append(
                f"MS band {band + 1} holds its largest value, {values.max():g}, in {share:.1%} "
                "of the surveyed pixels: it is saturated and has no detail there"
            )
    return tuple(notes)


def _notes(correlation: NDArray[np.float64]) -> tuple[str, ...]:
    weak = [i + 1 for i, value in enumerate(correlation) if value < _SETTINGS.lowest_correlation]
    if not weak:
        return ()
    which = ", ".join(map(str, weak))
    return (
        f"MS band {which} correlates with the HS image by less than "
        f"{_SETTINGS.lowest_correlation}: "
        "do both images show the same place?",
    )


def _bad_notes(survey: Survey) -> tuple[str, ...]:
    bad = int((~survey.good).sum())
    if not bad:
        return ()
    return (
        f"{bad} of {survey.good.size} HS bands are bad, hold no data or little but noise; "
        "they are not used to estimate the others",
    )
