"""
Readers of the CSV tables of a sensor definition: bands, and response curves.

A reader appends all errors of a table, one line each, to a list, and then returns None.
Consequences of an error are not reported.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["BandRows", "CurveRows", "bands_of_curves", "read_bands", "read_curves"]

Vector = NDArray[np.float64]

_COLUMNS = ["band", "centre_nm", "fwhm_nm", "good"]
_LONGEST_IN_MICROMETRES = 100.0  # no optical sensor has all of its bands below 100 nm


class BandRows(NamedTuple):
    """Bands: names, centre and FWHM in nanometres (FWHM NaN where unknown), good-band flags."""

    names: tuple[str, ...]
    centre: Vector
    fwhm: Vector
    good: NDArray[np.bool_]


class CurveRows(NamedTuple):
    """Band names, wavelengths in nanometres, responses of shape (bands, wavelengths)."""

    names: tuple[str, ...]
    wavelength: Vector
    response: NDArray[np.float64]


def read_bands(path: Traversable, faults: list[str]) -> BandRows | None:
    """
    Return the bands of a table ``band,centre_nm,fwhm_nm,good``.

    Parameters
    ----------
    path : Traversable
        A CSV file in UTF-8.
    faults : list of str
        Errors, appended to, one line each.
    """
    content = _rows(path, faults)
    if content is None:
        return None
    header, rows = content
    before = len(faults)
    if header != _COLUMNS:
        faults.append(f"{path}: the columns must be {','.join(_COLUMNS)}, got {','.join(header)}")
        return None
    names = tuple(row[0] for row in rows)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or "" in names:
        faults.append(
            f"{path}: every band must have a name of its own, got {', '.join(twice) or 'a blank'}"
            f"{' more than once' if twice else ''}"
        )
    centre = _numbers(path, "centre_nm", [row[1] for row in rows], faults)
    if centre is not None:
        _check_centres(path, names, centre, faults)
    fwhm = _numbers(path, "fwhm_nm", [row[2] for row in rows], faults)
    if fwhm is not None and np.any((fwhm <= 0) | np.isinf(fwhm)):
        wrong = int(np.argmax((fwhm <= 0) | np.isinf(fwhm)))
        faults.append(
            f"{path}: fwhm_nm must be positive, or blank where unknown, "
            f"got {fwhm[wrong]:g} for band {names[wrong]}"
        )
    flags = [row[3].strip() for row in rows]
    strange = [flag for flag in flags if flag not in {"0", "1"}]
    if strange:
        faults.append(f"{path}: good must be 0 or 1, got {strange[0]!r}")
    if len(faults) > before or centre is None or fwhm is None:
        return None
    return BandRows(names, centre, fwhm, np.array([flag == "1" for flag in flags]))


def read_curves(path: Traversable, faults: list[str], *, negative: bool) -> CurveRows | None:
    """
    Return the response curves of a table ``wavelength_nm`` and a column for each band.

    Parameters
    ----------
    path : Traversable
        A CSV file in UTF-8.
    faults : list of str
        Errors, appended to, one line each.
    negative : bool
        Whether negative responses are allowed, as in colour matching functions.
    """
    content = _rows(path, faults)
    if content is None:
        return None
    header, rows = content
    before = len(faults)
    if header[0] != "wavelength_nm" or len(set(header)) < len(header) or len(header) < 2:
        faults.append(
            f"{path}: the columns must be wavelength_nm and one for each band, "
            f"got {','.join(header)}"
        )
        return None
    columns = [
        _numbers(path, name, column, faults)
        for name, column in zip(header, zip(*rows, strict=True), strict=True)
    ]
    numbers = [column for column in columns if column is not None]
    if len(numbers) < len(columns):
        return None
    table = np.array(numbers)
    for name, column in zip(header, table, strict=True):
        if not np.all(np.isfinite(column)):
            row = int(np.argmax(~np.isfinite(column))) + 1
            faults.append(f"{path}: {name} must be a finite number in every row, not so in {row}")
    if len(faults) > before:
        return None
    wavelength, response = table[0], table[1:]
    _check_curves(path, header[1:], wavelength, response, faults, negative=negative)
    if len(faults) > before:
        return None
    return CurveRows(tuple(header[1:]), wavelength, response)


def bands_of_curves(curves: CurveRows) -> BandRows:
    """Return the bands of curves without a band table, at their centroids."""
    positive = np.maximum(curves.response, 0) * np.gradient(curves.wavelength)
    centre = positive @ curves.wavelength / positive.sum(axis=1)
    count = len(curves.names)
    return BandRows(curves.names, centre, np.full(count, math.nan), np.ones(count, dtype=bool))


def _rows(path: Traversable, faults: list[str]) -> tuple[list[str], list[list[str]]] | None:
    try:
        # Spreadsheets write a byte order mark, which is not part of the name of the first column.
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        faults.append(f"{path}: it must be CSV text in UTF-8: {error}")
        return None
    except OSError as error:
        faults.append(f"{path}: it cannot be read: {error.strerror or error}")
        return None
    lines = [row for row in csv.reader(text.splitlines()) if row]
    if len(lines) < 2:
        faults.append(f"{path}: it must have a header and at least one row, got {len(lines)} lines")
        return None
    header, rows = lines[0], lines[1:]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            faults.append(
                f"{path}: every row must have {len(header)} values, as the header, "
                f"got {len(row)} in row {number}"
            )
            return None
    return header, rows


def _numbers(
    path: Traversable, name: str, texts: Sequence[str], faults: list[str]
) -> Vector | None:
    """Return a column as numbers, NaN where blank."""
    values = np.full(len(texts), math.nan)
    for row, text in enumerate(texts):
        if text.strip():
            try:
                values[row] = float(text)
            except ValueError:
                faults.append(f"{path}: {name} in row {row + 1}: {text!r} is not a number")
                return None
    return values


def _check_centres(
    path: Traversable, names: Sequence[str], centre: Vector, faults: list[str]
) -> None:
    fit = np.isfinite(centre) & (centre > 0)
    if not fit.all():
        wrong = int(np.argmin(fit))
        text = "a blank" if np.isnan(centre[wrong]) else f"{centre[wrong]:g}"
        faults.append(f"{path}: centre_nm must be positive, got {text} for band {names[wrong]}")
        return
    _check_unit(path, "centre_nm", centre, faults)
    order = np.argsort(centre, kind="stable")
    same = np.flatnonzero(np.diff(centre[order]) == 0)
    if same.size:
        one, other = sorted(order[same[0] : same[0] + 2])
        faults.append(
            f"{path}: no two bands the same, got {names[one]} and {names[other]}, "
            f"both at {centre[one]:g} nm"
        )


def _check_unit(path: Traversable, name: str, wavelength: Vector, faults: list[str]) -> None:
    if wavelength.max() < _LONGEST_IN_MICROMETRES:
        faults.append(
            f"{path}: {name} must be nanometres, got {wavelength.min():g} to "
            f"{wavelength.max():g}, which would be micrometres"
        )


def _check_curves(
    path: Traversable,
    names: Sequence[str],
    wavelength: Vector,
    response: NDArray[np.float64],
    faults: list[str],
    *,
    negative: bool,
) -> None:
    if wavelength.size < 2 or wavelength[0] <= 0 or np.any(np.diff(wavelength) <= 0):
        faults.append(
            f"{path}: wavelength_nm must be positive and increase, in two rows at least, "
            f"got {', '.join(f'{value:g}' for value in wavelength[:4])}, ..."
        )
    else:
        _check_unit(path, "wavelength_nm", wavelength, faults)
    if np.any(response < 0) and not negative:
        band = int(np.argmin(response.min(axis=1)))
        faults.append(
            f"{path}: a response cannot be negative, got {response.min():g} for band "
            f"{names[band]} (negative = true in [srf] allows it for colour matching functions)"
        )
    silent = [name for name, curve in zip(names, response, strict=True) if not np.any(curve > 0)]
    if silent:
        faults.append(f"{path}: every band must respond somewhere, not so {', '.join(silent)}")
