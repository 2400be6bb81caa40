"""
What the survey tells of the two sensors' values: R where it is unknown, gain and offset.

The two sensors rarely share units. Per fine band, ``D(Y) = gain · R X + offset`` is
fitted on the HS grid and reported; the fused cube keeps the HS image's units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from hsfuse.survey import Survey

__all__ = ["Radiometry", "measure_radiometry"]

# Weight of smoothness along the spectrum against the fit, in mean variances of a band: on a
# simulated pair 1e-3 leaves the fit alone and still decides between neighbouring bands.
_SMOOTHNESS = 1e-3
# Below this correlation the two images hardly show the same thing.
_LOWEST_CORRELATION = 0.5


@dataclass(frozen=True)
class Radiometry:
    """
    How the fine bands follow from the HS bands.

    Attributes
    ----------
    good : ndarray of bool, shape (bands,)
        HS bands that carry a spectrum.
    response : ndarray of shape (fine bands, bands)
        R, rows summing to one.
    gain, offset : ndarray of shape (fine bands,)
        ``D(Y) = gain * R X + offset``.
    correlation : ndarray of shape (fine bands,)
        Between the two sides.
    notes : tuple of str
        What the user should know.
    """

    good: NDArray[np.bool_]
    response: NDArray[np.float64]
    gain: NDArray[np.float64]
    offset: NDArray[np.float64]
    correlation: NDArray[np.float64]
    notes: tuple[str, ...] = ()


def measure_radiometry(survey: Survey) -> Radiometry:
    """Return the response, gain and offset of the surveyed pair."""
    good = survey.good
    spectra, seen = _paired(survey)
    response = survey.response
    if response is None:
        response = np.zeros((len(seen), len(good)))
        response[:, good] = estimate_response(spectra, seen)
    predicted = response[:, good] @ spectra
    gain, offset, correlation = _lines(predicted, seen)
    return Radiometry(
        good, response, gain, offset, correlation, (*_bad_notes(survey), *_notes(correlation))
    )


def _paired(survey: Survey) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return good HS bands and D(Y) at the pixels that hold both, each (bands, pixels)."""
    spectra, fine = [], []
    for patch in survey.patches:
        seen, used = survey.degraded(patch)
        spectra.append(patch.coarse[survey.good][:, used])
        fine.append(seen[:, used])
    return np.concatenate(spectra, axis=1).astype(np.float64), np.concatenate(fine, axis=1)


def estimate_response(
    spectra: NDArray[np.float64], seen: NDArray[np.float64]
) -> NDArray[np.float64]:
    """
    Return the non-negative, smooth R that explains the fine bands.

    Minimises ``|Y - g R X - o|² + s |∂R|²`` over ``R >= 0`` for each fine band
    (non-negative least squares, Lawson and Hanson 1974).

    Parameters
    ----------
    spectra : ndarray of shape (bands, pixels)
    seen : ndarray of shape (fine bands, pixels)
        The fine bands as the HS sensor would see them.

    Returns
    -------
    ndarray of shape (fine bands, bands)
        Rows sum to one.
    """
    bands, pixels = spectra.shape
    centred = spectra - spectra.mean(axis=1, keepdims=True)
    covariance = centred @ centred.T / pixels
    level = np.trace(covariance) / bands
    step = np.diff(np.eye(bands), axis=0) * np.sqrt(_SMOOTHNESS * level)
    # The covariance's square root stands for all pixels in the least squares.
    values, vectors = np.linalg.eigh(covariance)
    root = np.sqrt(np.maximum(values, 1e-12 * max(values.max(), 1e-30)))
    design = np.concatenate([root[:, None] * vectors.T, step])
    response = np.empty((len(seen), bands))
    for index, band in enumerate(seen):
        moment = centred @ (band - band.mean()) / pixels
        target = np.concatenate([vectors.T @ moment / root, np.zeros(bands - 1)])
        weights, _ = nnls(design, target, maxiter=30 * bands)
        total = weights.sum()
        response[index] = weights / total if total > 0 else 1 / bands
    return response


def _lines(
    predicted: NDArray[np.float64], seen: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return slope, intercept and correlation of each row of ``seen`` on ``predicted``."""
    x = predicted - predicted.mean(axis=1, keepdims=True)
    y = seen - seen.mean(axis=1, keepdims=True)
    xx, yy, xy = (x * x).sum(axis=1), (y * y).sum(axis=1), (x * y).sum(axis=1)
    gain = np.divide(xy, xx, out=np.ones_like(xx), where=xx > 0)
    offset = seen.mean(axis=1) - gain * predicted.mean(axis=1)
    spread = np.sqrt(xx * yy)
    return gain, offset, np.divide(xy, spread, out=np.zeros_like(xx), where=spread > 0)


def _notes(correlation: NDArray[np.float64]) -> tuple[str, ...]:
    weak = [i + 1 for i, value in enumerate(correlation) if value < _LOWEST_CORRELATION]
    if not weak:
        return ()
    which = ", ".join(map(str, weak))
    return (
        f"fine band {which} correlates with the HS image by less than {_LOWEST_CORRELATION}: "
        "do both show the same place?",
    )


def _bad_notes(survey: Survey) -> tuple[str, ...]:
    bad = int((~survey.good).sum())
    if not bad:
        return ()
    return (
        f"{bad} of {survey.good.size} HS bands are bad, hold no data or little but noise; "
        "they guide nothing",
    )
