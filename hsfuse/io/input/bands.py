"""
Band metadata of a raster: wavelength, FWHM, good-band flag and name of each band.

Files store these in several places. :func:`file_bands` reads the carriers in a fixed order and
uses the first that states a wavelength; likewise for the FWHM.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from hsfuse.core.colours import COLOURS
from hsfuse.core.text import listed
from hsfuse.errors import RasterError
from hsfuse.io.input.wavelengths import describe_unusable, from_descriptions, nanometres
from hsfuse.sensor.model import Sensor

__all__ = ["UNIT_KEYS", "BandTable", "file_bands", "store_bands", "with_sensor"]

Vector = NDArray[np.float64]

_WAVELENGTH = (
    "wavelength",
    "wavelengths",
    "radiation_wavelength",
    "sensor_band_central_radiation_wavelength",
)
_WIDTH = ("fwhm", "sensor_band_spectral_width")
_GOOD = ("good", "good_wavelengths", "bbl")
#: Attributes that state the unit of wavelengths and widths.
UNIT_KEYS = ("wavelength_units", "wavelength_unit")
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
        False where the file flags the band as bad.
    names : tuple of str
    source : str
        Metadata carrier of the wavelengths, or ``none``.
    named : bool
        Whether all names come from the file.
    notes : tuple of str
        Metadata that could not be interpreted, one sentence each.
    """

    wavelength: Vector
    fwhm: Vector
    good: NDArray[np.bool_]
    names: tuple[str, ...]
    source: str = "none"
    named: bool = False
    notes: tuple[str, ...] = ()


def file_bands(dataset: DatasetReader, indexes: Sequence[int]) -> BandTable:
    """
    Return the band metadata of a file opened with GDAL.

    Order of the carriers: the ``IMAGERY`` domain, the ENVI header, the metadata items of the
    bands, the band descriptions. For a file in ENVI format the header comes first: GDAL derives
    the ``IMAGERY`` domain from it and rounds to whole nanometres.

    Parameters
    ----------
    dataset : DatasetReader
        An open file.
    indexes : sequence of int
        Numbers of the bands, counted from 1, without an alpha band.

    Raises
    ------
    RasterError
        If a list in an ENVI header does not have one entry for each band.
    """
    carriers = _FileCarriers(dataset, indexes)
    usable = carriers.header_list("bbl")
    good = np.ones(len(indexes), dtype=bool) if usable is None else usable > 0
    good &= [_valid_percent(entry) > 0 for entry in carriers.items]
    table = _first_known(_named(carriers.names(), good, indexes), carriers.wavelengths())
    if table.source != "none":
        return table
    return replace(table, names=carriers.colours(table), notes=tuple(carriers.notes[:1]))


class _FileCarriers:
    """
    The carriers of band metadata in a GDAL file, for the bands ``indexes`` (from 1).

    ``items`` are the metadata items of each band, ``notes`` the reasons why wavelengths read so far
    are unusable.
    """

    def __init__(self, dataset: DatasetReader, indexes: Sequence[int]) -> None:
        self.notes: list[str] = []
        self.items = [_lower(dataset.tags(index)) for index in indexes]
        self._dataset, self._indexes = dataset, indexes
        self._header = {name.lower(): text for name, text in dataset.tags(ns="ENVI").items()}
        self._descriptions = [dataset.descriptions[index - 1] or "" for index in indexes]

    def header_list(self, name: str) -> Vector | None:
        """Return a list of the ENVI header, shape (bands,); None if it is absent or no numbers."""
        numbers = _numbers(self._header.get(name, ""))
        count = self._dataset.count
        if name not in self._header or (numbers is not None and len(numbers) == count):
            return None if numbers is None else numbers[np.array(self._indexes) - 1]
        if self._dataset.driver != "ENVI":  # a copy of some bands may keep the header of all bands
            return None
        raise RasterError(
            f"{self._dataset.name}: the list '{name}' of its ENVI header does not hold one number "
            f"for each of its {count} bands; correct it or take it out"
        )

    def names(self) -> list[str]:
        """Return the name of each band, "" where there is none."""
        is_envi = self._dataset.driver == "ENVI"
        listed = _words(self._header.get("band_names", "")) if is_envi else []
        if len(listed) == self._dataset.count:
            return [listed[index - 1] for index in self._indexes]
        return self._descriptions

    def colours(self, table: BandTable) -> tuple[str, ...]:
        """Return the names, with red, green and blue for unnamed bands of these colours."""
        stated = [self._dataset.colorinterp[index - 1].name for index in self._indexes]
        if any(self.names()) or any(stated.count(colour) != 1 for colour in COLOURS):
            return table.names
        return tuple(
            colour if colour in COLOURS else name
            for colour, name in zip(stated, table.names, strict=True)
        )

    def wavelengths(self) -> dict[str, Iterator[Vector | None]]:
        """Return, by carrier in order of precedence, iterators of wavelength and FWHM in nm."""
        carriers = {
            "IMAGERY domain": self._imagery(),
            "ENVI header": self._envi_header(),
            "band items": self._band_items(),
            "band descriptions": iter(from_descriptions(self.names())),
        }
        if self._dataset.driver == "ENVI":
            carriers = {"ENVI header": carriers["ENVI header"]} | carriers
            if "wavelength" in self._header:  # GDAL derives the other carriers from this list
                derived = {"IMAGERY domain", "band items"}
                derived |= set() if "band_names" in self._header else {"band descriptions"}
                carriers = {name: read for name, read in carriers.items() if name not in derived}
        return carriers

    def _envi_header(self) -> Iterator[Vector | None]:
        unit = self._header.get("wavelength_units", "")
        centre = self.header_list("wavelength")
        yield self._nanometres(centre, unit)
        yield nanometres(self.header_list("fwhm"), unit, reference=centre)

    def _imagery(self) -> Iterator[Vector | None]:
        tags = [_lower(self._dataset.tags(index, ns="IMAGERY")) for index in self._indexes]
        centre = _column(tags, "central_wavelength_um")
        yield self._nanometres(centre, "um")
        yield nanometres(_column(tags, "fwhm_um"), "um", reference=centre)

    def _band_items(self) -> Iterator[Vector | None]:
        items = self.items
        unit = next((entry[key] for entry in items for key in entry if key in UNIT_KEYS), "")
        centre = _column(items, "wavelength")
        yield self._nanometres(centre, unit)
        yield nanometres(_column(items, "fwhm"), unit, reference=centre)

    def _nanometres(self, centre: Vector | None, unit: str) -> Vector | None:
        self.notes.extend(describe_unusable(centre, unit))
        return nanometres(centre, unit)


