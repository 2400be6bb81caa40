"""Noisy HS bands take no part in the fusion, and follow from the fused clean ones."""

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hsfuse.core.grid import Span
from hsfuse.core.local_models import LocalModelAxis, LocalModelGrid
from hsfuse.core.noise import signal_components
from hsfuse.fusion.plan import survey_for
from hsfuse.methods import METHODS, Fuser, Method, Options, Window, load_method
from hsfuse.methods.bicubic import BicubicFuser
from hsfuse.methods.conditioning import with_models
from hsfuse.methods.denoising import BandRegression, DenoisedFuser, DenoisedMethod, fit_regression
from hsfuse.methods.guided.method import Guided, GuidedFuser
from hsfuse.methods.guided.reduced_resolution import reduce_resolution
from hsfuse.methods.guided.regression import Parameters
from hsfuse.nets.ms_ssfnet import Architecture, MSSSFNet
from hsfuse.nets.weights import Domain, save_weights
from hsfuse.pair.geometry import make_pair
from hsfuse.pair.survey import Survey
from hsfuse.synthetic.sample import make_sample

BAND = 30
# Reads 9 HS pixels about an output pixel, and has its parameters.
METHOD = Guided(Parameters(components=6, radius=3))
ABOUT = ("data", "recipe", "scores", "terms")
Image = NDArray[np.float32]


@pytest.fixture(scope="module")
def made() -> tuple[Survey, Window, Image]:
    """Return a surveyed pair of 61 bands, its whole window, and the truth."""
    seen = make_sample(
        hs_sensor="generic-vnir", rgb_sensor="sentinel-2a:B2,B3,B4,B8", size=(40, 40), ratio=4.0
    )
    pair = make_pair(seen.scene.compute().chunk(), seen.rgb.compute().chunk())
    rows, columns = pair.geometry.fine_shape
    core = Span(0, rows), Span(0, columns)
    window = Window(pair.hs.values, pair.rgb.values, pair.geometry, core, (0, 0))
    truth = seen.truth.sel(y=pair.rgb["y"], x=pair.rgb["x"], method="nearest").values
    return survey_for(pair)[0], window, truth


def faulty(survey: Survey, window: Window, fault: np.ndarray) -> tuple[Survey, Window]:
    """Return the pair with a fault of one band, in units of its standard deviation."""
    fault = (survey.spectra[BAND].std() * fault).astype(np.float32)
    coarse = window.coarse.copy()
    coarse[BAND] += fault
    (patch,) = survey.patches
    return replace(survey, patches=(replace(patch, coarse=coarse),)), replace(window, coarse=coarse)


def noise_of(window: Window, kind: str = "noise") -> np.ndarray:
    """Return a fault of that kind, of half a standard deviation."""
    shape = window.coarse.shape[1:]
    draw = 0.5 * np.random.default_rng(2).normal(size=shape)
    each = {"stripes down": draw[:1], "stripes across": draw[:, :1], "noise": draw}[kind]
    return np.broadcast_to(each, shape)


def without_band(survey: Survey, window: Window) -> tuple[Survey, Window]:
    """Return the pair of an HS image that never had the band."""
    kept = np.arange(survey.marked.size) != BAND
    (patch,) = survey.patches
    survey = replace(
        survey,
        patches=(replace(patch, coarse=patch.coarse[kept]),),
        marked=survey.marked[kept],
        wavelength=survey.wavelength[kept],
        response=None,
    )
    return survey, replace(window, coarse=window.coarse[kept])


def denoised(
    survey: Survey, method: Method = METHOD, options: Options | None = None
) -> DenoisedFuser:
    """Return the prepared method; the band must be the one that it reconstructs."""
    fuser = DenoisedMethod(method).prepare(survey, options or Options())
    assert isinstance(fuser, DenoisedFuser)
    assert np.flatnonzero(fuser.regression.noisy).tolist() == [BAND]
    return fuser


@pytest.mark.parametrize("kind", ["stripes down", "stripes across", "noise"])
def test_a_noisy_band_comes_closer_to_its_clean_truth(
    made: tuple[Survey, Window, Image], kind: str
) -> None:
    """Its error is below 0.12 of its standard deviation, and lower than fused like any other."""
    survey, clean, truth = made
    survey, window = faulty(survey, clean, noise_of(clean, kind))
    mended, plain = (
        np.nanstd(fuser.fuse([window])[0][BAND] - truth[BAND]) / np.nanstd(truth[BAND])
        for fuser in (denoised(survey), METHOD.prepare(survey, Options()))
    )
    assert mended < 0.12
    assert mended < 0.8 * plain


