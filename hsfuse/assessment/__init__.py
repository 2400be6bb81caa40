"""
Quality of a fused raster without a reference: QNR, HQNR, and consistency with both inputs.

:func:`assess` takes files or arrays. To assess several fused rasters of one pair, call
:func:`observe_pair` once and :func:`assess_fused` for each raster.
"""

from hsfuse.assessment.comparison import assess, assess_fused
from hsfuse.assessment.figures import Assessment, Consistency, Finding
from hsfuse.assessment.observation import ObservedPair, observe_pair

__all__ = [
    "Assessment",
    "Consistency",
    "Finding",
    "ObservedPair",
    "assess",
    "assess_fused",
    "observe_pair",
]
