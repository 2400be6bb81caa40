"""Labels of the bands of an output: descriptions, and the bands shown as red, green and blue."""

from __future__ import annotations

import math

import numpy as np

from hsfuse.core.band_labels import is_number, states_wavelength
from hsfuse.core.picture import natural_bands
from hsfuse.io.output.layout import OutputLayout

__all__ = ["describe_band", "shown_bands", "styled_bands"]


def shown_bands(layout: OutputLayout) -> list[int]:
    """Return the indexes of the bands of red, green and blue; empty where these are unknown."""
    wavelength, good = np.array(layout.wavelength, float), np.array(layout.good, bool)
    known = good.any() and np.isfinite(wavelength[good]).all()
    if layout.bands < 3 or not (known or layout.bands < 5):
        return []
    return natural_bands(wavelength, good)


def styled_bands(layout: OutputLayout) -> list[int]:
    """
    Return the indexes of the bands that a style shows as red, green and blue.

    Those of :func:`shown_bands`, or three spread over the bands where these are unknown; empty with
    fewer than three bands.
    """
    if layout.bands < 3:
        return []
    wavelength, good = np.array(layout.wavelength, float), np.array(layout.good, bool)
    return shown_bands(layout) or natural_bands(wavelength, good, layout.band_name)


def describe_band(nm: float, name: str) -> str:
    """
    Return a description of a band: its wavelength, with its name where that adds information.

    Examples
    --------
    >>> describe_band(650.0, "Red"), describe_band(650.0, "band 7"), describe_band(650.0, "650 nm")
    ('Red (650.0 nm)', '650.0 nm', '650 nm')
    """
    name = name.strip()
    if math.isnan(nm) or states_wavelength(name):
        return name
    wavelength = f"{nm:.1f} nm"
    return wavelength if is_number(name) else f"{name} ({wavelength})"
