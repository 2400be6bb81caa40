"""
Catalogue of sensors by name or file, and the response matrix R between two sensors.

A definition is a TOML file with CSV tables in the same folder, shipped in ``hsfuse.sensors`` or
given by the user.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hsfuse.core.text import listed
from hsfuse.errors import SensorError
from hsfuse.sensor.definition import fwhm_from_mtf, read_definition, shipped, withheld
from hsfuse.sensor.model import (
    Kind,
    ResponseCurves,
    Sensor,
    Source,
    frozen,
    one_per_band,
    sensor_from_bands,
)
from hsfuse.sensor.response import gaussian_curves, integrate

__all__ = [
    "pick_sensor",
    "Kind",
    "Response",
    "ResponseCurves",
    "Sensor",
    "Source",
    "fitting_sensors",
    "fwhm_from_mtf",
    "known_sensor",
    "list_sensors",
    "load_sensor",
    "response_matrix",
    "sensor_from_bands",
]


def list_sensors() -> tuple[str, ...]:
    """Return the ids of the sensors shipped with hsfuse, sorted."""
    return tuple(sorted({entry.name.removesuffix(".toml") for entry in shipped().values()}))


def load_sensor(name_or_path: str | os.PathLike[str]) -> Sensor:
    """
    Return a sensor by name, or by the path of a definition.

    Parameters
    ----------
    name_or_path : str or path
        A name of :func:`list_sensors` or an alias (ignoring case, ``-`` and ``_``), or the path of
        a ``.toml`` file with its tables in the same folder.

    Raises
    ------
    SensorError
        If the name is unknown or belongs to a sensor that may not be distributed, or the definition
        is malformed.

    Examples
    --------
    >>> load_sensor("sentinel-2a").select(["B2", "B3", "B4", "B8"]).wavelength.round().tolist()
    [493.0, 560.0, 665.0, 833.0]
    """
    text = os.fspath(name_or_path)
    if text.lower().endswith(".toml"):
        path = Path(text)
        return read_definition(path, path.parent)
    name = text.strip().lower().replace("_", "-").replace(" ", "-")
    if name not in shipped():
        _refuse_withheld(text, name)
        near = difflib.get_close_matches(name, shipped(), n=3, cutoff=0.5)
        ids = sorted({shipped()[match].name.removesuffix(".toml") for match in near}, key=_natural)
        hint = f"did you mean {' or '.join(ids)}? " if ids else ""
        raise SensorError(
            f"unknown sensor {text!r}; {hint}accepted are the ids of `hsfuse sensors list` "
            "and the path of a .toml definition"
        )
    return _shipped_sensor(shipped()[name].name)


def _natural(name: str) -> list[tuple[int, str]]:
    """Return the key that sorts numbers in names by their value: landsat-8 before landsat-10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _refuse_withheld(text: str, name: str) -> None:
    for withheld_name, reason in withheld().items():
        if withheld_name.replace("-", "") == name.replace("-", ""):
            raise SensorError(
                f"sensor {text!r} does not come with hsfuse: {reason}; write its bands or curves "
                "as a definition (.toml with CSV tables, `hsfuse sensors check` reads it) and give "
                "its path"
            )


@cache
def _shipped_sensor(file: str) -> Sensor:
    folder = files("hsfuse.sensors")
    return read_definition(folder / file, folder)


def pick_sensor(sensor: str | os.PathLike[str] | Sensor) -> Sensor:
    """
    Return a sensor, or some of its bands when the name ends in ``:B2,B3,B4``.

    Raises
    ------
    SensorError
        If the sensor or one of the bands is unknown.
    """
    if isinstance(sensor, Sensor):
        return sensor
    name, colon, bands = os.fspath(sensor).partition(":")
    definition = load_sensor(name)
    return definition.select([band.strip() for band in bands.split(",")]) if colon else definition


