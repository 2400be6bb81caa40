"""Plot of the spectral responses of a sensor."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hsfuse.errors import OutputError
from hsfuse.sensor.model import Sensor
from hsfuse.sensor.response import gaussian_curves

__all__ = ["draw_responses", "write_responses"]


@dataclass(frozen=True, slots=True)
class _Style:
    """Style of the plot."""

    # Largest number of bands whose names fit above their curves.
    maximum_named: int = 20
    # Grey, for bad bands.
    bad: str = "#999999"
    # Height of the line at a centre of unknown width, relative to the plot.
    centre: float = 0.2
    # Size in inches, and pixels per inch: the width of a page of documentation.
    size: tuple[float, float] = (9.0, 4.2)
    dpi: int = 110


_STYLE = _Style()


def write_responses(
    sensor: Sensor, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """
    Write the plot of :func:`draw_responses`; return its path.

    Parameters
    ----------
    sensor : Sensor
        From :func:`hsfuse.load_sensor`.
    path : str or path
        Output file with the suffix ``.png``.
    overwrite : bool
        Whether to replace an existing file.

    Raises
    ------
    OutputError
        If the file exists, has another suffix, or cannot be written.
    """
    out = Path(path)
    if out.suffix.lower() != ".png":
        raise OutputError(f"{out}: a plot must end in .png, not in {out.suffix!r}")
    if out.exists() and not overwrite:
        raise OutputError(f"{out}: exists already; pass `--overwrite` to replace it")
    picture = draw_responses(sensor)
    try:
        with out.open("wb" if overwrite else "xb") as file:
            file.write(picture)
    except OSError as error:
        raise OutputError(f"{out}: it cannot be written: {error.strerror or error}") from error
    return out


def draw_responses(sensor: Sensor) -> bytes:
    """
    Return a PNG of the responses of the bands over wavelength, each divided by its maximum.

    Bands without curves are drawn as Gaussians. A band of unknown width is a short line at its
    centre; bad bands are grey, bad windows shaded.

    Parameters
    ----------
    sensor : Sensor
        From :func:`hsfuse.load_sensor`.
    """
    figure = Figure(figsize=_STYLE.size, dpi=_STYLE.dpi, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for low, high in sensor.bad_windows:
        axes.axvspan(low, high, color=_STYLE.bad, alpha=0.15, linewidth=0)
    _draw_bands(axes, sensor)
    axes.set_title(f"{sensor.id}: {sensor.title}", loc="left", fontsize=11)
    axes.set_xlabel("wavelength [nm]")
    axes.set_ylabel(f"response, maximum 1 ({_origin(sensor)})")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.02)
    axes.grid(alpha=0.25)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def _origin(sensor: Sensor) -> str:
    if sensor.curves is not None:
        return f"curves: {sensor.curves.status}"
    if not np.isfinite(sensor.fwhm).any():
        return f"only centres are known: {sensor.bands_status}"
    return f"Gaussians: {sensor.bands_status}"


def _draw_bands(axes: Axes, sensor: Sensor) -> None:
    """Draw every band, coloured by its centre from violet to red."""
    count = len(sensor.band_names)
    rank = np.empty(count)
    rank[np.argsort(sensor.wavelength)] = np.linspace(0.03, 0.97, count)
    colours = matplotlib.colormaps["turbo"](rank)
    wavelength, response = _responses(sensor)
    stroke = 1.4 if count <= _STYLE.maximum_named else 0.7
    for band, (name, curve) in enumerate(zip(sensor.band_names, response, strict=True)):
        colour = tuple(colours[band]) if sensor.good[band] else _STYLE.bad
        if np.isfinite(curve).all():
            support = np.flatnonzero(np.abs(curve) > 1e-3)
            part = slice(max(support[0] - 1, 0), support[-1] + 2)
            axes.plot(wavelength[part], curve[part], color=colour, linewidth=stroke)
            middle = float(wavelength[np.flatnonzero(curve >= 0.5)[[0, -1]]].mean())
        elif np.isfinite(sensor.wavelength[band]):
            middle = float(sensor.wavelength[band])
            axes.axvline(middle, ymax=_STYLE.centre, color=colour, linewidth=stroke)
        else:
            continue
        if count <= _STYLE.maximum_named:
            axes.annotate(
                name, (middle, 1.0), (0, 3), textcoords="offset points",
                ha="left", fontsize=8, rotation=45, color=colour,
            )  # fmt: skip
    axes.set_ylim(bottom=min(-0.05, float(np.nanmin(response, initial=0)) - 0.05))
    axes.set_ylim(top=1.18 if count <= _STYLE.maximum_named else 1.05)


def _responses(sensor: Sensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return wavelengths, and responses of maximum one, NaN for bands of unknown width."""
    if sensor.curves is not None:
        curves = sensor.curves
        return curves.wavelength, curves.response / curves.response.max(axis=1, keepdims=True)
    complete = np.isfinite(sensor.wavelength) & np.isfinite(sensor.fwhm)
    if not complete.any():
        return sensor.wavelength, np.full((complete.size, complete.size), np.nan)
    wavelength, gaussians = gaussian_curves(sensor.wavelength[complete], sensor.fwhm[complete])
    response = np.full((complete.size, wavelength.size), np.nan)
    response[complete] = gaussians
    return wavelength, response
