"""Selection of the parameters of `guided` at reduced resolution."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hsfuse.methods.guided.reduced_resolution import ReducedResolutionPair, reduce_resolution
from hsfuse.methods.guided.regression import fit
from hsfuse.methods.guided.settings import DEFAULT, GuidedSettings, Parameters
from hsfuse.pair.survey import Survey

__all__ = ["select_parameters"]


def select_parameters(survey: Survey, settings: GuidedSettings = DEFAULT) -> Parameters:
    """
    Select the parameters with the best score at reduced resolution, one after the other.

    A survey that is too small for the test has the defaults, or parameters for very few pixels.
    """
    pair = reduce_resolution(survey, settings.reduced_resolution)
    best, selection = Parameters(), settings.selection
    if pair is None:
        few = survey.spectra.shape[1] < selection.few_pixels
        return selection.for_few_pixels if few else best
    limit = len(pair.subspace.basis)
    best_score = _score(pair, best, settings)
    for name in selection.order:
        for value in getattr(selection, name):
            if getattr(best, name) == value or (name == "components" and value > limit):
                continue
            changed: dict[str, Any] = {name: value}
            candidate = replace(best, **changed)
            score = _score(pair, candidate, settings)
            if score > best_score:
                best, best_score = candidate, score
    return best


def _score(pair: ReducedResolutionPair, parameters: Parameters, settings: GuidedSettings) -> float:
    fuser = fit(pair.survey, parameters, subspace=pair.subspace, settings=settings)
    components = [fuser.components(window).cpu().numpy() for window in pair.windows]
    return pair.component_quality(components, fuser.subspace).score