def test_noise_and_components_are_the_same_with_and_without_a_noisy_band(
    made: tuple[Survey, Window, Image],
) -> None:
    """In the survey that a method is given, and in its test at reduced resolution."""
    survey, window, _ = made
    survey, window = faulty(survey, window, noise_of(window))
    regression = fit_regression(survey)
    assert regression is not None
    given, without = regression.exclude(survey), without_band(survey, window)[0]
    assert np.array_equal(np.delete(given.good, BAND), without.good)
    assert np.array_equal(np.delete(given.noise, BAND), without.noise)
    counts = [
        signal_components(each.spectra[each.good].astype(np.float64), each.noise[each.good])
        for each in (given, without)
    ]
    assert counts[0] == counts[1] < 15
    reduced = reduce_resolution(given), reduce_resolution(without)
    assert reduced[0] is not None
    assert reduced[1] is not None
    assert np.array_equal(reduced[0].subspace.basis, reduced[1].subspace.basis)
    assert np.array_equal(np.delete(reduced[0].survey.good, BAND), reduced[1].survey.good)
    # The noise that is added there is drawn for another number of bands.
    noises = [each.survey.noise[each.survey.good] for each in reduced if each]
    assert noises[0] == pytest.approx(noises[1], rel=0.2)


def test_a_band_of_nothing_but_noise_is_not_good_at_reduced_resolution(
    made: tuple[Survey, Window, Image],
) -> None:
    """There it has no noise, for it is predicted; taken for good it would lead the components."""
    survey, window, _ = made
    survey, _ = faulty(survey, window, 8 * noise_of(window))
    assert not survey.good[BAND]
    reduced = reduce_resolution(survey)
    assert reduced is not None
    assert not reduced.survey.good[BAND]


def test_clean_bands_are_fused_as_if_the_noisy_one_were_not_there(
    made: tuple[Survey, Window, Image],
) -> None:
    """To the rounding; the noisy one follows from them by its regression."""
    survey, window, _ = made
    survey, window = faulty(survey, window, noise_of(window))
    fuser = denoised(survey)
    (values,) = fuser.fuse([window])
    without, cut = without_band(survey, window)
    alone = METHOD.prepare(without, Options())
    assert alone.describe().items() <= fuser.describe().items()
    assert np.allclose(np.delete(values, BAND, axis=0), alone.fuse([cut])[0], rtol=1e-4, atol=1e-5)
    assert np.array_equal(values[[BAND]], fuser.regression.predict(values))
    assert values[BAND].mean() == pytest.approx(survey.spectra[BAND].mean(), rel=0.05)
    assert fuser.describe()["denoised_bands"] == 1
    assert f"one HS band with much noise or stripes: band {BAND + 1}" in fuser.notes[-1]


def test_the_response_of_a_noisy_band_goes_to_the_clean_ones_beside_it(
    made: tuple[Survey, Window, Image],
) -> None:
    """Halves of it to either, so that rows keep their sums and nothing becomes negative."""
    survey, window, _ = made
    survey, window = faulty(survey, window, noise_of(window))
    regression = fit_regression(survey)
    assert regression is not None
    before, after = survey.response, regression.exclude(survey).response
    assert before is not None
    assert after is not None
    assert not after[:, BAND].any()
    change = np.delete(after - before, BAND, axis=1)
    assert np.allclose(change[:, [BAND - 1, BAND]], before[:, [BAND]] / 2)
    assert np.count_nonzero(np.abs(change).max(axis=0) > 1e-12) == 2


@pytest.mark.parametrize("name", ["guided", "cnmf"])
def test_a_tile_equals_the_same_part_of_the_whole(
    made: tuple[Survey, Window, Image],
    name: str,
    read_tile: Callable[[Fuser, Window, Span], Window],
) -> None:
    """And the fuser pickles."""
    survey, window, _ = made
    survey, window = faulty(survey, window, noise_of(window))
    fuser = pickle.loads(pickle.dumps(denoised(survey)))
    (whole,) = fuser.fuse([window])
    core = Span(72, 84)
    (values,) = fuser.fuse([read_tile(fuser, window, core)])
    expected = whole[:, core.slice, core.slice]
    assert np.abs(values - expected).max() <= 1e-5 * np.abs(whole).max()


@dataclass(frozen=True)
class WithStandardError(BicubicFuser):
    """Interpolation that adds a band of standard errors."""

    gives_standard_error: bool = True

    def fuse(self, windows: Sequence[Window]) -> list[Image]:
        """Return the bands, and one of a constant after them."""
        return [np.concatenate([cube, np.full_like(cube[:1], 7)]) for cube in super().fuse(windows)]


def test_standard_errors_stay_the_last_band(made: tuple[Survey, Window, Image]) -> None:
    """They are no predictor of a noisy band, and none overwrites them."""
    survey, window, _ = made
    regression = denoised(faulty(survey, window, noise_of(window))[0]).regression
    fuser = DenoisedFuser(WithStandardError(), regression)
    assert fuser.gives_standard_error
    (values,) = fuser.fuse([window])
    assert len(values) == len(window.coarse) + 1
    assert (values[-1] == 7).all()
    assert np.array_equal(values[[BAND]], regression.predict(values[:-1]))


@dataclass(frozen=True)
class WithModels(BicubicFuser):
    """Interpolation plus a local model: the mean of all bands about a unit."""

    local_models: LocalModelGrid | None = None

    def condition(self, window: Window) -> Image:
        """Return that mean."""
        return np.array([window.coarse.mean()])

    def fuse(self, windows: Sequence[Window]) -> list[Image]:
        """Return the bands plus the mean of the models."""
        means = [np.mean(list(window.models.values()), axis=0) for window in windows]
        cubes = super().fuse(windows)
        return [cube + mean[:, None, None] for cube, mean in zip(cubes, means, strict=True)]


