"""
Synthetic reflectance spectra of surface materials, 380 to 2500 nm.

They are not taken from a library: each material is a smooth background (a level and a few logistic
steps) times Gaussian absorptions by the Beer-Lambert law, ``(level + steps) * exp(-absorptions)``.
The features are at the wavelengths known from the literature: chlorophyll at 440 and 670 nm, whose
wing is the red edge, so that the edge moves to longer waves when there is more of it [1]_; liquid
water at 970, 1200, 1450 and 1940 nm [2]_; cellulose and lignin at 2100 and 2310 nm; iron oxide
below 600 nm and at 870 nm; the hydroxyl of clay at 2200 nm and carbonate at 2340 nm [3]_.

References
----------
.. [1] Horler, Dockray, Barber, 1983. doi:10.1080/01431168308948546
.. [2] Palmer, Williams, 1974. doi:10.1364/JOSA.64.001107
.. [3] Hunt, 1977. doi:10.1190/1.1440721
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["MATERIALS", "spectrum"]


class _Feature(NamedTuple):
    """A step or an absorption: centre and width in nm, size, and change of the size by ``vary``."""

    centre: float
    width: float
    size: float
    change: float = 0.0


class _Material(NamedTuple):
    """Parameters of a material; ``change`` is the change of the level by ``vary``."""

    level: float
    change: float
    steps: tuple[_Feature, ...] = ()
    absorptions: tuple[_Feature, ...] = ()


def _water(amount: float, change: float = 0.0) -> tuple[_Feature, ...]:
    """Return the absorptions of liquid water in a leaf or a moist surface."""
    depths = ((970, 32, 0.09), (1195, 48, 0.22), (1455, 64, 1.0), (1940, 80, 1.5), (2700, 620, 2.2))
    return tuple(_Feature(c, w, d * amount, d * change) for c, w, d in depths)


def _chlorophyll(amount: float, change: float = 0.0) -> tuple[_Feature, ...]:
    """Return the absorptions of leaf pigments; carotenoids widen the blue one."""
    depths = (
        (365, 45, 1.3),
        (435, 45, 1.45),
        (490, 28, 0.7),
        (555, 105, 1.3),
        (595, 40, 0.2),
        (640, 24, 0.65),
        (676, 20, 1.45),
    )
    return tuple(_Feature(c, w, d * amount, d * change) for c, w, d in depths)


def _cellulose(amount: float, change: float = 0.0) -> tuple[_Feature, ...]:
    """Return the absorptions of dry leaf matter: cellulose and lignin."""
    depths = ((1735, 45, 0.1), (2100, 62, 0.34), (2310, 45, 0.26))
    return tuple(_Feature(c, w, d * amount, d * change) for c, w, d in depths)


def _iron(amount: float, change: float = 0.0) -> tuple[_Feature, ...]:
    """Return the absorptions of ferric iron."""
    depths = ((395, 70, 1.1), (490, 55, 0.85), (660, 40, 0.06), (875, 62, 0.2))
    return tuple(_Feature(c, w, d * amount, d * change) for c, w, d in depths)


def _clay(amount: float, change: float = 0.0) -> tuple[_Feature, ...]:
    """Return the absorptions of clay minerals."""
    depths = ((1412, 22, 0.12), (1915, 40, 0.18), (2205, 24, 0.22), (2340, 30, 0.08))
    return tuple(_Feature(c, w, d * amount, d * change) for c, w, d in depths)


def _leaves(nir: float, green: float, wet: float) -> _Material:
    """Return a canopy by its near-infrared plateau, its pigment and its water."""
    steps = (_Feature(1300, 130, -0.05),)
    absorptions = (
        *_chlorophyll(green, 0.32 * green),
        *_water(wet, 0.3 * wet),
        *_cellulose(0.45, -0.3),
    )
    return _Material(nir, 0.09 * nir / 0.5, steps, absorptions)


def _paint(level: float, steps: tuple[_Feature, ...]) -> _Material:
    """Return a painted metal sheet; its binder absorbs at 1730 and 2310 nm."""
    absorptions = (_Feature(1725, 28, 0.12), _Feature(2310, 38, 0.22), _Feature(385, 22, 0.9))
    return _Material(level, 0.02, steps, absorptions)


_TABLE: dict[str, _Material] = {
    # Growing plants; `vary` is vigour: more pigment, more water, a higher plateau.
    "crop": _leaves(0.56, 1.15, 0.85),
    "grass": _leaves(0.47, 0.85, 0.6),
    "young crop": _leaves(0.4, 0.55, 0.45),
    "broadleaf tree": _leaves(0.46, 1.35, 0.8),
    "conifer": _leaves(0.27, 1.3, 1.0),
    "rapeseed": _Material(
        0.52,
        0.04,
        (_Feature(510, 13, 0.0),),
        (
            *_water(0.7, 0.1),
            *_cellulose(0.4),
            _Feature(430, 52, 2.3),
            _Feature(675, 20, 0.75, -0.2),
            _Feature(600, 110, 0.55, 0.1),
        ),
    ),
    # Ripe or dead plants; `vary` is how bleached they are.
    "stubble": _Material(
        0.05,
        0.015,
        (_Feature(560, 75, 0.2, 0.04), _Feature(760, 75, 0.14, 0.02), _Feature(1500, 190, 0.04)),
        (*_cellulose(1.0, 0.2), *_water(0.18, -0.08), _Feature(676, 20, 0.1, -0.08)),
    ),
    "ripe grain": _Material(
        0.05,
        0.01,
        (_Feature(545, 50, 0.2, 0.04), _Feature(730, 40, 0.18, 0.02)),
        (*_cellulose(0.9, 0.1), *_water(0.3, -0.1), _Feature(676, 20, 0.28, -0.2)),
    ),
    # Soils; `vary` is dryness, so the water absorption falls with it and the level rises.
    "brown soil": _Material(
        0.05,
        0.018,
        (_Feature(610, 90, 0.12, 0.04), _Feature(950, 210, 0.14, 0.04), _Feature(1500, 160, 0.05)),
        (*_iron(0.3), *_clay(0.8, 0.1), *_water(0.3, -0.2)),
    ),
    "red soil": _Material(
        0.085,
        0.02,
        (_Feature(585, 34, 0.12, 0.03), _Feature(760, 70, 0.1, 0.02), _Feature(1250, 170, 0.1)),
        (*_iron(0.5, 0.1), *_clay(1.2), *_water(0.15, -0.1)),
    ),
    "pale soil": _Material(
        0.13,
        0.03,
        (_Feature(540, 80, 0.16, 0.03), _Feature(800, 150, 0.14, 0.02)),
        (*_iron(0.25), *_clay(0.5), *_water(0.12, -0.08), _Feature(2340, 28, 0.2, 0.05)),
    ),
    "dark soil": _Material(
        0.035,
        0.01,
        (_Feature(700, 110, 0.05, 0.02), _Feature(1150, 230, 0.11, 0.03)),
        (*_iron(0.12), *_clay(0.55), *_water(0.4, -0.25)),
    ),
    # Water; `vary` is sediment. It falls with wavelength and is black beyond 1000 nm.
    "clear water": _Material(
        0.052,
        0.006,
        (_Feature(575, 28, -0.03, -0.006), _Feature(700, 20, -0.014), _Feature(905, 60, -0.0065)),
        (_Feature(400, 60, 0.25),),
    ),
    "turbid water": _Material(
        0.105,
        0.02,
        (
            _Feature(602, 16, -0.028, -0.002),
            _Feature(722, 16, -0.045, -0.01),
            _Feature(880, 38, -0.024, -0.006),
        ),
        (_Feature(395, 85, 0.75, 0.1), _Feature(675, 14, 0.12), _Feature(1600, 420, 2.2)),
    ),
    # Mineral surfaces; `vary` is wear or age.
    "asphalt": _Material(
        0.06,
        0.02,
        (_Feature(560, 130, 0.03), _Feature(1500, 320, 0.045, 0.01)),
        (_Feature(1725, 30, 0.03), _Feature(2310, 45, 0.12, -0.04)),
    ),
    "concrete": _Material(
        0.14,
        0.04,
        (_Feature(480, 70, 0.14, 0.02), _Feature(820, 190, 0.07)),
        (
            *_water(0.07),
            _Feature(2205, 26, 0.04),
            _Feature(2335, 36, 0.16),
            _Feature(875, 70, 0.03),
        ),
    ),
    "gravel": _Material(
        0.1,
        0.03,
        (_Feature(520, 90, 0.14, 0.02), _Feature(900, 260, 0.07)),
        (*_iron(0.2), *_clay(0.3), _Feature(2335, 34, 0.14)),
    ),
    "clay tile": _Material(
        0.085,
        0.02,
        (_Feature(590, 19, 0.13, 0.05), _Feature(730, 45, 0.08, 0.02), _Feature(1150, 140, 0.13)),
        (*_iron(0.3, 0.1), *_clay(0.12), _Feature(870, 75, 0.12)),
    ),
    "slate": _Material(
        0.075,
        0.02,
        (_Feature(480, 90, 0.015), _Feature(1250, 330, 0.05)),
        (*_clay(0.25), _Feature(1010, 150, 0.08)),
    ),
    # Made surfaces; `vary` is age.
    "bright metal": _Material(
        0.3,
        0.09,
        (_Feature(405, 22, 0.16), _Feature(1300, 400, -0.1)),
        (_Feature(385, 20, 0.4), _Feature(850, 90, 0.06), _Feature(2310, 50, 0.06)),
    ),
    "blue paint": _paint(
        0.24, (_Feature(515, 26, -0.15, -0.01), _Feature(725, 22, 0.26), _Feature(1350, 300, -0.1))
    ),
    "green paint": _paint(
        0.08,
        (
            _Feature(492, 17, 0.11),
            _Feature(582, 20, -0.1),
            _Feature(745, 24, 0.25),
            _Feature(1300, 300, -0.07),
        ),
    ),
    "white marking": _Material(0.5, 0.08, (_Feature(415, 12, 0.18),), (_Feature(2310, 40, 0.2),)),
}

MATERIALS: tuple[str, ...] = tuple(_TABLE)
"""The names :func:`spectrum` knows."""


def spectrum(material: str, wavelength: ArrayLike, *, vary: float = 0.0) -> NDArray[np.float64]:
    """
    Return the reflectance of a material.

    Parameters
    ----------
    material : str
        One of :data:`MATERIALS`.
    wavelength : array_like of shape (bands,)
        Nanometres; the spectrum is extrapolated outside 380 to 2500.
    vary : float
        Variation of the surface from -1 to 1: vigour of plants, dryness of soils, sediment in
        water, wear of built surfaces.

    Returns
    -------
    ndarray of shape (bands,)
        Reflectance, 0 to 1.

    Raises
    ------
    KeyError
        If the material is not one of :data:`MATERIALS`.

    Examples
    --------
    >>> red, infrared = spectrum("crop", [670.0, 850.0])
    >>> bool(infrared > 5 * red)
    True
    """
    made = _TABLE[material]
    wave = np.asarray(wavelength, dtype=np.float64)
    background = np.full(wave.shape, made.level + vary * made.change)
    for step in made.steps:
        size = step.size + vary * step.change
        background += size / (1.0 + np.exp(-np.clip((wave - step.centre) / step.width, -60, 60)))
    depth = np.zeros_like(wave)
    for line in made.absorptions:
        size = line.size + vary * line.change
        depth += size * np.exp(-0.5 * ((wave - line.centre) / line.width) ** 2)
    reflectance: NDArray[np.float64] = background * np.exp(-np.maximum(depth, 0.0))
    return reflectance.clip(0.0, 1.0)
