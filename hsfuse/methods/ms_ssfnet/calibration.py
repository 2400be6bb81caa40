"""Preparation of a fuser of components, and calibration of its standard errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hsfuse.methods import Options
from hsfuse.methods.conditioning import with_models
from hsfuse.methods.guided.selection import select_on
from hsfuse.methods.guided.settings import Parameters
from hsfuse.methods.ms_ssfnet.components import ComponentFuser
from hsfuse.methods.ms_ssfnet.estimators import Estimators
from hsfuse.methods.ms_ssfnet.kalman_gain import KalmanGain, fine_error_covariance
from hsfuse.methods.ms_ssfnet.scales import measure_scales
from hsfuse.methods.ms_ssfnet.settings import DEFAULT, ComponentSettings
from hsfuse.methods.ms_ssfnet.uncertainty import (
    ErrorModel,
    fit_error_model,
    variance_outside_subspace,
)
from hsfuse.methods.reduced_resolution import ReducedResolutionPair, reduce_resolution
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
    """
    guided = settings.kriging.guided
    pair = reduce_resolution(survey, guided.reduced_resolution)
    parameters = select_on(pair, survey, guided)
    fuser = _prepared(card, survey, parameters, options, settings)
    if not options.uncertainty:
        return fuser
    if pair is None:  # too small to be reduced
        model = ErrorModel.default(max(survey.ratio), settings.error_model)
    else:
        model = _error_model(pair, fuser, parameters)
    return replace(fuser, error_model=model, notes=(model.sentence(),))


def _prepared(
    card: Card,
    survey: Survey,
    parameters: Parameters,
    options: Options,
    settings: ComponentSettings,
) -> ComponentFuser:
    estimators = Estimators.prepare(survey, parameters, device=options.device, settings=settings)
    guided = estimators.kriging.guided
    scales = measure_scales(survey, estimators, settings.scales, settings.response)
    error = fine_error_covariance(survey, guided.subspace, scales)
    prior = settings.consistency.fine_prior * scales.prior_deviation
    outside = 0.0
    if options.uncertainty:
        good = survey.good
        spectra = survey.spectra[good] - guided.subspace.mean[good][:, None]
        outside = variance_outside_subspace(spectra, guided.subspace, survey.noise[good])
    return ComponentFuser(
        card,
        estimators,
        scales,
        KalmanGain.of(scales.response, prior, error),
        options,
        outside=outside,
        settings=settings,
    )


def _error_model(
    pair: ReducedResolutionPair, fuser: ComponentFuser, parameters: Parameters
) -> ErrorModel:
    """Return the error model fitted to the errors of the fused reduced-resolution pair."""
    reduced = _prepared(fuser.card, pair.survey, parameters, fuser.options, fuser.settings)
    good = pair.survey.good
    pixels = []
    for window, reference in zip(pair.windows, pair.references, strict=True):
        estimators = reduced.estimators.of_scene(window.geometry.coarse_shape)
        fuser_of_window = replace(reduced, estimators=estimators)
        conditioned = with_models(fuser_of_window, window)
        components, spread = fuser_of_window.consistent_components(conditioned)
        cube = reduced.estimators.kriging.guided.expand(components).cpu().numpy()
        error = np.sqrt(np.square(cube[good] - reference[good], dtype=np.float64).mean(axis=0))
        error[~np.isfinite(window.fine).all(axis=0)] = np.nan
        pixels.append([values.ravel() for values in (spread, reduced.contrast(window), error)])
    columns = (np.concatenate(parts) for parts in zip(*pixels, strict=True))
    # Small scenes leave room for small ratios alone, which predict less of the full resolution.
    ratio = max(fuser.estimators.kriging.ratio)
    full, low = (np.linalg.norm(each.scales.prior_deviation) for each in (fuser, reduced))
    settings = fuser.settings.error_model
    return fit_error_model(
        *columns,
        default=ErrorModel.default(ratio, settings),
        ratio_change=ratio / max(pair.survey.ratio),
        scale=float(full / low),
        settings=settings,
    )
