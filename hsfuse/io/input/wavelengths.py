"""Parsing of wavelengths: units, and detection of band numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hsfuse.io.settings import WAVELENGTHS

__all__ = ["from_descriptions", "nanometres", "describe_unusable"]

Vector = NDArray[np.float64]

_NANOMETRES = {
    "nm": 1.0,
    "nanometer": 1.0,
    "um": 1e3,
    "micrometer": 1e3,
    "micron": 1e3,
    "mm": 1e6,
    "millimeter": 1e6,
    "m": 1e9,
    "meter": 1e9,
    "angstrom": 0.1,
}
_UNSTATED = ("", "unknown", "none", "1")
_NUMBER = r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?"
_WITH_UNIT = re.compile(
    rf"(?:({_NUMBER})\s*(?:-|\u2013|to)\s*)?({_NUMBER})\s*"
    r"(nm|nanomet(?:er|re)s?|[uµμ]m|micromet(?:er|re)s?|microns?)(?![a-z])",
    re.IGNORECASE,
)


def nanometres(
    values: ArrayLike | None, unit: str, *, reference: ArrayLike | None = None
) -> Vector | None:
    """
    Convert lengths to nanometres; NaN for those that are not positive or exceed a millimetre.

    Parameters
    ----------
    values : array_like of shape (bands,), optional
        Lengths; None gives None.
    unit : str
        Any spelling. Without a unit, or with ``Unknown``, values are micrometres if all are below
        100. An unsupported unit (wavenumbers) gives None, and so do band numbers: consecutive
        integers from 1 in any unit; without a unit, integers below 100, or integers that begin
        between 100 and 200.
    reference : array_like of shape (bands,), optional
        Wavelengths in the same unit, from which the unit of widths is derived.

    Examples
    --------
    >>> nanometres([0.65, 0.0], "Micrometers").tolist(), nanometres([650.0], "Unknown").tolist()
    ([650.0, nan], [650.0])
    """
    if values is None:
        return None
    lengths = np.array(values, dtype=np.float64)
    word = _unit(unit)
    known = lengths if reference is None else np.asarray(reference, dtype=np.float64)
    if _is_numbering(known, word):
        return None
    if word in _UNSTATED:
        finite = known[np.isfinite(known)]
        factor = 1e3 if finite.size and finite.max() < WAVELENGTHS.longest_in_micrometres else 1.0
    elif word in _NANOMETRES:
        factor = _NANOMETRES[word]
    else:
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        lengths *= factor
        lengths[~((lengths > 0) & (lengths <= WAVELENGTHS.longest))] = np.nan
        return np.round(lengths, 6)


def _unit(text: str) -> str:
    word = text.strip().lower().replace("µ", "u").replace("μ", "u").replace("metre", "meter")
    return word.rstrip("s") if word.rstrip("s") in _NANOMETRES else word


def _is_numbering(values: Vector, unit: str) -> bool:
    """Return whether numbers are band numbers; see :func:`nanometres`."""
    stated = np.sort(values[np.isfinite(values) & (values > 0)])
    if stated.size < 2 or (stated != np.round(stated)).any():
        return False
    counting = stated[0] == 1 and bool((np.diff(stated) == 1).all())
    if unit not in _UNSTATED:
        return counting and stated.size > 2
    return bool(
        counting
        or stated[-1] < WAVELENGTHS.longest_in_micrometres
        or stated[0] < WAVELENGTHS.shortest
    )


def describe_unusable(values: ArrayLike | None, unit: str) -> tuple[str, ...]:
    """Return a note on wavelengths that cannot be used; empty where they can."""
    if values is None or nanometres(values, unit) is not None:
        return ()
    numbers = np.asarray(values, dtype=np.float64)
    found = f"{np.nanmin(numbers):g} to {np.nanmax(numbers):g}, unit {unit.strip() or 'not stated'}"
    why = "are band numbers" if _is_numbering(numbers, _unit(unit)) else "are in an unknown unit"
    return (
        f"its wavelengths ({found}) {why}, so none are known; nanometres or micrometres with "
        "their unit are expected, or the name of the sensor",
    )


def from_descriptions(descriptions: Sequence[str]) -> tuple[Vector, Vector]:
    """
    Parse wavelength and FWHM in nanometres from band descriptions, NaN where there are none.

    A number with a unit is used; a range gives its centre and width. Numbers without a unit are
    used only if every band has one and they cannot be band numbers: distinct, and all at least
    300 (nanometres), or all fractions below 15 (micrometres).

    Examples
    --------
    >>> from_descriptions(["Band 12 (0.65 um)", "Red, 640-660 nm", "NIR"])[0].tolist()
    [650.0, 650.0, nan]
    >>> from_descriptions(["1", "2"])[0].tolist()
    [nan, nan]
    """
    centre, width = np.full((2, len(descriptions)), np.nan)
    counted = [float(match.group(2)) for text in descriptions if (match := _WITH_UNIT.search(text))]
    if len(counted) == len(descriptions) and _is_numbering(np.array(counted), "nm"):
        return centre, width
    for band, text in enumerate(descriptions):
        match = _WITH_UNIT.search(text)
        if match is None:
            continue
        low, high, unit = match.groups()
        factor = 1.0 if unit.lower().startswith("n") else 1e3
        if low is not None and float(low) < float(high):
            width[band] = round((float(high) - float(low)) * factor, 6)
            centre[band] = round((float(low) + float(high)) / 2 * factor, 6)
        else:
            centre[band] = round(float(high) * factor, 6) or np.nan
    bare = [text.strip() for text in descriptions]
    if bare and all(re.fullmatch(_NUMBER, text) for text in bare) and len(set(bare)) == len(bare):
        numbers = np.array([float(text) for text in bare])
        if numbers.min() >= WAVELENGTHS.shortest_described:
            centre = numbers
        elif (
            numbers.max() < WAVELENGTHS.longest_described_in_micrometres
            and numbers.min() > 0
            and all("." in text for text in bare)
        ):
            centre = np.round(numbers * 1e3, 6)
    return centre, width
