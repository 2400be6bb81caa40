"""Examples are a pure function of the recipe and their number."""

import sys
from dataclasses import fields, replace
from itertools import islice

import dask.array as da
import numpy as np
import pytest
import torch
import xarray as xr
from network_weights import write_weights

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.errors import PairError, PlanError
from hsfuse.learning.examples import Batch, TrainingScene, iterate_batches, simulate_scene
from hsfuse.learning.random_pairs import draw_pair
from hsfuse.learning.recipe import RECIPES, Recipe
from hsfuse.methods import METHODS, Options, Window
from hsfuse.methods.inference import run_network
from hsfuse.methods.ms_ssfnet.features import CHANNELS, LEADING_COMPONENTS, with_signs
from hsfuse.nets.ms_ssfnet import Architecture
from hsfuse.nets.weights import Card, find_weights
from hsfuse.observe import Degrade, respond
from hsfuse.sensor.catalogue import pick_sensor, response_matrix

pytestmark = pytest.mark.usefixtures("few_features")

COMPONENT = Architecture(1, CHANNELS, 2, 4, 2, CHANNELS)
CUBE = Architecture(8, 3, 1, 4, 1)
SMALL = {"steps": 6, "batch": 3, "patch": 4, "scenes": 2, "refresh": 2}
BY_COMPONENT = replace(RECIPES["component"], ratio=(2.0, 3.0), **SMALL)
BY_CUBE = replace(RECIPES["paper"], **SMALL)
RGB = pick_sensor("sentinel-2a:B2,B3,B4")
KINDS = pytest.mark.parametrize(
    ("architecture", "recipe", "sensors"),
    [(COMPONENT, BY_COMPONENT, [None, RGB]), (CUBE, BY_CUBE, [RGB])],
    ids=["component", "cube"],
)


def tensors(value: TrainingScene | Batch) -> list[torch.Tensor]:
    """Return every tensor of a scene or a batch."""
    found: list[torch.Tensor] = []
    for field in fields(value):
        part = getattr(value, field.name)
        found += part if isinstance(part, list | tuple) else [part]
    return [torch.as_tensor(part) for part in found if part is not None]


def equal(one: TrainingScene | Batch, other: TrainingScene | Batch) -> bool:
    pairs = zip(tensors(one), tensors(other), strict=True)
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs)


@KINDS
def test_a_scene_is_a_function_of_its_number(made_cubes, architecture, recipe, sensors):
    """The same number gives the same bits, another number or seed others."""
    first = simulate_scene(made_cubes, sensors, architecture, recipe, 3)
    assert equal(first, simulate_scene(made_cubes, sensors, architecture, recipe, 3))
    assert not equal(first, simulate_scene(made_cubes, sensors, architecture, recipe, 4))
    other = replace(recipe, seed=1)
    assert not equal(first, simulate_scene(made_cubes, sensors, architecture, other, 3))


@KINDS
def test_a_batch_is_a_function_of_its_step(made_cubes, architecture, recipe, sensors):
    """Begun at 0 or at s, step s has the same batch, and its neighbours have others."""
    recipe = replace(recipe, steps=4)
    whole = dict(iterate_batches(made_cubes, sensors, architecture, recipe, 0))
    assert list(whole) == list(range(4))
    # At step 2 the first scene was replaced.
    step, batch = next(iterate_batches(made_cubes, sensors, architecture, recipe, 3))
    assert step == 3
    assert equal(batch, whole[3])
    assert not equal(batch, whole[2])


@KINDS
def test_shapes_are_those_of_the_architecture(made_cubes, architecture, recipe, sensors):
    """Patches lie on the coarse grid; targets and weights on the grid of their level."""
    ((_, batch),) = islice(iterate_batches(made_cubes, sensors, architecture, recipe, 0), 1)
    a = architecture
    assert batch.coarse.shape == (3, a.coarse_bands or a.bands, 4, 4)
    assert batch.fine.shape == (3, a.fine_bands, 4 * a.ratio, 4 * a.ratio)
    sides = [4 * 2**scale for scale in a.level_scales]
    assert [tuple(t.shape) for t in batch.targets] == [(3, a.bands, n, n) for n in sides]
    assert [tuple(w.shape) for w in batch.weights] == [(3, 1, n, n) for n in sides]
    assert all(torch.isfinite(part).all() for part in tensors(batch))


