"""
Distortion indices of a fused cube without a reference: those of QNR and HQNR, over windows.

Q is the universal image quality index (Wang and Bovik 2002, eq. 1, doi:10.1109/97.995823) of two
images in a window, F the fused cube, X the HS image, P_l the MS image synthesised for band l:
the regression of X_l on the MS bands at the scale of X, applied to them at the scale of F
("synthesised band" of Selva et al. 2015, doi:10.1109/JSTARS.2015.2440092). D is the degradation of
the HS sensor. As QNR has one panchromatic image and this fusion several MS bands, P_l takes the
place of P. With p = q = alpha = beta = 1:

- D_lambda = mean over l != r of |Q(F_l, F_r) - Q(X_l, X_r)|
  (Alparone et al. 2008, eq. 3, doi:10.14358/PERS.74.2.193)
- D_s = mean over l of |Q(F_l, P_l) - Q(X_l, D(P_l))| (ibid., eq. 4)
- QNR = (1 - D_lambda) (1 - D_s) (ibid., eq. 5)
- D_lambda_K = 1 - Q2n(X, D(F)) (Khan et al. 2009, doi:10.1109/TGRS.2009.2029094, with the Q2n of
  Garzelli and Nencini 2009, doi:10.1109/LGRS.2009.2022650)
- HQNR = (1 - D_lambda_K) (1 - D_s) (Aiazzi et al. 2014, doi:10.1117/12.2069018)

All Q are averaged over windows before they are compared, as in the toolbox of Vivone et al. 2021
(doi:10.1109/MGRS.2020.3019315). A window covers the same area in both images, and windows do not
overlap, so that the sums of blocks add up to those of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.synthesis import SynthesisedBands

__all__ = [
    "Distortion",
    "WindowPixels",
    "noise_distortion",
    "window_distortion",
]

Array = NDArray[np.float64]

# Variance of constant values by rounding, as a fraction of their mean square.
_FLAT = 1e-12


@dataclass(frozen=True)
class WindowPixels:
    """
    The pixels of one window, all of shape (bands or MS bands, pixels) and finite.

    Attributes
    ----------
    fused, ms : ndarray
        Fused cube and MS image, at the pixels of the MS image.
    hs, degraded_ms, degraded : ndarray
        HS image, D of the MS image and D of the fused cube, at the pixels of the HS image.
    """

    fused: NDArray[np.floating]
    ms: NDArray[np.floating]
    hs: NDArray[np.floating]
    degraded_ms: NDArray[np.floating]
    degraded: NDArray[np.floating]

    @cached_property
    def hs_moments(self) -> tuple[Array, Array, Array]:
        """Moments (:func:`_moments`) of the bands of the HS image and of D of the MS image."""
        return _moments(self.hs, self.degraded_ms)


@dataclass(frozen=True, slots=True)
class Distortion:
    """
    Sums over windows of the indices from which the distortions are computed.

    Attributes
    ----------
    windows : int
        Number of windows.
    fused, hs : ndarray of shape (bands, bands)
        Q of each pair of bands of the fused cube, and of the HS image.
    fused_ms, hs_ms : ndarray of shape (bands,)
        Q of each band and its synthesised band, at the scale of the MS and of the HS image.
    hypercomplex : ndarray of shape ()
        Q2n of the HS image and the degraded fused cube.
    """

    windows: int
    fused: Array
    hs: Array
    fused_ms: Array
    hs_ms: Array
    hypercomplex: Array

    @classmethod
    def none(cls, bands: int) -> Distortion:
        """Return the sums of no windows."""
        square, line = np.zeros((bands, bands)), np.zeros(bands)
        return cls(0, square, square, line, line, np.zeros(()))

    def __add__(self, other: Distortion) -> Distortion:
        return Distortion(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def spectral(self) -> Array:
        """Return D_lambda of each band, shape (bands,); its mean is that of the cube."""
        bands = len(self.hs_ms)
        difference = np.abs(self.fused - self.hs)
        return _over(difference.sum(axis=1) - np.diag(difference), self.windows * (bands - 1))

    def spatial(self) -> Array:
        """Return D_s of each band, shape (bands,); its mean is that of the cube."""
        return _over(np.abs(self.fused_ms - self.hs_ms), self.windows)

    def khan(self) -> float:
        """Return D_lambda_K."""
        return float(1 - _over(self.hypercomplex, self.windows))


def window_distortion(pixels: WindowPixels, synthesis: SynthesisedBands) -> Distortion:
    """
    Return the indices of one window.

    Parameters
    ----------
    pixels : WindowPixels
    synthesis : SynthesisedBands
    """
    bands = len(pixels.fused)
    mean, covariance, _ = _moments(pixels.fused, pixels.ms)
    fused, fused_ms = _indices(mean, covariance, synthesis)
    mean, covariance, centred = pixels.hs_moments
    hs, hs_ms = _indices(mean, covariance, synthesis)
    hs_centred = centred[:bands]
    degraded_mean, degraded_centred = _centred(pixels.degraded)
    index = _hypercomplex_index(
        mean[:bands],
        degraded_mean,
        covariance.diagonal()[:bands],
        np.square(degraded_centred).mean(axis=1),
        hs_centred @ degraded_centred.T / hs_centred.shape[1],
    )
    return Distortion(1, fused, hs, fused_ms, hs_ms, np.asarray(index))


def noise_distortion(
    pixels: WindowPixels, synthesis: SynthesisedBands, noise: Array, distortion: Distortion
) -> Distortion:
    """
    Return the indices of one window for an error-free fused cube.

    Its degradation is the HS image without noise, and windows are equal at both scales, so the
    remaining distortions are due to noise.

    Parameters
    ----------
    pixels : WindowPixels
        Pixels, of which the HS image and D of the MS image are used.
    synthesis : SynthesisedBands
    noise : ndarray of shape (bands,)
        Standard deviation of the noise of the HS image.
    distortion : Distortion
        Indices of :func:`window_distortion`; those of the HS image are the same.
    """
    bands = len(pixels.hs)
    mean, covariance, _ = pixels.hs_moments
    noisy = covariance.diagonal()[:bands]
    power = np.maximum(noisy - noise**2, 0.0)
    # Without noise a window may be flat: covariances are limited by the variances.
    deviation = np.sqrt(np.concatenate([power, covariance.diagonal()[bands:]]))
    limit = np.outer(deviation, deviation)
    clean = np.clip(covariance, -limit, limit)
    clean[range(bands), range(bands)] = power
    clean_bands, clean_ms = _indices(mean, clean, synthesis)
    index = _hypercomplex_index(mean[:bands], mean[:bands], noisy, power, clean[:bands, :bands])
    return Distortion(1, clean_bands, distortion.hs, clean_ms, distortion.hs_ms, np.asarray(index))


def _indices(mean: Array, covariance: Array, synthesis: SynthesisedBands) -> tuple[Array, Array]:
    """Return Q of each pair of bands, and of each band and its synthesised band."""
    count = len(synthesis.offset)
    hs_mean, variance = mean[:count], covariance.diagonal()[:count]
    weights, offset = synthesis
    synthesised_mean = weights @ mean[count:] + offset
    power = ((weights @ covariance[count:, count:]) * weights).sum(axis=1)
    shared = (covariance[:count, count:] * weights).sum(axis=1)
    pairs = _index(
        hs_mean[:, None], hs_mean, variance[:, None], variance, covariance[:count, :count]
    )
    return pairs, _index(hs_mean, synthesised_mean, variance, power, shared)


def _moments(
    first: NDArray[np.floating], second: NDArray[np.floating]
) -> tuple[Array, Array, Array]:
    """Return means, covariance and differences from the means of the bands of two images."""
    mean, centred = _centred(np.concatenate([first, second]))
    return mean, centred @ centred.T / centred.shape[1], centred


def _centred(values: NDArray[np.floating]) -> tuple[Array, Array]:
    """Return the means of the bands of an image, and its differences from them."""
    values = values.astype(np.float64)
    mean = values.mean(axis=1)
    return mean, values - mean[:, None]


def _index(a: Array, b: Array, var_a: Array, var_b: Array, covariance: Array) -> Array:
    """Return Q from means, variances and covariance; an undefined factor is one."""
    power, spread = a * a + b * b, var_a + var_b
    luminance = _quotient(2 * a * b, power, power > 0)
    return luminance * _quotient(2 * covariance, spread, spread > _FLAT * power)


def _quotient(above: Array, below: Array, defined: NDArray[np.bool_]) -> Array:
    """Return a quotient, one where it is undefined; a division with a mask is slow."""
    if defined.all():
        return above / below
    return np.divide(above, below, out=np.ones_like(below), where=defined)


def _hypercomplex_index(
    mean: Array, other: Array, variance: Array, other_variance: Array, cross: Array
) -> float:
    """
    Return Q2n of two images from their moments, the first being the reference.

    Bands are scaled to the mean one and the variance one of the reference, as in the toolbox. The
    covariance of hypercomplex numbers is bilinear: each of its components is a sum of entries of
    the real cross-covariance, with the signs of the products of units.
    """
    varies = variance > _FLAT * mean**2
    scale = np.sqrt(np.where(varies, variance, np.where(mean == 0, 1.0, mean**2)))
    second = (other - mean) / scale + 1
    first = np.ones_like(second)
    spread = float((variance / scale**2).sum() + (other_variance / scale**2).sum())
    lengths = float(first @ first), float(second @ second)
    luminance = 2 * np.sqrt(lengths[0] * lengths[1]) / sum(lengths)
    if spread <= _FLAT * sum(lengths):
        return float(luminance)
    signs, places = _conjugate_products(len(mean))
    padded = np.zeros(signs.shape)
    padded[: len(mean), : len(mean)] = cross / np.outer(scale, scale)
    components = (signs * padded.take(places)).sum(axis=0)
    return float(luminance * 2 * np.linalg.norm(components) / spread)


@cache
def _conjugate_products(bands: int) -> tuple[Array, NDArray[np.intp]]:
    """
    Return for units i and components k the sign in e_i e_j* = ± e_k, and the flat index of (i, j).

    The algebra is the smallest Cayley-Dickson algebra with ``bands`` units,
    (a, b)(c, d) = (ac - d*b, da + bc*).
    """
    signs = np.ones((1, 1), dtype=np.int8)
    while len(signs) < bands:
        conjugate = np.full(len(signs), -1, dtype=np.int8)
        conjugate[0] = 1
        signs = np.block([[signs, signs.T], [signs * conjugate, -(signs.T * conjugate)]]).astype(
            np.int8
        )
    units = np.arange(len(signs))
    partner = units[:, None] ^ units
    conjugate = np.where(units == 0, 1, -1).astype(np.int8)
    signs = np.take_along_axis(signs, partner, axis=1) * conjugate[partner]
    return signs.astype(np.float64), units[:, None] * len(units) + partner


def _over(total: Array, count: int) -> Array:
    return total / count if count else np.full(np.shape(total), np.nan)
