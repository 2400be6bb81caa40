"""
Labels of bands in messages: the number, from 1, with the name and the wavelength where known.

A name alone is ambiguous where it is a number, as the bands of many files are called.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["band_label", "band_labels", "is_number", "list_bands", "states_wavelength"]

_WAVELENGTH = re.compile(r"\(?\d+(\.\d+)?\s*(nm|nanomet\w*|um|µm|micromet\w*)\b\)?", re.IGNORECASE)
_NUMBER = re.compile(r"(band|channel|(?-i:b))?[ _#-]*(\d*)(\.\d+)?", re.IGNORECASE)


def states_wavelength(name: str) -> bool:
    """
    Return whether the name of a band contains its wavelength.

    Examples
    --------
    >>> [states_wavelength(name) for name in ("664.6 nm", "Red (0.66 um)", "B4", "7")]
    [True, True, False, False]
    """
    return _WAVELENGTH.search(name) is not None


def is_number(name: str) -> bool:
    """
    Return whether the name of a band is no more than a number, or empty.

    With a capital B it is that of a band of Sentinel-2 or Landsat.

    Examples
    --------
    >>> [is_number(name) for name in ("7", "Band 3", "channel_12", "b4", "", "B4", "Red")]
    [True, True, True, True, True, False, False]
    """
    return _NUMBER.fullmatch(name.strip()) is not None


def band_label(number: int, nm: float = math.nan, name: str = "") -> str:
    """
    Return the number of a band, with its name and wavelength where it has them.

    Parameters
    ----------
    number : int
        Number of the band in its image, from 1.
    nm : float
        Wavelength in nanometres; NaN if unknown.
    name : str
        Name in the file. A number is quoted, and left out if it is that of the band.

    Examples
    --------
    >>> band_label(3, 664.6, "B4"), band_label(3, 664.6, "664.6 nm"), band_label(3)
    ('band 3 (B4, 665 nm)', 'band 3 (665 nm)', 'band 3')
    >>> band_label(3, 664.6, "Band 3"), band_label(3, 664.6, "7")
    ('band 3 (665 nm)', "band 3 ('7', 665 nm)")
    """
    rest = name.strip()
    if math.isfinite(nm):
        rest = _WAVELENGTH.sub("", rest).strip(" ,")
    if numbered := _NUMBER.fullmatch(rest):
        digits = numbered[2] + (numbered[3] or "")
        rest = "" if not digits or _whole(digits) == number else repr(rest)
    wavelength = f"{nm:.0f} nm" if math.isfinite(nm) else ""
    facts = ", ".join(fact for fact in (rest, wavelength) if fact)
    return f"band {number} ({facts})" if facts else f"band {number}"


def _whole(digits: str) -> int | None:
    return int(digits) if digits.isdigit() else None


def band_labels(
    wavelength: NDArray[np.float64], names: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Return the label of each band of an image (:func:`band_label`)."""
    known = [""] * len(wavelength) if names is None else names
    return tuple(
        band_label(number, float(nm), str(name))
        for number, (nm, name) in enumerate(zip(wavelength, known, strict=True), start=1)
    )


def list_bands(chosen: NDArray[np.bool_], wavelength: NDArray[np.float64], maximum: int = 6) -> str:
    """
    Return the numbers of bands and their wavelengths, neighbouring bands as one range.

    Parameters
    ----------
    chosen : ndarray of bool, shape (bands,)
        Bands to list.
    wavelength : ndarray of shape (bands,)
        In nanometres; NaN where unknown.
    maximum : int
        Largest number of ranges listed.

    Examples
    --------
    >>> centre = np.array([410.0, 420.0, 430.0, 440.0, 450.0])
    >>> list_bands(np.array([True, True, False, False, True]), centre)
    'bands 1 to 2 (410 to 420 nm) and 5 (450 nm)'
    >>> list_bands(np.array([False, True, False, True, False]), np.full(5, np.nan), maximum=1)
    'bands 2 and 1 more'
    """
    index = np.flatnonzero(chosen)
    if not index.size:
        return "no bands"
    runs = np.split(index, np.flatnonzero(np.diff(index) > 1) + 1)
    texts = [_range(run + 1, wavelength[run]) for run in runs[:maximum]]
    more = sum(run.size for run in runs[maximum:])
    if more:
        texts.append(f"{more} more")
    text = " and ".join(part for part in (", ".join(texts[:-1]), texts[-1]) if part)
    return f"band{'' if index.size == 1 else 's'} {text}"


def _range(numbers: NDArray[np.intp], wavelength: NDArray[np.float64]) -> str:
    ends = dict.fromkeys((str(numbers[0]), str(numbers[-1])))
    known = wavelength[np.isfinite(wavelength)]
    if not known.size:
        return " to ".join(ends)
    limits = dict.fromkeys(f"{nm:.0f}" for nm in (known.min(), known.max()))
    return f"{' to '.join(ends)} ({' to '.join(limits)} nm)"
