"""
Noise of the reference spectra and of the MS image, and variance that components do not hold.

They are parts of the error of a fused spectrum that no difference of estimates shows: all estimates
share them. Their estimates are hsfuse's own.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.grid import Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.core.resample import degrade_matrix
from hsfuse.core.subspace import Subspace
from hsfuse.pair.survey import Survey

__all__ = ["ms_noise", "noise_gain", "reference_noise", "variance_outside_subspace"]

Array = NDArray[np.float64]
_TINY = 1e-12


def noise_gain(geometry: Geometry, psf: PSF) -> float:
    """
    Return the standard deviation, after D, of white noise of variance one.

    Parameters
    ----------
    geometry : Geometry
        Grid of the HS pixels relative to the MS pixels.
    psf : PSF
        PSF of the HS sensor, in HS pixels.

    Examples
    --------
    >>> from hsfuse.core.grid import Axis
    >>> axis = Axis(64, 16, 4.0)
    >>> noise_gain(Geometry(axis, axis), PSF((0.0, 0.0)))
    0.25
    """
    power = 1.0
    for axis, width in zip((geometry.y, geometry.x), psf.fwhm, strict=True):
        centre = Span(axis.coarse // 2, axis.coarse // 2 + 1)
        power *= float(np.square(degrade_matrix(axis, width, centre)).sum())
    return math.sqrt(power)


def reference_noise(survey: Survey, tolerance: float) -> float:
    """
    Return the noise of the reference spectra at the size of MS pixels, as far as the pair shows it.

    The bands of an imaging spectrometer have about the same signal-to-noise ratio. Bands with more
    noise show variation from MS pixel to MS pixel in these bands alone, of which D leaves a known
    part (:func:`noise_gain`). It is part of the noise of the MS image as well, which limits it.

    Parameters
    ----------
    survey : Survey
        Survey of the pair.
    tolerance : float
        Standard errors by which the noise of a band may exceed the typical one.

    Returns
    -------
    float
        Root mean square over the good bands, in HS units.
    """
    good, radiometry = survey.good, survey.radiometry
    noise = survey.noise[good]
    signal = np.sqrt(np.square(survey.spectra[good], dtype=np.float64).mean(axis=1))
    typical = float(np.median(noise / np.maximum(signal, _TINY)))
    # The relative standard error of a standard deviation from n values is 1 / sqrt(2 n).
    factor = 1 + tolerance / math.sqrt(2 * max(survey.spectra.shape[1], 1))
    excess = np.maximum(noise**2 - (factor * typical * signal) ** 2, 0.0).mean()
    gain = noise_gain(survey.patches[0].geometry, survey.psf)
    response = radiometry.gain[:, None] * radiometry.response[:, good]
    power = np.square(response).sum(axis=1)
    limit = np.mean(survey.fine_noise**2 / np.maximum(power, _TINY))
    return math.sqrt(min(float(excess) / max(gain, _TINY) ** 2, float(limit)))


def ms_noise(
    noise: Array, response: Array, prior_deviation: Array, power: Array, maximum: float
) -> float:
    """
    Return the noise of the MS image in HS units, as an estimate that follows the image has it.

    The noise of a band relative to what errors of the prior standard deviation change in this band
    is what these are multiplied by; the root mean square over the bands counts. A band that sees
    little of the components does not determine it: beyond a limit no estimate follows it.

    Parameters
    ----------
    noise : ndarray of shape (MS bands,)
        Standard deviation of the noise of the MS image.
    response : ndarray of shape (MS bands, components)
        Change of the MS bands per unit of each component.
    prior_deviation : ndarray of shape (components,)
        Prior standard deviation of the errors.
    power : ndarray of shape (components,)
        Mean square over the good bands of a unit of each component, in squared HS units.
    maximum : float
        Largest noise of a band, relative to that change.

    Examples
    --------
    >>> one = np.ones(1)
    >>> ms_noise(0.5 * one, np.ones((1, 1)), 2 * one, 4 * one, maximum=2.0)
    1.0
    """
    change = np.maximum(response**2 @ prior_deviation**2, _TINY**2)
    relative = np.minimum(noise**2 / change, maximum**2).mean()
    return math.sqrt(float(relative) * float(prior_deviation**2 @ power))


def variance_outside_subspace(
    spectra: NDArray[np.floating], subspace: Subspace, noise: NDArray[np.float64]
) -> float:
    """
    Return the variance of spectra outside a subspace minus that of noise, mean over the bands.

    Parameters
    ----------
    spectra : ndarray of shape (good bands, pixels)
        Spectra minus their mean.
    subspace : Subspace
        Subspace of those bands.
    noise : ndarray of shape (good bands,)
        Standard deviation of the noise of each band.
    """
    outside = np.eye(len(spectra)) - subspace.loading[:, subspace.good].T @ subspace.basis
    variance = np.square(outside @ spectra).sum(axis=0).mean()
    noise_variance = np.sum(outside**2 @ noise**2)
    return max(float(variance - noise_variance), 0.0) / len(spectra)
