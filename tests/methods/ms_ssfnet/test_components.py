"""The network of components at work: tiles equal the whole, no head changes nothing."""

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
from hsfuse.methods.ms_ssfnet.components import ComponentFuser
from hsfuse.methods.ms_ssfnet.features import (
    CHANNELS,
    LEADING,
    Features,
    compute_features,
    with_signs,
)
from hsfuse.methods.ms_ssfnet.method import MSSSFNetMethod
from hsfuse.methods.ms_ssfnet.settings import (
    DEFAULT,
    ComponentSettings,
    ErrorModelSettings,
    NetworkSettings,
    ScaleSettings,
)
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
    kriging=KrigingSettings(features=48),
    cnmf=CnmfSettings(updates=10, updates_coarse=10, updates_fine=10),
)
# Scenes are divided into cells, of which a window has a part; textures reach less far than data
# consistency does.
PROCESSES = tuple((Kernel(1.0 + k, 8.0 - k, 1.0, (0.3,)),) for k in range(4))
SMALL_CELLS = replace(
    FAST,
    kriging=KrigingSettings(PROCESSES, cell=16, halo=4, ramp=2, features=48),
    scales=ScaleSettings(compared_side=24),
)


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
    """Strips of a few rows predict what one strip does, spread included."""
    survey, window = pair_of(cube_of(96))
    fuser = prepared(survey, weights(0.05), SMALL_CELLS)
    window = with_models(fuser, window)
    window = replace(window, core=(Span(9, 70), Span(4, 96)))
    one, several = (
        replace(fuser, settings=replace(SMALL_CELLS, network=NetworkSettings(strip=strip))).predict(
            window, spread=True
        )
        for strip in (2**17, 1300)
    )
    final = torch.ones_like(one.corrected)
    everywhere = slice(0, 61), slice(0, 92)
    for first, other in (
        (one.corrected, several.corrected),
        (one.disagreement, several.disagreement),
        (one.spread(final, everywhere), several.spread(final, everywhere)),
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
    predicted = fuser.predict(with_models(fuser, window)).corrected
    assert torch.allclose(predicted, initial, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_the_network_corrects_the_components_with_the_largest_differences(
    weights: Callable[[float], str], share: float
) -> None:
    """As few as have that share of the differences, counted over the good bands; or the most."""
    fuser = prepared(pair_of(cube_of(48))[0], weights(0.05), FAST)
    subspace = fuser.estimators.kriging.guided.subspace
    prior = np.random.default_rng(0).permutation(1.0 + np.arange(len(fuser.scales.detail)))
    settings = replace(FAST, network=NetworkSettings(share=share))
    scales = replace(fuser.scales, prior_deviation=prior)
    fuser = replace(fuser, scales=scales, settings=settings)
    power = prior**2 * subspace.power
    chosen = list(fuser.network_components)
    left = np.setdiff1d(np.arange(len(power)), chosen)
    assert power[chosen].sum() >= share * power.sum()
    assert power[chosen].sum() - power[chosen].min() < share * power.sum()
    assert power[chosen].min() >= power[left].max(initial=0)
    fewer = replace(fuser, settings=replace(FAST, network=NetworkSettings(share=share, most=1)))
    assert fewer.network_components == (int(power.argmax()),)


def test_components_that_are_not_chosen_stay_as_they_are(weights: Callable[[float], str]) -> None:
    """And the chosen ones are corrected, each by its own output."""
    survey, window = pair_of(cube_of(48))
    fuser = prepared(survey, weights(0.05), FAST)
    window = with_models(fuser, window)
    whole, one = (
        replace(
            fuser, settings=replace(FAST, network=NetworkSettings(share=1.0, most=most, misfit=1e9))
        ).predict(window, spread=True)
        for most in (99, 1)
    )
    assert one.initial is not None
    changed = (one.corrected != one.initial).flatten(1).any(dim=1)
    (component,) = np.flatnonzero(changed.numpy())
    assert (whole.corrected != whole.initial).flatten(1).any(dim=1).all()
    assert torch.allclose(one.corrected[component], whole.corrected[component], atol=1e-6)


def test_corrections_have_less_weight_where_estimates_differ_or_the_ms_image_contradicts_them(
    weights: Callable[[float], str],
) -> None:
    """Each pixel has the share of its correction that its variance and its misfit give it."""
    survey, window = pair_of(cube_of(48))
    fuser = prepared(survey, weights(0.05), FAST)
    window = with_models(fuser, window)
    chosen = NetworkSettings(variance=1.0, misfit=0.1, least_certain=0.2)
    full, limited = (
        replace(fuser, settings=replace(FAST, network=network)).predict(window, spread=True)
        for network in (NetworkSettings(variance=1e9, misfit=1e9), chosen)
    )
    assert full.initial is not None
    correction, less = full.corrected - full.initial, limited.corrected - full.initial
    variance = full.relative_variance(fuser.scales, 0.0)
    observed = fuser.observations(window, window.core, (Span(0, 24), Span(0, 24)))
    before, after = (
        fuser.gain.misfit(observed.fine - torch.tensordot(observed.response, each, dims=1))
        for each in (full.initial, full.corrected)
    )
    share = chosen.local_weight(variance, after - before)
    assert share.min() < 0.3
    assert share.max() > 0.8
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
    cells = replace(FAST.kriging, cell=60 - 2 * halo - 1, halo=halo)
    for settings, count in ((replace(FAST.kriging, cell=60), 1), (cells, 4)):
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
    return compute_features(fitted, window.core, fuser.estimators, fuser.scales)


def test_what_the_network_sees_does_not_depend_on_units(weights: Callable[[float], str]) -> None:
    """A scene in other units, counts for reflectance say, has the same features."""
    survey, window = pair_of(cube_of(96))
    seen = features_of(prepared(survey, weights(0.0), SMALL_CELLS), window)
    patch = survey.patches[0]
    scaled = replace(
        survey, patches=(replace(patch, coarse=1000 * patch.coarse, fine=50 * patch.fine),)
    )
    again = features_of(
        prepared(scaled, weights(0.0), SMALL_CELLS),
        replace(window, coarse=1000 * window.coarse, fine=50 * window.fine),
    )
    for component in range(4):
        one, other = (each.of_component(component) for each in (seen, again))
        assert one.shape[0] == CHANNELS
        own = slice(3 + LEADING, None)
        assert (one[own] - other[own]).abs().median() < 1e-3
    # Of two bands the difference may point either way.
    assert (seen.shared[:3].abs() - again.shared[:3].abs()).abs().max() < 1e-3


def test_the_prior_standard_deviation_is_measured_on_the_estimates(
    weights: Callable[[float], str],
) -> None:
    """
    Root mean square difference from the initial one, in the middle of a surveyed window.

    The middle is a scene of its own, of as many cells as it has.
    """
    survey, window = pair_of(cube_of(96))
    settings = replace(
        FAST,
        kriging=replace(FAST.kriging, cell=8, halo=3, ramp=2),
        scales=ScaleSettings(compared_side=24, compared_pixels=20),
    )
    fuser = prepared(survey, weights(0.0), settings)
    middle = middle_window(survey.patches[0], 24)
    assert middle.geometry.coarse_shape == (24, 24)
    assert np.array_equal(middle.coarse, window.coarse[:, 12:36, 12:36])
    estimators = fuser.estimators.of_scene((24, 24))
    fitted = estimators.fit(with_models(estimators, middle))
    assert len(fitted.window.models) == 9
    start = middle.core[0].start + (len(middle.core[0]) - 20) // 2
    area = (Span(start, start + 20),) * 2
    estimates = estimators.estimate(fitted, area)
    differences = torch.stack(estimates.others) - estimates.initial
    squares = differences.double().square().mean(dim=0).flatten(1).numpy()
    # Not decided by single objects.
    most = np.quantile(squares, settings.scales.outliers, axis=1, keepdims=True)
    expected = np.sqrt(np.minimum(squares, most).mean(axis=1))
    assert (expected > 0).all()
    assert (expected < 0.99 * np.sqrt(squares.mean(axis=1))).any()
    assert fuser.scales.prior_deviation == pytest.approx(
        np.maximum(expected, 0.02 * fuser.scales.detail), rel=1e-4
    )


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


def test_a_changed_setting_changes_what_is_hashed(weights: Callable[[float], str]) -> None:
    """Fusers hold their settings: a resume with other constants is not the same plan."""
    survey, _ = pair_of(cube_of(48))
    fuser = prepared(survey, weights(0.0), FAST)
    one = tokenize(fuser, ensure_deterministic=True)
    assert one == tokenize(prepared(survey, weights(0.0), FAST), ensure_deterministic=True)
    changes = (
        replace(FAST, kriging=replace(FAST.kriging, halo=9)),
        replace(FAST, kriging=replace(FAST.kriging, guided=GuidedSettings(mean_ridge=0.2))),
        replace(FAST, scales=ScaleSettings(least_prior=0.03)),
        replace(FAST, error_model=ErrorModelSettings(intercept=0.1)),
    )
    for settings in changes:
        changed = prepared(survey, weights(0.0), settings)
        assert tokenize(changed, ensure_deterministic=True) != one


def test_signs_turn_twice_into_themselves() -> None:
    """And what has no sign, MS image and constants, never turns."""
    seen = torch.randn(CHANNELS, 4, 4)
    leading = np.array([1.0, -1.0, -1.0])
    turned = with_signs(seen, -1.0, leading)
    assert torch.equal(with_signs(turned, -1.0, leading), seen)
    assert torch.equal(turned[:3], seen[:3])
    assert torch.equal(turned[-3:], seen[-3:])
    assert torch.equal(turned[3 + LEADING], -seen[3 + LEADING])
