"""
The files that define a sensor: one TOML and the CSV tables beside it, checked.

Units are part of each key's name. A key that is not known is an error, so that a
slip (``fwhm`` for ``fwhm_across_px``) cannot pass unnoticed.
"""

from __future__ import annotations

import csv
import math
import tomllib
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.sensor import Blur, ResponseCurves, Sensor, Source, frozen
from hsfuse.errors import SensorError

__all__ = ["fwhm_from_mtf", "read_definition", "shipped"]

_BLUR_STATUS = ("measured", "specification", "convention", "assumed")
_STATUS = (*_BLUR_STATUS, "nominal", "derived")
_TABLE: dict[str, type] = {"file": str, "status": str, "source": str, "sha256": str}
_PSF = ("fwhm_across_px", "fwhm_along_px", "fwhm_across_m", "fwhm_along_m")
_MTF = ("mtf_nyquist", "mtf_nyquist_across", "mtf_nyquist_along")
#: Section, key, type: all that a definition may say.
_KEYS: dict[str, dict[str, type]] = {
    "": {
        "id": str,
        "title": str,
        "kind": str,
        "aliases": list,
        "gsd_m": float,
        "gsd_status": str,
        "gsd_source": str,
    },
    "bands": _TABLE,
    "srf": {**_TABLE, "negative": bool},
    "psf": {"status": str, "source": str, **dict.fromkeys((*_PSF, *_MTF), float)},
    "bad": {"windows_nm": list, "status": str, "source": str},
    "source": {"url": str, "licence": str, "note": str},
}


class _Bands(NamedTuple):
    names: tuple[str, ...]
    centre: NDArray[np.float64]
    fwhm: NDArray[np.float64]
    good: NDArray[np.bool_]


class _Curves(NamedTuple):
    names: tuple[str, ...]
    wavelength: NDArray[np.float64]
    response: NDArray[np.float64]


def fwhm_from_mtf(gain: float) -> float:
    """
    Return the FWHM in pixels of the Gaussian whose MTF at Nyquist is ``gain``.

    ``sigma = sqrt(-2 ln G) / pi`` pixels, for a sampling frequency of one per pixel.

    Raises
    ------
    SensorError
        If the gain is not between 0 and 1.

    Examples
    --------
    >>> round(fwhm_from_mtf(0.3), 3)
    1.163
    """
    if not 0 < gain < 1:
        raise SensorError(f"the MTF at Nyquist must lie between 0 and 1, got {gain}")
    return math.sqrt(8 * math.log(2)) * math.sqrt(-2 * math.log(gain)) / math.pi


@cache
def shipped() -> dict[str, Traversable]:
    """Return the definitions that come with hsfuse: id and aliases to file."""
    found: dict[str, Traversable] = {}
    for entry in sorted(files("hsfuse.sensors").iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".toml"):
            for name in (entry.name[:-5], *_document(entry).get("aliases", [])):
                found[name.replace("_", "-")] = entry
    return found


def read_definition(entry: Traversable, folder: Traversable) -> Sensor:
    """
    Return the sensor that a file defines.

    Parameters
    ----------
    entry : Traversable
        The TOML file.
    folder : Traversable
        Where its tables lie.

    Raises
    ------
    SensorError
        If a file is missing or malformed, or a value is not what it should be.
    """
    values = _sections(_document(entry), entry)
    top, source = values[""], values.get("source", {})
    bands, curves = _tables(values, entry, folder)
    return Sensor(
        id=top["id"],
        title=top["title"],
        kind=top["kind"],
        band_names=bands.names,
        wavelength=frozen(bands.centre),
        fwhm=frozen(bands.fwhm),
        good=frozen(bands.good),
        curves=curves,
        gsd=float(top.get("gsd_m", math.nan)),
        blur=_blur(values.get("psf"), top.get("gsd_m"), entry),
        bad_windows=_windows(values.get("bad", {}), entry),
        bands_status=values.get("bands", {}).get("status", "derived"),
        gsd_status=top.get("gsd_status", "unknown"),
        source=Source(**source),
    )


