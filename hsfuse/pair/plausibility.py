"""Whether a spectral response estimated from a pair is plausible, in words."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.colours import COLOURS, Colour, band_colour
from hsfuse.core.text import listed

if TYPE_CHECKING:  # `hsfuse info` needs this wording and no scipy
    from hsfuse.pair.response_estimate import ResponseEstimate

__all__ = ["CURVE_MEANING", "describe_centres", "response_warning"]

#: Meaning of MS bands that are a curved function of the HS image.
CURVE_MEANING = (
    "follow the HS image along a curve, as in photographs with a tone curve (gamma) and in "
    "stretched images"
)


@dataclass(frozen=True, slots=True)
class _Settings:
    """Limits of plausible estimates."""

    # Widest range of possible centres: more than the 70 to 90 nm between the colours of a camera.
    # Of 170 bands of simulated and real pairs 95 % have ranges below 50 nm; in the near infrared,
    # where reflectance hardly changes, up to 104 nm. Without wavelengths, a share of the bands.
    widest_range: float = 110.0
    widest_share: float = 0.15
    # Bands closer than this are one: those of simulated cameras come back 5 to 10 nm off.
    least_distance: float = 20.0


_SETTINGS = _Settings()


def response_warning(
    estimate: ResponseEstimate, names: tuple[str, ...], curved: NDArray[np.bool_]
) -> str:
    """
    Return why an estimated response should not be trusted, and what to do; or nothing.

    Parameters
    ----------
    estimate : ResponseEstimate
        Estimate of all MS bands.
    names : tuple of str
        Names of the MS bands; numbers are used where there are none.
    curved : ndarray of bool, shape (MS bands,)
        Whether a band is a curved function of the HS image.
    """
    names = names or tuple(f"band {index + 1}" for index in range(len(estimate.centre)))
    reasons = [
        *_undetermined(estimate, names),
        *_contradictions(estimate, names),
        *_coincident(estimate, names),
    ]
    sentences = []
    if reasons:
        sentences.append(f"the pair does not determine it: {'; '.join(reasons)}")
    if curved.any():
        which = listed([name for name, is_curved in zip(names, curved, strict=True) if is_curved])
        sentences.append(f"the values of {which} {CURVE_MEANING}, which no response explains")
    if not sentences:
        return ""
    linear = "; fuse the linear image (reflectance, radiance or raw) if there is one"
    return (
        f"the spectral response of the MS image is not stated, and {', and '.join(sentences)}. "
        "The fusion uses weights of the HS bands that predict the MS bands of this scene; they are "
        "not the response of the sensor. Name the sensor by `--rgb-sensor`, or give its curves as "
        f"a table (`hsfuse sensors check FILE`){linear if curved.any() else ''}"
    )


def describe_centres(estimate: ResponseEstimate, names: tuple[str, ...]) -> str:
    """
    Return the centres of the MS bands and the ranges in which they may lie.

    Examples
    --------
    >>> from hsfuse.pair.response_estimate import ResponseEstimate
    >>> numbers = np.array([630.0]), np.array([620.4]), np.array([641.0])
    >>> describe_centres(ResponseEstimate(np.eye(1), *numbers, np.zeros(1, bool), True), ("red",))
    'red 630 nm (620 to 641)'
    """
    unit = " nm" if estimate.nanometres else ""
    band = "" if estimate.nanometres else "HS band "
    return ", ".join(
        f"{name} {band}{centre:.0f}{unit}"
        + (f" ({low:.0f} to {high:.0f})" if f"{low:.0f}" != f"{high:.0f}" else "")
        for name, centre, low, high in zip(
            names, estimate.centre, estimate.lowest, estimate.highest, strict=True
        )
    )


def _undetermined(estimate: ResponseEstimate, names: tuple[str, ...]) -> list[str]:
    limit = (
        _SETTINGS.widest_range
        if estimate.nanometres
        else _SETTINGS.widest_share * estimate.response.shape[1]
    )
    wide = [index for index, span in enumerate(estimate.highest - estimate.lowest) if span > limit]
    if not wide:
        return []
    unit = "nm" if estimate.nanometres else "in HS bands"
    ranges = ", ".join(
        f"that of {names[index]} from {estimate.lowest[index]:.0f} to {estimate.highest[index]:.0f}"
        for index in wide
    )
    return [f"centres explain the MS bands equally well over wide ranges, {ranges} {unit}"]


def _contradictions(estimate: ResponseEstimate, names: tuple[str, ...]) -> list[str]:
    wrong = [
        f"{name} fits best at {centre:.0f} nm"
        for name, centre, is_wrong in zip(
            names, estimate.centre, estimate.contradicts_colour, strict=True
        )
        if is_wrong
    ]
    colours: list[Colour | None] = [band_colour(name) for name in names]
    stated = [colours.index(colour) for colour in COLOURS if colour in colours]
    steps = np.diff(estimate.centre[stated])
    # Without wavelengths the HS bands may be in descending order.
    in_order = (steps > 0).all() or (not estimate.nanometres and (steps < 0).all())
    if not in_order and not wrong:
        found = ", ".join(f"{names[index]} {estimate.centre[index]:.0f}" for index in stated)
        wrong.append(f"the colours are not in the order of their wavelengths ({found})")
    return wrong


def _coincident(estimate: ResponseEstimate, names: tuple[str, ...]) -> list[str]:
    if not estimate.nanometres or len(names) != 3:  # a panchromatic band may have any centre
        return []
    order = np.argsort(estimate.centre)
    return [
        f"{names[one]} and {names[other]} have one centre ({estimate.centre[one]:.0f} and "
        f"{estimate.centre[other]:.0f} nm)"
        for one, other in pairwise(order)
        if estimate.centre[other] - estimate.centre[one] < _SETTINGS.least_distance
    ]
