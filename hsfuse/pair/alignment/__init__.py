"""
Co-registration: shift of the HS image and width of its PSF, estimated from the pair.

Georeferencing has errors of fractions of an HS pixel or more, and the width of the point spread
function is seldom known. Both are estimated without knowledge of R or of the units: ``D(Y)`` is
nearly a linear function of the leading principal components of ``X`` at the right shift and
width. They minimise the share of the variance of ``D(Y)`` that this function leaves unexplained.
"""

from __future__ import annotations

from hsfuse.pair.alignment.correction import align_pair
from hsfuse.pair.alignment.measurement import Alignment, describe_shift, measure_alignment

__all__ = ["Alignment", "align_pair", "describe_shift", "measure_alignment"]