def store_bands(array: xr.DataArray) -> BandTable:
    """
    Return the band metadata of an array, from its coordinates along ``band``.

    Recognised names are ``wavelength``, ``radiation_wavelength`` (also as CF ``standard_name``),
    ``fwhm``, ``good``, ``band_name`` and their variants; ``units`` gives the unit of lengths.

    Parameters
    ----------
    array : DataArray of shape (bands, rows, columns)
    """
    along = {
        name: coordinate
        for name, coordinate in array.coords.items()
        if coordinate.dims == ("band",)
    }

    raw, unit = _lengths(_find(along, _WAVELENGTH))
    width, width_unit = _lengths(_find(along, _WIDTH))
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
        "wavelength coordinate": iter(
            (nanometres(raw, unit), nanometres(width, width_unit, reference=raw))
        ),
        "band descriptions": iter(from_descriptions(names)),
    }
    table = _first_known(_named(names, good, range(1, count + 1)), carriers)
    return table if table.source != "none" else replace(table, notes=_unusable(along, raw, unit))


def _lengths(coordinate: xr.DataArray | None) -> tuple[Vector | None, str]:
    """Return lengths and their unit; text is read as numbers, or as lengths with their unit."""
    if coordinate is None:
        return None, ""
    unit = str(coordinate.attrs.get("units", ""))
    if coordinate.dtype.kind in "iuf":
        return np.asarray(coordinate.values, dtype=np.float64), unit
    if coordinate.dtype.kind not in "OSUT":
        return None, unit
    try:
        return np.array([float(value) for value in coordinate.values.tolist()]), unit
    except (TypeError, ValueError):
        centre, _ = from_descriptions([str(value) for value in coordinate.values.tolist()])
    return (centre, "nm") if np.isfinite(centre).any() else (None, unit)


def _unusable(
    along: Mapping[Hashable, xr.DataArray], raw: Vector | None, unit: str
) -> tuple[str, ...]:
    """Return a note on wavelengths that cannot be used; empty where there are none."""
    centre = _find(along, _WAVELENGTH)
    if raw is not None or centre is None:
        return describe_unusable(raw, unit)
    found = listed([repr(str(value)) for value in centre.values.tolist()], 3)
    return (
        f"its wavelengths ({found}) are no numbers, so none are known; nanometres or micrometres "
        "with their unit are expected, or the name of the sensor",
    )


def with_sensor(table: BandTable, sensor: Sensor) -> BandTable:
    """
    Return the band table with the wavelengths of a sensor where the file states none.

    The sensor must have as many bands as the raster, or bands of the same names; otherwise the
    table is returned unchanged.
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
    """Return one number for each band, NaN where it is missing or not a number."""
    if not any(name in entry for entry in tags):
        return None
    column = [_numbers(entry.get(name, "")) for entry in tags]
    return np.array([np.nan if number is None else number[0] for number in column])


def _valid_percent(items: Mapping[str, str]) -> float:
    """Return the stored percentage of valid pixels; 100 where it is not stored."""
    stated = _numbers(items.get("statistics_valid_percent", ""))
    return 100.0 if stated is None else float(stated[0])
