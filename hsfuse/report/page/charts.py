"""Data of the charts of SRF and PSF as used, in the form that chart.js draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.band_labels import band_label
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
    """Return the positions of the MS bands on that axis: band centres, or means of the SRF."""
    along, label = band_axis(subject)
    response = subject.observed.radiometry.response
    means = (response @ along) / np.maximum(response.sum(axis=1), 1e-12)
    if label == "Band":
        return means
    stated = subject.observed.pair.rgb["wavelength"].values.astype(np.float64)
    return np.where(np.isfinite(stated), stated, means)


def srf_chart(subject: Subject) -> dict[str, Any]:
    """Return the chart of the spectral response of each MS band at the HS bands."""
    along, label = band_axis(subject)
    response = subject.observed.radiometry.response
    names = [str(name) for name in subject.observed.pair.rgb["band_name"].values]
    centres = ms_centres(subject)
    series = []
    for band in np.argsort(centres)[:_MOST_BANDS]:
        share = response[band] / max(float(response[band].max()), 1e-12)
        responsive = np.flatnonzero(share > _LEAST)
        if not responsive.size:
            continue
        # Include one zero on each side, where the response ends.
        order = np.argsort(along)
        places = np.flatnonzero(np.isin(order, responsive))
        part = order[max(places[0] - 1, 0) : places[-1] + 2]
        series.append(
            {
                "name": band_label(int(band) + 1, name=names[band]),
                "x": along[part].round(3).tolist(),
                "y": share[part].round(5).tolist(),
                "colour": _colour(float(centres[band]), label),
            }
        )
    return {
        "id": "srf",
        "title": f"Spectral response of the bands of the {subject.ms_name}",
        "axes": {"x": label, "y": "Response (maximum 1)"},
        "series": series,
    }


def _colour(centre: float, label: str) -> str:
    """Return a CSS colour: from blue at 450 nm to red at 680 nm, purple beyond."""
    share = (centre - 450) / (680 - 450) if label != "Band" else 0.5
    hue = 320 if share > 1.15 else round(230 * (1 - min(max(share, 0), 1)))
    return f"hsl({hue} 70% var(--band-lightness))"


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
