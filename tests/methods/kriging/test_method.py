"""`kriging`: cells independent of windows, illumination, noise."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.metrics import sam
from hsfuse.core.psf import PSF
from hsfuse.methods import Fuser, Options, Window, load_method
from hsfuse.methods.kriging.appearance import Appearance
from hsfuse.methods.kriging.cells import cells
from hsfuse.methods.kriging.method import METHOD, Kriging, average
from hsfuse.methods.kriging.regression import random_features
from hsfuse.methods.kriging.settings import DEFAULT, KrigingSettings
from hsfuse.observe import Degrade
from hsfuse.pair.survey import Patch, Survey

BANDS, RATIO = 10, 2


def cube_of(side: int, seed: int = 0) -> NDArray[np.float32]:
    """Return fields of four materials under a light that varies, (10, side, side)."""
    draw = np.random.default_rng(seed)
    spectra = 0.2 + draw.random((4, BANDS))
    rows, columns = np.mgrid[:side, :side]
    cover = ((rows // 9) * 3 + columns // 13) % 4
    light = 0.6 + 0.4 * np.sin(rows / 7) * np.cos(columns / 11)
    return (spectra[cover].transpose(2, 0, 1) * light).astype(np.float32)


def pair_of(
    cube: NDArray[np.float32], noise: float = 0.0, ratio: int = RATIO
) -> tuple[Survey, Window]:
    """Return the survey and the whole window of what two sensors see of a cube."""
    side = cube.shape[1]
    axis = Axis(side, side // ratio, float(ratio))
    geometry = Geometry(axis, axis)
    coarse = Degrade.between(geometry, PSF((1.0, 1.0))).forward(torch.from_numpy(cube)).numpy()
    coarse = coarse + noise * np.random.default_rng(1).normal(size=coarse.shape)
    coarse = coarse.astype(np.float32)
    fine = np.stack([cube[:3].mean(axis=0), cube[3:6].mean(axis=0), cube[6:].mean(axis=0)])
    survey = Survey(
        (Patch(coarse, fine, geometry, (0, 0)),),
        PSF((1.0, 1.0)),
        np.ones(BANDS, bool),
        np.linspace(400, 900, BANDS),
    )
    return survey, Window(coarse, fine, geometry, (Span(0, side), Span(0, side)), (0, 0))


def test_a_window_of_cells_equals_the_same_part_of_the_whole(
    read_tile: Callable[[Fuser, Window, Span], Window],
) -> None:
    """A scene of many cells is the same read whole or through one window with its halo."""
    survey, window = pair_of(cube_of(120))
    settings = KrigingSettings(cell=8, halo=3, ramp=2, features=48)
    fuser = Kriging(settings).prepare(survey, Options())
    (whole,) = fuser.fuse([window])
    core = Span(57, 70)
    part = read_tile(fuser, window, core)
    (values,) = fuser.fuse([part])
    expected = whole[:, core.slice, core.slice]
    assert np.abs(values - expected).max() <= 2e-5 * np.abs(whole).max()


@pytest.mark.parametrize("length", [5, 48, 49, 131])
def test_the_weights_of_cells_sum_to_one(length: int) -> None:
    """Everywhere; and the pixels on which a cell is conditioned include its own."""
    axis = Axis(length * 3 + 1, length, 3.0, 0.5)
    total = np.zeros(axis.fine)
    for cell in cells(axis, 0, length, Span(0, axis.fine), DEFAULT):
        total[cell.part.slice] += cell.weight
        assert cell.fine.start <= cell.part.start
        assert cell.part.stop <= cell.fine.stop
    assert np.allclose(total, 1)


def test_it_beats_guided_where_colour_separates_materials() -> None:
    """Illumination that scales spectra is modelled: the error is a fraction of guided's."""
    cube = cube_of(144)
    survey, window = pair_of(cube, ratio=6)
    error = {
        name: np.abs(load_method(name).prepare(survey, Options()).fuse([window])[0] - cube).mean()
        for name in ("guided", "kriging")
    }
    assert error["kriging"] < 0.7 * error["guided"]


def test_noise_is_not_added() -> None:
    """The residual of the HS image is added less its share of noise."""
    cube = cube_of(48)
    shares = []
    for noise in (0.0, 0.05):
        survey, window = pair_of(cube, noise)
        fuser = METHOD.prepare(survey, Options())
        known = replace(fuser, noise=np.full_like(fuser.noise, noise))
        estimates = known.components(window, known.guided.stages(window))
        unaware = replace(fuser, noise=np.zeros_like(fuser.noise))
        added = unaware.components(window, unaware.guided.stages(window))
        shares.append(float(estimates[-1].square().mean() / added[-1].square().mean()))
        assert torch.equal(estimates[:-1], added[:-1])
    assert shares[0] == 1
    assert shares[1] < 0.5


def test_relative_errors_count_alike_in_light_and_shade() -> None:
    """Residuals are weighted by inverse brightness: spectra in shade keep their angle."""
    side, half = 96, 48
    shade = np.where(np.arange(side) < half, 1.0, 0.05)
    cube = (cube_of(side) * shade).astype(np.float32)
    survey, window = pair_of(cube, ratio=4)
    fuser = Kriging(KrigingSettings(features=96)).prepare(survey, Options())
    (values,) = fuser.fuse([window])
    lit, shaded = (..., slice(0, half - 8)), (..., slice(half + 8, None))
    assert sam(cube[shaded], values[shaded]) < 3 * sam(cube[lit], values[lit])


def test_the_average_is_of_the_processes_plus_the_residual() -> None:
    """Equal processes without a residual give the process."""
    one = torch.rand(2, 3, 4)
    nothing = torch.zeros(2, 3, 4)
    assert torch.allclose(average(torch.stack([one, one, one, nothing])), one)


def test_brightness_scales_and_chromaticity_does_not() -> None:
    """Twice the light is twice the brightness of the same colour, but for the darkest."""
    survey, window = pair_of(cube_of(48))
    appearance = Appearance.measure(survey)
    fine = torch.from_numpy(window.fine)
    (bands, brightness), (brighter, twice) = (appearance.relative(s * fine) for s in (10.0, 20.0))
    assert torch.allclose(2 * brightness, twice)
    once, again = appearance.maps(bands, brightness), appearance.maps(brighter, twice)
    assert (once[1:4] - again[1:4]).abs().max() < 0.1


def test_features_approximate_the_mean_of_two_covariances() -> None:
    """Their product is the mean of two squared exponentials, exactly so at no distance."""
    generator = torch.Generator().manual_seed(0)
    near, far = (scale * torch.randn((3, 6, 5), generator=generator) for scale in (0.3, 1.5))
    light = torch.rand((6, 5), generator=generator)
    linear, *features = random_features(light[None], light, [near, far], 0, DEFAULT)
    assert linear.shape == (2, 6, 5)
    found = torch.cat(features).flatten(1) / (light.flatten() + DEFAULT.dark)
    covariance = found.mT @ found
    wanted = torch.stack(
        [torch.exp(-0.5 * torch.cdist(p.flatten(1).mT, p.flatten(1).mT) ** 2) for p in (near, far)]
    ).mean(dim=0)
    assert torch.allclose(covariance.diag(), torch.ones(30), atol=1e-5)
    assert (covariance - wanted).abs().max() < 0.15