def test_local_models_know_the_noisy_band_filled(made: tuple[Survey, Window, Image]) -> None:
    """In both passes it is predicted, so that what the fault is changes nothing of the cube."""
    survey, window, _ = made
    fault = noise_of(window)
    regression = denoised(faulty(survey, window, fault)[0]).regression
    axes = (LocalModelAxis((0.0, n / 2, float(n)), halo=2) for n in window.coarse.shape[1:])
    grid = LocalModelGrid(*axes)
    fuser = DenoisedFuser(WithModels(local_models=grid), regression)
    assert fuser.local_models == grid
    windows = [with_models(fuser, faulty(survey, window, fault * by)[1]) for by in (1.0, -1.0)]
    assert len(windows[0].models) == 4
    assert np.array_equal(*fuser.fuse(windows))


def test_a_network_of_fixed_bands_reads_the_noisy_one_filled(
    made: tuple[Survey, Window, Image], tmp_path: Path
) -> None:
    """Its weights fit the pair, and what the fault is changes nothing of the cube."""
    survey, window, _ = made
    network = MSSSFNet(Architecture(61, 4, 2, 4, 1)).eval()
    domain = Domain((4, 4), (4, 4), wavelength=tuple(survey.wavelength))
    path = tmp_path / "cube.safetensors"
    save_weights(network, path, domain=domain, about={key: {} for key in ABOUT})
    fault = noise_of(window)
    method = METHODS["ms-ssfnet"].load_plain()
    fuser = denoised(faulty(survey, window, fault)[0], method, Options(str(path)))
    cubes = [fuser.fuse([faulty(survey, window, fault * by)[1]])[0] for by in (1.0, -1.0)]
    assert np.array_equal(*cubes)


def test_a_prediction_is_a_weighted_sum_and_an_intercept() -> None:
    """Of the clean bands alone."""
    noisy = np.array([False, True, False])
    regression = BandRegression(noisy, np.array([[0.5, 0.0, 0.25]]), np.array([3.0]))
    cube = np.array([1, np.nan, 2], np.float32)[:, None, None] * np.ones((3, 2, 2), np.float32)
    assert np.array_equal(regression.predict(cube), np.full((1, 2, 2), 4.0))
    assert np.array_equal(regression.fill(cube)[1], np.full((2, 2), 4.0))


def test_clean_bands_are_fused_as_ever(made: tuple[Survey, Window, Image]) -> None:
    """Without a noisy band the method is the method."""
    survey, _, _ = made
    method = load_method("guided")
    assert isinstance(method, DenoisedMethod)
    assert isinstance(method.prepare(survey, Options()), GuidedFuser)


@pytest.mark.parametrize("white", [0.0, 0.7])
def test_a_band_of_its_own_kind_is_not_taken_for_noise(
    made: tuple[Survey, Window, Image], white: float
) -> None:
    """What no other band predicts but has spatial structure stays what it is, with noise too."""
    survey, window, _ = made
    rows, columns = np.mgrid[: window.coarse.shape[1], : window.coarse.shape[2]]
    structure = 0.5 * (np.sin(rows / 2.0) + np.cos(columns / 2.5))
    survey, _ = faulty(survey, window, structure + 2 * white * noise_of(window))
    assert bool(survey.noise[BAND] > 0.3 * survey.spectra[BAND].std()) == (white > 0)
    assert fit_regression(survey) is None


def test_noise_alone_is_left_as_it_is(made: tuple[Survey, Window, Image]) -> None:
    """Where no band is clean there is nothing to regress on."""
    survey, _, _ = made
    (patch,) = survey.patches
    noise = np.random.default_rng(3).normal(1, 0.1, patch.coarse.shape).astype(np.float32)
    assert fit_regression(replace(survey, patches=(replace(patch, coarse=noise),))) is None


def test_a_pixel_without_data(made: tuple[Survey, Window, Image]) -> None:
    """Stays one; one that lacks the noisy band alone is filled, and takes part in the fit."""
    survey, window, _ = made
    survey, window = faulty(survey, window, noise_of(window))
    regression = fit_regression(survey)
    assert regression is not None
    coarse = window.coarse.copy()
    coarse[:, 3, 4] = np.nan
    coarse[BAND, 5, 6] = np.nan
    coarse[BAND + 1, 7, 8] = np.nan
    filled = regression.fill(coarse)
    assert np.isnan(filled[:, 3, 4]).all()
    assert np.isfinite(filled[:, 5, 6]).all()
    assert filled[BAND, 7, 8] == coarse[BAND, 7, 8]
    (patch,) = survey.patches
    given = regression.exclude(replace(survey, patches=(replace(patch, coarse=coarse),)))
    valid = given.valid(given.patches[0])
    assert np.argwhere(~valid).tolist() == [[3, 4], [7, 8]]
