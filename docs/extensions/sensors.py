"""The page of the sensor catalogue, from the definitions in `sensors/`."""

from __future__ import annotations

import math

import numpy as np

from hsfuse.sensor.catalogue import list_sensors, load_sensor
from hsfuse.sensor.model import Sensor
from hsfuse.sensor.plot import draw_responses

from .text import list_table, title


def pages() -> dict[str, str | bytes]:
    """Return the page of the sensors, and a picture of the responses of each."""
    sensors = [load_sensor(name) for name in list_sensors()]
    head = ("sensor", "title", "kind", "bands", "range, nm", "pixel, m", "PSF, FWHM in pixels")
    parts = [
        title("Sensors", "="),
        "The catalogue that comes with hsfuse, as ``hsfuse sensors list`` shows it. Sections below "
        "give source, licence and spectral responses of each sensor. FWHM of the PSF along track "
        "and across track, and how well it is known; ``assumed`` means one pixel without a "
        "published figure.\n",
        list_table(head, map(_row, sensors), (16, 32, 6, 7, 12, 9, 18)),
    ]
    parts += [_section(sensor) for sensor in sensors]
    pictures = {f"sensors/{sensor.id}.png": draw_responses(sensor) for sensor in sensors}
    return {"sensors.rst": "\n".join(parts), **pictures}


def _row(sensor: Sensor) -> tuple[str, ...]:
    known = sensor.wavelength[np.isfinite(sensor.wavelength)]
    psf = sensor.psf
    return (
        f":ref:`sensor-{sensor.id}`",
        sensor.title,
        sensor.kind,
        str(len(sensor.band_names)),
        f"{known.min():.0f} to {known.max():.0f}" if known.size else "unknown",
        "varies" if math.isnan(sensor.gsd) else f"{sensor.gsd:g}",
        f"{psf.fwhm[0]:.3g} × {psf.fwhm[1]:.3g}, {psf.status}",
    )


def _section(sensor: Sensor) -> str:
    bad = int((~sensor.good).sum())
    facts = {
        "bands": f"{len(sensor.band_names)}, {bad} of them bad ({sensor.bands_status})",
        "pixel": "" if math.isnan(sensor.gsd) else f"{sensor.gsd:g} m ({sensor.gsd_status})",
        "PSF": f"{sensor.psf.describe('pixels')}, {sensor.psf.status}: {sensor.psf.source}",
        "response": "a Gaussian for each band"
        if sensor.curves is None
        else f"curves ({sensor.curves.status})",
        "source": sensor.source.url,
        "licence": sensor.source.licence,
        "note": sensor.source.note,
    }
    rows = [(name, _plain(text)) for name, text in facts.items() if text]
    picture = f".. image:: sensors/{sensor.id}.png\n   :alt: response of each band of {sensor.id}\n"
    return "\n".join(
        (
            f".. _sensor-{sensor.id}:\n",
            title(sensor.id, "-"),
            f"{_plain(sensor.title)}\n",
            list_table(None, rows, (15, 85)),
            picture,
        )
    )


def _plain(text: str) -> str:
    """Return text in which no character is markup."""
    for mark in ("\\", "*", "`", "_", "|"):
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
