"""The contract of :mod:`hsfuse.methods` for every method of the table."""

import pickle
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from dask.base import tokenize
from network_weights import write_weights
from numpy.typing import NDArray

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.errors import PlanError
from hsfuse.methods import (
    METHODS,
    Fuser,
    Method,
    Options,
    Window,
    check_options,
    list_methods,
    load_method,
)
from hsfuse.methods.bsr import Bsr, BsrSettings
from hsfuse.methods.cnmf.method import Cnmf
from hsfuse.methods.cnmf.settings import CnmfSettings
from hsfuse.methods.conditioning import fuse_scene, with_models
from hsfuse.methods.csu import Csu, CsuSettings
from hsfuse.methods.fuse import Fuse, FuseSettings
from hsfuse.methods.gsa import Gsa, GsaSettings
from hsfuse.methods.gsomp import Gsomp, GsompSettings
from hsfuse.methods.guided.method import Guided
from hsfuse.methods.guided.settings import GuidedSettings
from hsfuse.methods.hysure import Hysure, HysureSettings
from hsfuse.methods.kriging.method import Kriging
from hsfuse.methods.kriging.settings import KrigingSettings
from hsfuse.methods.ms_ssfnet.estimators import EstimatorSettings
from hsfuse.methods.ms_ssfnet.method import MSSSFNetMethod
from hsfuse.methods.ms_ssfnet.settings import ComponentSettings
from hsfuse.methods.nnsr import Nnsr, NnsrSettings
from hsfuse.methods.snnmf import Snnmf, SnnmfSettings
from hsfuse.methods.spectralift import SpectraLift, SpectraLiftSettings
from hsfuse.observe import Degrade, respond
from hsfuse.pair.patch import Patch
from hsfuse.pair.survey import Survey
from hsfuse.report.wording import PARAMETERS, describe_method

BANDS, RATIO, COARSE = 12, 4.0, 34


def scene(seed: int = 0) -> NDArray[np.float32]:
    """Return a cube of four materials with sharp edges, (12, 136, 136)."""
    draw = np.random.default_rng(seed)
    side = int(COARSE * RATIO)
    spectra = np.cumsum(draw.normal(size=(4, BANDS)), axis=1) * 0.05 + 0.5
    rows, columns = np.mgrid[:side, :side]
    cover = (np.sin(rows / 9) > 0) * 2 + (np.sin((columns + rows) / 13) > 0)
    shade = 1 + 0.1 * np.sin(columns / 5)
    return (spectra[cover].transpose(2, 0, 1) * shade).astype(np.float32)


def observed(cube: NDArray[np.float32]) -> tuple[Survey, Window]:
    """Return the survey and the whole window of the pair that two sensors see of a cube."""
    side = cube.shape[1]
    geometry = Geometry(Axis(side, COARSE, RATIO), Axis(side, COARSE, RATIO))
    response = torch.zeros(3, BANDS)
    for band in range(3):
        response[band, 4 * band : 4 * band + 4] = 0.25
    values = torch.from_numpy(cube)
    coarse = Degrade.between(geometry, PSF((1.0, 1.0))).forward(values).numpy()
    fine = respond(response, values).numpy()
    survey = Survey(
        (Patch(coarse, fine, geometry, (0, 0)),),
        PSF((1.0, 1.0)),
        np.ones(BANDS, bool),
        np.linspace(400, 700, BANDS),
    )
    return survey, Window(coarse, fine, geometry, (Span(0, side), Span(0, side)), (0, 0))


# Few features, updates and steps of training: the contract does not depend on them.
_KRIGING = KrigingSettings(features=96)
_CNMF = CnmfSettings(updates=10, updates_coarse=10, updates_fine=10)
_FAST: dict[str, Method] = {
    "csu": Csu(CsuSettings(endmembers=6, maximum_rounds=5)),
    "hysure": Hysure(HysureSettings(iterations=50)),
    "kriging": Kriging(_KRIGING),
    "nnsr": Nnsr(NnsrSettings(atoms=12, rounds=2, radius=4)),
    "gsomp": Gsomp(GsompSettings(atoms=24, rounds=2)),
    "snnmf": Snnmf(SnnmfSettings(endmembers=5, rounds=2)),
    "bsr": Bsr(BsrSettings(atoms=12, iterations=30, chains=2, draws=10)),
    "spectralift": SpectraLift(SpectraLiftSettings(steps=30)),
    "ms-ssfnet": MSSSFNetMethod(ComponentSettings(EstimatorSettings(_KRIGING, _CNMF))),
}


# Of the weights of methods that need some.
_FOLDER: list[Path] = []


@pytest.fixture(scope="module", autouse=True)
def _weights_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    _FOLDER[:] = [tmp_path_factory.mktemp("weights")]


