"""The width of the PSF that a pair shows, and where it replaces the sensor's."""

from __future__ import annotations

from dataclasses import replace

from hsfuse.core.text import blur_widths
from hsfuse.pair.alignment.measurement import Alignment
from hsfuse.pair.alignment.settings import DEFAULT
from hsfuse.pair.geometry import Pair

__all__ = ["with_psf"]

_SETTINGS = DEFAULT.correction


def with_psf(pair: Pair, found: Alignment, notes: list[str]) -> Pair:
    """Return the pair with the estimated PSF where its own is a mere assumption."""
    own, estimated = pair.blur, found.blur
    off = [abs(a - b) for a, b in zip(own, estimated, strict=True)]
    limits = [_SETTINGS.standard_errors * error for error in found.blur_error]
    if pair.blur_status == "assumed":
        least = [max(error, _SETTINGS.smallest_widening) for error in limits]
        if all(a <= b for a, b in zip(off, least, strict=True)):
            return pair
        return replace(pair, blur=estimated, blur_status="estimated from the pair")
    beyond = [
        max(error, _SETTINGS.psf_difference * a) for error, a in zip(limits, own, strict=True)
    ]
    if any(a > b for a, b in zip(off, beyond, strict=True)):
        notes.append(
            f"PSF: the sensor's definition states FWHM {blur_widths(*own)} HS pixels "
            f"({pair.blur_status}), the estimate from the pair is {blur_widths(*estimated)}; the "
            "definition's is used"
        )
    return pair
