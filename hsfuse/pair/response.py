"""The spectral response R of a pair from its sensors, and checks of sensors against bands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.core.band_labels import band_labels, list_bands
from hsfuse.errors import PairError, SensorError
from hsfuse.io.input.labels import raster_label
from hsfuse.sensor.catalogue import (
    Response,
    Sensor,
    fitting_sensors,
    load_sensor,
    response_matrix,
    sensor_from_bands,
)

__all__ = [
    "SETTINGS",
    "check_hs_sensor",
    "covered_bands",
    "pair_response",
    "suggest_hs_sensor",
]


@dataclass(frozen=True, slots=True)
class _Settings:
    """Thresholds of the checks that the bands of a pair match those of its sensors."""

    # Share of the response of an MS band inside the range of the HS bands: an error below the
    # first, since most of the signal is then outside the HS bands; a note below the second.
    minimum_coverage: float = 0.5
    full_coverage: float = 0.95
    # Difference in nanometres between a stated band centre and that of the sensor above which a
    # note names both: more than rounding to tens of nanometres.
    rounded_centre: float = 10.0
    # Largest number of sensors suggested for an image without one.
    maximum_suggested: int = 3


SETTINGS = _Settings()


def pair_response(
    hs: xr.DataArray, rgb: xr.DataArray, sensor: Sensor | None, both: str, notes: list[str]
) -> tuple[NDArray[np.float64] | None, str]:
    """
    Return R and its source, or None where it has to be estimated from the pair.

    Parameters
    ----------
    hs, rgb : DataArray
        The two rasters.
    sensor : Sensor or None
        Sensor of ``rgb``, where known.
    both : str
        Labels of both rasters, for messages.
    notes : list of str
        Notes for the user, appended to.

    Raises
    ------
    PairError
        If the bands of the sensor do not match, or the HS bands do not cover an MS band.
    """
    stated = sensor is None
    sensor = _bands_of(rgb, sensor, notes)
    if sensor is None:
        notes.append(
            f"{raster_label(rgb)} states no response and no sensor was named: the response is "
            "estimated from the pair, which leaves the spectral coverage of the MS bands unknown"
        )
        return None, "estimated from the pair"
    source = (
        "band centres and widths that the MS image states"
        if stated
        else f"response curves of {sensor.id}, {_named(sensor)}"
    )
    if not np.isfinite(hs["wavelength"].values).all():
        notes.append(
            f"{raster_label(hs)} states no wavelengths and no sensor was named: the response is "
            "estimated from the pair"
        )
        return None, "estimated from the pair"
    response = _response(hs, sensor, both)
    _check_coverage(hs, rgb, response.coverage, response.band_names, notes)
    return response.matrix, source


def _named(sensor: Sensor) -> str:
    """Return the bands of a sensor that the bands of an image are, in their order."""
    names = sensor.band_names
    return f"band{'' if len(names) == 1 else 's'} {', '.join(names)}"


def covered_bands(
    hs: xr.DataArray, rgb: xr.DataArray, sensor: Sensor | None
) -> tuple[NDArray[np.bool_], Sensor | None]:
    """
    Return the mask of MS bands covered at least half by the HS bands, and the MS sensor.

    All MS bands where the response is unknown.

    Parameters
    ----------
    hs, rgb, sensor
        As in :func:`pair_response`.

    Raises
    ------
    PairError
        If the bands of the sensor do not match.
    """
    sensor = _bands_of(rgb, sensor, [])
    if sensor is None or not np.isfinite(hs["wavelength"].values).all():
        return np.ones(rgb.sizes["band"], dtype=bool), sensor
    response = _response(hs, sensor, f"{raster_label(hs)} and {raster_label(rgb)}")
    return response.coverage >= SETTINGS.minimum_coverage, sensor


def _response(hs: xr.DataArray, sensor: Sensor, both: str) -> Response:
    try:
        return response_matrix(
            sensor, hs["wavelength"].values, hs["fwhm"].values, good=hs["good"].values
        )
    except SensorError as error:
        raise PairError(f"{both}: {error}") from error


def _bands_of(rgb: xr.DataArray, sensor: Sensor | None, notes: list[str]) -> Sensor | None:
    """Return the sensor with the bands of an MS image; None where these are unknown."""
    centre = np.asarray(rgb["wavelength"].values, dtype=np.float64)
    width = np.asarray(rgb["fwhm"].values, dtype=np.float64)
    names = tuple(str(name) for name in rgb["band_name"].values)
    bands = rgb.sizes["band"]
    if sensor is None and np.isfinite(centre).all() and np.isfinite(width).all():
        return sensor_from_bands(centre, width, names)
    if sensor is not None:
        if sensor.kind == "hs" and len(sensor.band_names) != bands:
            raise PairError(
                f"{raster_label(rgb)}: sensor {sensor.id} is hyperspectral; expected an RGB, "
                "multispectral or panchromatic one, or some of its bands as "
                f"{sensor.id}:BAND,BAND"
            )
        if np.isfinite(centre).all():
            # Wavelengths of the raster take precedence over the band order of the definition.
            try:
                sensor = sensor.match(centre)
            except SensorError as error:
                raise PairError(f"{raster_label(rgb)}: {error}") from error
            notes.extend(_nominal_centres(rgb, centre, sensor))
        if len(sensor.band_names) != bands:
            raise PairError(
                f"{raster_label(rgb)}: has {bands} bands, sensor {sensor.id} has "
                f"{len(sensor.band_names)} ({', '.join(sensor.band_names)}); name those it has "
                f"as {sensor.id}:BAND,BAND"
            )
    return sensor


def check_hs_sensor(hs: xr.DataArray, sensor: Sensor) -> list[str]:
    """
    Check the sensor that the user gave for the HS image; return notes on differences.

    The sensor matches if it has as many bands as the raster, or a separate band at each band centre
    of the raster.

    Parameters
    ----------
    hs : DataArray
        Raster of :func:`hsfuse.open_raster`.
    sensor : Sensor
        Sensor given by the user.

    Raises
    ------
    PairError
        If the bands match neither in number nor by wavelength.
    """
    if str(hs.attrs.get("wavelength_source", "")).startswith("sensor "):
        return []  # the wavelengths were taken from the sensor
    centre = np.asarray(hs["wavelength"].values, dtype=np.float64)
    bands, sensor_bands = hs.sizes["band"], len(sensor.band_names)
    if not np.isfinite(centre).all():
        if bands == sensor_bands:
            return []
        raise PairError(
            f"{raster_label(hs)}: has {bands} bands and does not state their wavelengths, sensor "
            f"{sensor.id} has {sensor_bands}; expected the sensor of the file, or its bands as "
            f"{sensor.id}:BAND,BAND"
        )
    stated = f"{centre.min():.0f} to {centre.max():.0f} nm"
    if sensor.contains(centre):
        if bands == sensor_bands:
            return []
        return [
            f"{raster_label(hs)} has {bands} bands, {stated}, sensor {sensor.id} has "
            f"{sensor_bands}: they were matched by wavelength"
        ]
    if bands != sensor_bands:
        raise PairError(
            f"{raster_label(hs)}: its {bands} bands, {stated}, are neither the {sensor_bands} "
            f"bands of sensor {sensor.id} nor, by their wavelengths, a selection of them; expected "
            "the sensor of the file"
        )
    return [
        f"{raster_label(hs)} states wavelengths that are not those of sensor {sensor.id}; the "
        "file's are used, and the definition's PSF"
    ]


def suggest_hs_sensor(hs: xr.DataArray) -> list[str]:
    """
    Return a note with the sensors whose bands match an HS image without a stated sensor.

    None is selected, since sensors with other band widths may have the same band centres.
    """
    if hs.attrs.get("sensor") or "selected_bands" in hs.attrs:
        return []
    fitting = fitting_sensors(hs.sizes["band"], hs["wavelength"].values)
    if not 0 < len(fitting) <= SETTINGS.maximum_suggested:
        return []
    has_wavelengths = np.isfinite(hs["wavelength"].values).all()
    like = "number and wavelengths" if has_wavelengths else "number"
    gives = [] if has_wavelengths else ["the wavelengths"]
    gives += [] if load_sensor(fitting[0]).psf.status == "assumed" else ["the PSF"]
    states = f", whose definition states {' and '.join(gives)}" if gives else ""
    return [
        f"{raster_label(hs)} names no sensor; its {hs.sizes['band']} bands fit "
        f"{' or '.join(fitting)} by their {like}; if such a sensor made it, try "
        f"`--hs-sensor {fitting[0]}`{states}"
    ]


def _nominal_centres(rgb: xr.DataArray, centre: NDArray[np.float64], sensor: Sensor) -> list[str]:
    """Return a note where stated band centres are nominal values for the bands of the sensor."""
    if np.abs(sensor.wavelength - centre).max() <= SETTINGS.rounded_centre:
        return []
    stated, nominal = (", ".join(f"{w:.0f}" for w in w_s) for w_s in (centre, sensor.wavelength))
    return [
        f"{raster_label(rgb)} states the band centres {stated} nm; they are taken for the bands of "
        f"{sensor.id} at {nominal} nm"
    ]


def _check_coverage(
    hs: xr.DataArray,
    rgb: xr.DataArray,
    coverage: NDArray[np.float64],
    names: tuple[str, ...],
    notes: list[str],
) -> None:
    good = np.asarray(hs["good"].values, dtype=bool)
    span = list_bands(good, np.asarray(hs["wavelength"].values, dtype=np.float64))
    labels = band_labels(np.asarray(rgb["wavelength"].values, dtype=np.float64), names)
    for label, share in zip(labels, coverage, strict=True):
        if share < SETTINGS.minimum_coverage:
            raise PairError(
                f"{raster_label(rgb)}: {1 - share:.0%} of the response of {label} lies outside "
                f"the good HS bands of {raster_label(hs)}, {span}; "
                f"expected at most {1 - SETTINGS.minimum_coverage:.0%}"
            )
        if share < SETTINGS.full_coverage:
            notes.append(
                f"{1 - share:.0%} of the response of MS {label} lies outside the good HS bands, "
                f"{span}"
            )
