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
    """Return the pair, with the estimated PSF if the stated one is assumed; note differences."""
    stated, estimated = pair.psf, alignment.psf
    differences = [abs(a - b) for a, b in zip(stated.fwhm, estimated.fwhm, strict=True)]
    errors = estimated.standard_error or (math.inf, math.inf)
    limits = [_SETTINGS.standard_errors * error for error in errors]
    if stated.status == "assumed":
        thresholds = [max(error, _SETTINGS.smallest_widening) for error in limits]
        if all(a <= b for a, b in zip(differences, thresholds, strict=True)):
            return pair
        return replace(pair, psf=estimated)
    beyond = [
        max(error, _SETTINGS.psf_difference * a)
        for error, a in zip(limits, stated.fwhm, strict=True)
    ]
    if any(a > b for a, b in zip(differences, beyond, strict=True)):
        notes.append(
            f"PSF: the sensor's definition states {stated.describe()}, {stated.status}; the "
            f"estimate from the pair is {estimated.describe()}; the definition's is used, and a "
            "width that is wrong costs accuracy: `--fwhm "
            f"{estimated.fwhm[0]:.2f} {estimated.fwhm[1]:.2f}` "
            "uses the estimate"
        )
    return pair
