"""Weights of corrections: full where they help, small where they harm."""

import numpy as np
import pytest
import torch

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.methods import Window
from hsfuse.methods.guided.regression import GuidedFuser, fit
from hsfuse.methods.guided.settings import Parameters
from hsfuse.methods.ms_ssfnet.consistency import CANDIDATES, ConsistencyTerms, Observations
from hsfuse.methods.ms_ssfnet.shrinkage import Correction, fit_shrinkage, shrink
from hsfuse.methods.reduced_resolution import ReducedResolutionPair, reduce_resolution
from hsfuse.observe import Degrade
from hsfuse.pair.survey import Patch, Survey


@pytest.fixture(scope="module")
def pair() -> ReducedResolutionPair:
    """Return a small simulated pair at reduced resolution."""
    draw = np.random.default_rng(0)
    rows, columns = np.mgrid[:96, :96]
    spectra = 0.3 + draw.random((5, 8))
    cube = spectra[(rows // 11 + columns // 17) % 5].transpose(2, 0, 1).astype(np.float32)
    axis = Axis(96, 24, 4.0)
    geometry = Geometry(axis, axis)
    coarse = Degrade.between(geometry, PSF((1.0, 1.0))).forward(torch.from_numpy(cube)).numpy()
    coarse += 0.003 * draw.normal(size=coarse.shape).astype(np.float32)
    fine = np.stack([cube[:4].mean(axis=0), cube[4:].mean(axis=0)])
    survey = Survey(
        (Patch(coarse, fine, geometry, (0, 0)),),
        PSF((1.0, 1.0)),
        np.ones(8, bool),
        np.linspace(400, 800, 8),
    )
    reduced = reduce_resolution(survey)
    assert reduced is not None
    return reduced


@pytest.fixture(scope="module")
def guided(pair: ReducedResolutionPair) -> GuidedFuser:
    """Return `guided` fitted to the reduced pair."""
    return fit(pair.survey, Parameters(components=3), subspace=pair.subspace)


def reference_of(pair: ReducedResolutionPair, guided: GuidedFuser) -> torch.Tensor:
    """Return the components of the reference."""
    return torch.from_numpy(guided.subspace.project(pair.references[0])[0])


def nothing_observed(window: Window, count: int) -> Observations:
    """Return observations without data: no update changes anything."""
    rows, columns = window.geometry.coarse_shape
    fine = window.geometry.fine_shape
    return Observations(
        window.geometry,
        PSF((1.0, 1.0)),
        hs=torch.zeros(count, rows, columns),
        hs_valid=torch.zeros(rows, columns, dtype=torch.bool),
        fine=torch.zeros(1, *fine),
        fine_valid=torch.ones(fine, dtype=torch.bool),
        noise=torch.zeros(count),
        prior_deviation=torch.ones(count),
        response=torch.zeros(1, count),
        gain=torch.zeros(count, 1),
    )


def test_what_helps_is_used_and_what_harms_is_not(
    pair: ReducedResolutionPair, guided: GuidedFuser
) -> None:
    """A step to the truth is used in full, one away from it hardly, one of nothing in full."""
    (window,) = pair.windows
    base, truth = guided.components(window), reference_of(pair, guided)
    away = base - 3 * (truth - base)
    corrected = torch.stack([truth[0], away[1], base[2]])
    even = torch.ones(base.shape[1:])
    corrections = [Correction(base, corrected, even, nothing_observed(window, 3))]
    found = fit_shrinkage(pair, guided, corrections, 3, prior=1.0)
    assert found.weights[0] == 1
    assert found.weights[1] < 0.4
    assert found.weights[2] == 1
    assert found.terms == CANDIDATES[0], "without observations no terms do better"
    trusted = fit_shrinkage(pair, guided, corrections, 3, prior=50.0)
    assert trusted.weights[1] > 0.9
    assert found.result.psnr > found.corrected.psnr
    assert "reduced-resolution test (Wald): guided" in found.sentence("ms-ssfnet")
    assert window.core == (Span(0, 24), Span(0, 24))


def test_the_figures_are_those_of_the_weighted_correction(
    pair: ReducedResolutionPair, guided: GuidedFuser
) -> None:
    """A harmful correction that is not used leaves the quality of `guided`, or nearly."""
    (window,) = pair.windows
    base, truth = guided.components(window), reference_of(pair, guided)
    corrected = base - 3 * (truth - base)
    even = torch.ones(base.shape[1:])
    corrections = [Correction(base, corrected, even, nothing_observed(window, 3))]
    found = fit_shrinkage(pair, guided, corrections, 3, prior=0.0)
    assert found.weights == (0, 0, 0)
    assert found.result == found.guided
    assert found.corrected.psnr < found.guided.psnr - 3


def test_the_consistency_terms_are_those_that_score_best(
    pair: ReducedResolutionPair, guided: GuidedFuser
) -> None:
    """An MS image that contradicts the reference is not used: the terms without it are selected."""
    (window,) = pair.windows
    truth = reference_of(pair, guided)
    wrong = nothing_observed(window, 3)
    wrong = Observations(
        **{**vars(wrong), "fine": wrong.fine + 1.0, "gain": torch.full((3, 1), 0.2)}
    )
    corrections = [Correction(truth, truth, torch.ones(truth.shape[1:]), wrong)]
    found = fit_shrinkage(pair, guided, corrections, 3)
    assert not found.terms.fine
    with_image = fit_shrinkage(pair, guided, corrections, 3, candidates=(ConsistencyTerms(),))
    assert with_image.result.score < found.result.score - 1


@pytest.mark.parametrize(("weight", "expected"), [(0.0, 1.0), (0.25, 1.5), (1.0, 3.0)])
def test_shrinkage_is_between_guided_and_correction(weight: float, expected: float) -> None:
    """Linear in the weight of each component, and that of another component does not matter."""
    guided, corrected = torch.ones(2, 3, 3), torch.full((2, 3, 3), 3.0)
    result = shrink(guided, corrected, np.array([weight, 1.0], np.float32))
    assert torch.equal(result[0], torch.full((3, 3), expected))
    assert torch.equal(result[1], corrected[1])
