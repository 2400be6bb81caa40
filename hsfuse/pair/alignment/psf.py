"""Selection between the estimated PSF and that of the sensor."""

from __future__ import annotations

import math
from dataclasses import replace

from hsfuse.pair.alignment.measurement import Alignment
from hsfuse.pair.alignment.settings import DEFAULT
from hsfuse.pair.geometry import Pair

__all__ = ["select_psf"]

_SETTINGS = DEFAULT.correction


def select_psf(pair: Pair, alignment: Alignment, notes: list[str]) -> Pair:
    """Return the pair with the estimated PSF if its own is an assumption; note differences."""
    own, estimated = pair.psf, alignment.psf
    off = [abs(a - b) for a, b in zip(own.fwhm, estimated.fwhm, strict=True)]
    errors = estimated.standard_error or (math.inf, math.inf)
    limits = [_SETTINGS.standard_errors * error for error in errors]
    if own.status == "assumed":
        least = [max(error, _SETTINGS.smallest_widening) for error in limits]
        if all(a <= b for a, b in zip(off, least, strict=True)):
            return pair
        return replace(pair, psf=estimated)
    beyond = [
        max(error, _SETTINGS.psf_difference * a) for error, a in zip(limits, own.fwhm, strict=True)
    ]
    if any(a > b for a, b in zip(off, beyond, strict=True)):
        notes.append(
            f"PSF: the sensor's definition states {own.describe()}, {own.status}; the estimate "
            f"from the pair is {estimated.describe()}; the definition's is used, and a width that "
            f"is wrong costs accuracy: --fwhm {estimated.fwhm[0]:.2f} {estimated.fwhm[1]:.2f} "
            "uses the estimate"
        )
    return pair