def fitting_sensors(count: int, wavelength: ArrayLike) -> tuple[str, ...]:
    """
    Return the names of real hyperspectral sensors whose bands match a raster.

    Parameters
    ----------
    count : int
        Number of bands of the raster.
    wavelength : array_like of shape (count,)
        Band centres in nanometres, NaN where unknown: then only the number of bands is compared.

    Examples
    --------
    >>> fitting_sensors(426, np.full(426, np.nan))
    ('neon-nis',)
    """
    centre = np.asarray(wavelength, dtype=np.float64)
    has_wavelengths = bool(np.isfinite(centre).all())
    sensors = (load_sensor(name) for name in list_sensors() if not name.startswith("generic-"))
    return tuple(
        sensor.id
        for sensor in sensors
        if sensor.kind == "hs"
        and len(sensor.band_names) == count
        and (not has_wavelengths or sensor.contains(centre))
    )


def known_sensor(
    requested: str | os.PathLike[str] | Sensor | None, stated: str | None
) -> Sensor | None:
    """
    Return the requested sensor, else the one that a raster states; None for neither.

    Raises
    ------
    SensorError
        If the sensor or one of its bands is unknown.
    """
    sensor = requested or stated
    return pick_sensor(sensor) if sensor else None


@dataclass(frozen=True, eq=False, slots=True)
class Response:
    """
    Response of an MS sensor to the bands of an HS raster.

    Attributes
    ----------
    matrix : ndarray of shape (MS bands, bands)
        R, with rows that sum to one, or are zero without overlap.
    coverage : ndarray of shape (MS bands,)
        Share of the response of each MS band inside the HS bands, 0 to 1.
    band_names : tuple of str
        Names of the MS bands.
    """

    matrix: NDArray[np.float64]
    coverage: NDArray[np.float64]
    band_names: tuple[str, ...]


def response_matrix(
    fine: Sensor,
    wavelength: ArrayLike,
    fwhm: ArrayLike | None = None,
    *,
    good: ArrayLike | None = None,
) -> Response:
    """
    Return R, the MS bands as weighted sums of the bands of a hyperspectral raster.

    ``R[b, j] = width_j * integral(SRF_b(l) * g_j(l) dl)``, each row divided by its sum.
    ``g_j`` is a Gaussian of unit area with the FWHM of band j, and ``width_j`` the width of the
    spectral range that band j represents, which accounts for irregular sampling and overlapping
    detectors. An unknown FWHM is replaced by the local sampling step; a curve that is sampled no
    finer than the bands is interpolated at their centres instead (the convention of the CAVE
    literature: R is the table, rows divided by their sum). ``coverage`` reports the share of the
    response outside the bands, which the normalisation of rows hides.

    Parameters
    ----------
    fine : Sensor
        Sensor of the high-resolution raster; bands without curves are Gaussians.
    wavelength, fwhm : array_like of shape (bands,)
        Bands of the hyperspectral raster in nanometres, in any order, NaN where unknown.
    good : array_like of bool, shape (bands,), optional
        Bands to use. Bad bands and those without a wavelength have columns of zeros.

    Raises
    ------
    SensorError
        If no wavelength is known, or an MS band has neither a curve nor a FWHM.
    """
    centre = np.asarray(wavelength, dtype=np.float64)
    width = one_per_band(fwhm, centre, "fwhm")
    usable = np.isfinite(centre)
    if good is not None:
        usable &= np.asarray(good, dtype=bool)
    if not usable.any():
        raise SensorError(
            "the hyperspectral raster has no good band with a known wavelength; "
            "name its sensor, or write wavelengths into its metadata"
        )
    curves = fine.curves
    if curves is None:
        curves = _gaussians(fine)
    matrix = np.zeros((len(fine.band_names), centre.size))
    coverage = np.zeros(len(fine.band_names))
    for band, curve in enumerate(curves.response):
        row, coverage[band] = integrate(curves.wavelength, curve, centre[usable], width[usable])
        total = row.sum()
        matrix[band, usable] = row / total if total > 0 else 0.0
    return Response(frozen(matrix), frozen(coverage), fine.band_names)


def _gaussians(fine: Sensor) -> ResponseCurves:
    complete = np.isfinite(fine.wavelength) & np.isfinite(fine.fwhm)
    if not complete.all():
        missing = [name for name, ok in zip(fine.band_names, complete, strict=True) if not ok]
        raise SensorError(
            f"band {listed(missing)} of {fine.id or 'the raster'} has neither a response curve "
            "nor a centre and FWHM; name a sensor that has, such as generic-rgb or sentinel-2a"
        )
    return ResponseCurves(*gaussian_curves(fine.wavelength, fine.fwhm), fine.bands_status)
