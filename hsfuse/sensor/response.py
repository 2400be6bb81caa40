"""
Response curves integrated over the bands of a spectrometer.

Wavelengths are in nanometres throughout. A curve is piecewise linear between its
samples and zero outside them; a spectrometer band is a Gaussian of unit area.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.resample import FWHM_PER_SIGMA

__all__ = ["Cells", "band_cells", "gaussian_curves", "integrate", "response_levels"]

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Settings:
    """Settings of the spectral cells of bands, and of the integration."""

    # Bands closer than this share of the band width have one position.
    same_place: float = 0.25
    # A gap in the sampling wider than this many median steps is not bridged.
    gap: float = 4.0
    # Step of the integration: a share of the narrowest band, within limits in nanometres.
    finest_step: float = 0.05
    coarsest_step: float = 0.5
    # A curve whose median step is at least this share of that of the bands holds band values.
    band_values: float = 0.75
    # Smallest share of the area of a curve inside the bands; less is rounding of its tails.
    minimum_share: float = 1e-3


_SETTINGS = _Settings()


def gaussian_curves(centre: Vector, fwhm: Vector) -> tuple[Vector, Matrix]:
    """
    Return Gaussian response curves of peak one, on one grid.

    Parameters
    ----------
    centre, fwhm : ndarray of shape (bands,)
        Nanometres.

    Returns
    -------
    tuple of ndarray
        Wavelengths of shape (samples,) and responses of shape (bands, samples).

    Examples
    --------
    >>> wavelength, response = gaussian_curves(np.array([550.0]), np.array([40.0]))
    >>> np.interp([530.0, 550.0], wavelength, response[0]).round(3).tolist()
    [0.5, 1.0]
    """
    sigma = fwhm / FWHM_PER_SIGMA
    low, high = float((centre - 4 * sigma).min()), float((centre + 4 * sigma).max())
    grid = _grid(low, high, float(fwhm.min()) / 10)
    return grid, np.exp(-0.5 * ((grid - centre[:, None]) / sigma[:, None]) ** 2)


class Cells(NamedTuple):
    """
    The spectral range that each band represents, in the order of the bands.

    Attributes
    ----------
    low, high : ndarray of shape (bands,)
        Edges in nanometres; equal for bands at one position.
    sharing : ndarray of shape (bands,)
        Number of bands that share the cell.
    """

    low: Vector
    high: Vector
    sharing: Vector


def band_cells(wavelength: Vector, fwhm: Vector) -> Cells:
    """
    Return the spectral range (cell) that each band represents.

    Bands are sorted; bands closer than a quarter of the band width, as where two detectors overlap,
    have one position and share one cell. Cells meet halfway between neighbouring positions
    (trapezoidal weights). An outer cell, and one at a gap wider than four median steps, is as wide
    on its open side as on the other: a uniform grid has uniform cells, and gaps are not covered. A
    single position between two gaps is as wide as its bands.

    Parameters
    ----------
    wavelength : ndarray of shape (bands,)
        Centres in nanometres, in any order.
    fwhm : ndarray of shape (bands,)
        Nanometres, NaN where unknown.

    Examples
    --------
    >>> cells = band_cells(np.array([400.0, 410.0, 430.0]), np.full(3, np.nan))
    >>> (cells.high - cells.low).tolist()
    [10.0, 15.0, 20.0]
    >>> band_cells(np.array([400.0, 410.0, 410.1, 420.0]), np.full(4, 10.0)).sharing.tolist()
    [1.0, 2.0, 2.0, 1.0]
    """
    order = np.argsort(wavelength, kind="stable")
    place = _positions(wavelength[order], fwhm[order])
    count = np.bincount(place).astype(float)
    centre = np.bincount(place, wavelength[order]) / count
    step = np.diff(centre)
    width = np.bincount(place, np.nan_to_num(fwhm[order])) / count
    typical = float(np.median(step)) if step.size else (float(width[0]) or 1.0)
    half = np.where(step > _SETTINGS.gap * typical, np.nan, step / 2)
    below, above = np.append(np.nan, half), np.append(half, np.nan)
    alone = np.where(width > 0, width, typical) / 2
    left, right = _open_side(below, above, alone), _open_side(above, below, alone)
    low, high, sharing = (np.empty_like(wavelength) for _ in range(3))
    low[order], high[order] = (centre - left)[place], (centre + right)[place]
    sharing[order] = count[place]
    return Cells(low, high, sharing)


def response_levels(rows: Matrix, wavelength: Vector) -> Matrix:
    """
    Return responses with a maximum of one from rows of R.

    A row of R includes the spectral width of each band, which varies with the sampling.

    Parameters
    ----------
    rows : ndarray of shape (MS bands, bands)
        Rows of R at the bands it uses.
    wavelength : ndarray of shape (bands,)
        Centres of these in nanometres, or their numbers.

    Examples
    --------
    >>> response_levels(np.array([[0.25, 0.5, 0.25]]), np.array([400.0, 410.0, 415.0])).round(3)
    array([[0.375, 1.   , 0.75 ]])
    """
    cells = band_cells(wavelength, np.full(wavelength.size, np.nan))
    level = rows * cells.sharing / (cells.high - cells.low)
    return np.asarray(level / np.maximum(level.max(axis=1, keepdims=True), 1e-300))


def integrate(
    curve_wavelength: Vector, curve: Vector, wavelength: Vector, fwhm: Vector
) -> tuple[Vector, float]:
    """
    Return one row of the response matrix, not yet normalised, and its coverage.

    ``row[j] = width_j * integral(SRF(l) * g_j(l) dl)``, with ``g_j`` a Gaussian of unit
    area and ``width_j`` its share of its cell (:func:`band_cells`). A band of unknown FWHM has
    the width of its cell; but a curve that is sampled no finer than the bands, like the tables of
    the fusion literature, holds band values, which are interpolated at the centres.

    Parameters
    ----------
    curve_wavelength, curve : ndarray of shape (samples,)
        The response, wavelengths increasing.
    wavelength, fwhm : ndarray of shape (bands,)
        Bands of the spectrometer, FWHM NaN where unknown.

    Returns
    -------
    row : ndarray of shape (bands,)
        Zero where less than a thousandth of the curve is inside the bands.
    coverage : float
        Share of the area of the curve inside the cells of the bands, 0 to 1.
    """
    low, high, sharing = band_cells(wavelength, fwhm)
    cell = high - low
    support = np.flatnonzero(curve)
    first, last = max(support[0] - 1, 0), min(support[-1] + 1, curve.size - 1)
    widths = fwhm[np.isfinite(fwhm)]
    finest = min([float(widths.min())] if widths.size else [math.inf]) / 8
    grid = _grid(float(curve_wavelength[first]), float(curve_wavelength[last]), finest)
    value = np.interp(grid, curve_wavelength, curve)
    weight = np.gradient(grid)
    weight[[0, -1]] /= 2

    area = np.abs(value) * weight
    inside = np.zeros(grid.size, dtype=bool)
    for start, stop in zip(low, high, strict=True):
        inside[np.searchsorted(grid, start) : np.searchsorted(grid, stop, side="right")] = True
    total = float(area.sum())
    coverage = float(area[inside].sum()) / total

    points = _band_values(curve_wavelength, wavelength)
    width = np.where(np.isfinite(fwhm), fwhm, np.maximum(cell, 1e-3))
    sigma = width / FWHM_PER_SIGMA
    distance = (grid - wavelength[:, None]) / sigma[:, None]
    response = np.exp(-0.5 * distance**2) @ (value * weight) / (sigma * math.sqrt(2 * math.pi))
    if points:
        read = np.interp(wavelength, curve_wavelength, curve, left=0.0, right=0.0)
        response = np.where(np.isfinite(fwhm), response, read)
    row = response * cell / sharing
    if np.abs(row).sum() <= _SETTINGS.minimum_share * total:
        row = np.zeros_like(row)
    return row, coverage


def _band_values(curve_wavelength: Vector, wavelength: Vector) -> bool:
    """Return whether a curve is sampled about as coarsely as the bands."""
    step = np.diff(np.unique(wavelength))
    return bool(
        step.size
        and curve_wavelength.size > 1
        and np.median(np.diff(curve_wavelength)) >= _SETTINGS.band_values * np.median(step)
    )


def _positions(centre: Vector, fwhm: Vector) -> NDArray[np.intp]:
    """Return the number of the position of each band, from sorted centres."""
    widths = fwhm[np.isfinite(fwhm)]
    step = np.diff(centre)
    if widths.size:
        near = float(np.median(widths)) * _SETTINGS.same_place
    else:
        near = float(np.median(step[step > 0])) * _SETTINGS.same_place if np.any(step > 0) else 0.0
    place = np.zeros(centre.size, dtype=np.intp)
    first = centre[0]
    for band in range(1, centre.size):
        # From the first band of a position, so that finely sampled bands are not all merged.
        apart = centre[band] - first > near
        place[band] = place[band - 1] + apart
        first = centre[band] if apart else first
    return place


def _open_side(half: Vector, other: Vector, alone: Vector) -> Vector:
    """Return half widths, unknown ones from the other side of the cell."""
    return np.where(np.isnan(half), np.where(np.isnan(other), alone, other), half)


def _grid(low: float, high: float, step: float) -> Vector:
    """Return a uniform grid over a range, its step at most 0.5 nm and at least 0.05 nm."""
    step = min(max(step, _SETTINGS.finest_step), _SETTINGS.coarsest_step)
    count = math.ceil((high - low) / step) + 1
    return np.linspace(low, high, max(count, 2))
