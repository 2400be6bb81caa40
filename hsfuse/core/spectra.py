"""Spectra as lines of a plot, over wavelength, with breaks at bad bands and gaps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["SpectrumLine", "spectrum_line"]

# Distance between bands, relative to the median, above which the line has a break.
_GAP = 6.0


class SpectrumLine(NamedTuple):
    """
    The points of the line of a spectrum.

    Attributes
    ----------
    place : ndarray of shape (points,)
        Wavelength in nanometres, or band number; NaN at breaks.
    band : ndarray of int, shape (points,)
        Index of the band, -1 at breaks.
    label : str
        Label of the axis.
    """

    place: NDArray[np.float64]
    band: NDArray[np.intp]
    label: str

    def values(self, spectrum: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return a spectrum (bands, ...) at the points (points, ...), NaN at breaks."""
        values = np.asarray(spectrum, dtype=np.float64)[self.band]
        values[self.band < 0] = np.nan
        return values


def spectrum_line(wavelength: NDArray[np.float64], good: NDArray[np.bool_]) -> SpectrumLine:
    """
    Return the line of the good bands; over band numbers if a wavelength is unknown.

    Parameters
    ----------
    wavelength : ndarray of shape (bands,)
        Nanometres, in any order, NaN where unknown.
    good : ndarray of bool, shape (bands,)
        False for bands that are not drawn.

    Examples
    --------
    >>> line = spectrum_line(np.array([500.0, 510, 400, 900, 520]), np.array([1, 1, 1, 1, 0], bool))
    >>> line.place.tolist(), line.band.tolist()
    ([400.0, 500.0, 510.0, nan, 900.0], [2, 0, 1, -1, 3])
    """
    count = len(wavelength)
    has_wavelengths = bool(np.isfinite(wavelength[good]).all())
    along = wavelength if has_wavelengths else np.arange(1.0, count + 1)
    order = np.argsort(along, kind="stable")
    step = np.diff(along[order])
    breaks = np.zeros(count, bool)  # before a band
    if step.size and (typical := float(np.median(step))) > 0:
        breaks[1:] = step > _GAP * typical
    place: list[float] = []
    band: list[int] = []
    broken = False
    for number, index in enumerate(order):
        broken = broken or bool(breaks[number])
        if not good[index]:
            broken = True
            continue
        if broken and band:
            place.append(np.nan)
            band.append(-1)
        place.append(float(along[index]))
        band.append(int(index))
        broken = False
    label = "wavelength [nm]" if has_wavelengths else "band"
    return SpectrumLine(np.array(place), np.array(band, dtype=np.intp), label)
