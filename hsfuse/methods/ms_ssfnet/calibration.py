"""Preparation of a fuser of components: fitted to a pair, calibrated at reduced resolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hsfuse.methods import Options
from hsfuse.methods.guided.selection import select_on
from hsfuse.methods.guided.settings import Parameters
from hsfuse.methods.ms_ssfnet.components import ComponentFuser, Prediction
from hsfuse.methods.ms_ssfnet.consistency import fine_error_covariance, kalman_gain
from hsfuse.methods.ms_ssfnet.estimators import Estimators
from hsfuse.methods.ms_ssfnet.scales import measure_scales
from hsfuse.methods.ms_ssfnet.settings import DEFAULT, ComponentSettings
from hsfuse.methods.ms_ssfnet.shrinkage import Correction, fit_shrinkage
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
    Return the fuser of a surveyed pair, calibrated by the reduced-resolution test.

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
    fuser = _uncalibrated(card, survey, parameters, options, settings)
    if pair is not None:
        return _calibrated(pair, fuser, parameters)
    note = (
        "the pair is too small for the reduced-resolution test; the network's corrections are "
        "used in full"
    )
    if not options.uncertainty:
        return replace(fuser, notes=(note,))
    model = ErrorModel.default(max(survey.ratio), settings.error_model)
    return replace(fuser, notes=(note, model.sentence()), error_model=model)


def _uncalibrated(
    card: Card,
    survey: Survey,
    parameters: Parameters,
    options: Options,
    settings: ComponentSettings,
) -> ComponentFuser:
    estimators = Estimators.prepare(survey, parameters, device=options.device, settings=settings)
    guided = estimators.kriging.guided
    scales = measure_scales(survey, estimators, settings.scales)
    error = fine_error_covariance(survey, guided.subspace, scales.mean_response, scales.response)
    prior = settings.consistency.fine_prior * scales.prior_deviation
    count = guided.parameters.components
    outside = 0.0
    if options.uncertainty:
        good = survey.good
        spectra = survey.spectra[good] - guided.subspace.mean[good][:, None]
        outside = variance_outside_subspace(spectra, guided.subspace, survey.noise[good])
    return ComponentFuser(
        card,
        estimators,
        scales,
        kalman_gain(scales.response, prior, error),
        min(parameters.components, count),
        np.ones(count, dtype=np.float32),
        options,
        outside=outside,
        settings=settings,
    )


def _calibrated(
    pair: ReducedResolutionPair, fuser: ComponentFuser, parameters: Parameters
) -> ComponentFuser:
    """Return the fuser with weights, data consistency terms and error model of the test."""
    reduced = _uncalibrated(fuser.card, pair.survey, parameters, fuser.options, fuser.settings)
    # Small scenes leave room for small ratios alone, which predict less of the full resolution.
    change = max(fuser.estimators.kriging.ratio) / max(pair.survey.ratio)
    predictions = [reduced.predict(window) for window in pair.windows]
    corrections = [
        Correction(
            each.guided,
            each.corrected,
            reduced.relative_variance(each),
            reduced.observations(window, window.core, window.coarse_spans),
        )
        for window, each in zip(pair.windows, predictions, strict=True)
    ]
    guided, count = reduced.estimators.kriging.guided, len(fuser.weights)
    shrinkage = fit_shrinkage(
        pair, guided, corrections, count, prior=change**2, settings=fuser.settings
    )
    weights = np.asarray(shrinkage.weights, dtype=np.float32)
    note = shrinkage.sentence(fuser.name)
    fuser = replace(fuser, weights=weights, terms=shrinkage.terms, notes=(note,))
    if not fuser.options.uncertainty:
        return fuser
    reduced = replace(reduced, weights=weights[: len(reduced.weights)], terms=shrinkage.terms)
    model = _error_model(pair, fuser, reduced, predictions)
    return replace(fuser, error_model=model, notes=(*fuser.notes, model.sentence()))


def _error_model(
    pair: ReducedResolutionPair,
    fuser: ComponentFuser,
    reduced: ComponentFuser,
    predictions: Sequence[Prediction],
) -> ErrorModel:
    """Return the error model fitted to the errors of the reduced-resolution pixels."""
    good = pair.survey.good
    pixels = []
    for window, reference, each in zip(pair.windows, pair.references, predictions, strict=True):
        components, spread = reduced.consistent_components(window, each)
        cube = reduced.estimators.kriging.guided.expand(components).cpu().numpy()
        error = np.sqrt(np.square(cube[good] - reference[good], dtype=np.float64).mean(axis=0))
        error[~np.isfinite(window.fine).all(axis=0)] = np.nan
        pixels.append([values.ravel() for values in (spread, reduced.contrast(window), error)])
    columns = (np.concatenate(parts) for parts in zip(*pixels, strict=True))
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
