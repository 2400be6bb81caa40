"""
Simulated sensors that are not hsfuse's own: point spread functions and responses.

What hsfuse assumes of D and R (:mod:`hsfuse.observe`) has errors on real pairs. Here a PSF is any
array of weights, sampled at the centres of MS pixels, and a cube is mirrored at its edges.
Lengths are in HS pixels unless said otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from scipy.special import j1, ndtr

from hsfuse.sensor.catalogue import Sensor

SIGMA = 1 / (2 * math.sqrt(2 * math.log(2)))  # of a Gaussian, in its FWHM
# Where (2 J1(x) / x)^2 falls to a half.
AIRY_HALF = 1.61634
Profile = Callable[[np.ndarray, np.ndarray], np.ndarray]


def gaussian(y: np.ndarray, x: np.ndarray, fwhm: tuple[float, float], turned: float) -> np.ndarray:
    """Return a Gaussian cut at three sigma, its axes turned by some degrees."""
    angle = math.radians(turned)
    along = (y * math.cos(angle) + x * math.sin(angle)) / (fwhm[0] * SIGMA)
    across = (x * math.cos(angle) - y * math.sin(angle)) / (fwhm[1] * SIGMA)
    return np.exp(-(along**2 + across**2) / 2) * (along**2 + across**2 <= 9)


def separable_gaussian(y: np.ndarray, x: np.ndarray, fwhm: float) -> np.ndarray:
    """Return the product of two Gaussians, each cut at three sigma."""
    along, across = (np.abs(each) / (fwhm * SIGMA) for each in (y, x))
    return np.exp(-(along**2 + across**2) / 2) * (np.maximum(along, across) <= 3)


def airy(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the diffraction pattern of a round aperture, FWHM 1, cut at 2.5 HS pixels."""
    radius = np.hypot(y, x)
    place = np.maximum(radius * 2 * AIRY_HALF, 1e-9)
    return (2 * j1(place) / place) ** 2 * (radius <= 2.5)


def blurred_box(y: np.ndarray, x: np.ndarray, box: tuple[float, float], fwhm: float) -> np.ndarray:
    """Return a box along y and x (detector, motion; 0 for none) blurred by a Gaussian (optics)."""
    sigma = fwhm * SIGMA
    profiles = []
    for place, length in zip((y, x), box, strict=True):
        if length:
            half = length / 2
            profiles.append(ndtr((place + half) / sigma) - ndtr((place - half) / sigma))
        else:
            profiles.append(np.exp(-((place / sigma) ** 2) / 2))
    return profiles[0] * profiles[1]


PSFS: dict[str, Profile] = {
    "gaussian": partial(separable_gaussian, fwhm=1.0),
    "5 % wider": partial(separable_gaussian, fwhm=1.05),
    "5 % narrower": partial(separable_gaussian, fwhm=0.95),
    "airy": airy,
    "box and gaussian": partial(blurred_box, box=(1.0, 1.0), fwhm=0.5),
    "motion of two pixels": partial(blurred_box, box=(2.0, 0.0), fwhm=1.0),
    "turned ellipse": partial(gaussian, fwhm=(1.1, 0.9), turned=20.0),
}
"""Weights of the ground at a distance along y and x from the centre of an HS pixel."""

# HS pixels on either side that a PSF reaches, at most.
REACH = 3


def weights(name: str, ratio: int) -> np.ndarray:
    """Return a PSF's weights of the MS pixels about an HS pixel, as many on either side."""
    size = (2 * REACH + 1) * ratio
    place = (np.arange(size) - (size - 1) / 2) / ratio
    kernel = PSFS[name](place[:, None], place[None, :])
    return kernel / kernel.sum()


def degrade(cube: np.ndarray, kernel: np.ndarray, ratio: int) -> np.ndarray:
    """
    Return the HS image of a cube: weighted means at every ``ratio``-th pixel.

    Parameters
    ----------
    cube : ndarray of shape (bands, rows, columns)
        NaN where it holds no data; whole HS pixels.
    kernel : ndarray
        From :func:`weights`.
    ratio : int
        MS pixels per HS pixel.

    Returns
    -------
    ndarray of shape (bands, rows / ratio, columns / ratio)
        NaN where no more than half of the weight lies on data.
    """
    margin = REACH * ratio
    known = np.isfinite(cube).all(axis=0)
    layers = np.concatenate([np.where(known, cube, 0), known[None]]).astype(np.float64)
    layers = np.pad(layers, ((0, 0), (margin, margin), (margin, margin)), mode="symmetric")
    rows, columns = (length // ratio for length in cube.shape[1:])
    total = np.zeros((len(layers), rows, columns))
    for (down, right), weight in np.ndenumerate(kernel):
        if weight > 0:
            part = layers[:, down::ratio, right::ratio]
            total += weight * part[:, :rows, :columns]
    share = total[-1]
    return np.where(share > 0.5, total[:-1] / np.maximum(share, 0.5), np.nan).astype(np.float32)


def altered(sensor: Sensor, shift: float = 0.0, widening: float = 1.0) -> Sensor:
    """Return a sensor whose bands lie ``shift`` nanometres off and are wider by a factor."""
    curves = sensor.curves
    if curves is not None:
        place = curves.wavelength
        values = [
            np.interp((place - shift - centre) / widening + centre, place, band, left=0, right=0)
            for centre, band in zip(sensor.wavelength, curves.response, strict=True)
        ]
        curves = replace(curves, response=np.stack(values))
    return replace(
        sensor, wavelength=sensor.wavelength + shift, fwhm=sensor.fwhm * widening, curves=curves
    )
