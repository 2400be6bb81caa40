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
from hsfuse.methods import Fuser, Options, Window
from hsfuse.methods.cnmf import CnmfSettings
from hsfuse.methods.guided.settings import GuidedSettings
from hsfuse.methods.kriging.method import average
from hsfuse.methods.kriging.settings import KrigingSettings
from hsfuse.methods.ms_ssfnet.components import ComponentFuser
from hsfuse.methods.ms_ssfnet.features import CHANNELS, LEADING, compute_features, with_signs
from hsfuse.methods.ms_ssfnet.method import MSSSFNetMethod
from hsfuse.methods.ms_ssfnet.settings import DEFAULT, ComponentSettings, ScaleSettings
from hsfuse.nets.ms_ssfnet import Architecture, MSSSFNet
from hsfuse.nets.weights import Domain, save_weights
from hsfuse.observe import Degrade
from hsfuse.pair.survey import Patch, Survey

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
# Scenes are divided into cells, of which a window has a part.
SMALL_CELLS = replace(FAST, kriging=KrigingSettings(cell=8, halo=3, ramp=2, features=48))


def test_a_window_equals_the_same_part_of_the_whole(
    weights: Callable[[float], str], read_tile: Callable[[Fuser, Window, Span], Window]
) -> None:
    """Estimators, network, agreement and standard error need no more than the stated reach."""
    survey, window = pair_of(cube_of(208))
    fuser = prepared(survey, weights(0.05), SMALL_CELLS, uncertainty=True)
    (whole,) = fuser.fuse([window])
    core = Span(98, 111)
    part = read_tile(fuser, window, core)
    (values,) = fuser.fuse([part])
    expected = whole[:, core.slice, core.slice]
    assert len(whole) == BANDS + 1
    assert np.abs(values - expected).max() <= 5e-5 * np.abs(whole).max()


def test_a_network_without_a_head_leaves_the_start(weights: Callable[[float], str]) -> None:
    """A correction of zero leaves the estimate of `kriging`."""
    survey, window = pair_of(cube_of(96))
    fuser = prepared(survey, weights(0.0), SMALL_CELLS)
    kriging = fuser.estimators.kriging
    start = average(kriging.components(window, kriging.guided.stages(window)))
    assert torch.allclose(fuser.predict(window).corrected, start)


def test_what_the_network_sees_does_not_depend_on_units(weights: Callable[[float], str]) -> None:
    """A scene in other units, counts for reflectance say, has the same features."""
    survey, window = pair_of(cube_of(96))
    fuser = prepared(survey, weights(0.0), SMALL_CELLS)
    seen = compute_features(window, fuser.estimators, fuser.scales)
    patch = survey.patches[0]
    scaled = replace(
        survey, patches=(replace(patch, coarse=1000 * patch.coarse, fine=50 * patch.fine),)
    )
    other = prepared(scaled, weights(0.0), SMALL_CELLS)
    again = compute_features(
        replace(window, coarse=1000 * window.coarse, fine=50 * window.fine),
        other.estimators,
        other.scales,
    )
    assert (seen.own[:4] - again.own[:4]).abs().median() < 1e-3
    # Of two bands the difference may point either way.
    assert (seen.shared[:3].abs() - again.shared[:3].abs()).abs().max() < 1e-3


def test_units_are_measured_on_the_cells_of_the_scene(weights: Callable[[float], str]) -> None:
    """
    A surveyed window lies where it lies: the estimates compared there are those of the fusion.

    The window begins inside a cell of the scene; it would be the first cell if its place were
    forgotten, and the prior standard deviation of components another.
    """
    survey, window = pair_of(cube_of(144))
    first, count = 20, 18
    rows = window.geometry.y.fine_span(Span(first, first + count))
    axis = window.geometry.y.cut(rows, Span(first, first + count))
    patch = Patch(
        window.coarse[:, first : first + count, first : first + count],
        window.fine[:, rows.slice, rows.slice],
        Geometry(axis, axis),
        (first, first),
    )
    scene = replace(survey, patches=(patch,), scene=window.geometry.coarse_shape)
    fuser = prepared(scene, weights(0.0), SMALL_CELLS)
    guided = fuser.estimators.kriging.guided
    inside = Window(patch.coarse, patch.fine, patch.geometry, (Span(0, len(rows)),) * 2, (20, 20))
    estimates = fuser.estimators.estimate(inside, guided.stages(inside))
    differences = torch.stack(estimates.others) - estimates.initial
    expected = differences.double().square().mean(dim=(0, 2, 3)).sqrt().numpy()
    assert (expected > 0).all()
    assert fuser.scales.prior_deviation == pytest.approx(
        np.maximum(expected, 0.02 * fuser.scales.detail)
    )


def test_only_standard_errors_are_calibrated_at_reduced_resolution(
    weights: Callable[[float], str],
) -> None:
    """Correction and update are the same with and without them, and a note names what was done."""
    survey, window = pair_of(cube_of(96))
    plain, calibrated = (
        prepared(survey, weights(0.05), FAST, uncertainty=wanted) for wanted in (False, True)
    )
    assert plain.notes == ()
    assert calibrated.error_model is not None
    assert 0 < calibrated.error_model.weight < 1
    assert calibrated.notes == (calibrated.error_model.sentence(),)
    (cube,), (with_error,) = (each.fuse([window]) for each in (plain, calibrated))
    assert np.array_equal(cube, with_error[:BANDS])


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
