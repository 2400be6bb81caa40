"""Fuser of components: independent of tiles, strips and units; corrections and their weights."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from dask.base import tokenize
from numpy.typing import NDArray

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.errors import PlanError
from hsfuse.methods import Fuser, Options, Window
from hsfuse.methods.cnmf.settings import CnmfSettings
from hsfuse.methods.conditioning import fuse_scene, middle_window, with_models
from hsfuse.methods.guided.settings import GuidedSettings
from hsfuse.methods.kriging.fuser import average
from hsfuse.methods.kriging.settings import Kernel, KrigingSettings
from hsfuse.methods.ms_ssfnet.comparison import ComparisonSettings
from hsfuse.methods.ms_ssfnet.consistency import Observations, UpdateRegion
from hsfuse.methods.ms_ssfnet.correction import CorrectionSettings
from hsfuse.methods.ms_ssfnet.error_model import ErrorModelSettings
from hsfuse.methods.ms_ssfnet.estimators import EstimatorSettings
from hsfuse.methods.ms_ssfnet.features import (
    CHANNELS,
    LEADING_COMPONENTS,
    Features,
    compute_features,
)
from hsfuse.methods.ms_ssfnet.fuser import ComponentFuser
from hsfuse.methods.ms_ssfnet.method import MSSSFNetMethod
from hsfuse.methods.ms_ssfnet.prediction import Prediction, predict
from hsfuse.methods.ms_ssfnet.scales import MS_COMPONENTS, ScaleSettings
from hsfuse.methods.ms_ssfnet.settings import DEFAULT, ComponentSettings
from hsfuse.nets.ms_ssfnet import Architecture, MSSSFNet
from hsfuse.nets.weights import Domain, save_weights
from hsfuse.observe import Degrade
from hsfuse.pair.patch import Patch
from hsfuse.pair.survey import Survey

BANDS, RATIO = 8, 2
ABOUT = {"data": "none", "recipe": {}, "scores": {}, "terms": "none"}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[float], str]:
    """Return a maker of weights files: random features, and a head of that size."""
    folder = tmp_path_factory.mktemp("weights")

    def make(head: float) -> str:
        torch.manual_seed(0)
        network = MSSSFNet(Architecture(1, CHANNELS, 1, 4, 1, CHANNELS))
        torch.nn.init.normal_(network.head.weight, std=head)
        torch.nn.init.zeros_(network.head.bias)  # type: ignore[arg-type]
        path: Path = folder / f"head{head:g}.safetensors"
        save_weights(network.eval(), path, domain=Domain((1.5, 40), (1, 16)), about=ABOUT)
        return str(path)

    return make


def cube_of(side: int) -> NDArray[np.float32]:
    """Return fields of five materials under a light that varies, (8, side, side)."""
    draw = np.random.default_rng(0)
    spectra = 0.2 + draw.random((5, BANDS))
    rows, columns = np.mgrid[:side, :side]
    cover = ((rows // 9) * 3 + columns // 13) % 5
    light = 0.6 + 0.3 * np.sin(rows / 7) * np.cos(columns / 11)
    return (spectra[cover].transpose(2, 0, 1) * light).astype(np.float32)


def pair_of(cube: NDArray[np.float32]) -> tuple[Survey, Window]:
    """Return the survey and the whole window of what two sensors see of a cube."""
    side = cube.shape[1]
    axis = Axis(side, side // RATIO, float(RATIO))
    geometry = Geometry(axis, axis)
    coarse = Degrade.between(geometry, PSF((1.0, 1.0))).forward(torch.from_numpy(cube)).numpy()
    coarse = (coarse + 0.004 * np.random.default_rng(1).normal(size=coarse.shape)).astype(
        np.float32
    )
    fine = np.stack([cube[:3].mean(axis=0), cube[3:].mean(axis=0)])
    survey = Survey(
        (Patch(coarse, fine, geometry, (0, 0)),),
        PSF((1.0, 1.0)),
        np.ones(BANDS, bool),
        np.linspace(400, 900, BANDS),
    )
    return survey, Window(coarse, fine, geometry, (Span(0, side), Span(0, side)), (0, 0))


def prepared(
    survey: Survey,
    file: str,
    settings: ComponentSettings = DEFAULT,
    *,
    uncertainty: bool = False,
) -> ComponentFuser:
    """Return the fuser of a pair with the weights of a file."""
    fuser = MSSSFNetMethod(settings).prepare(survey, Options(file, uncertainty=uncertainty))
    assert isinstance(fuser, ComponentFuser)
    return fuser


# Few features and updates, where they do not matter.
FAST = ComponentSettings(
    EstimatorSettings(
        KrigingSettings(features=48),
        CnmfSettings(updates=10, updates_coarse=10, updates_fine=10),
    )
)


def with_kriging(settings: ComponentSettings, kriging: KrigingSettings) -> ComponentSettings:
    """Return the settings with others of `kriging`."""
    return replace(settings, estimators=replace(settings.estimators, kriging=kriging))


# Scenes are divided into cells, of which a window has a part; textures reach less far than data
# consistency does.
PROCESSES = tuple((Kernel(1.0 + k, 8.0 - k, 1.0, (0.3,)),) for k in range(4))
SMALL_CELLS = with_kriging(
    FAST, KrigingSettings(PROCESSES, cell=16, halo=4, ramp=2, features=48, validation_side=24)
)


def predicted(
    fuser: ComponentFuser, window: Window, settings: CorrectionSettings = DEFAULT.correction
) -> Prediction:
    """Return the prediction with other settings of the correction."""
    correction = replace(fuser.correction, settings=settings)
    return predict(window, fuser.estimators, correction, with_ensemble=True)


def test_a_window_equals_the_same_part_of_the_whole(
    weights: Callable[[float], str], read_tile: Callable[[Fuser, Window, Span], Window]
) -> None:
    """Estimators, network, consistency, standard error need no more than the stated reach."""
    survey, window = pair_of(cube_of(208))
    fuser = prepared(survey, weights(0.05), SMALL_CELLS, uncertainty=True)
    window = with_models(fuser, window)
    (whole,) = fuser.fuse([window])
    core = Span(98, 111)
    part = read_tile(fuser, window, core)
    (values,) = fuser.fuse([part])
    expected = whole[:, core.slice, core.slice]
    assert len(whole) == BANDS + 1
    assert np.abs(values - expected).max() <= 5e-5 * np.abs(whole).max()


def test_the_result_does_not_depend_on_the_strips(weights: Callable[[float], str]) -> None:
    """Strips of a few rows predict what one strip does, differences of the estimates included."""
    survey, window = pair_of(cube_of(96))
    fuser = prepared(survey, weights(0.05), SMALL_CELLS)
    window = with_models(fuser, window)
    window = replace(window, core=(Span(9, 70), Span(4, 96)))
    one, several = (
        predicted(fuser, window, CorrectionSettings(strip_pixels=pixels))
        for pixels in (2**17, 1300)
    )
    assert one.ensemble is not None
    assert several.ensemble is not None
    reference = torch.ones_like(one.components)
    everywhere = slice(0, 61), slice(0, 92)
    for first, other in (
        (one.components, several.components),
        (one.relative_variance, several.relative_variance),
        (
            one.ensemble.variance_about(reference, everywhere),
            several.ensemble.variance_about(reference, everywhere),
        ),
    ):
        assert (first - other).abs().max() <= 2e-5 * first.abs().max()


def test_a_network_without_a_head_leaves_the_initial_estimate(
    weights: Callable[[float], str],
) -> None:
    """A correction of zero leaves the estimate of `kriging`."""
    survey, window = pair_of(cube_of(96))
    fuser = prepared(survey, weights(0.0), SMALL_CELLS)
    kriging = fuser.estimators.kriging
    initial = average(kriging.components(with_models(kriging, window)))
    components = predicted(fuser, with_models(fuser, window)).components
    assert torch.allclose(components, initial, rtol=1e-4, atol=1e-5)


def test_components_that_are_not_selected_do_not_change(weights: Callable[[float], str]) -> None:
    """And selected ones are corrected, each by its own output."""
    survey, window = pair_of(cube_of(48))
    fuser = prepared(survey, weights(0.05), FAST)
    window = with_models(fuser, window)
    count = len(fuser.correction.scales.deviation)
    settings = CorrectionSettings(half_weight_misfit=1e9)
    every, one = (
        predicted(
            replace(fuser, correction=replace(fuser.correction, components=components)),
            window,
            settings,
        )
        for components in (tuple(range(count)), (1,))
    )
    assert one.ensemble is not None
    changed = (one.components != one.ensemble.initial).flatten(1).any(dim=1)
    assert np.flatnonzero(changed.numpy()).tolist() == [1]
    assert (every.components != one.ensemble.initial).flatten(1).any(dim=1).all()
    assert torch.allclose(one.components[1], every.components[1], atol=1e-6)


def test_corrections_have_less_weight_where_estimates_differ_or_the_ms_image_contradicts_them(
    weights: Callable[[float], str],
) -> None:
    """Each pixel has the share of its correction that its variance and its misfit give it."""
    survey, window = pair_of(cube_of(48))
    fuser = prepared(survey, weights(0.05), FAST)
    window = with_models(fuser, window)
    settings = CorrectionSettings(
        half_weight_variance=1.0, half_weight_misfit=0.1, minimum_variance_weight=0.2
    )
    unlimited = CorrectionSettings(half_weight_variance=1e9, half_weight_misfit=1e9)
    full, limited = (predicted(fuser, window, each) for each in (unlimited, settings))
    assert full.ensemble is not None
    initial, response = full.ensemble.initial, fuser.correction.scales.response
    region = UpdateRegion(window.core, (Span(0, 24), Span(0, 24)))
    subspace = fuser.estimators.kriging.guided.subspace
    fine = Observations.of(window, region, subspace, response.mean).ms
    matrix = torch.from_numpy(response.matrix).float()
    before, after = (
        fuser.correction.gain.misfit(fine - torch.tensordot(matrix, each, dims=1))
        for each in (initial, full.components)
    )
    share = settings.pixel_weight(full.relative_variance, after - before)
    assert share.min() < 0.3
    assert share.max() > 0.8
    correction, less = full.components - initial, limited.components - initial
    assert (less - share * correction).abs().max() <= 1e-4 * correction.abs().max()


def test_the_local_fit_blended_from_cells_is_that_of_one_cell(
    weights: Callable[[float], str],
) -> None:
    """Exactly so with one cell; with several where their halo is the reach of `guided`."""
    survey, window = pair_of(cube_of(120))
    fuser = prepared(survey, weights(0.0), FAST)
    guided = fuser.estimators.kriging.guided
    whole = guided.local_fit(window)
    halo = int(np.ceil(guided.reach[0])) + 1
    fast = FAST.estimators.kriging
    cells = replace(fast, cell=60 - 2 * halo - 1, halo=halo)
    for settings, count in ((replace(fast, cell=60), 1), (cells, 4)):
        estimators = fuser.estimators
        kriging = replace(estimators.kriging, settings=settings)
        estimators = replace(estimators, kriging=kriging)
        assert len(estimators.local_models.indexes) >= count
        fit = estimators.fit(with_models(estimators, window)).local_fit
        for found, wanted in (
            (fit.coefficients, whole.coefficients),
            (fit.correction, whole.correction),
        ):
            error = (found - wanted).abs().max()
            assert error <= (0 if count == 1 else 1e-4) * wanted.abs().max()


def features_of(fuser: ComponentFuser, window: Window) -> Features:
    """Return the features of all components over a scene."""
    fitted = fuser.estimators.fit(with_models(fuser, window))
    return compute_features(fitted, window.core, fuser.estimators, fuser.correction.scales)


def test_the_input_of_the_network_does_not_depend_on_units(weights: Callable[[float], str]) -> None:
    """A scene in other units, counts for reflectance say, has the same features."""
    survey, window = pair_of(cube_of(96))
    features = features_of(prepared(survey, weights(0.0), SMALL_CELLS), window)
    patch = survey.patches[0]
    scaled = replace(
        survey, patches=(replace(patch, coarse=1000 * patch.coarse, fine=50 * patch.fine),)
    )
    again = features_of(
        prepared(scaled, weights(0.0), SMALL_CELLS),
        replace(window, coarse=1000 * window.coarse, fine=50 * window.fine),
    )
    for component in range(4):
        one, other = (each.network_input(component) for each in (features, again))
        assert one.shape[0] == CHANNELS
        own = slice(MS_COMPONENTS + LEADING_COMPONENTS, None)
        assert (one[own] - other[own]).abs().median() < 1e-3
    # The sign of the difference of two bands is arbitrary.
    ms = slice(MS_COMPONENTS)
    assert (features.shared[ms].abs() - again.shared[ms].abs()).abs().max() < 1e-3


def test_the_prior_standard_deviation_is_measured_on_the_estimates(
    weights: Callable[[float], str],
) -> None:
    """
    Root mean square difference from the initial one, in the middle of a surveyed window.

    The middle is a scene of its own, of as many cells as it has.
    """
    survey, window = pair_of(cube_of(96))
    settings = replace(
        with_kriging(
            FAST, replace(FAST.estimators.kriging, cell=8, halo=3, ramp=2, validation_side=24)
        ),
        scales=ScaleSettings(ComparisonSettings(compared_side=20)),
    )
    fuser = prepared(survey, weights(0.0), settings)
    middle = middle_window(survey.patches[0], 24)
    assert middle.geometry.coarse_shape == (24, 24)
    assert np.array_equal(middle.coarse, window.coarse[:, 12:36, 12:36])
    estimators = fuser.estimators.for_scene((24, 24))
    fitted = estimators.fit(with_models(estimators, middle))
    assert len(fitted.window.models) == 9
    start = middle.core[0].start + (len(middle.core[0]) - 20) // 2
    area = (Span(start, start + 20),) * 2
    estimates = estimators.estimate(fitted, area)
    differences = torch.stack(estimates.others) - estimates.initial
    squares = differences.double().square().mean(dim=0).flatten(1).numpy()
    # Not determined by single objects.
    limit = np.quantile(squares, settings.scales.winsorised_quantile, axis=1, keepdims=True)
    expected = np.sqrt(np.minimum(squares, limit).mean(axis=1))
    assert (expected > 0).all()
    assert (expected < 0.99 * np.sqrt(squares.mean(axis=1))).any()
    scales = fuser.correction.scales
    assert scales.prior_deviation == pytest.approx(
        np.maximum(expected, 0.02 * scales.detail), rel=1e-4
    )
    power = fuser.estimators.kriging.guided.subspace.power / BANDS
    shares = differences.double().square().permute(0, 2, 3, 1).numpy() @ power
    residual = estimates.residual.double().square().permute(1, 2, 0).numpy() @ power
    *sizes, hs_residual = (
        np.sqrt(np.minimum(each, np.quantile(each, settings.scales.winsorised_quantile)).mean())
        for each in (*shares, residual)
    )
    assert scales.estimate_difference == pytest.approx(np.prod(sizes) ** (1 / len(sizes)), rel=1e-4)
    assert scales.hs_residual == pytest.approx(hs_residual, rel=1e-4)


def test_standard_errors_do_not_change_the_cube(weights: Callable[[float], str]) -> None:
    """Correction and update are the same with and without them, and a note says what they are."""
    survey, window = pair_of(cube_of(96))
    plain, calibrated = (
        prepared(survey, weights(0.05), FAST, uncertainty=wanted) for wanted in (False, True)
    )
    assert plain.notes == ()
    assert calibrated.error_model is not None
    assert calibrated.notes == (calibrated.error_model.sentence(),)
    cube, with_error = (fuse_scene(each, window) for each in (plain, calibrated))
    assert np.array_equal(cube, with_error[:BANDS])


def test_standard_errors_of_few_pixels_are_refused(weights: Callable[[float], str]) -> None:
    """Too few HS pixels do not show how large errors are; one line says how many are needed."""
    survey, _ = pair_of(cube_of(18))
    with pytest.raises(PlanError, match=r"^the pair has 81 HS pixels .* at least 100 for standard"):
        prepared(survey, weights(0.05), FAST, uncertainty=True)
    prepared(survey, weights(0.05), FAST)


@pytest.mark.slow
def test_a_changed_setting_changes_the_hash(weights: Callable[[float], str]) -> None:
    """Fusers hold their settings, or what these change: with others the plan is another."""
    survey, _ = pair_of(cube_of(48))

    def token(settings: ComponentSettings) -> str:
        fuser = prepared(survey, weights(0.0), settings, uncertainty=True)
        return str(tokenize(fuser, ensure_deterministic=True))

    kriging = FAST.estimators.kriging
    changes = (
        with_kriging(FAST, replace(kriging, halo=9)),
        with_kriging(FAST, replace(kriging, guided=GuidedSettings(mean_ridge=0.2))),
        replace(FAST, scales=ScaleSettings(minimum_prior=0.9)),
        replace(FAST, error_model=ErrorModelSettings(intercept=0.1)),
    )
    assert token(FAST) == token(FAST)
    assert token(FAST) not in map(token, changes)
