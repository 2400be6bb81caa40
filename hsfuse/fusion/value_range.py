"""
Range of the fused values: reflectance and radiance are not negative.

Interpolation and regression overshoot at edges between bright and dark areas. A fused pixel may be
darker than every HS pixel, since these are mixtures, but not negative. Values far above those of
the HS image are counted (:mod:`hsfuse.core.excess`), not changed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.excess import BrightRange
from hsfuse.pair.survey import Survey

__all__ = ["apply_lower_limit", "find_bright_range", "find_lower_limit"]

# Share of negative HS values above which the data are signed, such as differences or standardised
# values; atmospheric correction makes up to a few per cent of dark pixels negative.
_SIGNED = 0.05


def find_lower_limit(survey: Survey) -> NDArray[np.float32]:
    """
    Return the smallest value that the output may have in each band.

    Parameters
    ----------
    survey : Survey
        Survey of the pair.

    Returns
    -------
    ndarray of shape (bands,)
        In units of the HS image: 0 where no surveyed value of the band is negative, else the
        smallest one. -inf (no limit) for a band without data, and for all bands if more than 5 %
        of the values of the good bands are negative.
    """
    values = [image.reshape(len(survey.marked), -1) for image in survey.images]
    lowest = np.min([np.min(v, axis=1, initial=np.inf, where=np.isfinite(v)) for v in values], 0)
    negative = sum(int(np.count_nonzero(v[survey.good] < 0)) for v in values)
    count = sum(int(np.count_nonzero(np.isfinite(v[survey.good]))) for v in values)
    if negative > _SIGNED * count:
        return np.full(len(lowest), -np.inf, np.float32)
    return np.where(np.isfinite(lowest), np.minimum(lowest, 0), -np.inf).astype(np.float32)


def find_bright_range(survey: Survey) -> BrightRange:
    """Return the medians and the largest values of both images of a surveyed pair."""
    bands, good = len(survey.marked), survey.good
    median = np.full(bands, np.nan)
    median[good] = np.median(survey.spectra[good], axis=1)
    fine = [np.median(band) for band in survey.fine_pixels]
    nothing = np.full(len(fine), np.nan)
    known = BrightRange(
        median, np.full(bands, np.nan), np.array(fine, np.float64), nothing, nothing
    )
    for image in survey.images:
        known = known.including(image, nothing[:, None, None], nothing[:, None, None])
    for patch in survey.patches:
        degraded, used = survey.degraded(patch)
        known = known.including(patch.coarse, patch.fine, np.where(used, degraded, np.nan))
    return known


def apply_lower_limit(values: NDArray[np.float32], lower: NDArray[np.float32]) -> int:
    """
    Clip values at the lower limit of their band, in place.

    Parameters
    ----------
    values : ndarray of shape (bands or more, rows, columns)
        NaN, and bands beyond the length of ``lower``, are unchanged.
    lower : ndarray of shape (bands,)
        Limits of :func:`find_lower_limit`.

    Returns
    -------
    int
        Number of values below the limit.
    """
    limited = 0
    for plane, limit in zip(values, lower, strict=False):
        if not plane.min(initial=np.inf) > limit:  # or there are gaps
            limited += int(np.count_nonzero(plane < limit))
            np.maximum(plane, limit, out=plane)
    return limited
