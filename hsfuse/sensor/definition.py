"""
The files that define a sensor: one TOML and the CSV tables beside it, checked.

Units are part of each key's name. A key that is not known is an error, so that a
slip (``fwhm`` for ``fwhm_across_px``) cannot pass unnoticed. Every fault is one line, and
what merely follows from another fault is not told.
"""

from __future__ import annotations

import csv
import difflib
import math
import tomllib
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple, get_args

from hsfuse.errors import SensorError
from hsfuse.sensor.model import Blur, Kind, ResponseCurves, Sensor, Source, frozen
from hsfuse.sensor.tables import BandRows, CurveRows, bands_of_curves, read_bands, read_curves

__all__ = ["check_definition", "fwhm_from_mtf", "read_definition", "shipped", "withheld"]

Section = dict[str, Any]

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
#: What a type of Python is called in TOML.
_TYPES = {str: "text", float: "a number", bool: "true or false", list: "a list"}


class _Document(NamedTuple):
    """A definition by section, without what is unknown or of the wrong type: that is flawed."""

    entry: Traversable
    values: dict[str, Section]
    flawed: set[tuple[str, str]]

    def flaw_in(self, section: str) -> bool:
        """Tell whether something in a section was not understood."""
        return any(name == section for name, _ in self.flawed)

    def lacks(self, section: str, key: str) -> bool:
        """Tell whether a key is absent, and is not one of those misspelt or of a wrong type."""
        flaws = [flaw for name, flaw in self.flawed if name == section]
        return not self.values[section].get(key) and not difflib.get_close_matches(key, flaws)


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


@cache
def withheld() -> dict[str, str]:
    """Return the sensors that hsfuse knows and may not ship: name to reason."""
    text = (files("hsfuse.sensors") / "withheld.csv").read_text(encoding="utf-8")
    return {row["name"]: row["reason"] for row in csv.DictReader(text.splitlines())}


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
        If a file is missing or malformed, or a value is not what it should be: the first
        fault, and how many there are besides.
    """
    sensor, faults = _read(entry, folder)
    if sensor is None:
        more = len(faults) - 1
        others = f" ({more} more; `hsfuse sensors check` tells all)" if more else ""
        raise SensorError(faults[0] + others)
    return sensor


def check_definition(entry: Traversable, folder: Traversable) -> tuple[str, ...]:
    """
    Return what is wrong with a definition, one line for each fault of its own.

    Parameters
    ----------
    entry : Traversable
        The TOML file.
    folder : Traversable
        Where its tables lie.
    """
    return tuple(_read(entry, folder)[1])


def _read(entry: Traversable, folder: Traversable) -> tuple[Sensor | None, list[str]]:
    """Return the sensor or, when there is any fault, None and all of them."""
    faults: list[str] = []
    try:
        document = _sections(_document(entry), entry, faults)
    except SensorError as error:
        return None, [str(error)]
    values, top = document.values, document.values[""]
    _check_top(document, faults)
    _check_statuses(document, faults)
    bands, curves = _tables(document, folder, faults)
    blur = _blur(document, faults)
    windows = _windows(document, faults)
    if faults or bands is None:
        return None, faults
    sensor = Sensor(
        id=top["id"],
        title=top["title"],
        kind=top["kind"],
        band_names=bands.names,
        wavelength=frozen(bands.centre),
        fwhm=frozen(bands.fwhm),
        good=frozen(bands.good),
        curves=curves,
        gsd=float(top.get("gsd_m", math.nan)),
        blur=blur,
        bad_windows=windows,
        bands_status=values.get("bands", {}).get("status", "derived"),
        gsd_status=top.get("gsd_status", "unknown"),
        source=Source(**values.get("source", {})),
    )
    return sensor, faults


def _document(entry: Traversable) -> Section:
    try:
        return tomllib.loads(entry.read_text(encoding="utf-8"))
    except OSError as error:
        raise SensorError(f"{entry}: it cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SensorError(f"{entry}: it is not valid TOML: {error}") from error


def _sections(document: Section, entry: Traversable, faults: list[str]) -> _Document:
    """Return the document by section, every key known and every value of its type."""
    tables = {key: value for key, value in document.items() if isinstance(value, dict)}
    given = {"": {key: value for key, value in document.items() if key not in tables}} | tables
    kept = _Document(entry, {}, set())
    for section, table in given.items():
        if section not in _KEYS:
            known = ", ".join(f"[{name}]" for name in _KEYS if name)
            faults.append(f"{entry}: unknown section [{section}]; known are {known}")
            kept.flawed.add((section, ""))
            continue
        kept.values[section] = {}
        for key, value in table.items():
            where = f"[{section}] {key}" if section else key
            wanted = _KEYS[section].get(key)
            if wanted is None:
                known = ", ".join(_KEYS[section])
                faults.append(f"{entry}: unknown key {where}; known are {known}")
            elif not _is(value, wanted):
                faults.append(f"{entry}: {where} must be {_TYPES[wanted]}, got {value!r}")
            else:
                kept.values[section][key] = value
                continue
            kept.flawed.add((section, key))
    return kept


def _is(value: object, wanted: type) -> bool:
    """Tell whether a value of TOML is of a type; a whole number is a number, true is none."""
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, wanted)


def _check_top(document: _Document, faults: list[str]) -> None:
    entry, top = document.entry, document.values[""]
    absent = [key for key in ("id", "title", "kind") if document.lacks("", key)]
    if absent:
        faults.append(f"{entry}: it must say {', '.join(absent)}")
    kinds = get_args(Kind)
    if top.get("kind") and top["kind"] not in kinds:
        faults.append(f"{entry}: kind must be one of {', '.join(kinds)}, got {top['kind']!r}")
    strange = [alias for alias in top.get("aliases", []) if not isinstance(alias, str)]
    if strange:
        faults.append(f"{entry}: aliases must be text, got {strange[0]!r}")
    gsd = top.get("gsd_m")
    if gsd is not None and not 0 < gsd < math.inf:
        faults.append(f"{entry}: gsd_m must be positive metres, got {gsd}")


def _check_statuses(document: _Document, faults: list[str]) -> None:
    """Refuse a number that does not say how well it is known."""
    for section, owner, key, accepted in (
        ("", "gsd_m", "gsd_status", _STATUS),
        ("bands", "", "status", _STATUS),
        ("srf", "", "status", _STATUS),
        ("psf", "", "status", _BLUR_STATUS),
        ("bad", "", "status", _STATUS),
    ):
        table = document.values.get(section)
        if table is None or (owner and owner not in table):
            continue
        if document.lacks(section, key) or table.get(key, accepted[0]) not in accepted:
            where = f"[{section}] {key}" if section else key
            given = repr(table[key]) if key in table else "none"
            faults.append(
                f"{document.entry}: {where} must be one of {', '.join(accepted)}, got {given}"
            )


def _tables(
    document: _Document, folder: Traversable, faults: list[str]
) -> tuple[BandRows | None, ResponseCurves | None]:
    """Return the bands, from their own table or the curves', and the curves."""
    values, entry = document.values, document.entry
    bands: BandRows | None = None
    read: CurveRows | None = None
    if "srf" in values:
        path = _beside(document, folder, "srf", faults)
        negative = bool(values["srf"].get("negative", False))
        read = read_curves(path, faults, negative=negative) if path else None
    if "bands" in values:
        path = _beside(document, folder, "bands", faults)
        bands = read_bands(path, faults) if path else None
    elif read is not None:
        bands = bands_of_curves(read)
    # A section that is not known may be one of these misspelt.
    elif "srf" not in values and not any(key == "" for _, key in document.flawed):
        faults.append(f"{entry}: it needs [bands] or [srf] with a file")
    if bands is None or read is None:
        return bands, None
    if read.names != bands.names:
        faults.append(
            f"{entry}: [srf] and [bands] must name the same bands in the same order, "
            f"got {', '.join(read.names)} and {', '.join(bands.names)}"
        )
    status = values["srf"].get("status", "")
    return bands, ResponseCurves(frozen(read.wavelength), frozen(read.response), status)


