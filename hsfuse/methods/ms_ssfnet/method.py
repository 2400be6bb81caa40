"""
`ms-ssfnet`: the network of :mod:`hsfuse.nets.ms_ssfnet` with weights that fit the pair.

Weights know what they were trained for; their card says it. Those of the paper's kind see
the pair and answer the cube: they fit one sensor and one ratio. The others see a scene's
own principal components one at a time (:mod:`hsfuse.methods.ms_ssfnet.features`) and answer a
correction: they fit any sensor. How much of a correction is kept is tried one scale down
(:mod:`hsfuse.methods.ms_ssfnet.shrinkage`), and the cube is brought in line with the HS image.
Where no weights fit, `guided` fuses the pair and the notes say why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hsfuse.errors import WeightsError
from hsfuse.methods import Fuser, Options
from hsfuse.methods.guided.regression import fit
from hsfuse.methods.guided.selection import select_parameters
from hsfuse.methods.ms_ssfnet.calibration import prepare_components
from hsfuse.methods.ms_ssfnet.cube import CubeFuser
from hsfuse.nets.weights import Card, find_weights, shipped_weights
from hsfuse.pair.survey import Survey

__all__ = ["METHOD", "MSSSFNetMethod"]

_ROUNDING = 1e-6  # of float32, and some more


@dataclass(frozen=True)
class MSSSFNetMethod:
    """The method: weights that fit, or `guided`."""

    def prepare(self, survey: Survey, options: Options) -> Fuser:
        """See :class:`hsfuse.methods.Method`."""
        cards = [find_weights(options.weights)] if options.weights else shipped_weights()
        if _flat(survey):
            return _guided(survey, options, "the HS image is the same everywhere")
        reasons = []
        # A network of fixed bands reads denoised ones as well: they are filled.
        held = survey.good if survey.denoised is None else survey.good | survey.denoised
        for card in cards:
            fine = survey.patches[0].fine.shape[0]
            reason = card.domain.misfit(survey.wavelength, held, fine, survey.ratio)
            if reason is None:
                return _prepared(card, survey, options)
            reasons.append(f"{card.name} {reason}")
        if options.weights:
            raise WeightsError(f"{options.weights}: these weights do not fit: {reasons[0]}")
        why = "; ".join(reasons) if reasons else "none are installed"
        return _guided(survey, options, f"no ms-ssfnet weights fit this pair: {why}")


def _guided(survey: Survey, options: Options, why: str) -> Fuser:
    """Return `guided`, and say why."""
    guided = fit(survey, select_parameters(survey), device=options.device)
    return replace(guided, notes=(*guided.notes, f"`guided` fuses this pair; {why}"))


def _flat(survey: Survey) -> bool:
    """Tell whether nothing but rounding differs from pixel to pixel of the HS image."""
    spectra = survey.spectra[survey.good]
    return bool(np.ptp(spectra, axis=1).max() <= _ROUNDING * np.abs(spectra).max())


def _prepared(card: Card, survey: Survey, options: Options) -> Fuser:
    if not card.domain.wavelength:
        return prepare_components(card, survey, options)
    mean = np.nanmean(survey.spectra, axis=1).astype(np.float32)
    return CubeFuser(card, mean, survey.brightness, options)


METHOD = MSSSFNetMethod()