def _tables(
    values: dict[str, dict[str, Any]], entry: Traversable, folder: Traversable
) -> tuple[_Bands, ResponseCurves | None]:
    """Return the bands, from their own table or the curves', and the curves."""
    read = None
    if "srf" in values:
        path = _beside(folder, values["srf"], "srf", entry)
        read = _read_curves(path, negative=bool(values["srf"].get("negative", False)))
    if "bands" in values:
        bands = _read_bands(_beside(folder, values["bands"], "bands", entry))
    elif read is not None:
        bands = _centroids(read)
    else:
        raise SensorError(f"{entry}: it needs [bands] or [srf] with a file")
    if read is None:
        return bands, None
    if read.names != bands.names:
        raise SensorError(
            f"{entry}: [srf] and [bands] must name the same bands in the same order, "
            f"got {', '.join(read.names)} and {', '.join(bands.names)}"
        )
    status = values["srf"]["status"]
    return bands, ResponseCurves(frozen(read.wavelength), frozen(read.response), status)


def _document(entry: Traversable) -> dict[str, Any]:
    try:
        return tomllib.loads(entry.read_text(encoding="utf-8"))
    except OSError as error:
        raise SensorError(f"{entry}: it cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SensorError(f"{entry}: it is not valid TOML: {error}") from error


def _sections(document: dict[str, Any], entry: Traversable) -> dict[str, dict[str, Any]]:
    """Return the document by section, every key known and every value of its type."""
    values: dict[str, dict[str, Any]] = {
        "": {key: value for key, value in document.items() if not isinstance(value, dict)}
    }
    values |= {key: value for key, value in document.items() if isinstance(value, dict)}
    for section, table in values.items():
        if section not in _KEYS:
            raise SensorError(
                f"{entry}: unknown section [{section}]; "
                f"known are {', '.join(f'[{name}]' for name in _KEYS if name)}"
            )
        for key, value in table.items():
            where = f"[{section}] {key}" if section else key
            wanted = _KEYS[section].get(key)
            if wanted is None:
                raise SensorError(
                    f"{entry}: unknown key {where}; known are {', '.join(_KEYS[section])}"
                )
            number = wanted is float and isinstance(value, int) and not isinstance(value, bool)
            if not isinstance(value, wanted) and not number:
                raise SensorError(f"{entry}: {where} must be a {wanted.__name__}, got {value!r}")
    for key in ("id", "title", "kind"):
        if not values[""].get(key):
            raise SensorError(f"{entry}: it must say {key}")
    for section in ("bands", "srf", "psf", "bad"):
        accepted = _BLUR_STATUS if section == "psf" else _STATUS
        if section in values and values[section].get("status") not in accepted:
            raise SensorError(
                f"{entry}: [{section}] status must be one of {', '.join(accepted)}, "
                f"got {values[section].get('status')!r}"
            )
    if "gsd_m" in values[""] and values[""].get("gsd_status") not in _STATUS:
        raise SensorError(
            f"{entry}: gsd_status must be one of {', '.join(_STATUS)}, "
            f"got {values[''].get('gsd_status')!r}"
        )
    return values


def _blur(psf: dict[str, Any] | None, gsd: float | None, entry: Traversable) -> Blur:
    """Return the PSF in pixels, whichever way it is given; one pixel if it is not."""
    if gsd is not None and not 0 < gsd < math.inf:
        raise SensorError(f"{entry}: gsd_m must be positive metres, got {gsd}")
    if psf is None:
        return Blur()
    given = set(psf) & {*_PSF, *_MTF}
    ways: dict[tuple[str, str], Callable[[float], float]] = {
        ("fwhm_along_px", "fwhm_across_px"): float,
        ("fwhm_along_m", "fwhm_across_m"): lambda width: width / (gsd or math.nan),
        ("mtf_nyquist_along", "mtf_nyquist_across"): fwhm_from_mtf,
        ("mtf_nyquist", "mtf_nyquist"): fwhm_from_mtf,
    }
    for (along, across), pixels in ways.items():
        if given == {along, across}:
            if along.endswith("_m") and gsd is None:
                raise SensorError(f"{entry}: [psf] {along} is in metres, so gsd_m must be given")
            try:
                widths = pixels(psf[along]), pixels(psf[across])
                return Blur(*widths, psf["status"], psf.get("source", ""))
            except SensorError as error:
                raise SensorError(f"{entry}: [psf] {error}") from error
    raise SensorError(
        f"{entry}: [psf] must give fwhm_along_px and fwhm_across_px, the same in _m, "
        "mtf_nyquist, or mtf_nyquist_along and mtf_nyquist_across, "
        f"got {', '.join(sorted(given)) or 'none'}"
    )


def _windows(bad: dict[str, Any], entry: Traversable) -> tuple[tuple[float, float], ...]:
    windows = bad.get("windows_nm", [])
    for window in [item if isinstance(item, list) else [item] for item in windows]:
        numbers = [edge for edge in window if isinstance(edge, int | float)]
        if not (len(window) == len(numbers) == 2 and 0 < numbers[0] < numbers[1]):
            raise SensorError(
                f"{entry}: [bad] windows_nm must be pairs [low, high] in nanometres, got {window}"
            )
    return tuple((float(low), float(high)) for low, high in windows)


def _beside(
    folder: Traversable, table: dict[str, Any], section: str, entry: Traversable
) -> Traversable:
    name = table.get("file", "")
    path: Traversable = folder / name
    if not name or not path.is_file():
        raise SensorError(f"{entry}: [{section}] file must be a CSV beside it, got {name!r}")
    return path


def _rows(path: Traversable) -> tuple[list[str], list[list[str]]]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SensorError(f"{path}: it must be CSV text in UTF-8: {error}") from error
    lines = [row for row in csv.reader(text.splitlines()) if row]
    if len(lines) < 2:
        raise SensorError(f"{path}: it must have a header and at least one row")
    header, rows = lines[0], lines[1:]
    if any(len(row) != len(header) for row in rows):
        raise SensorError(f"{path}: every row must have {len(header)} values, as the header")
    return header, rows


def _number(text: str, path: Traversable) -> float:
    try:
        return float(text) if text.strip() else math.nan
    except ValueError as error:
        raise SensorError(f"{path}: {text!r} is not a number") from error


def _read_bands(path: Traversable) -> _Bands:
    header, rows = _rows(path)
    if header != ["band", "centre_nm", "fwhm_nm", "good"]:
        raise SensorError(
            f"{path}: the columns must be band,centre_nm,fwhm_nm,good, got {','.join(header)}"
        )
    names = tuple(row[0] for row in rows)
    centre = np.array([_number(row[1], path) for row in rows])
    fwhm = np.array([_number(row[2], path) for row in rows])
    if len(set(names)) < len(names):
        raise SensorError(f"{path}: band names must differ")
    if not np.all(centre > 0) or np.any(np.diff(np.sort(centre)) <= 0):
        raise SensorError(f"{path}: centre_nm must be positive, and no two bands the same")
    if np.any(fwhm <= 0):
        raise SensorError(f"{path}: fwhm_nm must be positive, or blank where unknown")
    if any(row[3] not in {"0", "1"} for row in rows):
        raise SensorError(f"{path}: good must be 0 or 1")
    return _Bands(names, centre, fwhm, np.array([row[3] == "1" for row in rows]))


def _read_curves(path: Traversable, *, negative: bool) -> _Curves:
    header, rows = _rows(path)
    if header[0] != "wavelength_nm" or len(set(header)) < len(header) or len(header) < 2:
        raise SensorError(
            f"{path}: the columns must be wavelength_nm and one for each band, "
            f"got {','.join(header)}"
        )
    table = np.array([[_number(value, path) for value in row] for row in rows]).T
    wavelength, response = table[0], table[1:]
    if not np.all(np.isfinite(table)):
        raise SensorError(f"{path}: every value must be a finite number")
    if wavelength.size < 2 or wavelength[0] <= 0 or np.any(np.diff(wavelength) <= 0):
        raise SensorError(f"{path}: wavelength_nm must be positive and increase")
    if np.any(response < 0) and not negative:
        raise SensorError(
            f"{path}: a response cannot be negative, got {response.min()} "
            "(negative = true in [srf] allows it for colour matching functions)"
        )
    if np.any(response.sum(axis=1) <= 0):
        raise SensorError(f"{path}: every band must respond somewhere")
    return _Curves(tuple(header[1:]), wavelength, response)


def _centroids(curves: _Curves) -> _Bands:
    """Return the bands of curves that come without a band table."""
    positive = np.maximum(curves.response, 0) * np.gradient(curves.wavelength)
    centre = positive @ curves.wavelength / positive.sum(axis=1)
    count = len(curves.names)
    return _Bands(curves.names, centre, np.full(count, math.nan), np.ones(count, dtype=bool))
