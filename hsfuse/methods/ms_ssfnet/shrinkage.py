"""
What a correction of `guided` is worth, tried one scale down on the pair itself.

There the HS image is the truth. Component by component the correction is kept as far as
it brings the answer nearer to the truth than `guided` is, so that it does no harm; and the
figures say what the run may be expected to gain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.methods.guided.regression import GuidedFuser
from hsfuse.methods.ms_ssfnet.consistency import CANDIDATES, Agreement, Observed, agree
from hsfuse.methods.reduced_resolution import Trial, judged

__all__ = ["Expectation", "expect"]

# A correction of which more than half belongs there leaves less error than none does.
_BETTER = 0.5
# Decibels by which another agreement than the first has to do better: the trial is of few pixels.
_MARGIN = 0.1


@dataclass(frozen=True)
class Expectation:
    """
    Figures one scale down, each PSNR in decibels and spectral angle in degrees.

    Attributes
    ----------
    shares : tuple of float
        How much of the correction of each component is kept, 0 to 1.
    guided, corrected, kept : tuple of float
        Of `guided`, of the whole correction, and of what is kept of it, in agreement.
    agreement : Agreement
        The one that was taken.
    """

    shares: tuple[float, ...]
    guided: tuple[float, float]
    corrected: tuple[float, float]
    kept: tuple[float, float]
    agreement: Agreement

    def sentence(self, name: str) -> str:
        """Return what the user should know."""
        mean = sum(self.shares) / len(self.shares)
        return (
            f"one scale down: guided {_figures(self.guided)}, {name} {_figures(self.corrected)}; "
            f"{mean:.0%} of its corrections are used, {_figures(self.kept)} once in agreement with "
            f"{self.agreement.sentence()}"
        )


def _figures(pair: tuple[float, float]) -> str:
    return f"{pair[0]:.2f} dB {pair[1]:.2f}°"


def expect(
    trial: Trial,
    guided: GuidedFuser,
    answers: Sequence[tuple[Tensor, Tensor, Tensor]],
    seen: Sequence[Observed],
    count: int,
    *,
    trust: float = 1.0,
    candidates: Sequence[Agreement] = CANDIDATES,
) -> Expectation:
    """
    Return what to expect of a correction, and how much of it to keep.

    Parameters
    ----------
    trial : Trial
        The pair one scale down.
    guided : GuidedFuser
        Fitted to the trial; gives the cube of components.
    answers : sequence of tuple of Tensor
        The components that `guided` and the correction give for each window of the trial, and
        the uncertainty of the latter as :func:`~hsfuse.methods.ms_ssfnet.consistency.agree`
        takes it.
    seen : sequence of Observed
        What both sensors saw of each window of the trial.
    count : int
        Components of the full-scale fusion; those that the trial lacks are kept whole.
    trust : float
        How much a correction counts before the trial, in units of the trial's word: more
        where the trial differs from the run.
    candidates : sequence of Agreement
        Of which the first is taken unless another one does clearly better.
    """
    pairs, along, size = [], torch.zeros(count), torch.zeros(count)
    for patch, truth, answer in zip(trial.survey.patches, trial.truths, answers, strict=True):
        base, corrected = (values.cpu() for values in answer[:2])
        pairs.append((base, corrected))
        wanted, valid = guided.subspace.project(truth)
        known = torch.from_numpy(valid & np.isfinite(patch.fine).all(axis=0))
        step, missing = (
            (values - base)[:, known] for values in (corrected, torch.from_numpy(wanted))
        )
        n = min(count, len(step))
        along[:n] += (step * missing).sum(dim=1)[:n]
        size[:n] += step.square().sum(dim=1)[:n]
    belonging = along / size.clamp_min(1e-30)
    mixed = ((belonging + trust) / (1 + trust)).clamp(0, 1)
    shares = torch.where((belonging > _BETTER) | (size == 0), torch.ones(count), mixed)

    def figures(cubes: list[Tensor]) -> tuple[float, float]:
        return trial.figures([guided.expand(cube).cpu().numpy() for cube in cubes])

    within = shares[: len(pairs[0][0]), None, None]
    whole = [base + within * (corrected - base) for base, corrected in pairs]
    scored = {
        candidate: figures(
            [
                agree(cube, answer[2].cpu(), each, candidate)
                for cube, answer, each in zip(whole, answers, seen, strict=True)
            ]
        )
        for candidate in candidates
    }
    best = max(scored, key=lambda each: judged(scored[each]) + _MARGIN * (each == candidates[0]))
    return Expectation(
        tuple(shares.tolist()),
        figures([base for base, _ in pairs]),
        figures([corrected for _, corrected in pairs]),
        scored[best],
        best,
    )


def shares_array(expectation: Expectation | None, count: int) -> NDArray[np.float32]:
    """Return the shares, all one without a trial."""
    return np.asarray(expectation.shares if expectation else (1.0,) * count, dtype=np.float32)
