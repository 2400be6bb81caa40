"""Preparation of the fuser of components for one pair."""

from __future__ import annotations

import math

import numpy as np

from hsfuse.errors import PlanError
from hsfuse.methods import Options
from hsfuse.methods.ms_ssfnet.consistency import DataConsistency
from hsfuse.methods.ms_ssfnet.correction import NetworkCorrection, select_components
from hsfuse.methods.ms_ssfnet.error_model import ErrorModel, ErrorModelSettings
from hsfuse.methods.ms_ssfnet.estimators import Estimators
from hsfuse.methods.ms_ssfnet.fuser import ComponentFuser
from hsfuse.methods.ms_ssfnet.kalman_gain import KalmanGain
from hsfuse.methods.ms_ssfnet.ms_error import error_covariance, unexplained_share
from hsfuse.methods.ms_ssfnet.reference_noise import (
    ms_noise,
    reference_noise,
    variance_outside_subspace,
)
from hsfuse.methods.ms_ssfnet.response_correction import paired_components
from hsfuse.methods.ms_ssfnet.scales import ComponentScales, measure_scales
from hsfuse.methods.ms_ssfnet.settings import DEFAULT, ComponentSettings
from hsfuse.nets.weights import Card
from hsfuse.pair.survey import Survey

__all__ = ["prepare_components"]


def prepare_components(
    card: Card, survey: Survey, options: Options, settings: ComponentSettings = DEFAULT
) -> ComponentFuser:
    """
    Return the fuser for a surveyed pair, with an error model if standard errors are requested.

    Parameters
    ----------
    card : Card
        Card of the weights.
    survey : Survey
        Survey of the pair.
    options : Options
        Device, precision, and whether to compute standard errors.
    settings : ComponentSettings
        Settings of all steps.

    Raises
    ------
    PlanError
        If standard errors are requested for a pair that is too small for them.
    """
    estimators, scenes = Estimators.prepare(
        survey, device=options.device, settings=settings.estimators
    )
    kriging, subspace = estimators.kriging, estimators.kriging.guided.subspace
    scales = measure_scales(survey, estimators, scenes, settings.scales, settings.response)
    del scenes  # their features are large
    gain, unexplained = _ms_gain(survey, estimators, scales, settings)
    power = scales.prior_deviation**2 * subspace.power
    correction = NetworkCorrection(
        card,
        components=select_components(power, settings.correction),
        weight=settings.correction.scene_weight(math.prod(kriging.shape), unexplained),
        scales=scales,
        gain=gain,
        options=options,
        settings=settings.correction,
    )
    consistency = DataConsistency(
        kriging.guided.psf,
        response=scales.response.matrix,
        hs_noise=kriging.noise,
        prior_deviation=scales.prior_deviation,
        gain=gain,
        settings=settings.consistency,
    )
    if not options.uncertainty:
        return ComponentFuser(estimators, correction, consistency)
    model = _error_model(survey, estimators, scales, settings.error_model)
    return ComponentFuser(estimators, correction, consistency, model, (model.sentence(),))


def _ms_gain(
    survey: Survey, estimators: Estimators, scales: ComponentScales, settings: ComponentSettings
) -> tuple[KalmanGain, float]:
    """Return the gain of the MS image, and the share of it that the HS image leaves unexplained."""
    components, fine = paired_components(survey, estimators.kriging.guided.subspace)
    residual = scales.response.residual(fine, components)
    unexplained = unexplained_share(residual, fine)
    # Where no part of the MS image is even, texture counts as noise; the residual of the initial
    # estimate is an upper limit.
    noise = np.minimum(survey.fine_noise, scales.ms_residual)
    error = error_covariance(residual, noise, unexplained, settings.ms_error)
    prior = settings.consistency.ms_prior_factor * scales.prior_deviation
    return KalmanGain.of(scales.response.matrix, prior, error), unexplained


def _error_model(
    survey: Survey, estimators: Estimators, scales: ComponentScales, settings: ErrorModelSettings
) -> ErrorModel:
    """Return the error model of a pair."""
    pixels = sum(int(survey.degraded(patch)[1].sum()) for patch in survey.patches)
    if pixels < settings.minimum_pixels:
        raise PlanError(
            f"the pair has {pixels} HS pixels with data in both images; expected at "
            f"least {settings.minimum_pixels} for standard errors: fewer do not show their size"
        )
    subspace, good = estimators.kriging.guided.subspace, survey.good
    spectra = survey.spectra[good] - subspace.mean[good][:, None]
    power = subspace.power / good.sum()
    return ErrorModel(
        prior=math.sqrt(float(scales.prior_deviation**2 @ power)),
        estimate_difference=scales.estimate_difference,
        ms_noise=ms_noise(
            survey.fine_noise,
            scales.response.matrix,
            scales.prior_deviation,
            power,
            settings.maximum_ms_noise,
        ),
        hs_residual=scales.hs_residual,
        reference_noise=reference_noise(survey, settings.noise_tolerance),
        brightness=survey.brightness,
        ratio=float(np.max(survey.ratio)),
        outside_variance=variance_outside_subspace(spectra, subspace, survey.noise[good]),
        settings=settings,
    )