@cache
def prepared(name: str) -> Fuser:
    """Return a method prepared for the pair of the scene, once."""
    method, options = load_method(name), Options()
    if name in _FAST:
        method = replace(method, method=_FAST[name])  # type: ignore[type-var]
    survey, _ = observed(scene())
    if METHODS[name].needs_weights:
        centres = survey.wavelength.tolist()
        options = Options(write_weights(name, _FOLDER[0], centres, int(RATIO)))
    return method.prepare(survey, options)


@cache
def conditioned(name: str) -> Window:
    """Return the whole window of the scene with its local models, once."""
    return with_models(prepared(name), observed(scene())[1])


@cache
def fused(name: str) -> NDArray[np.float32]:
    """Return the scene fused in one window, once."""
    return prepared(name).fuse([conditioned(name)])[0]


@pytest.mark.parametrize("name", METHODS)
def test_every_parameter_has_words(name: str):
    """Keys of the record are not shown as they are."""
    found = prepared(name).describe()
    described = describe_method(found)[1]
    keys = {"method", *(key for key, value in found.items() if isinstance(value, dict))}
    assert {key for key in found if not key.endswith("sha256")} - keys <= set(PARAMETERS)
    assert "_" not in described.replace(str(found.get("weights")), "")


@pytest.mark.parametrize("name", METHODS)
def test_the_table_states_the_tiles_that_a_method_takes(name: str):
    """So that others are refused before an image is read."""
    assert METHODS[name].tile_step == prepared(name).step


def part(window: Window, name: str, core: tuple[Span, Span]) -> Window:
    """Return the window a tile with that core would read for a method, and its models."""
    fuser = prepared(name)
    axes = window.geometry.y, window.geometry.x
    spans, cuts = [], []
    for axis, span, reach in zip(axes, core, fuser.reach, strict=True):
        halo = int(np.ceil(reach * axis.ratio))
        start = max(span.start - halo, 0) // fuser.step * fuser.step
        fine = Span(start, min(span.stop + halo, axis.fine))
        spans.append(fine)
        cuts.append(axis.coarse_span(fine, 2))
    return Window(
        window.coarse[:, cuts[0].slice, cuts[1].slice],
        window.fine[:, spans[0].slice, spans[1].slice],
        Geometry(axes[0].cut(spans[0], cuts[0]), axes[1].cut(spans[1], cuts[1])),
        tuple(Span(c.start - s.start, c.stop - s.start) for c, s in zip(core, spans, strict=True)),  # type: ignore[arg-type]
        (cuts[0].start, cuts[1].start),
        window.models,
    )


# Of the brightness: these solve for all pixels of a window, and what lies beyond counts a little.
_TILE_DIFFERENCE = {"nnsr": 2e-3, "snnmf": 1e-3}


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_tile_equals_the_same_part_of_the_whole(name: str) -> None:
    """With a halo of the stated reach, a tile knows all that its pixels depend on."""
    whole = fused(name)
    core = (Span(60, 76), Span(64, 84))
    tile = part(conditioned(name), name, core)
    (values,) = prepared(name).fuse([tile])
    expected = whole[:, core[0].slice, core[1].slice]
    assert np.abs(values - expected).max() <= _TILE_DIFFERENCE.get(name, 1e-5) * np.abs(whole).max()


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_plan_travels(name: str) -> None:
    """A fuser pickles, and gives the same bits on the other side."""
    _, window = observed(scene())
    other = pickle.loads(pickle.dumps(prepared(name)))
    assert np.array_equal(fused(name), fuse_scene(other, window))


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_hole_does_not_leak(name: str) -> None:
    """What lies behind no-data pixels changes nothing anywhere else."""
    _, window = observed(scene())
    fuser = prepared(name)
    coarse = window.coarse.copy()
    coarse[:, 10, 12] = np.nan
    fine = window.fine.copy()
    fine[:, 70:73, 90:95] = np.nan
    values = fuse_scene(fuser, replace(window, coarse=coarse, fine=fine))
    outside = np.ones(values.shape[1:], bool)
    outside[70:73, 90:95] = False
    assert np.isfinite(values[:, outside]).all()
    assert np.abs(values[:, outside]).max() < 2 * np.abs(window.coarse).max()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Guided(), Guided(settings=GuidedSettings(mean_ridge=0.2))),
        (
            Kriging(KrigingSettings(features=48)),
            Kriging(KrigingSettings(features=48, halo=9)),
        ),
        (
            Cnmf(CnmfSettings(updates=5, updates_fine=5)),
            Cnmf(CnmfSettings(updates=5, updates_fine=6)),
        ),
        (
            Csu(CsuSettings(endmembers=5, maximum_rounds=2)),
            Csu(CsuSettings(endmembers=5, maximum_rounds=2, updates_coarse=100)),
        ),
        (
            Nnsr(NnsrSettings(atoms=5, rounds=1)),
            Nnsr(NnsrSettings(atoms=5, rounds=1, iterations=25)),
        ),
        (
            Gsomp(GsompSettings(atoms=5, rounds=1)),
            Gsomp(GsompSettings(atoms=5, rounds=1, selected=4)),
        ),
        (
            Snnmf(SnnmfSettings(endmembers=5, rounds=1)),
            Snnmf(SnnmfSettings(endmembers=5, rounds=1, iterations=59)),
        ),
        (
            Bsr(BsrSettings(atoms=5, iterations=2, chains=1, draws=2)),
            Bsr(BsrSettings(atoms=5, iterations=2, chains=1, draws=3)),
        ),
        (
            SpectraLift(SpectraLiftSettings(steps=2)),
            SpectraLift(SpectraLiftSettings(steps=2, slope=0.2)),
        ),
        (Gsa(), Gsa(GsaSettings(ridge=1e-3))),
        (Fuse(), Fuse(FuseSettings(spread=3.0))),
        (
            Hysure(HysureSettings(iterations=2)),
            Hysure(HysureSettings(iterations=2, penalty=0.1)),
        ),
    ],
)
def test_a_changed_setting_is_a_changed_fuser(one: Method, other: Method) -> None:
    """Fusers hold the settings they fuse with, so the hash of a plan depends on them."""
    survey, _ = observed(scene())
    first, again, changed = (
        tokenize(method.prepare(survey, Options()), ensure_deterministic=True)
        for method in (one, one, other)
    )
    assert first == again
    assert first != changed