def _beside(
    document: _Document, folder: Traversable, section: str, faults: list[str]
) -> Traversable | None:
    name = document.values[section].get("file", "")
    path: Traversable = folder / name
    if name and path.is_file():
        return path
    if name or document.lacks(section, "file"):
        faults.append(
            f"{document.entry}: [{section}] file must be a CSV beside it, got {name or 'none'!r}"
        )
    return None


def _blur(document: _Document, faults: list[str]) -> Blur:
    """Return the PSF in pixels, whichever way it is given; one pixel if it is not."""
    psf, entry = document.values.get("psf"), document.entry
    if psf is None or document.flaw_in("psf"):
        return Blur()
    gsd = document.values[""].get("gsd_m")
    given = set(psf) & {*_PSF, *_MTF}
    ways: dict[tuple[str, str], Callable[[float], float]] = {
        ("fwhm_along_px", "fwhm_across_px"): float,
        ("fwhm_along_m", "fwhm_across_m"): lambda width: width / (gsd or math.nan),
        ("mtf_nyquist_along", "mtf_nyquist_across"): fwhm_from_mtf,
        ("mtf_nyquist", "mtf_nyquist"): fwhm_from_mtf,
    }
    for (along, across), pixels in ways.items():
        if given != {along, across}:
            continue
        if along.endswith("_m") and not (gsd is not None and 0 < gsd < math.inf):
            if gsd is None and ("", "gsd_m") not in document.flawed:
                faults.append(f"{entry}: [psf] {along} is in metres, so gsd_m must be given")
            return Blur()
        try:
            return Blur(
                pixels(psf[along]),
                pixels(psf[across]),
                psf.get("status", ""),
                psf.get("source", ""),
            )
        except SensorError as error:
            faults.append(f"{entry}: [psf] {error}")
            return Blur()
    faults.append(
        f"{entry}: [psf] must give fwhm_along_px and fwhm_across_px, the same in _m, "
        "mtf_nyquist, or mtf_nyquist_along and mtf_nyquist_across, "
        f"got {', '.join(sorted(given)) or 'none'}"
    )
    return Blur()


def _windows(document: _Document, faults: list[str]) -> tuple[tuple[float, float], ...]:
    windows = document.values.get("bad", {}).get("windows_nm", [])
    for window in [item if isinstance(item, list) else [item] for item in windows]:
        numbers = [edge for edge in window if _is(edge, float)]
        if not (len(window) == len(numbers) == 2 and 0 < numbers[0] < numbers[1]):
            faults.append(
                f"{document.entry}: [bad] windows_nm must be pairs [low, high] in nanometres, "
                f"got {window}"
            )
            return ()
    return tuple((float(low), float(high)) for low, high in windows)
