import numpy as np
import pytest

from hsfuse.synthetic.canvas import FINER, Canvas, noise
from hsfuse.synthetic.landscape import make_scene
from hsfuse.synthetic.materials import spectrum

WAVELENGTH = [480.0, 560.0, 665.0, 842.0, 1650.0, 2200.0]


def test_the_same_seed_gives_the_same_scene_and_another_another():
    first = make_scene(40, 56, WAVELENGTH, seed=3)
    assert first.shape == (6, 40, 56)
    assert first.dtype == np.float32
    assert np.array_equal(first, make_scene(40, 56, WAVELENGTH, seed=3))
    assert not np.array_equal(first, make_scene(40, 56, WAVELENGTH, seed=4))


def test_the_landscape_does_not_depend_on_the_bands():
    whole = make_scene(32, 32, WAVELENGTH, seed=1)
    part = make_scene(32, 32, WAVELENGTH[2:4], seed=1)
    np.testing.assert_allclose(part, whole[2:4], rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (3, 70), (33, 7)])
def test_any_size_can_be_made(shape):
    scene = make_scene(*shape, WAVELENGTH)
    assert scene.shape == (6, *shape)
    assert np.isfinite(scene).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_scene_has_plants_water_bare_ground_and_sharp_edges(seed):
    scene = make_scene(160, 160, WAVELENGTH, seed=seed)
    assert scene.min() >= 0.0
    assert scene.max() <= 1.0
    red, infrared = scene[2], scene[3]
    ndvi = (infrared - red) / (infrared + red)
    assert (ndvi > 0.6).mean() > 0.15
    assert ((ndvi < 0.0) & (infrared < 0.05)).mean() > 0.02
    assert ((ndvi < 0.3) & (infrared > 0.1)).mean() > 0.05
    assert np.abs(np.diff(infrared, axis=1)).max() > 0.15


def test_a_scene_is_more_than_a_few_dimensions():
    wavelength = np.arange(420.0, 2450.0, 20.0)
    scene = make_scene(96, 96, wavelength, seed=0).reshape(wavelength.size, -1).astype(float)
    values = np.linalg.svd(scene - scene.mean(1, keepdims=True), compute_uv=False)
    assert np.count_nonzero(values > 1e-3 * values[0]) >= 10


def test_a_bare_canvas_sends_back_the_spectrum_of_its_material():
    canvas = Canvas(3, 5)
    canvas.paint(np.ones((12, 20), bool), "clay tile", vary=0.5)
    expected = (spectrum("clay tile", WAVELENGTH) + spectrum("clay tile", WAVELENGTH, vary=1.0)) / 2
    rendered = canvas.render(WAVELENGTH)
    np.testing.assert_allclose(rendered, np.tile(expected[:, None, None], (1, 3, 5)), rtol=1e-5)


def test_a_pixel_is_the_mean_of_what_it_covers():
    canvas = Canvas(1, 2)
    mask = np.zeros((FINER, 2 * FINER), bool)
    canvas.paint(~mask, "gravel")
    mask[: FINER // 2, :FINER] = True
    canvas.paint(mask, "clear water")
    water, gravel = spectrum("clear water", WAVELENGTH), spectrum("gravel", WAVELENGTH)
    pixels = canvas.render(WAVELENGTH)[:, 0]
    np.testing.assert_allclose(pixels[:, 0], (water + gravel) / 2, rtol=1e-5)
    np.testing.assert_allclose(pixels[:, 1], gravel, rtol=1e-5)


def test_a_shadow_falls_down_and_right_and_is_blue():
    canvas = Canvas(16, 16)
    everywhere = np.ones(canvas.height.shape, bool)
    canvas.paint(everywhere, "concrete")
    lit = canvas.render(WAVELENGTH)
    tower = np.zeros_like(everywhere)
    tower[24:28, 24:28] = True
    canvas.paint(tower, "concrete", height=3.0)
    share = canvas.render(WAVELENGTH) / lit
    assert share[:, 8, 8].max() < 0.9
    np.testing.assert_allclose(share[:, 3:5, 3:5], 1.0, rtol=1e-5)
    assert share[0, 8, 8] > share[4, 8, 8]


def test_noise_is_centred_scaled_and_smooth():
    field = noise((64, 80), 20.0, np.random.default_rng(0), power=2.5)
    assert field.dtype == np.float32
    assert abs(field.mean()) < 1e-4
    assert field.std() == pytest.approx(1.0, abs=1e-3)
    assert np.abs(np.diff(field, axis=0)).std() < 0.3


def test_a_canvas_without_pixels_is_refused():
    with pytest.raises(ValueError, match="at least one pixel"):
        Canvas(0, 4)
