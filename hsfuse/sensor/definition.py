"""
Reading and checking of sensor definitions: a TOML document with CSV tables in its folder.

Every error is one line; consequences of another error are not reported.
"""

from __future__ import annotations

import csv
import math
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from hsfuse.core.psf import ASSUMED_PSF, PSF
from hsfuse.core.resample import FWHM_PER_SIGMA
from hsfuse.errors import SensorError
from hsfuse.sensor.model import ResponseCurves, Sensor, Source, frozen
from hsfuse.sensor.tables import BandRows, bands_of_curves, read_bands, read_curves

if TYPE_CHECKING:
    from hsfuse.sensor.schema import Definition

__all__ = ["check_definition", "fwhm_from_mtf", "read_definition", "shipped", "withheld"]


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
    return FWHM_PER_SIGMA * math.sqrt(-2 * math.log(gain)) / math.pi


@cache
def shipped() -> dict[str, Traversable]:
    """Return the definitions shipped with hsfuse: file by id and alias."""
    definitions: dict[str, Traversable] = {}
    for entry in sorted(files("hsfuse.sensors").iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".toml"):
            for name in (entry.name[:-5], *_document(entry).get("aliases", [])):
                definitions[name.replace("_", "-")] = entry
    return definitions


@cache
def withheld() -> dict[str, str]:
    """Return the sensors that may not be distributed: reason by name."""
    text = (files("hsfuse.sensors") / "withheld.csv").read_text(encoding="utf-8")
    return {row["name"]: row["reason"] for row in csv.DictReader(text.splitlines())}


def read_definition(entry: Traversable, folder: Traversable) -> Sensor:
    """
    Read the sensor of a definition file.

    Parameters
    ----------
    entry : Traversable
        The TOML file.
    folder : Traversable
        Folder of its tables.

    Raises
    ------
    SensorError
        If a file is missing or malformed, or a value is not valid: the first error, and the number
        of further ones.
    """
    sensor, faults = _read(entry, folder)
    if sensor is None:
        more = len(faults) - 1
        others = f" ({more} more; `hsfuse sensors check` lists all)" if more else ""
        raise SensorError(faults[0] + others)
    return sensor


def check_definition(entry: Traversable, folder: Traversable) -> tuple[str, ...]:
    """
    Return the errors of a definition, one line each.

    Parameters
    ----------
    entry : Traversable
        The TOML file.
    folder : Traversable
        Folder of its tables.
    """
    return tuple(_read(entry, folder)[1])


def _read(entry: Traversable, folder: Traversable) -> tuple[Sensor | None, list[str]]:
    """Return the sensor and no errors, or None and all errors."""
    from hsfuse.sensor.schema import read_sections  # pydantic takes a while to import

    try:
        document = _document(entry)
    except SensorError as error:
        return None, [str(error)]
    lines: list[str] = []
    sections = read_sections(document, lines)
    psf = _psf(sections, lines, sized="gsd_m" in document)
    paths = [_table_file(folder, document.get(name), name, lines) for name in ("bands", "srf")]
    faults = [f"{entry}: {line}" for line in lines]
    bands, curves = _tables(entry, sections, paths, faults)
    top, bad, source = sections.top, sections.bad, sections.source
    if faults or bands is None or top is None:
        return None, faults
    sensor = Sensor(
        id=top.id,
        title=top.title,
        kind=top.kind,
        band_names=bands.names,
        wavelength=frozen(bands.centre),
        fwhm=frozen(bands.fwhm),
        good=frozen(bands.good),
        curves=curves,
        gsd=top.gsd_m or math.nan,
        psf=psf,
        bad_windows=tuple((low, high) for low, high in bad.windows_nm) if bad else (),
        bands_status=sections.bands.status if sections.bands else "derived",
        gsd_status=top.gsd_status or "unknown",
        source=Source(**source.model_dump()) if source else Source(),
    )
    return sensor, faults


def _document(entry: Traversable) -> dict[str, Any]:
    try:
        return tomllib.loads(entry.read_text(encoding="utf-8"))
    except OSError as error:
        raise SensorError(f"{entry}: it cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SensorError(f"{entry}: it is not valid TOML: {error}") from error


def _table_file(
    folder: Traversable, section: object, name: str, lines: list[str]
) -> Traversable | None:
    """Return the table file of a section, which must be in the folder of the definition."""
    stated = section.get("file") if isinstance(section, dict) else None
    if not isinstance(stated, str) or not stated:
        return None  # absent, or already reported
    file, path = PurePath(stated), folder / stated
    inside = not file.is_absolute() and ".." not in file.parts
    if isinstance(path, Path) and isinstance(folder, Path):  # a symbolic link may leave the folder
        inside = inside and path.resolve().is_relative_to(folder.resolve())
    if inside and path.is_file():
        return path
    expected = "a CSV beside it" if inside else "in the folder of the definition"
    lines.append(f"[{name}] file must be {expected}, got {stated!r}")
    return None


def _tables(
    entry: Traversable,
    sections: Definition,
    paths: Sequence[Traversable | None],
    faults: list[str],
) -> tuple[BandRows | None, ResponseCurves | None]:
    """Return the bands, from their table or from the curves, and the curves."""
    srf = sections.srf
    read = read_curves(paths[1], faults, negative=srf.negative) if srf and paths[1] else None
    bands = read_bands(paths[0], faults) if paths[0] else None
    if read is None or srf is None:
        return bands, None
    if sections.bands is None:
        bands = bands_of_curves(read)
    elif bands is not None and read.names != bands.names:
        faults.append(
            f"{entry}: [srf] and [bands] must name the same bands in the same order, "
            f"got {', '.join(read.names)} and {', '.join(bands.names)}"
        )
    return bands, ResponseCurves(frozen(read.wavelength), frozen(read.response), srf.status)


def _psf(sections: Definition, lines: list[str], *, sized: bool) -> PSF:
    """Return the PSF in pixels from any form of statement; one pixel if it is not stated."""
    psf, top = sections.psf, sections.top
    if psf is None:
        return ASSUMED_PSF
    along, across = (float(getattr(psf, key)) for key in psf.form)
    if psf.form[0].endswith("_m"):
        if not sized:
            lines.append(f"[psf] {psf.form[0]} is in metres, so gsd_m must be given")
        if top is None or top.gsd_m is None:
            return ASSUMED_PSF
        along, across = along / top.gsd_m, across / top.gsd_m
    elif psf.form[0].startswith("mtf"):
        along, across = fwhm_from_mtf(along), fwhm_from_mtf(across)
    return PSF((along, across), psf.status, psf.source)
