"""
`ms-ssfnet`: the network of :mod:`hsfuse.nets.ms_ssfnet` with weights that fit the pair.

The card of the weights states what they were trained for. Weights of the published form take both
images and predict the cube (:mod:`hsfuse.methods.ms_ssfnet.cube`): they fit one sensor and one
ratio. The others take the principal components of a scene one at a time and predict a correction
(:mod:`hsfuse.methods.ms_ssfnet.fuser`): they fit any sensor. Where no weights fit, `guided` fuses
the pair and a note says why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hsfuse.errors import WeightsError
from hsfuse.methods import Fuser, Options
from hsfuse.methods.guided.regression import fit
from hsfuse.methods.guided.selection import select_parameters
from hsfuse.methods.inference import InputScaling, find_misfit, sensor_notes
from hsfuse.methods.ms_ssfnet.cube import CubeFuser
from hsfuse.methods.ms_ssfnet.preparation import prepare_components
from hsfuse.methods.ms_ssfnet.settings import DEFAULT, ComponentSettings
from hsfuse.nets.weights import Card, find_weights, shipped_weights
from hsfuse.pair.survey import Survey

__all__ = ["METHOD", "MSSSFNetMethod"]

# Largest relative difference between equal values in float32, with a margin.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class MSSSFNetMethod:
    """
    The method: weights that fit the pair, or `guided`.

    Attributes
    ----------
    settings : ComponentSettings
        Settings for weights that correct components.
    """

    settings: ComponentSettings = DEFAULT

    def prepare(self, survey: Survey, options: Options) -> Fuser:
        """See :class:`hsfuse.methods.Method`."""
        if options.weights:
            cards = [find_weights(options.weights, "ms-ssfnet")]
        else:
            cards = shipped_weights()
        if _is_constant(survey):
            return self._prepare_guided(survey, options, "the HS image is the same everywhere")
        misfits = []
        for card in cards:
            misfit = find_misfit(card, survey)
            if misfit is None:
                return self._prepare_network(card, survey, options)
            misfits.append(misfit)
        if options.weights:
            raise WeightsError(
                f"{options.weights}: these weights do not fit the pair: {misfits[0]}"
            )
        reason = "; ".join(misfits) or "none are installed"
        return self._prepare_guided(
            survey, options, f"no ms-ssfnet weights fit this pair: {reason}"
        )

    def _prepare_guided(self, survey: Survey, options: Options, reason: str) -> Fuser:
        """Return the fuser of `guided`, with a note that states the reason."""
        settings = self.settings.estimators.kriging.guided
        parameters = select_parameters(survey, settings)
        guided = fit(survey, parameters, settings=settings, device=options.device)
        return replace(guided, notes=(*guided.notes, f"`guided` fuses this pair: {reason}"))

    def _prepare_network(self, card: Card, survey: Survey, options: Options) -> Fuser:
        """Return the fuser for weights of components, or for those of fixed bands."""
        if not card.domain.wavelength:
            return prepare_components(card, survey, options, self.settings)
        return CubeFuser(card, InputScaling.of(survey), options, sensor_notes(card))


def _is_constant(survey: Survey) -> bool:
    """Return whether the pixels of the HS image differ by rounding alone."""
    spectra = survey.spectra[survey.good]
    return bool(np.ptp(spectra, axis=1).max() <= _ROUNDING * np.abs(spectra).max())


METHOD = MSSSFNetMethod()
