"""Data of the charts of SRF and PSF as used, in the form that chart.js draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.colours import band_hues
from hsfuse.io.input.labels import raster_band_labels
from hsfuse.report.page.subject import Subject

__all__ = ["band_axis", "ms_centres", "psf_chart", "srf_chart"]

# Half width of the PSF chart in HS pixels, and number of points of its curve.
_REACH, _POINTS = 2.0, 81
# Responses below this share of their maximum are not drawn.
_LEAST = 1e-3
_MOST_BANDS = 12


def band_axis(subject: Subject) -> tuple[NDArray[np.float64], str]:
    """Return the positions of the HS bands on the spectral axis, and the label of the axis."""
    wavelength = subject.observed.pair.hs["wavelength"].values.astype(np.float64)
    if np.isfinite(wavelength).all():
        return wavelength, "Wavelength (nm)"
    return np.arange(1.0, len(wavelength) + 1), "Band"


def ms_centres(subject: Subject) -> NDArray[np.float64]:
    """Return the positions of the MS bands on that axis: stated, estimated, or means of the SRF."""
    along, label = band_axis(subject)
    estimate = subject.observed.radiometry.estimate
    if estimate is not None and estimate.nanometres == (label != "Band"):
        return estimate.centre
    response = subject.observed.radiometry.response
    means = (response @ along) / np.maximum(response.sum(axis=1), 1e-12)
    if label == "Band":
        return means
    stated = subject.observed.pair.rgb["wavelength"].values.astype(np.float64)
    return np.where(np.isfinite(stated), stated, means)


def srf_chart(subject: Subject) -> dict[str, Any]:
    """
    Return the chart of the spectral response of each MS band at the HS bands.

    Of an estimated response, the weights of the HS bands that the fusion uses are dashed lines.
    """
    along, label = band_axis(subject)
    radiometry = subject.observed.radiometry
    estimate = radiometry.estimate
    names = raster_band_labels(subject.observed.pair.rgb)
    centres = ms_centres(subject)
    colours = band_hues(names, centres if label != "Band" else np.full(len(names), np.nan))
    curves = [("line", "", radiometry.response if estimate is None else estimate.response)]
    if estimate is not None:
        curves.append(("dashed", ", weights as used", radiometry.response))
    series = [
        {
            "name": f"{names[band]}{meaning}",
            "kind": kind,
            "x": along[part].round(3).tolist(),
            "y": share.round(5).tolist(),
            "colour": f"hsl({colours[band]} 70% var(--band-lightness))",
        }
        for kind, meaning, response in curves
        for band in np.argsort(centres)[:_MOST_BANDS]
        for part, share in _drawn(response[band], along)
    ]
    estimated = ", estimated from the pair" if estimate is not None else ""
    doubt = " (not reliable)" if radiometry.warning else ""
    return {
        "id": "srf",
        "title": f"Spectral response of the bands of the {subject.ms_name}{estimated}{doubt}",
        "axes": {"x": label, "y": "Response (maximum 1)"},
        "series": series,
    }


def _drawn(
    response: NDArray[np.float64], along: NDArray[np.float64]
) -> list[tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """Return the HS bands of a curve with its values; nothing where there is no response."""
    share = response / max(float(response.max()), 1e-12)
    responsive = np.flatnonzero(share > _LEAST)
    if not responsive.size:
        return []
    # Include one zero on each side, where the response ends.
    order = np.argsort(along)
    places = np.flatnonzero(np.isin(order, responsive))
    part = order[max(places[0] - 1, 0) : places[-1] + 2]
    return [(part, share[part])]


def psf_chart(subject: Subject) -> dict[str, Any]:
    """Return the chart of the PSF of the HS image along y and x."""
    width = subject.observed.pair.psf.fwhm
    place = np.linspace(-_REACH, _REACH, _POINTS)
    series = [
        {
            "name": f"along {name}, FWHM {fwhm:.2f}",
            "kind": kind,
            "x": place.round(3).tolist(),
            "y": _profile(place, fwhm).round(5).tolist(),
            "colour": f"var(--spectrum-{number})",
        }
        for name, fwhm, kind, number in (
            ("y", width[0], "line", 1),
            ("x", width[1], "dashed", 2),
        )
    ]
    return {
        "id": "psf",
        "title": "Point spread function of the HS image",
        "axes": {"x": "Distance from the centre (HS pixels)", "y": "Weight (maximum 1)"},
        "series": series,
    }


def _profile(place: NDArray[np.float64], fwhm: float) -> NDArray[np.float64]:
    """Return a Gaussian with maximum 1; the pixel box for a width of 0."""
    if fwhm <= 0:
        return (np.abs(place) <= 0.5).astype(np.float64)
    return np.asarray(np.exp(-4 * np.log(2) * (place / fwhm) ** 2))
