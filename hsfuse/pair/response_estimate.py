"""
Estimate of the spectral response R from a pair, with its uncertainty.

The spectra of one scene do not determine R: HS bands are collinear, so that many non-negative
weightings predict the MS bands equally well, also with bands at which the sensor does not respond.
A response is compact in wavelength, and so is the estimate: for each MS band, the Gaussian that
explains it best in cross-validation over parts of the scene, up to a tone curve. Photographs have
one (gamma), and a linear fit would imitate it by bands of other contrast. Gaussians that explain
the band about as well give the range of the centre.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from hsfuse.core.colours import Colour
from hsfuse.sensor.response import band_cells

__all__ = ["ResponseEstimate", "estimate_response", "predictor_weights"]

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Settings:
    """Settings of the estimate of R."""

    # Weight of spectral smoothness of a free curve relative to the fit, in units of the mean band
    # variance: on a simulated pair 1e-3 does not affect the fit, and still distributes R among
    # similar bands.
    smoothness: float = 1e-3
    # Parts of the scene that are left out in turn: contiguous, since neighbours are alike.
    parts: int = 8
    # FWHM of the Gaussians: the limits in nanometres, the first at least two bands; without
    # wavelengths the last is this share of the bands. Each is wider than the one before by a
    # factor; centres are apart by a share of the FWHM, at least one band.
    narrowest: float = 10.0
    widest: float = 450.0
    widest_share: float = 0.5
    factor: float = 1.35
    spacing: float = 0.15
    # Smallest share of a Gaussian inside the bands.
    minimum_inside: float = 0.6
    # Centres whose error exceeds the smallest by less than this many standard errors are possible.
    standard_errors: float = 2.0
    # A free curve, within this many widths of the centre, replaces a Gaussian if it leaves less
    # than this share of its error: curves of cameras without noise leave a twentieth to a half,
    # fits to noise and tone curves 0.6 or more.
    free_widths: float = 3.0
    free_share: float = 0.5
    # Centres in nanometres that the name of a colour allows.
    colours: dict[Colour, tuple[float, float]] = field(
        default_factory=lambda: {"blue": (400, 520), "green": (490, 600), "red": (570, 720)}
    )


_SETTINGS = _Settings()


@dataclass(frozen=True)
class ResponseEstimate:
    """
    Spectral response R estimated from a pair.

    Attributes
    ----------
    response : ndarray of shape (MS bands, bands)
        Rows sum to one.
    centre, lowest, highest : ndarray of shape (MS bands,)
        Centroid of the response, and the range of those of Gaussians that explain the MS band as
        well: in nanometres, or as band numbers from 1.
    contradicts_colour : ndarray of bool, shape (MS bands,)
        No centre that the name of the MS band allows explains it as well as the best.
    nanometres : bool
        Whether the HS bands have wavelengths.
    """

    response: Matrix
    centre: Vector
    lowest: Vector
    highest: Vector
    contradicts_colour: NDArray[np.bool_]
    nanometres: bool


class _Gaussians(NamedTuple):
    """Gaussian responses: centres, FWHM, centroids, rows (Gaussians, bands) that sum to one."""

    centre: Vector
    fwhm: Vector
    centroid: Vector
    rows: Matrix


def estimate_response(
    spectra: Matrix,
    degraded: Matrix,
    weight: Vector,
    place: Vector,
    *,
    nanometres: bool = True,
    colours: tuple[Colour | None, ...] = (),
) -> ResponseEstimate:
    """
    Estimate R, compact in wavelength, up to a gain, an offset and a tone curve of each MS band.

    Parameters
    ----------
    spectra : ndarray of shape (bands, pixels)
        HS spectra X.
    degraded : ndarray of shape (MS bands, pixels)
        MS bands degraded to the HS grid, D(Y).
    weight : ndarray of shape (pixels,)
        Weights of the pixels.
    place : ndarray of shape (bands,)
        Wavelengths; or band numbers, which take the bands for evenly spaced.
    nanometres : bool
        Whether these are wavelengths.
    colours : tuple of str or None
        Colours that the MS bands state, in the order of the bands: they decide between centres
        that explain a band equally well.
    """
    gaussians = _gaussians(place, nanometres)
    parts = np.array_split(np.arange(spectra.shape[1]), _SETTINGS.parts)
    centred = spectra - np.average(spectra, axis=1, weights=weight)[:, None]
    second = np.array([(centred[:, part] * weight[part]) @ centred[:, part].T for part in parts])
    named = colours if nanometres and colours else (None,) * len(degraded)
    found = [
        _estimate_band(centred, second, _Target.of(band, weight), parts, gaussians, place, colour)
        for band, colour in zip(degraded, named, strict=True)
    ]
    response, centre, lowest, highest, contradicts = (
        np.array(column) for column in zip(*found, strict=True)
    )
    return ResponseEstimate(response, centre, lowest, highest, contradicts, nanometres)


class _Target(NamedTuple):
    """An MS band as a basis (3, pixels) of its tone curve: itself, its square, one; weights."""

    basis: Matrix
    weight: Vector

    @classmethod
    def of(cls, band: Vector, weight: Vector) -> _Target:
        mean = np.average(band, weights=weight)
        spread = np.sqrt(np.average((band - mean) ** 2, weights=weight))
        unit = (band - mean) / (spread or 1.0)
        return cls(np.stack([unit, unit**2, np.ones_like(unit)]), weight)


def _estimate_band(
    centred: Matrix,
    second: NDArray[np.float64],
    target: _Target,
    parts: list[NDArray[np.intp]],
    gaussians: _Gaussians,
    place: Vector,
    colour: Colour | None,
) -> tuple[Vector, float, float, float, bool]:
    """Return response, centre, lowest and highest centre, and whether the colour is wrong."""
    moments = _Moments.of(centred, second, target, parts)
    error = moments.errors(gaussians.rows)
    mean = error.mean(axis=0)
    best = int(np.argmin(mean))
    if not np.isfinite(mean[best]) or mean[best] >= 1:  # nothing of the band is explained
        flat = np.full(len(place), 1 / len(place))
        return flat, float(place.mean()), float(place.min()), float(place.max()), False
    ratio = np.log(np.clip(error, 1e-12, 1e12) / np.clip(error[:, [best]], 1e-12, 1e12))
    limit = _SETTINGS.standard_errors * ratio.std(axis=0, ddof=1) / np.sqrt(len(parts))
    possible = (ratio.mean(axis=0) <= limit) & (mean < 1)
    possible[best] = True
    lowest, highest = gaussians.centroid[possible].min(), gaussians.centroid[possible].max()
    contradicts = False
    if colour is not None:
        low, high = _SETTINGS.colours[colour]
        named = possible.copy()
        for at in (gaussians.centre, gaussians.centroid):
            named &= (at >= low) & (at <= high)
        contradicts = not named.any()
        if not contradicts:
            best = int(np.argmin(np.where(named, mean, np.inf)))
    row = gaussians.rows[best]
    near = np.abs(place - gaussians.centre[best]) <= _SETTINGS.free_widths * gaussians.fwhm[best]
    free, left = _free_curve(moments, row, np.flatnonzero(near)[np.argsort(place[near])])
    if left < _SETTINGS.free_share * mean[best]:
        row = free
    return row, float(row @ place), float(lowest), float(highest), contradicts


def _free_curve(
    moments: _Moments, gaussian: Vector, bands: NDArray[np.intp]
) -> tuple[Vector, float]:
    """Return a response of free shape at some bands, in spectral order, and its mean error."""
    tone = np.linalg.lstsq(
        moments.basis.sum(axis=0), gaussian @ moments.cross.sum(axis=0), rcond=None
    )[0]
    rows = []
    for part in (*range(len(moments.basis)), None):
        kept = [index for index in range(len(moments.basis)) if index != part]
        count = moments.basis[kept, 2, 2].sum()
        cross = moments.cross[kept][:, bands].sum(axis=0)
        mean = cross[:, 2] / count
        covariance = moments.spectra[kept][:, bands][:, :, bands].sum(axis=0) / count
        level = moments.basis[kept].sum(axis=0)[2] @ tone / count
        row = np.zeros(len(gaussian))
        row[bands] = _smooth_weights(
            covariance - np.outer(mean, mean), cross @ tone / count - mean * level
        )
        rows.append(row)
    errors = [moments.errors(row[None], (part,))[0, 0] for part, row in enumerate(rows[:-1])]
    return rows[-1], float(np.mean(errors))


def _gaussians(place: Vector, nanometres: bool) -> _Gaussians:
    """Return the Gaussians that are compared."""
    cells = band_cells(place, np.full(place.size, np.nan))
    width = (cells.high - cells.low) / cells.sharing
    step = float(np.median(width))
    widest = _SETTINGS.widest if nanometres else _SETTINGS.widest_share * place.size
    narrowest = max(2 * step, _SETTINGS.narrowest if nanometres else 0.0)
    count = max(int(np.log(max(widest / narrowest, 1)) / np.log(_SETTINGS.factor)) + 1, 1)
    centres, widths = [], []
    for fwhm in narrowest * _SETTINGS.factor ** np.arange(count):
        spacing = max(_SETTINGS.spacing * fwhm, step)
        line = np.arange(place.min(), place.max() + spacing / 2, spacing)
        centres.append(line)
        widths.append(np.full(line.size, fwhm))
    centre, fwhm = np.concatenate(centres), np.concatenate(widths)
    rows = width * np.exp(-4 * np.log(2) * ((place - centre[:, None]) / fwhm[:, None]) ** 2)
    area = fwhm * np.sqrt(np.pi / (4 * np.log(2)))
    total = rows.sum(axis=1)
    inside = total > _SETTINGS.minimum_inside * area
    rows = rows[inside] / total[inside, None]
    return _Gaussians(centre[inside], fwhm[inside], rows @ place, rows)


class _Moments(NamedTuple):
    """
    Weighted second moments of each part of the scene.

    Attributes
    ----------
    spectra : ndarray of shape (parts, bands, bands)
    cross : ndarray of shape (parts, bands, 3)
        Of the spectra and the basis of the MS band.
    basis : ndarray of shape (parts, 3, 3)
    """

    spectra: NDArray[np.float64]
    cross: NDArray[np.float64]
    basis: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        centred: Matrix,
        second: NDArray[np.float64],
        target: _Target,
        parts: list[NDArray[np.intp]],
    ) -> _Moments:
        weighted = target.basis * target.weight
        return cls(
            second,
            np.array([centred[:, part] @ weighted[:, part].T for part in parts]),
            np.array([target.basis[:, part] @ weighted[:, part].T for part in parts]),
        )

    def errors(self, rows: Matrix, parts: tuple[int, ...] | None = None) -> Matrix:
        """
        Return the share of ``R X`` that the MS band does not explain in each part left out.

        ``R X``, of one row each, is regressed on the basis in the other parts. Rows with a negative
        correlation are no responses: their error is infinite.
        """
        power = np.array([np.einsum("ij,ij->i", rows @ each, rows) for each in self.spectra])
        cross = np.array([rows @ each for each in self.cross])
        spread = power.sum(axis=0) / len(power)
        left = []
        for part in range(len(power)) if parts is None else parts:
            weights = np.linalg.lstsq(
                self.basis.sum(axis=0) - self.basis[part],
                (cross.sum(axis=0) - cross[part]).T,
                rcond=None,
            )[0].T
            fitted = np.einsum("ij,jk,ik->i", weights, self.basis[part], weights)
            left.append(power[part] - 2 * (weights * cross[part]).sum(axis=1) + fitted)
        share = np.divide(
            left, spread, out=np.full((len(left), len(rows)), np.inf), where=spread > 0
        )
        share[:, cross.sum(axis=0)[:, 0] <= 0] = np.inf
        return share


def predictor_weights(spectra: Matrix, degraded: Matrix, weight: Vector | None = None) -> Matrix:
    """
    Return the non-negative, smooth weights of the HS bands that predict the MS bands best.

    Minimises ``|Y - g W X - o|² + s |∂W|²`` over ``W >= 0`` for each MS band
    (non-negative least squares, Lawson and Hanson 1974). W predicts the MS bands of this scene; it
    is no response, since bands at which the sensor does not respond may have large weights.

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
    pixels = spectra.shape[1]
    share = np.full(pixels, 1 / pixels) if weight is None else weight / weight.sum()
    centred = spectra - (spectra @ share)[:, None]
    covariance = (centred * share) @ centred.T
    moments = centred @ (share * (degraded - (degraded @ share)[:, None])).T
    return np.array([_smooth_weights(covariance, moment) for moment in moments.T])


def _smooth_weights(covariance: Matrix, moment: Vector) -> Vector:
    """Return the non-negative, smooth weights (bands,) of given moments; they sum to one."""
    bands = len(covariance)
    level = np.trace(covariance) / bands
    step = np.diff(np.eye(bands), axis=0) * np.sqrt(_SETTINGS.smoothness * max(level, 0.0))
    # The square root of the covariance represents all pixels in the least squares problem.
    values, vectors = np.linalg.eigh(covariance)
    root = np.sqrt(np.maximum(values, 1e-12 * max(values.max(), 1e-30)))
    design = np.concatenate([root[:, None] * vectors.T, step])
    target = np.concatenate([vectors.T @ moment / root, np.zeros(bands - 1)])
    weights, _ = nnls(design, target, maxiter=30 * bands)
    total = weights.sum()
    return weights / total if total > 0 else np.full(bands, 1 / bands)
