"""Data of the charts of SRF and PSF as used, in the form that chart.js draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsfuse.report.page.subject import Subject
from hsfuse.report.srf_curves import SpectralAxis, spectral_axis, srf_curves

__all__ = ["axis_label", "psf_chart", "srf_chart"]

# Half width of the PSF chart in HS pixels, and number of points of its curve.
_REACH, _POINTS = 2.0, 81


def axis_label(axis: SpectralAxis) -> str:
    """Return the label of the spectral axis."""
    return "Wavelength (nm)" if axis.nanometres else "Band"


def srf_chart(subject: Subject) -> dict[str, Any]:
    """
    Return the chart of the spectral response of each MS band at the HS bands.

    Of an estimated response, the weights of the HS bands that the fusion uses are dashed lines.
    """
    pair, radiometry = subject.observed.pair, subject.observed.radiometry
    series = [
        {
            "name": f"{curve.name}{', weights as used' if curve.weights else ''}",
            "kind": "dashed" if curve.weights else "line",
            "x": curve.place.round(3).tolist(),
            "y": curve.share.round(5).tolist(),
            "colour": f"hsl({curve.hue} 70% var(--band-lightness))",
        }
        for curve in srf_curves(pair, radiometry)
    ]
    estimated = ", estimated from the pair" if radiometry.estimate is not None else ""
    doubt = " (not reliable)" if radiometry.warning else ""
    return {
        "id": "srf",
        "title": f"Spectral response of the bands of the MS image{estimated}{doubt}",
        "axes": {"x": axis_label(spectral_axis(pair)), "y": "Response (maximum 1)"},
        "series": series,
    }


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
