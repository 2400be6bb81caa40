"""
Response curves integrated over the bands of a spectrometer.

Wavelengths are in nanometres throughout. A curve is piecewise linear between its
samples and zero outside them; a spectrometer band is a Gaussian of unit area.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["band_cells", "gaussian_curves", "integrate"]

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

#: Full width at half maximum of a Gaussian over its standard deviation.
_FWHM = math.sqrt(8 * math.log(2))
#: A hole in the sampling wider than this many median steps is not bridged.
_GAP = 4.0


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
    sigma = fwhm / _FWHM
    low, high = float((centre - 4 * sigma).min()), float((centre + 4 * sigma).max())
    grid = _grid(low, high, float(fwhm.min()) / 10)
    return grid, np.exp(-0.5 * ((grid - centre[:, None]) / sigma[:, None]) ** 2)


def band_cells(wavelength: Vector, fwhm: Vector) -> tuple[Vector, Vector]:
    """
    Return the share of the spectrum that each band stands for.

    Cells meet halfway between neighbouring centres, so where two detectors overlap
    each band counts for less (trapezoid weights). An outer cell, and one at a hole
    wider than four median steps, is as wide on its open side as on the other: a
    uniform grid has uniform cells, ends included, and holes stay uncovered.

    Parameters
    ----------
    wavelength : ndarray of shape (bands,)
        Centres in nanometres, in any order.
    fwhm : ndarray of shape (bands,)
        Nanometres, NaN where unknown. Only the width of a single band comes from it.

    Returns
    -------
    tuple of ndarray of shape (bands,)
        Lower and upper edges in nanometres, in the order given.

    Examples
    --------
    >>> low, high = band_cells(np.array([400.0, 410.0, 430.0]), np.full(3, np.nan))
    >>> (high - low).tolist()
    [10.0, 15.0, 20.0]
    """
    order = np.argsort(wavelength, kind="stable")
    centre = wavelength[order]
    step = np.diff(centre)
    positive = step[step > 0]
    if positive.size:
        typical = float(np.median(positive))
    else:
        typical = float(fwhm[0]) if np.isfinite(fwhm[0]) else 1.0
    half = np.where(step > _GAP * typical, np.nan, step / 2)
    below, above = np.append(np.nan, half), np.append(half, np.nan)
    left, right = _open_side(below, above, typical / 2), _open_side(above, below, typical / 2)
    low, high = np.empty_like(centre), np.empty_like(centre)
    low[order], high[order] = centre - left, centre + right
    return low, high


def integrate(
    curve_wavelength: Vector, curve: Vector, wavelength: Vector, fwhm: Vector
) -> tuple[Vector, float]:
    """
    Return one row of the response matrix, not yet normalised, and its coverage.

    ``row[j] = width_j * integral(SRF(l) * g_j(l) dl)``, with ``g_j`` a Gaussian of unit
    area and ``width_j`` the cell of band j (:func:`band_cells`). A band whose FWHM is
    unknown has that of its cell; but where the curve is itself sampled no finer than
    the bands, as the tables of the fusion literature are, its values already are band
    values and are read off at the centres.

    Parameters
    ----------
    curve_wavelength, curve : ndarray of shape (samples,)
        The response, wavelengths increasing.
    wavelength, fwhm : ndarray of shape (bands,)
        The spectrometer's bands, centres known, FWHM NaN where unknown.

    Returns
    -------
    row : ndarray of shape (bands,)
        Zero where the bands see less than a thousandth of the curve.
    coverage : float
        Share of the area under the curve that lies in the cells of the bands, 0..1.
    """
    low, high = band_cells(wavelength, fwhm)
    cell = high - low
    support = np.flatnonzero(curve)
    first, last = max(support[0] - 1, 0), min(support[-1] + 1, curve.size - 1)
    known = fwhm[np.isfinite(fwhm)]
    finest = min([float(known.min())] if known.size else [math.inf]) / 8
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
    sigma = width / _FWHM
    distance = (grid - wavelength[:, None]) / sigma[:, None]
    seen = np.exp(-0.5 * distance**2) @ (value * weight) / (sigma * math.sqrt(2 * math.pi))
    if points:
        read = np.interp(wavelength, curve_wavelength, curve, left=0.0, right=0.0)
        seen = np.where(np.isfinite(fwhm), seen, read)
    row = seen * cell
    return (row if np.abs(row).sum() > 1e-3 * total else np.zeros_like(row)), coverage


def _band_values(curve_wavelength: Vector, wavelength: Vector) -> bool:
    """Return whether a curve is sampled about as coarsely as the bands lie."""
    step = np.diff(np.unique(wavelength))
    return bool(
        step.size
        and curve_wavelength.size > 1
        and np.median(np.diff(curve_wavelength)) >= 0.75 * np.median(step)
    )


def _open_side(half: Vector, other: Vector, typical: float) -> Vector:
    """Return half widths, those unknown taken from the other side of the cell."""
    mirrored = np.where(np.nan_to_num(other) > 0, other, typical)
    return np.where(np.isnan(half), mirrored, half)


def _grid(low: float, high: float, step: float) -> Vector:
    """Return a uniform grid over a range, its step at most 0.5 nm and at least 0.05 nm."""
    count = math.ceil((high - low) / min(max(step, 0.05), 0.5)) + 1
    return np.linspace(low, high, max(count, 2))
