"""The width of the PSF that a pair shows, and where it replaces the sensor's."""

from __future__ import annotations

from dataclasses import replace

from hsfuse.core.text import blur_widths
from hsfuse.pair.alignment.measurement import Alignment
from hsfuse.pair.geometry import Pair

__all__ = ["with_psf"]

# What is smaller, in HS pixels or standard errors, is left as it is.
_SMALLEST_WIDENING, _ERRORS = 0.03, 4.0
# A known width is doubted when the pair tells another one by this share.
_DOUBT = 0.15


def with_psf(pair: Pair, found: Alignment, notes: list[str]) -> Pair:
    """Return the pair with the blur that it tells, where its own is a mere assumption."""
    own, told = pair.blur, found.blur
    off = [abs(a - b) for a, b in zip(own, told, strict=True)]
    sure = [_ERRORS * error for error in found.blur_error]
    if pair.blur_status == "assumed":
        least = [max(error, _SMALLEST_WIDENING) for error in sure]
        if all(a <= b for a, b in zip(off, least, strict=True)):
            return pair
        return replace(pair, blur=told, blur_status="estimated from the pair")
    doubtful = [max(error, _DOUBT * a) for error, a in zip(sure, own, strict=True)]
    if any(a > b for a, b in zip(off, doubtful, strict=True)):
        notes.append(
            f"the sensor's definition says FWHM {blur_widths(*own)} HS pixels "
            f"({pair.blur_status}), the pair says {blur_widths(*told)}; the definition's was used"
        )
    return pair
