"""
`ms-ssfnet`: the network of :mod:`hsfuse.nets.ms_ssfnet` with weights that fit the pair.

The card of the weights states what they were trained for. Those of the paper's kind take both
images and predict the cube (:mod:`hsfuse.methods.ms_ssfnet.cube`): they fit one sensor and one
ratio. The others take a scene's own principal components one at a time
(:mod:`hsfuse.methods.ms_ssfnet.features`) and predict a correction: they fit any sensor. The
result is updated by both images (:mod:`hsfuse.methods.ms_ssfnet.consistency`). Where no weights
fit, `guided` fuses the pair and a note says why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hsfuse.errors import WeightsError
from hsfuse.methods import Fuser, Options
from hsfuse.methods.guided.regression import fit
from hsfuse.methods.guided.selection import select_parameters
from hsfuse.methods.inference import InputScaling, find_misfit, sensor_notes
from hsfuse.methods.ms_ssfnet.calibration import prepare_components
from hsfuse.methods.ms_ssfnet.cube import CubeFuser
from hsfuse.methods.ms_ssfnet.settings import DEFAULT, ComponentSettings
from hsfuse.nets.weights import Card, find_weights, shipped_weights
from hsfuse.pair.survey import Survey

__all__ = ["METHOD", "MSSSFNetMethod"]

# Relative differences that float32 may leave between equal values, with a margin.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class MSSSFNetMethod:
    """The method: weights that fit, or `guided`."""

    settings: ComponentSettings = DEFAULT

    def prepare(self, survey: Survey, options: Options) -> Fuser:
        """See :class:`hsfuse.methods.Method`."""
        cards = (
            [find_weights(options.weights, "ms-ssfnet")] if options.weights else shipped_weights()
        )
        if _flat(survey):
            return self._guided(survey, options, "the HS image is the same everywhere")
        reasons = []
        for card in cards:
            reason = find_misfit(card, survey)
            if reason is None:
                return self._prepared(card, survey, options)
            reasons.append(reason)
        if options.weights:
            raise WeightsError(
                f"{options.weights}: these weights do not fit the pair: {reasons[0]}"
            )
        why = "; ".join(reasons) if reasons else "none are installed"
        return self._guided(survey, options, f"no ms-ssfnet weights fit this pair: {why}")

    def _guided(self, survey: Survey, options: Options, why: str) -> Fuser:
        """Return `guided` with a note that says why."""
        settings = self.settings.kriging.guided
        parameters = select_parameters(survey, settings)
        guided = fit(survey, parameters, settings=settings, device=options.device)
        return replace(guided, notes=(*guided.notes, f"`guided` fuses this pair: {why}"))

    def _prepared(self, card: Card, survey: Survey, options: Options) -> Fuser:
        if not card.domain.wavelength:
            return prepare_components(card, survey, options, self.settings)
        return CubeFuser(card, InputScaling.of(survey), options, sensor_notes(card))


def _flat(survey: Survey) -> bool:
    """Return whether the pixels of the HS image differ by rounding alone."""
    spectra = survey.spectra[survey.good]
    return bool(np.ptp(spectra, axis=1).max() <= _ROUNDING * np.abs(spectra).max())


METHOD = MSSSFNetMethod()
