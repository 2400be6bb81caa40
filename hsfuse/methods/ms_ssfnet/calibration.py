"""Preparation of a fuser of components, with a model of its errors where these are wanted."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from hsfuse.errors import PlanError
from hsfuse.methods import Options
from hsfuse.methods.guided.selection import select_parameters
from hsfuse.methods.ms_ssfnet.components import ComponentFuser
from hsfuse.methods.ms_ssfnet.estimators import Estimators
from hsfuse.methods.ms_ssfnet.kalman_gain import (
    KalmanGain,
    error_covariance,
    surveyed_residual,
    unexplained_share,
)
from hsfuse.methods.ms_ssfnet.scales import measure_scales
from hsfuse.methods.ms_ssfnet.settings import DEFAULT, ComponentSettings
from hsfuse.methods.ms_ssfnet.uncertainty import (
    ErrorModel,
    reference_noise,
    variance_outside_subspace,
)
from hsfuse.nets.weights import Card
from hsfuse.pair.survey import Survey

__all__ = ["prepare_components"]


def prepare_components(
    card: Card, survey: Survey, options: Options, settings: ComponentSettings = DEFAULT
) -> ComponentFuser:
    """
    Return the fuser of a surveyed pair, with an error model where standard errors are wanted.

    Parameters
    ----------
    card : Card
        Of the weights.
    survey : Survey
        Of the pair.
    options : Options
        Device, precision, and whether standard errors are wanted.
    settings : ComponentSettings
        The other numbers.

    Raises
    ------
    PlanError
        If standard errors are wanted of a pair that is too small for them.
    """
    parameters = select_parameters(survey, settings.kriging.guided)
    estimators = Estimators.prepare(survey, parameters, device=options.device, settings=settings)
    guided = estimators.kriging.guided
    scales = measure_scales(survey, estimators, settings.scales, settings.response)
    residual, seen = surveyed_residual(survey, guided.subspace, scales)
    # Where no part of the MS image is even, texture counts as noise; what the initial estimate
    # leaves of the MS image bounds it.
    noise = np.minimum(survey.fine_noise, scales.fine_residual)
    unexplained = unexplained_share(residual, seen)
    error = error_covariance(residual, noise, unexplained, settings.consistency)
    prior = settings.consistency.fine_prior * scales.prior_deviation
    fuser = ComponentFuser(
        card,
        estimators,
        scales,
        KalmanGain.of(scales.response, prior, error),
        options,
        settings.network.weight(math.prod(estimators.kriging.shape), unexplained),
        settings=settings,
    )
    return _with_error_model(fuser, survey) if options.uncertainty else fuser


def _with_error_model(fuser: ComponentFuser, survey: Survey) -> ComponentFuser:
    """Return a fuser that gives standard errors."""
    kriging, settings = fuser.estimators.kriging, fuser.settings.error_model
    pixels = sum(int(survey.degraded(patch)[1].sum()) for patch in survey.patches)
    if pixels < settings.fewest_pixels:
        raise PlanError(
            f"the pair has {pixels} HS pixels with data in both images; expected at "
            f"least {settings.fewest_pixels} for standard errors: fewer do not show their size"
        )
    subspace, good = kriging.guided.subspace, survey.good
    spectra = survey.spectra[good] - subspace.mean[good][:, None]
    variance = float(fuser.scales.prior_deviation**2 @ subspace.power) / int(good.sum())
    model = ErrorModel(
        math.sqrt(variance),
        reference_noise(survey, settings),
        survey.brightness,
        float(np.max(survey.ratio)),
        settings,
    )
    outside = variance_outside_subspace(spectra, subspace, survey.noise[good])
    return replace(fuser, outside=outside, error_model=model, notes=(model.sentence(),))