def test_guided_beats_bicubic_on_a_scene_of_edges() -> None:
    """The MS bands carry the edges that interpolation cannot know."""
    cube = scene()
    survey, window = observed(cube)
    error = {
        name: np.abs(load_method(name).prepare(survey, Options()).fuse([window])[0] - cube).mean()
        for name in ("bicubic", "guided")
    }
    assert error["guided"] < 0.3 * error["bicubic"]


def test_a_flat_scene_stays_flat() -> None:
    """No texture in, none out."""
    cube = np.full((BANDS, 136, 136), 0.3, np.float32)
    survey, window = observed(cube)
    for name in ("bicubic", "guided", "gsa", "sfim", "mtf-glp-hpm", "fuse", "hysure"):
        (values,) = load_method(name).prepare(survey, Options()).fuse([window])
        assert np.abs(values - 0.3).max() < 1e-4


def test_an_unknown_method_lists_the_known() -> None:
    """The message names what would be accepted."""
    with pytest.raises(PlanError, match="bicubic, guided, kriging"):
        load_method("magic")
    assert set(list_methods()) == set(METHODS)


def test_what_a_method_cannot_do_is_refused_with_the_names_of_those_that_can() -> None:
    """Weights and standard errors are asked of the methods whose rows say so, and of no other."""
    for name, spec in METHODS.items():
        for options, able in (
            (Options("some.safetensors"), spec.takes_weights),
            (Options(uncertainty=True), spec.gives_standard_error),
        ):
            if able:
                check_options(name, options)
            else:
                with pytest.raises(PlanError, match=f"{name} .* ms-ssfnet"):
                    check_options(name, options)


def test_noisy_bands_are_reconstructed_for_every_method_that_adds_detail() -> None:
    """Interpolation alone takes the bands as they are."""
    plain = [name for name, spec in METHODS.items() if not spec.wants_denoised_bands]
    assert plain == ["bicubic"]
    for name, spec in METHODS.items():
        assert (type(load_method(name)) is not type(spec.load_plain())) == (name not in plain)


def test_no_weights_fit_means_guided_and_a_word_about_it() -> None:
    """`ms-ssfnet` never fails for want of weights, and says what it did instead."""
    survey, _ = observed(scene())
    patch = survey.patches[0]
    fine = np.concatenate([patch.fine * (1 + 0.01 * k) for k in range(6)])
    many = Survey(
        (replace(patch, fine=fine),),
        survey.psf,
        survey.marked,
        survey.wavelength,
    )
    fuser = load_method("ms-ssfnet").prepare(many, Options())
    assert fuser.name == "guided"
    assert any("1 to 16 MS bands, the pair has 18" in note for note in fuser.notes)


def test_the_shipped_weights_fit_any_sensor() -> None:
    """A pair of an unknown sensor is fused by the network."""
    fuser = prepared("ms-ssfnet")
    assert fuser.describe()["weights"] == "any-sensor"


def test_a_flat_image_stays_flat() -> None:
    """Whatever the MS image shows; the network says why `guided` fuses the pair."""
    _, window = observed(scene())
    flat = np.full_like(window.coarse, 0.25)
    survey = Survey(
        (Patch(flat, window.fine, window.geometry, (0, 0)),),
        PSF((1.0, 1.0)),
        np.ones(BANDS, bool),
        np.linspace(400, 700, BANDS),
        np.full((3, BANDS), 1 / BANDS),
    )
    fuser = load_method("ms-ssfnet").prepare(survey, Options())
    values = fuse_scene(fuser, replace(window, coarse=flat))
    assert values == pytest.approx(0.25, abs=1e-5)
    assert any("the same everywhere" in note for note in fuser.notes)
