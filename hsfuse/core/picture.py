"""
Pictures of an image: selection of bands, contrast stretch, and the window with most detail.

A picture has the shape (rows, columns, 3) and values from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from hsfuse.core.colours import band_colour

__all__ = [
    "NO_DATA",
    "Composite",
    "bands_text",
    "busiest_window",
    "describe_composite",
    "false_colour_bands",
    "natural_bands",
    "stretch_limits",
    "stretched",
]

Image = NDArray[np.float32]
Limits = tuple[NDArray[np.float32], NDArray[np.float32]]

NO_DATA = 0.86  # light grey


@dataclass(frozen=True, slots=True)
class _Settings:
    """Settings of the bands, the contrast stretch and the window."""

    # Wavelengths in nanometres shown as red, green and blue, and the largest distance of a band.
    red_green_blue: tuple[float, float, float] = (660.0, 560.0, 480.0)
    largest_distance: float = 60.0
    # The same with near infrared as red, red as green and green as blue: vegetation is red.
    near_infrared_first: tuple[float, float, float] = (850.0, 660.0, 560.0)
    # Relative positions of three bands in a spectrum without these: not at its noisy ends.
    spread: tuple[float, float, float] = (0.85, 0.5, 0.15)
    # Percentiles of the contrast stretch, robust to outliers.
    percentiles: tuple[float, float] = (2, 98)
    # Exponent of the grey values; below one it brightens shadows.
    gamma: float = 0.8
    # Largest gradient that counts, so that a single bright roof does not dominate.
    largest_gradient: float = 0.25
    # Weight of the share of a window without data, relative to its mean gradient.
    no_data_weight: float = 10


_SETTINGS = _Settings()


def natural_bands(
    wavelength: NDArray[np.float64], good: NDArray[np.bool_], names: Sequence[str] = ()
) -> list[int]:
    """
    Return the indexes of the bands to show as red, green and blue.

    The bands nearest to 660, 560 and 480 nm; without bands within 60 nm of each, those with the
    names of these colours; the first three of three or four bands without wavelengths, or three
    spread over the good bands. :func:`describe_composite` says which.

    Parameters
    ----------
    wavelength : ndarray of shape (bands,)
        Nanometres, NaN where unknown.
    good : ndarray of bool, shape (bands,)
        False for bands that are not shown.
    names : sequence of str
        Names of the bands, where known.

    Examples
    --------
    >>> natural_bands(np.array([480.0, 560.0, 665.0, 842.0]), np.ones(4, bool))
    [2, 1, 0]
    >>> natural_bands(np.full(10, np.nan), np.ones(10, bool))
    [8, 5, 1]
    """
    usable = np.flatnonzero(good)
    if usable.size == 0:
        usable = np.arange(len(wavelength))
    with_wavelength = usable[np.isfinite(wavelength[usable])]
    near = _bands_near(wavelength, with_wavelength, _SETTINGS.red_green_blue)
    if near is not None:
        return near
    named = _bands_named(names, usable)
    if named is not None:
        return named
    if len(usable) in (3, 4) and not with_wavelength.size:
        return [int(index) for index in usable[:3]]
    spread = np.array(_SETTINGS.spread) * len(usable)
    return [int(usable[min(int(place), len(usable) - 1)]) for place in spread]


def false_colour_bands(
    wavelength: NDArray[np.float64], good: NDArray[np.bool_]
) -> list[int] | None:
    """
    Return the indexes of the bands of near infrared, red and green, which make vegetation red.

    None where there are no good bands within 60 nm of 850, 660 and 560 nm.

    Examples
    --------
    >>> false_colour_bands(np.array([480.0, 560.0, 665.0, 842.0]), np.ones(4, bool))
    [3, 2, 1]
    """
    candidates = np.flatnonzero(good & np.isfinite(wavelength))
    return _bands_near(wavelength, candidates, _SETTINGS.near_infrared_first)


def _bands_near(
    wavelength: NDArray[np.float64], candidates: NDArray[np.intp], targets: tuple[float, ...]
) -> list[int] | None:
    """Return the indexes of the bands nearest to some wavelengths; None where one is too far."""
    if not candidates.size:
        return None
    distance = np.abs(wavelength[candidates, None] - np.array(targets))
    if distance.min(axis=0).max() > _SETTINGS.largest_distance:
        return None
    return [int(candidates[index]) for index in distance.argmin(axis=0)]


def _bands_named(names: Sequence[str], usable: NDArray[np.intp]) -> list[int] | None:
    """Return the indexes of the bands called red, green and blue; None without one of each."""
    colours = {index: band_colour(names[index]) for index in usable.tolist() if names}
    found = [
        [index for index, colour in colours.items() if colour == wanted]
        for wanted in ("red", "green", "blue")
    ]
    return [indexes[0] for indexes in found] if all(len(each) == 1 for each in found) else None


class Composite(NamedTuple):
    """
    What the bands shown as red, green and blue are.

    Attributes
    ----------
    kind : str
        Natural or false colours, bands of other wavelengths, or of none that are known.
    text : str
        The same in words, with the bands.
    """

    kind: Literal["natural", "false", "other", "unknown"]
    text: str


def describe_composite(
    bands: list[int], wavelength: NDArray[np.float64], names: Sequence[str] = ()
) -> Composite:
    """
    Return what the bands shown as red, green and blue are, and how that is known.

    Parameters
    ----------
    bands : list of int
        Indexes of the bands.
    wavelength : ndarray of shape (bands,)
        Of all bands, in nanometres, NaN where unknown.
    names : sequence of str
        Names of all bands, where known.

    Examples
    --------
    >>> centre = np.array([480.2, 560.0, 660.4, 850.0, 2200.0])
    >>> describe_composite([2, 1, 0], centre)
    Composite(kind='natural', text='natural colours, 660, 560, 480 nm')
    >>> describe_composite([3, 2, 1], centre)
    Composite(kind='false', text='false colours (near infrared as red), 850, 660, 560 nm')
    >>> describe_composite([4, 3, 2], centre)
    Composite(kind='other', text='no natural colours, 2200, 850, 660 nm')
    >>> unknown = np.full(3, np.nan)
    >>> describe_composite([0, 1, 2], unknown, ["R", "G", "B"])
    Composite(kind='natural', text='natural colours by the names of bands 1, 2, 3')
    >>> describe_composite([2, 1, 0], unknown)
    Composite(kind='unknown', text='bands 3, 2, 1 (no wavelengths)')
    """
    text, centre = bands_text(bands, wavelength), wavelength[bands]

    def near(targets: Sequence[float]) -> bool:
        return bool(np.all(np.abs(centre - np.array(targets)) <= _SETTINGS.largest_distance))

    if near(_SETTINGS.red_green_blue):
        return Composite("natural", f"natural colours, {text}")
    if near(_SETTINGS.near_infrared_first):
        return Composite("false", f"false colours (near infrared as red), {text}")
    if bands == _bands_named(names, np.array(bands)):
        return Composite("natural", f"natural colours by the names of {text}")
    if np.isfinite(centre).all():
        return Composite("other", f"no natural colours, {text}")
    return Composite("unknown", f"{text} (no wavelengths)")


def bands_text(bands: list[int], wavelength: NDArray[np.float64], separator: str = ", ") -> str:
    """
    Return a description of the bands of a picture: their wavelengths, or else their numbers.

    Examples
    --------
    >>> bands_text([2, 0], np.array([480.2, 560.0, 660.4])), bands_text([2, 0], np.full(3, np.nan))
    ('660, 480 nm', 'bands 3, 1')
    """
    centre = wavelength[bands]
    if np.isfinite(centre).all():
        return f"{separator.join(f'{nm:.0f}' for nm in centre)} nm"
    return f"bands {separator.join(str(band + 1) for band in bands)}"


def stretch_limits(image: Image, percentiles: tuple[float, float] | None = None) -> Limits:
    """
    Return the limits of a linear contrast stretch.

    Parameters
    ----------
    image : ndarray of shape (bands, rows, columns)
        NaN where there is no data.
    percentiles : tuple of float, optional
        Percentiles of the values of each band; the 2nd and the 98th by default.

    Returns
    -------
    tuple of ndarray of shape (bands,)
        The percentiles of each band; 0 and 1 where it has no data.
    """
    low = np.zeros(len(image), np.float32)
    high = np.ones(len(image), np.float32)
    for band, plane in enumerate(image):
        values = plane[np.isfinite(plane)]
        if values.size:
            shares = percentiles or _SETTINGS.percentiles
            low[band], high[band] = np.percentile(values, shares)
    return low, np.maximum(high, low + np.maximum(np.abs(low), 1) * 1e-6)


def stretched(image: Image, limits: Limits) -> Image:
    """
    Return an image as a picture, stretched between limits, light grey for no data.

    Parameters
    ----------
    image : ndarray of shape (3, rows, columns)
        Red, green and blue.
    limits : tuple of ndarray of shape (3,)
        Limits of :func:`stretch_limits`.

    Returns
    -------
    ndarray of shape (rows, columns, 3)
        Values 0 to 1, with a gamma of 0.8.
    """
    low, high = (limit[:, None, None] for limit in limits)
    picture: Image = (
        np.clip((image - low) / (high - low), 0, 1, dtype=np.float32) ** _SETTINGS.gamma
    )
    picture[:, ~np.isfinite(image).all(axis=0)] = NO_DATA
    return np.moveaxis(picture, 0, -1)


def busiest_window(
    picture: Image, size: tuple[int, int], side: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """
    Return the window with the most edges; windows without missing data come first.

    Parameters
    ----------
    picture : ndarray of shape (rows, columns, 3)
        Picture of :func:`stretched`; may be at reduced size.
    size : tuple of int
        Rows and columns of the whole image.
    side : int
        Side of the window in pixels of the whole image.

    Returns
    -------
    tuple of tuple of int
        Start and stop of its rows, then of its columns.
    """
    sides = min(side, size[0]), min(side, size[1])
    grey = picture.mean(axis=-1)
    down, across = np.gradient(grey) if min(grey.shape) > 1 else (grey * 0, grey * 0)
    edges = np.sqrt(np.minimum(np.hypot(down, across), _SETTINGS.largest_gradient))
    empty = (picture == np.float32(NO_DATA)).all(axis=-1).astype(np.float32)
    step = size[0] / grey.shape[0], size[1] / grey.shape[1]
    window = [max(round(length / pixels), 1) for length, pixels in zip(sides, step, strict=True)]
    score = uniform_filter(edges, window, mode="constant")
    score -= _SETTINGS.no_data_weight * uniform_filter(empty, window, mode="constant")
    for axis, width in enumerate(window):  # windows are inside the image
        index = np.arange(grey.shape[axis])
        outside = (index < width / 2 - 0.5) | (index > grey.shape[axis] - width / 2 - 0.5)
        if not outside.all():
            score[outside if axis == 0 else (slice(None), outside)] = -np.inf
    centre = np.unravel_index(int(np.argmax(score)), score.shape)
    spans = []
    for place, pixels, length, whole in zip(centre, step, sides, size, strict=True):
        start = min(max(round((int(place) + 0.5) * pixels - length / 2), 0), whole - length)
        spans.append((start, start + length))
    return spans[0], spans[1]
