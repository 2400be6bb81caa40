"""Simulated sensors of the robustness benchmark: independent of hsfuse's own, and near them."""

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from hsfuse.core.grid import Axis, Geometry
from hsfuse.core.psf import PSF
from hsfuse.observe import Degrade
from hsfuse.sensor.catalogue import ResponseCurves, response_matrix, sensor_from_bands

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scripts() -> tuple[ModuleType, ModuleType]:
    """Return both scripts, which are no part of the package."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import robustness  # type: ignore[import-not-found]
        import simulated_sensors  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    return robustness, simulated_sensors


@pytest.mark.parametrize("ratio", [3, 4])
def test_the_sampled_gaussian_is_near_the_integrated_one_inside(scripts, ratio):
    """Away from the edges, on noise, where any difference of the weights shows."""
    _, sensors = scripts
    side = 14 * ratio
    cube = np.random.default_rng(0).normal(size=(2, side, side)).astype(np.float32)
    found = sensors.degrade(cube, sensors.weights("gaussian", ratio), ratio)
    axis = Axis(side, 14, float(ratio))
    operator = Degrade.between(Geometry(axis, axis), PSF((1.0, 1.0)))
    expected = operator.forward(torch.from_numpy(cube)).numpy()
    inside = np.s_[:, 2:-2, 2:-2]
    difference = (found - expected)[inside].std() / expected[inside].std()
    assert 1e-4 < difference < 0.05


def test_every_psf_has_its_centre_on_the_hs_pixel(scripts):
    """A ramp seen by any of them is the ramp at the HS pixels' centres, inside."""
    _, sensors = scripts
    ratio = 4
    ramp = np.arange(15 * ratio) + 0.5
    cube = np.stack([np.tile(ramp, (60, 1)), np.tile(ramp[:, None], (1, 60))])
    centres = (np.arange(15) + 0.5) * ratio
    inside = slice(sensors.REACH, -sensors.REACH)
    for name in sensors.PSFS:
        found = sensors.degrade(cube, sensors.weights(name, ratio), ratio)[:, inside, inside]
        np.testing.assert_allclose(found[0], np.tile(centres[inside], (9, 1)), rtol=1e-5)
        np.testing.assert_allclose(found[1], np.tile(centres[inside, None], (1, 9)), rtol=1e-5)


def test_the_airy_pattern_has_a_width_of_one_pixel(scripts):
    _, sensors = scripts
    centre, half = sensors.airy(np.zeros(2), np.array([0.0, 0.5]))
    assert half / centre == pytest.approx(0.5, abs=1e-4)


def test_pixels_seen_less_than_half_have_no_data(scripts):
    _, sensors = scripts
    cube = np.ones((1, 40, 40))
    cube[:, :16] = np.nan
    found = sensors.degrade(cube, sensors.weights("gaussian", 4), 4)
    assert np.isnan(found[:, :4]).all()
    np.testing.assert_allclose(found[:, 4:], 1)


@pytest.mark.parametrize("curves", [False, True])
def test_an_altered_sensor_lies_as_far_off_as_asked(scripts, curves):
    _, sensors = scripts
    place = np.arange(400.0, 701.0)
    sensor = sensor_from_bands([550.0], [40.0])
    if curves:
        shape = np.exp(-4 * np.log(2) * ((place - 550) / 40) ** 2)
        sensor = replace(sensor, curves=ResponseCurves(place, shape[None]))
    centre, width = [], []
    for changed in (sensor, sensors.altered(sensor, 5.0, 1.0), sensors.altered(sensor, 0.0, 1.1)):
        matrix = response_matrix(changed, place).matrix
        centre.append((matrix @ place).item())
        width.append(np.sqrt(matrix @ place**2 - centre[-1] ** 2).item())
    assert centre[1] - centre[0] == pytest.approx(5, abs=0.1)
    assert width[2] / width[0] == pytest.approx(1.1, abs=0.01)


def test_the_calmest_window_is_found(scripts):
    robustness, _ = scripts
    cube = np.random.default_rng(0).uniform(0.2, 1, (3, 60, 50))
    cube[:, 24:44, 16:36] = 0.4
    assert robustness.calmest(cube, 16)[:2] in {(26, 18), (24, 16), (24, 18), (26, 16)}


def test_a_pair_with_ground_beyond_has_the_hs_image_of_the_larger_scene(scripts):
    """What no MS pixel shows differs from the mirrored edge; inside nothing does."""
    robustness, _ = scripts
    cube = np.random.default_rng(0).uniform(0.2, 1, (40, 64, 64)).astype(np.float32)
    options = type("Options", (), {"protocol": "cave"})
    scene = robustness.Scene("s", cube, np.linspace(400, 900, 40), "ms", options)
    area = robustness.Area(0, 0, 64, 64)
    truth, window = scene.simulate(robustness.Setting("beyond", area, 4, beyond=2))
    inner = robustness.Setting("cut", robustness.Area(8, 8, 48, 48), 4)
    same, mirrored = scene.simulate(inner)
    np.testing.assert_array_equal(truth, same)
    np.testing.assert_array_equal(window.fine, mirrored.fine)
    inside = np.s_[:, 2:-2, 2:-2]
    np.testing.assert_allclose(window.coarse[inside], mirrored.coarse[inside], rtol=1e-5)
    assert np.abs(window.coarse - mirrored.coarse).max() > 1e-2
