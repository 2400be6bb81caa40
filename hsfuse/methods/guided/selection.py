"""Selection of the parameters of `guided` at reduced resolution."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    candidates, limit = _Candidates(pair, settings), len(pair.subspace.basis)
    best_score = candidates.score(best)
    for name in selection.order:
        for value in getattr(selection, name):
            if getattr(best, name) == value or (name == "components" and value > limit):
                continue
            changed: dict[str, Any] = {name: value}
            candidate = replace(best, **changed)
            score = candidates.score(candidate)
            if score > best_score:
                best, best_score = candidate, score
    return best


@dataclass(frozen=True)
class _Candidates:
    """
    Candidates and their estimates.

    Components are fused independently, so that the estimate of few of them is a part of that of
    many with the same other parameters.
    """

    pair: ReducedResolutionPair
    settings: GuidedSettings
    estimates: dict[Parameters, list[NDArray[np.float32]]] = field(default_factory=dict)

    def score(self, parameters: Parameters) -> float:
        """Return the score of some parameters."""
        limit = len(self.pair.subspace.basis)
        count, others = min(parameters.components, limit), replace(parameters, components=limit)
        found = self.estimates.get(others)
        if found is None:
            found = self._estimate(replace(parameters, components=count))
        elif len(found[0]) < count:  # the number of components is being selected
            found = self._estimate(others)
        self.estimates[others] = found
        subspace = self.pair.subspace.leading(count)
        return self.pair.component_quality([each[:count] for each in found], subspace).score

    def _estimate(self, parameters: Parameters) -> list[NDArray[np.float32]]:
        """Return the components of each patch."""
        pair = self.pair
        fuser = fit(pair.survey, parameters, subspace=pair.subspace, settings=self.settings)
        return [fuser.components(window).cpu().numpy() for window in pair.windows]
