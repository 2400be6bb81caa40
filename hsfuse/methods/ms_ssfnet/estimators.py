"""The methods whose answers the network sees, prepared for one pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hsfuse.methods import Options, Window
from hsfuse.methods.cnmf import METHOD as CNMF
from hsfuse.methods.cnmf import CnmfFuser
from hsfuse.methods.guided.regression import Parameters, Stages
from hsfuse.methods.kriging.method import KrigingFuser, average, krige
from hsfuse.pair.survey import Survey

__all__ = ["Answers", "Estimators"]


@dataclass(frozen=True)
class Answers:
    """
    Estimates of a window's components, each of shape (components, core rows, core columns).

    Attributes
    ----------
    start, guided, missing : Tensor
        The best one; that of `guided`; and what the processes miss of the HS image.
    others : tuple of Tensor
        Each process, `guided`, its scene-wide part and `cnmf`.
    """

    start: Tensor
    guided: Tensor
    missing: Tensor
    others: tuple[Tensor, ...]


@dataclass(frozen=True)
class Estimators:
    """The methods whose answers the network sees, prepared for one pair; `guided` in `kriging`."""

    kriging: KrigingFuser
    cnmf: CnmfFuser

    @classmethod
    def prepare(cls, survey: Survey, parameters: Parameters, device: str = "cpu") -> Estimators:
        """Return them for a survey; the parameters are `guided`'s."""
        return cls(krige(survey, parameters, device=device), CNMF.prepare(survey, Options()))

    def answers(self, window: Window, stages: Stages) -> Answers:
        """Return every estimate of the components over the core of a window."""
        rows, columns = (span.slice for span in window.core)
        processes = self.kriging.components(window, stages)
        parts = stages.fused[:, rows, columns], stages.scene_wide[:, rows, columns]
        others = (*processes[:-1], *parts, self.unmixed(window).to(processes))
        return Answers(average(processes), parts[0], processes[-1], others)

    def unmixed(self, window: Window) -> Tensor:
        """Return `cnmf`'s answer in components, shape (components, core rows, core columns)."""
        subspace = self.kriging.guided.subspace
        good = subspace.good
        loading = torch.from_numpy((subspace.basis @ self.cnmf.loading[good]).astype(np.float32))
        level = torch.from_numpy((subspace.basis @ subspace.mean[good]).astype(np.float32))
        spread = torch.tensordot(loading, self.cnmf.abundances(window), dims=1)
        return spread - level[:, None, None]
