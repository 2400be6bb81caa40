"""
What a raster says of its bands: wavelength, width, whether they are good, their names.

There is no one place for it. :func:`file_bands` asks each carrier in turn and the first
that knows a wavelength is believed; the same holds for widths.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from rasterio.io import DatasetReader

from hsfuse.errors import RasterError
from hsfuse.sensor.model import Sensor

__all__ = ["BandTable", "file_bands", "from_descriptions", "store_bands", "with_sensor"]

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
_LONGEST = 1e6  # nanometres: beyond a millimetre no optical sensor sees
_LONGEST_IN_MICROMETRES = 100.0  # a number below is in micrometres where no unit is stated
_NUMBER = r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?"
_WITH_UNIT = re.compile(
    rf"(?:({_NUMBER})\s*(?:-|\u2013|to)\s*)?({_NUMBER})\s*"
    r"(nm|nanomet(?:er|re)s?|[uµμ]m|micromet(?:er|re)s?|microns?)(?![a-z])",
    re.IGNORECASE,
)
_WAVELENGTH = (
    "wavelength",
    "wavelengths",
    "radiation_wavelength",
    "sensor_band_central_radiation_wavelength",
)
_WIDTH = ("fwhm", "sensor_band_spectral_width")
_GOOD = ("good", "good_wavelengths", "bbl")
_NAMES = ("band_name", "band_names", "long_name")


@dataclass(frozen=True, eq=False)
class BandTable:
    """
    The bands of one raster.

    Attributes
    ----------
    wavelength, fwhm : ndarray of shape (bands,)
        Nanometres, NaN where unknown.
    good : ndarray of bool, shape (bands,)
        False where the file says that a band is not to be trusted.
    names : tuple of str
    source : str
        The carrier of the wavelengths, or ``none``.
    named : bool
        Whether the names are the file's own.
    """

    wavelength: Vector
    fwhm: Vector
    good: NDArray[np.bool_]
    names: tuple[str, ...]
    source: str = "none"
    named: bool = False


def file_bands(dataset: DatasetReader, indexes: Sequence[int]) -> BandTable:
    """
    Return what a file that GDAL opened says of its bands.

    Asked in this order: the ``IMAGERY`` domain, the ENVI header, the bands' own items,
    their descriptions. For a file in ENVI format the header comes first: GDAL derives the
    ``IMAGERY`` domain from it and rounds to whole nanometres.

    Parameters
    ----------
    dataset : DatasetReader
        An open file.
    indexes : sequence of int
        The bands wanted, from 1 on; an alpha band is none.

    Raises
    ------
    RasterError
        If a list in the header of an ENVI file does not fit its bands.
    """
    place = np.array(indexes) - 1
    envi = {name.lower(): text for name, text in dataset.tags(ns="ENVI").items()}
    items = [_lower(dataset.tags(index)) for index in indexes]
    descriptions = [dataset.descriptions[index - 1] or "" for index in indexes]

    def header_list(name: str) -> Vector | None:
        numbers = _numbers(envi.get(name, ""))
        if name not in envi or (numbers is not None and len(numbers) == dataset.count):
            return None if numbers is None else numbers[place]
        if dataset.driver != "ENVI":  # a copy of some bands keeps the header of them all
            return None
        raise RasterError(
            f"{dataset.name}: the list '{name}' of its ENVI header does not hold one number for "
            f"each of its {dataset.count} bands; correct it or take it out"
        )

    def header() -> Iterator[Vector | None]:
        unit = envi.get("wavelength_units", "")
        centre = header_list("wavelength")
        yield nanometres(centre, unit)
        yield nanometres(header_list("fwhm"), unit, alike=centre)

    def imagery() -> Iterator[Vector | None]:
        tags = [_lower(dataset.tags(index, ns="IMAGERY")) for index in indexes]
        for name in ("central_wavelength_um", "fwhm_um"):
            yield nanometres(_column(tags, name), "um")

    def own_items() -> Iterator[Vector | None]:
        unit = next((entry[key] for entry in items for key in entry if key in _UNIT_KEYS), "")
        centre = _column(items, "wavelength")
        yield nanometres(centre, unit)
        yield nanometres(_column(items, "fwhm"), unit, alike=centre)

    carriers: dict[str, Callable[[], Iterator[Vector | None]]] = {
        "IMAGERY domain": imagery,
        "ENVI header": header,
        "band items": own_items,
        "band descriptions": lambda: iter(from_descriptions(descriptions)),
    }
    if dataset.driver == "ENVI":
        carriers = {"ENVI header": header} | carriers
    usable = header_list("bbl")
    good = np.ones(len(indexes), dtype=bool) if usable is None else usable > 0
    good &= [_valid_percent(entry) > 0 for entry in items]
    listed = _words(envi.get("band_names", "")) if dataset.driver == "ENVI" else []
    if len(listed) == dataset.count:
        descriptions = [listed[index - 1] for index in indexes]
    table = _named(descriptions, good, indexes)
    return _first_known(table, {name: ask() for name, ask in carriers.items()})


_UNIT_KEYS = ("wavelength_units", "wavelength_unit")


def store_bands(array: xr.DataArray) -> BandTable:
    """
    Return what a zarr store says of its bands, by its coordinates along ``band``.

    Known are ``wavelength``, ``radiation_wavelength`` and CF's ``standard_name`` of it,
    ``fwhm``, ``good``, ``band_name`` and likes of them; lengths have a ``units`` attribute.

    Parameters
    ----------
    array : DataArray of shape (bands, rows, columns)
    """
    along = {
        name: coordinate
        for name, coordinate in array.coords.items()
        if coordinate.dims == ("band",)
    }

    def lengths(names: Sequence[str], alike: Vector | None = None) -> Vector | None:
        found = _find(along, names)
        if found is None or found.dtype.kind not in "iuf":
            return None
        return nanometres(found.values, str(found.attrs.get("units", "")), alike=alike)

    centre = _find(along, _WAVELENGTH)
    raw = None if centre is None or centre.dtype.kind not in "iuf" else centre.values
    usable = _find(along, _GOOD)
    count = array.sizes["band"]
    good = np.ones(count, dtype=bool) if usable is None else np.nan_to_num(usable.values) > 0
    coordinate = along.get("band")
    names = [""] * count
    stated = _find(along, _NAMES)
    if stated is not None:
        names = [str(name) for name in stated.values.tolist()]
    elif coordinate is not None and len(coordinate.attrs.get("band_name", ())) == count:
        names = [str(name) for name in coordinate.attrs["band_name"]]
    elif coordinate is not None and coordinate.dtype.kind in "OUT":
        names = [str(name) for name in coordinate.values.tolist()]
    carriers: dict[str, Iterator[Vector | None]] = {
        "wavelength coordinate": iter((lengths(_WAVELENGTH), lengths(_WIDTH, raw))),
        "band descriptions": iter(from_descriptions(names)),
    }
    return _first_known(_named(names, good, range(1, count + 1)), carriers)


def with_sensor(table: BandTable, sensor: Sensor) -> BandTable:
    """
    Return the bands, with the wavelengths of a sensor where the file knows none.

    A sensor fits a raster with as many bands as it has, or whose bands are named like
    some of its own; otherwise the table comes back as it was.
    """
    if np.isfinite(table.wavelength).any():
        return table
    known = {name.lower(): name for name in sensor.band_names}
    if table.named and all(name.strip().lower() in known for name in table.names):
        sensor = sensor.select([known[name.strip().lower()] for name in table.names])
    elif len(sensor.band_names) != len(table.names):
        return table
    return replace(
        table,
        wavelength=np.array(sensor.wavelength),
        fwhm=np.where(np.isfinite(table.fwhm), table.fwhm, sensor.fwhm),
        good=table.good & sensor.good,
        names=table.names if table.named else sensor.band_names,
        source=f"sensor {sensor.id}",
    )


def nanometres(
    values: ArrayLike | None, unit: str, *, alike: ArrayLike | None = None
) -> Vector | None:
    """
    Return lengths in nanometres, NaN for those that are not positive or exceed a millimetre.

    Parameters
    ----------
    values : array_like of shape (bands,), optional
        None stays None.
    unit : str
        Any spelling. Where it is missing or ``Unknown``, it is micrometres if all values
        are below 100; an unfamiliar unit (band numbers, wavenumbers) gives None.
    alike : array_like of shape (bands,), optional
        Values of the same unit to judge it by, for widths.

    Examples
    --------
    >>> nanometres([0.65, 0.0], "Micrometers").tolist(), nanometres([650.0], "Unknown").tolist()
    ([650.0, nan], [650.0])
    """
    if values is None:
        return None
    lengths = np.array(values, dtype=np.float64)
    word = unit.strip().lower().replace("µ", "u").replace("μ", "u").replace("metre", "meter")
    if word in _UNSTATED:
        judge = lengths if alike is None else np.asarray(alike, dtype=np.float64)
        finite = judge[np.isfinite(judge)]
        factor = 1e3 if finite.size and finite.max() < _LONGEST_IN_MICROMETRES else 1.0
    elif word in _NANOMETRES or word.rstrip("s") in _NANOMETRES:
        factor = _NANOMETRES.get(word) or _NANOMETRES[word.rstrip("s")]
    else:
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        lengths *= factor
        lengths[~((lengths > 0) & (lengths <= _LONGEST))] = np.nan
        return np.round(lengths, 6)


def from_descriptions(descriptions: Sequence[str]) -> tuple[Vector, Vector]:
    """
    Return wavelength and FWHM that band descriptions mention, in nanometres.

    A number counts if a unit follows; a range gives its middle and width. Bare numbers
    count only if every band has one and they cannot be band numbers: distinct, and all
    at least 300 (nanometres), or all fractions below 15 (micrometres).

    Examples
    --------
    >>> from_descriptions(["Band 12 (0.65 um)", "Red, 640-660 nm", "NIR"])[0].tolist()
    [650.0, 650.0, nan]
    >>> from_descriptions(["1", "2"])[0].tolist()
    [nan, nan]
    """
    centre, width = np.full((2, len(descriptions)), np.nan)
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
        if numbers.min() >= 300:
            centre = numbers
        elif numbers.max() < 15 and numbers.min() > 0 and all("." in text for text in bare):
            centre = np.round(numbers * 1e3, 6)
    return centre, width


def _first_known(table: BandTable, carriers: Mapping[str, Iterator[Vector | None]]) -> BandTable:
    for name, carrier in carriers.items():
        wavelength, fwhm = carrier
        if wavelength is not None and table.source == "none" and np.isfinite(wavelength).any():
            table = replace(table, wavelength=wavelength, source=name)
        if fwhm is not None and not np.isfinite(table.fwhm).any():
            table = replace(table, fwhm=fwhm)
    return table


def _named(names: Sequence[str], good: NDArray[np.bool_], indexes: Sequence[int]) -> BandTable:
    unknown = np.full(len(names), np.nan)
    filled = tuple(
        name.strip() or f"band {index}" for name, index in zip(names, indexes, strict=True)
    )
    named = all(name.strip() for name in names)
    return BandTable(unknown, unknown.copy(), good, filled, named=named)


def _find(along: Mapping[Hashable, xr.DataArray], names: Sequence[str]) -> xr.DataArray | None:
    for name, coordinate in along.items():
        if name in names or coordinate.attrs.get("standard_name") in names:
            return coordinate
    return None


def _lower(tags: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): text for name, text in tags.items()}


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.strip().strip("{}").split(",")]


def _numbers(text: str) -> Vector | None:
    try:
        return np.array([float(word) for word in _words(text)])
    except ValueError:
        return None


def _column(tags: Sequence[Mapping[str, str]], name: str) -> Vector | None:
    """Return one number for each band, NaN where it is missing or no number."""
    if not any(name in entry for entry in tags):
        return None
    column = [_numbers(entry.get(name, "")) for entry in tags]
    return np.array([np.nan if number is None else number[0] for number in column])


def _valid_percent(items: Mapping[str, str]) -> float:
    """Return the share of pixels with data, if somebody computed it; 100 otherwise."""
    stated = _numbers(items.get("statistics_valid_percent", ""))
    return 100.0 if stated is None else float(stated[0])
