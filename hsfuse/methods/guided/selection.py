"""Selection of the parameters of `guided` at reduced resolution."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hsfuse.methods.guided.regression import Parameters, fit
from hsfuse.methods.reduced_resolution import Trial, judged, step_down
from hsfuse.pair.survey import Survey

__all__ = ["select_parameters"]

# A dozen pixels fix a line of few components, and nothing of squares or of places. Four dozen
# carry the usual parameters: 0.4 dB better on EnMAP at ratio 8.33 (benchmarks/degraded_pair.py).
_FEW = 48
_FOR_FEW = Parameters(components=3, ridge=1.0, quadratic=0.0)

_CANDIDATES: dict[str, tuple[float, ...]] = {
    "components": (3, 4, 5, 6, 8, 10, 12, 16, 20, 24),
    "quadratic": (0.0, 0.5, 1.0),
    "back_projections": (0, 1, 2, 4),
    "ridge": (1e-3, 1e-2, 1e-1),
    "radius": (3, 4, 6),
}


def select_parameters(survey: Survey) -> Parameters:
    """
    Return the parameters that do best one scale down, one after the other.

    The score counts decibels of PSNR and of spectral angle alike: a wrong shape of the
    spectrum is as bad as a wrong brightness. A survey of a few pixels gets what they
    can carry.
    """
    best = Parameters()
    trial = step_down(survey)
    if trial is None:
        return _FOR_FEW if survey.spectra.shape[1] < _FEW else best
    limit = len(trial.subspace.basis)
    best_score = _score(trial, best)
    for name in ("components", "quadratic", "back_projections", "ridge", "radius", "components"):
        for value in _CANDIDATES[name]:
            if getattr(best, name) == value or (name == "components" and value > limit):
                continue
            candidate = _with(best, name, value)
            score = _score(trial, candidate)
            if score > best_score:
                best, best_score = candidate, score
    return best


def _with(parameters: Parameters, name: str, value: float) -> Parameters:
    changed: dict[str, Any] = {name: value}
    return replace(parameters, **changed)


def _score(trial: Trial, parameters: Parameters) -> float:
    fuser = fit(trial.survey, parameters, subspace=trial.subspace)
    return judged(trial.figures(fuser.fuse(trial.windows)))
