"""Wording shared by the plan, the summary and the page of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hsfuse.core.band_labels import list_bands
from hsfuse.core.psf import PSF
from hsfuse.io.input.labels import raster_band_labels
from hsfuse.pair.plausibility import describe_centres

if TYPE_CHECKING:
    from hsfuse.pair.geometry import Pair
    from hsfuse.pair.radiometry import Radiometry

__all__ = [
    "PARAMETERS",
    "SRF_WARNING",
    "describe_change",
    "describe_clipped",
    "describe_excess",
    "describe_limited",
    "describe_method",
    "describe_psf",
    "describe_srf",
    "half_peak_bands",
]

# Largest number of MS bands whose HS bands are listed.
_MOST_LISTED = 8

#: The warning of a plan about its SRF in short, for the summary, which follows the plan.
SRF_WARNING = (
    "the spectral response of the MS image is not stated, and its estimate from the pair is not "
    "reliable: name the sensor by `--rgb-sensor` (the reasons are in the plan and the record)"
)

#: Wording of the settings and estimates of a fuser: key of its description -> words.
PARAMETERS = {
    "atoms": "dictionary of {} spectra",
    "back_projections": "{} back-projections of the difference from the HS image",
    "bands": "{} HS bands",
    "chains": "{} Markov chains",
    "coarse_bands": "{} channels of the HS input",
    "components": "{} principal components",
    "denoised_bands": "{} noisy HS bands predicted from the others",
    "depth": "{} layers or residual blocks",
    "draws": "{} samples of each chain",
    "endmembers": "{} endmembers",
    "features": "{} random features of each process",
    "fine_bands": "{} MS bands",
    "hidden": "{} neurons in each hidden layer",
    "influence_hs_pixels": "influence of an HS pixel over {} HS pixels",
    "initial_weight": "weight of the initial estimate {}",
    "iterations": "{} iterations",
    "levels": "{} levels",
    "network": "network {}",
    "patch": "patches of {} MS pixels a side",
    "precision": "{} arithmetic",
    "prior_spread": "prior covariance {} times that of neighbouring HS pixels' differences",
    "processes": "{} Gaussian processes",
    "quadratic": "quadratic part of the scene-wide regression {}",
    "radius": "regression windows of radius {} HS pixels",
    "ratio": "ratio {}",
    "refinement_weight": "weight of the network's estimate {}",
    "relative_change_in_last_iteration": "relative change in the last iteration {}",
    "ridge": "ridge penalty {}",
    "rounds": "{} outer iterations",
    "scales": "{} scales",
    "selected": "{} spectra selected in an iteration",
    "steps": "{} gradient steps",
    "total_variation": "total-variation weight {}",
    "updates": "{} updates of each factor",
    "weights": "network weights {}",
    "width": "{} channels of a layer",
}


def describe_method(facts: Mapping[str, object]) -> tuple[str, str]:
    """
    Return the name of a method and the text of its parameters.

    Parameters
    ----------
    facts : mapping
        Result of :meth:`hsfuse.methods.Fuser.describe`, or the same part of a record.

    Examples
    --------
    >>> describe_method({"method": "gsa", "ridge": 1e-4})
    ('gsa', 'ridge penalty 0.0001')
    """
    parameters = [
        PARAMETERS.get(key, f"{key.replace('_', ' ')} {{}}").format(_value(value))
        for key, value in facts.items()
        if key != "method" and not key.endswith("sha256") and not isinstance(value, Mapping)
    ]
    return str(facts.get("method", "")), ", ".join(parameters)


def describe_psf(used: PSF, estimated: PSF | None = None) -> str:
    """
    Return text about the PSF used, its source, and an estimate that is not used.

    Parameters
    ----------
    used : PSF
        PSF of the HS image.
    estimated : PSF, optional
        Reliable estimate from the pair.

    Examples
    --------
    >>> describe_psf(PSF((1.4, 1.2), "specification"), PSF((1.5, 1.2), "estimated from the pair"))
    ... # doctest: +NORMALIZE_WHITESPACE
    "Gaussian, FWHM 1.40 × 1.20 HS pixels (y × x), from the sensor's definition (specification);
    the estimate from the pair, FWHM 1.50 × 1.20 HS pixels (y × x), is not used: the definition
    takes precedence"
    """
    origin, precedence = {
        "given": ("as given", "the width that is given takes precedence"),
        "estimated from the pair": ("estimated from the pair", ""),
        "assumed": ("assumed", "it does not differ significantly from the assumption"),
    }.get(
        used.status,
        (f"from the sensor's definition ({used.status})", "the definition takes precedence"),
    )
    text = f"Gaussian, {used.describe()}, {origin}"
    if estimated is None or used.status == estimated.status:
        return text
    return f"{text}; the estimate from the pair, {estimated.describe()}, is not used: {precedence}"


def describe_srf(pair: Pair, radiometry: Radiometry) -> str:
    """
    Return the source of the SRF, and of an estimate what it is, with the centres of the bands.

    Parameters
    ----------
    pair : Pair
        The pair.
    radiometry : Radiometry
        Its radiometry, with the estimate.
    """
    estimate, names = radiometry.estimate, raster_band_labels(pair.rgb)
    half_peak = _list_half_peak(names, half_peak_bands(pair, radiometry))
    if estimate is None:
        return f"{pair.response_source}; HS bands where the response is {half_peak}"
    doubt = ", which is not reliable (see the warning)" if radiometry.warning else ""
    return (
        "not stated; the fusion uses weights of the HS bands that predict the MS bands of this "
        f"scene. Centres of mass of the response estimated from the pair{doubt}, with the ranges "
        f"that explain the MS bands as well: {describe_centres(estimate, names)}; HS bands where "
        f"it is {half_peak}"
    )


def half_peak_bands(pair: Pair, radiometry: Radiometry) -> list[str]:
    """
    Return the HS bands where the response of each MS band is at least half its peak, as text.

    Of an estimate they show how broad it is: its centre of mass may lie far from its peak.
    """
    # Imported here, where a plan has loaded it already: `hsfuse info` does not need the estimates.
    from hsfuse.pair.radiometry import COVERAGE_LEVEL
    from hsfuse.sensor.response import response_levels

    wavelength = pair.hs["wavelength"].values.astype(np.float64)
    estimate, good = radiometry.estimate, radiometry.good
    response = radiometry.response if estimate is None else estimate.response
    numbers = np.arange(1.0, wavelength.size + 1)
    place = wavelength if np.isfinite(wavelength[good]).all() else numbers
    levels = np.zeros_like(response)
    levels[:, good] = response_levels(response[:, good], place[good])
    return [list_bands(row >= COVERAGE_LEVEL, wavelength) for row in levels]


def _list_half_peak(names: Sequence[str], bands: Sequence[str]) -> str:
    """Return the HS bands of each MS band, after which words they follow."""
    pairs = zip(names[:_MOST_LISTED], bands, strict=False)
    more = len(names) - _MOST_LISTED
    listing = "; ".join(f"{name} {text}" for name, text in pairs)
    return f"at least half its peak: {listing}" + (f"; and {more} more" if more > 0 else "")


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return " and ".join(map(str, value)) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def describe_change(share: float) -> str:
    """
    Return the share of HS pixels that changed between the two images in words.

    Examples
    --------
    >>> describe_change(0.009)  # doctest: +ELLIPSIS
    '0.9% of the HS pixels are left out of this estimate: they do not match the MS image (cloud, ...
    """
    if share < 0.0005:
        return "no HS pixel is left out as changed"
    return (
        f"{share:.1%} of the HS pixels are left out of this estimate: they do not match the MS "
        "image (cloud, shadow, change)"
    )


def describe_excess(excess: Mapping[str, Any], units: str = "") -> str:
    """
    Return the values far above the HS image in words; empty where there are none.

    Parameters
    ----------
    excess : mapping
        ``result.excess`` of a record.
    units : str
        Units of the HS image.

    Examples
    --------
    >>> largest = {"band": 2, "wavelength": 660.0, "value": 2.5, "hs_maximum": 0.5,
    ...            "row": 7, "column": 9}
    >>> words = describe_excess({"values": 3, "share": 2e-5, "largest": largest})
    >>> words.split("; ")[1]  # doctest: +NORMALIZE_WHITESPACE
    'the largest relative to its band, 2.5 in band 2 (660 nm) at row 7, column 9 (counted from 0),
    where the HS image has at most 0.5'
    """
    largest = excess.get("largest")
    if not largest:
        return ""
    count, unit = excess["values"], f" {units}" if units else ""
    centre = f" ({largest['wavelength']:.0f} nm)" if largest.get("wavelength") else ""
    values = "1 value" if count == 1 else f"{count} values"
    place = ""
    if "row" in largest:
        place = f" at row {largest['row']}, column {largest['column']} (counted from 0)"
    uncovered = (
        "" if largest.get("covered", True) else ", here in a band that the MS bands do not cover"
    )
    return (
        f"{values} ({100 * excess['share']:.2g}%) "
        f"{'is' if count == 1 else 'are'} larger than the HS image and the contrast of the MS "
        f"image explain; the largest relative to its band, {largest['value']:.5g}{unit} in band "
        f"{largest['band']}{centre}{place}, where the HS image has at most "
        f"{largest['hs_maximum']:.5g}; {'it is' if count == 1 else 'they are'} "
        "unchanged. Most often they are pixels brighter than any that the HS image resolves "
        "(glint, bright roof, bare rock, saturation), to which "
        f"the relation of the bands is extrapolated{uncovered}. Look at the place in the MS "
        "image; do not use these values as measured ones: mask such pixels by `--rgb-mask`, or "
        "leave out values above those of the HS image in statistics"
    )


def describe_clipped(count: int) -> str:
    """
    Return the number of clipped values in words; empty for none.

    Examples
    --------
    >>> describe_clipped(3)
    '3 values outside the range of the stored type were set to its limit'
    """
    if not count:
        return ""
    return f"{count} values outside the range of the stored type were set to its limit"


def describe_limited(share: float, *, negative: bool) -> str:
    """
    Return the share of the values set to a lower limit in words; empty for none.

    Parameters
    ----------
    share : float
        Share of the fused values that were below the lower limit of their band.
    negative : bool
        Whether the limit of a band is below 0.

    Examples
    --------
    >>> describe_limited(0.016, negative=False)
    '1.6% of the fused values were below 0 and were set to it'
    """
    if not share:
        return ""
    limit = (
        "the lower limit of their band (0, or the smallest HS value of the band where that is "
        "negative)"
        if negative
        else "0"
    )
    return f"{100 * share:.2g}% of the fused values were below {limit} and were set to it"
