"""The methods whose estimates the network corrects, prepared for one pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hsfuse.methods import Options, Window
from hsfuse.methods.cnmf import Cnmf, CnmfFuser
from hsfuse.methods.guided.regression import Stages
from hsfuse.methods.guided.settings import Parameters
from hsfuse.methods.kriging.method import KrigingFuser, average, fit_kriging
from hsfuse.methods.ms_ssfnet.settings import DEFAULT, ComponentSettings
from hsfuse.pair.survey import Survey

__all__ = ["Estimates", "Estimators"]


@dataclass(frozen=True)
class Estimates:
    """
    Estimates of a window's components, each of shape (components, core rows, core columns).

    Attributes
    ----------
    initial, guided, residual : Tensor
        That of `kriging`, which the network corrects; that of `guided`; and the interpolated
        residual of the HS image that `kriging` adds to its processes.
    others : tuple of Tensor
        Each process, `guided`, its scene-wide part and `cnmf`.
    """

    initial: Tensor
    guided: Tensor
    residual: Tensor
    others: tuple[Tensor, ...]


@dataclass(frozen=True)
class Estimators:
    """The methods, prepared for one pair; `guided` is part of `kriging`."""

    kriging: KrigingFuser
    cnmf: CnmfFuser

    @classmethod
    def prepare(
        cls,
        survey: Survey,
        parameters: Parameters,
        *,
        device: str = "cpu",
        settings: ComponentSettings = DEFAULT,
    ) -> Estimators:
        """Return the methods for a survey; the parameters are those of `guided`."""
        kriging = fit_kriging(survey, parameters, settings=settings.kriging, device=device)
        return cls(kriging, Cnmf(settings.cnmf).prepare(survey, Options()))

    def estimate(self, window: Window, stages: Stages) -> Estimates:
        """Return every estimate of the components over the core of a window."""
        rows, columns = (span.slice for span in window.core)
        processes = self.kriging.components(window, stages)
        guided = stages.fused[:, rows, columns], stages.scene_wide[:, rows, columns]
        others = (*processes[:-1], *guided, self.cnmf_components(window).to(processes))
        return Estimates(average(processes), guided[0], processes[-1], others)

    def cnmf_components(self, window: Window) -> Tensor:
        """Return the estimate of `cnmf`, shape (components, core rows, core columns)."""
        subspace = self.kriging.guided.subspace
        good = subspace.good
        loading = torch.from_numpy((subspace.basis @ self.cnmf.loading[good]).astype(np.float32))
        mean = torch.from_numpy((subspace.basis @ subspace.mean[good]).astype(np.float32))
        components = torch.tensordot(loading, self.cnmf.abundances(window), dims=1)
        return components - mean[:, None, None]
