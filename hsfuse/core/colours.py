"""Colours of bands, from their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLOURS", "Colour", "band_colour", "band_hues"]

Colour = Literal["blue", "green", "red"]

# By increasing wavelength, with the letters that stand for them.
COLOURS: dict[Colour, str] = {"blue": "b", "green": "g", "red": "r"}

# Hues in degrees of the colours, from the shortest to the longest visible wavelengths (blue at
# 450 nm, red at 680 nm), and of bands beyond these.
_HUES: dict[Colour, int] = {"blue": 220, "green": 130, "red": 0}
_VISIBLE = (450.0, 680.0)
_BEYOND = 315
# Hues of bands with neither a colour nor a wavelength, in turn; far from each other.
_OTHERS = (40, 190, 280, 315, 80, 0, 220, 130)
# Smallest difference of the hues of two bands.
_LEAST = 18


def band_colour(name: str) -> Colour | None:
    """
    Return the colour that the name of a band states, or None.

    Examples
    --------
    >>> [band_colour(name) for name in ("Red", "band 2 (B2, blue)", "G", "red edge 1", "B4")]
    ['red', 'blue', 'green', None, None]
    """
    words = [word for word in re.findall(r"[a-z0-9]+", name.lower()) if not word.isdigit()]
    words = [word for word in words if word not in ("band", "nm")]
    if "edge" in words or "coastal" in words:
        return None
    stated: list[Colour] = [colour for colour in COLOURS if colour in words]
    letters: list[Colour] = [colour for colour, letter in COLOURS.items() if words == [letter]]
    found = stated or letters
    return found[0] if len(found) == 1 else None


def band_hues(names: Sequence[str], wavelength: NDArray[np.float64]) -> list[int]:
    """
    Return a hue in degrees for the line of each band, different from those of the other bands.

    That of the colour that the name states; else blue at 450 nm to red at 680 nm, purple beyond;
    without wavelengths one of a fixed list.

    Parameters
    ----------
    names : sequence of str
        Names of the bands.
    wavelength : ndarray of shape (bands,)
        Centres in nanometres, NaN where unknown.

    Examples
    --------
    >>> band_hues(["red", "B2", "nir", "red edge"], np.array([np.nan, 450.0, 830.0, 700.0]))
    [0, 220, 315, 333]
    >>> band_hues(["band 1", "band 2", "blue"], np.full(3, np.nan))
    [40, 190, 220]
    """
    hues: list[int] = []
    for name, centre in zip(names, wavelength, strict=True):
        colour = band_colour(name)
        if colour is not None:
            hue = _HUES[colour]
        elif np.isfinite(centre):
            share = (centre - _VISIBLE[0]) / (_VISIBLE[1] - _VISIBLE[0])
            hue = _BEYOND if share > 1 else round(_HUES["blue"] * (1 - max(share, 0)))
        else:
            hue = _OTHERS[len(hues) % len(_OTHERS)]
        for _ in range(360 // _LEAST):
            if all(min(abs(hue - other), 360 - abs(hue - other)) >= _LEAST for other in hues):
                break
            hue = (hue + _LEAST) % 360
        hues.append(hue)
    return hues
