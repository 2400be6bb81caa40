"""How the two images of a pair lie on each other, and how blurred one is: read from the pair.

Georeferencing is off by fractions of an HS pixel or more, and the width of the point spread
function is seldom known. Both are found without knowing R or the units of either image:
whatever an MS band is to the HS sensor, ``D(Y)`` is nearly a linear function of the leading
principal components of ``X`` when shift and blur are right, and at no other place. The share of
the variance of ``D(Y)`` which that function leaves unexplained is what is made small.
"""

from __future__ import annotations

from hsfuse.pair.alignment.correction import align_pair
from hsfuse.pair.alignment.measurement import Alignment, measure_alignment

__all__ = ["Alignment", "align_pair", "measure_alignment"]