def test_the_example_of_the_paper_is_a_pair_and_its_cube(made_cubes):
    """D of the target is the coarse input and R of it the fine one: no noise, one ratio."""
    seen = simulate_scene(made_cubes, [RGB], CUBE, BY_CUBE, 0)
    (cube,) = seen.targets
    rows, columns = cube.shape[1:]
    response = response_matrix(RGB, made_cubes[0]["wavelength"].to_numpy()).matrix
    fine = respond(torch.from_numpy(response.astype(np.float32)), cube)
    torch.testing.assert_close(seen.fine, fine, rtol=1e-4, atol=1e-5)
    grid = Geometry(Axis(rows, rows // 2, 2.0), Axis(columns, columns // 2, 2.0))
    coarse = Degrade.between(grid, PSF((1.0, 1.0))).forward(cube)
    # The window's last row and column of the cube belong to no whole HS pixel.
    torch.testing.assert_close(seen.coarse[:, :-2, :-2], coarse[:, :-2, :-2])


@pytest.mark.parametrize("name", ["ssf-cnn", "dhsis"])
def test_a_network_is_trained_on_what_its_method_gives_it(
    made_cubes, tmp_path, monkeypatch: pytest.MonkeyPatch, name: str
):
    """The HS input on the MS grid is that of the fuser, for the same pair."""
    wavelength = made_cubes[0]["wavelength"].to_numpy()
    file = write_weights(name, tmp_path, wavelength.tolist(), 2)
    architecture = find_weights(file).architecture
    scene = simulate_scene(made_cubes, [RGB], architecture, BY_CUBE, 0)
    pair = draw_pair(made_cubes, [RGB], architecture, BY_CUBE, 0)
    (patch,) = pair.survey.patches
    method = METHODS[name].load_plain()
    module = sys.modules[type(method).__module__]
    given: list[torch.Tensor] = []

    def watch(card: Card, coarse: torch.Tensor, fine: torch.Tensor, options: Options) -> object:
        given.extend([coarse[0], fine[0]])
        return run_network(card, coarse, fine, options)

    monkeypatch.setattr(module, "run_network", watch)
    rows, columns = patch.geometry.fine_shape
    core = Span(0, rows), Span(0, columns)
    window = Window(patch.coarse, patch.fine, patch.geometry, core, (0, 0))
    method.prepare(pair.survey, Options(file)).fuse([window])
    for mine, theirs in zip((scene.coarse, scene.fine), given, strict=True):
        assert mine is not None
        part = theirs[:, : mine.shape[1], : mine.shape[2]]
        assert torch.allclose(mine, part, atol=1e-4)


def test_no_data_has_no_weight(made_cubes):
    """A hole in the cube leaves inputs and targets finite, and has weight zero in the loss."""
    holed = made_cubes[0].copy()
    holed[:, 20:26, 18:30] = np.nan
    for number in range(3):
        seen = simulate_scene([holed], [None], COMPONENT, BY_COMPONENT, number)
        assert (seen.weight == 0).any()
        assert seen.weight.max() > 0
        assert torch.isfinite(seen.fine).all()
        assert torch.isfinite(seen.per_component).all()
        assert all(torch.isfinite(target).all() for target in seen.targets)
        assert not seen.targets[-1][:, seen.weight == 0].any()


def test_cubes_without_wavelengths_are_observed_by_random_sensors(made_cubes):
    """A named sensor needs the wavelengths of the bands, a random one does not."""
    unknown = made_cubes[0].assign_coords(wavelength=("band", np.full(8, np.nan)))
    seen = simulate_scene([unknown], [RGB], COMPONENT, BY_COMPONENT, 0)
    assert torch.isfinite(seen.per_component).all()


def test_flipping_signs_twice_is_the_identity():
    """A component with its sign flipped is another example; flipped back it is the same."""
    seen = torch.randn(CHANNELS, 3, 4, generator=torch.Generator().manual_seed(0))
    signs = np.array([1.0, -1.0, -1.0])[:LEADING_COMPONENTS]
    turned = with_signs(seen, -1.0, signs)
    assert torch.equal(with_signs(turned, -1.0, signs), seen)
    same = (turned == seen).all(dim=(1, 2)).tolist()
    fine, leading, own = same[:3], same[3 : 3 + LEADING_COMPONENTS], same[3 + LEADING_COMPONENTS :]
    assert (fine, leading) == ([True] * 3, [True, False, False])
    # Of the component's own channels the last ones are no component's: noise, ratio.
    assert own == sorted(own)
    assert set(own) == {True, False}


@KINDS
def test_large_cubes_are_read_by_the_window(architecture, recipe, sensors):
    """A pair of a cube of 2048 pixels a side reads the chunks under its window alone."""
    touched = set()

    def block(block_info):
        (where,) = (tuple(block_info[None]["chunk-location"]),)
        touched.add(where)
        draw = np.random.default_rng(where[1:])
        return draw.random(block_info[None]["chunk-shape"], dtype=np.float32)

    pixels = da.map_blocks(
        block, chunks=((8,), (64,) * 32, (64,) * 32), dtype=np.float32, meta=np.empty((0, 0, 0))
    )
    cube = xr.DataArray(
        pixels,
        dims=("band", "y", "x"),
        coords={"wavelength": ("band", np.linspace(450.0, 800.0, 8))},
    )
    recipe = replace(recipe, zoom=1.0, ratio=(2.0, 2.0))
    draw_pair([cube], sensors, architecture, recipe, 0)
    # At most 40 HS pixels a side are wanted, 80 fine ones: three chunks.
    assert 0 < len(touched) <= 9


def test_a_cube_smaller_than_a_patch_is_refused(made_cubes):
    """The message has both sizes; nothing is padded."""
    large = replace(BY_CUBE, patch=32)
    with pytest.raises(PairError, match="a patch of 64 pixels a side does not fit a cube of 48"):
        next(iterate_batches(made_cubes, [RGB], CUBE, large, 0))


def test_a_cube_without_data_is_refused(made_cubes):
    """The message names it."""
    empty = made_cubes[0] * np.float32(np.nan)
    empty.attrs["source"] = "empty.tif"
    with pytest.raises(PairError, match=r"empty\.tif.*hardly any data"):
        simulate_scene([empty], [None], COMPONENT, BY_COMPONENT, 0)


@pytest.mark.parametrize(
    "invalid",
    [
        {"steps": -1},
        {"batch": 0},
        {"rate": 0.0},
        {"rate": float("nan")},
        {"clean": 1.5},
        {"ratio": (4.0, 2.0)},
        {"ratio": (0.5, 2.0)},
        {"snr": (20.0, float("inf"))},
        {"decay_from": -1},
        {"decay_from": 8000},
    ],
)
def test_an_invalid_recipe_is_refused(invalid):
    """The message names the field."""
    (name,) = invalid
    with pytest.raises(PlanError, match=name):
        Recipe(**invalid)


def test_a_constant_rate_does_not_decay():
    """A step from which it should is refused."""
    with pytest.raises(PlanError, match=r"decay_from .* got 10 with the schedule constant"):
        Recipe(schedule="constant", decay_from=10)


def test_what_the_method_is_given_may_be_off(made_cubes):
    """A shift changes the HS image alone, a shift of the bands the stated response alone."""
    exact = replace(BY_COMPONENT, clean=1.0, shift=0.0, response_shift=0.0)
    for number in range(20):  # every other pair has a stated response
        right = draw_pair(made_cubes, [RGB], COMPONENT, exact, number)
        if right.survey.response is not None:
            break
    (patch,) = right.survey.patches
    for change in ({"shift": 0.2}, {"response_shift": 5.0}):
        other = draw_pair(made_cubes, [RGB], COMPONENT, replace(exact, **change), number)
        (changed,) = other.survey.patches
        assert changed.geometry == patch.geometry
        assert np.array_equal(changed.fine, patch.fine, equal_nan=True)
        same = np.array_equal(changed.coarse, patch.coarse, equal_nan=True)
        assert same == ("shift" not in change)
        same = np.array_equal(other.survey.response, right.survey.response)
        assert same == ("response_shift" not in change)
        rows = np.asarray(other.survey.response).sum(axis=1)
        assert rows == pytest.approx(np.ones(len(rows)))
