"""Settings of `ms-ssfnet` where it fuses principal components."""

from __future__ import annotations

from dataclasses import dataclass, field

from hsfuse.methods.ms_ssfnet.consistency import ConsistencySettings
from hsfuse.methods.ms_ssfnet.correction import CorrectionSettings
from hsfuse.methods.ms_ssfnet.error_model import ErrorModelSettings
from hsfuse.methods.ms_ssfnet.estimators import EstimatorSettings
from hsfuse.methods.ms_ssfnet.ms_error import MSErrorSettings
from hsfuse.methods.ms_ssfnet.response_correction import ResponseSettings
from hsfuse.methods.ms_ssfnet.scales import ScaleSettings

__all__ = ["DEFAULT", "ComponentSettings"]


@dataclass(frozen=True, slots=True)
class ComponentSettings:
    """Settings of all steps; the values and their reasons are in the module of each step."""

    estimators: EstimatorSettings = field(default_factory=EstimatorSettings)
    response: ResponseSettings = field(default_factory=ResponseSettings)
    scales: ScaleSettings = field(default_factory=ScaleSettings)
    correction: CorrectionSettings = field(default_factory=CorrectionSettings)
    ms_error: MSErrorSettings = field(default_factory=MSErrorSettings)
    consistency: ConsistencySettings = field(default_factory=ConsistencySettings)
    error_model: ErrorModelSettings = field(default_factory=ErrorModelSettings)


DEFAULT = ComponentSettings()
