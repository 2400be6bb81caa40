"""Random features, what D makes of them, and the regression on them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.methods.kriging.features import RandomFeatures
from hsfuse.methods.kriging.models import CellModel
from hsfuse.methods.kriging.pixels import PixelMaps
from hsfuse.methods.kriging.regression import CellDesign, cross_validation, ridge_weights
from hsfuse.methods.kriging.settings import DEFAULT, Kernel, KrigingSettings
from hsfuse.observe import Degrade

# Two processes of three bands without texture: five coordinates, that is brightness, three of
# chromaticity and, last, position along y and x.
SETTINGS = KrigingSettings(
    processes=((Kernel(1.0, 16.0), Kernel(4.0, 3.0)), (Kernel(2.0, 4.0),)), features=512
)
BANDS = 3
IN_FLOAT64 = replace(SETTINGS, single_product_noise=math.inf, single_factor_noise=math.inf)


def test_features_approximate_the_mean_of_two_covariances() -> None:
    """Their product is the mean of two squared exponentials, exactly so at no distance."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn((1 + BANDS, 30), generator=generator)
    position = 8 * torch.rand((2, 30), generator=generator)
    features = RandomFeatures.draw(BANDS, SETTINGS)
    found = features.scale * torch.cat(features(0, torch.cat([maps, position])), dim=1)
    assert found.shape == (30, 512)
    covariance = found @ found.mT
    wanted = torch.stack(
        [
            torch.exp(
                -0.5 * torch.cdist(maps.mT / kernel.colour, maps.mT / kernel.colour) ** 2
                - 0.5 * torch.cdist(position.mT, position.mT) ** 2 / kernel.position**2
            )
            for kernel in SETTINGS.processes[0]
        ]
    ).mean(dim=0)
    assert torch.allclose(covariance.diag(), torch.ones(30), atol=1e-5)
    assert (covariance - wanted).abs().max() < 0.2
    assert (covariance - wanted).square().mean().sqrt() < 0.05


def test_features_are_drawn_alike_in_every_process_of_a_run() -> None:
    """The frequencies depend on the settings alone; those of two Gaussian processes differ."""
    one, again = (RandomFeatures.draw(BANDS, SETTINGS).projection for _ in range(2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one[0], one[1])


def test_features_repeat_after_the_period() -> None:
    """And not before: at half of it they are others."""
    features = RandomFeatures.draw(BANDS, SETTINGS)
    pixels = pixels_of()
    coordinates = pixels.coordinates().flatten(1)
    shifted = coordinates.clone()
    shifted[-2:] += SETTINGS.period
    whole = features(0, shifted)
    shifted[-2:] += SETTINGS.period / 2
    half = features(0, shifted)
    for one, same, other in zip(features(0, coordinates), whole, half, strict=True):
        assert torch.allclose(one, same, rtol=0, atol=2e-3)
        assert not torch.allclose(one, other, rtol=0, atol=0.2)


def pixels_of(side: int = 48, ratio: int = 4) -> PixelMaps:
    """Return MS pixels of smooth appearance under a light that varies."""
    axis = Axis(side, side // ratio, float(ratio))
    position = torch.from_numpy((np.arange(side) + 0.5) / ratio)
    rows, columns = torch.meshgrid(position, position, indexing="ij")
    maps = torch.stack([torch.sin(rows * k / 3) * torch.cos(columns / (k + 1)) for k in range(4)])
    light = 1 + 0.5 * torch.sin(rows / 2) * torch.sin(columns / 3)
    valid = torch.ones_like(light)
    valid[-9:-5, 20:23] = 0
    assert axis.coarse * ratio == side
    return PixelMaps(maps[1:], maps, light, valid, position, position, 0.05)


def design_of(
    pixels: PixelMaps, ratio: int, settings: KrigingSettings, margin: int = 0
) -> CellDesign:
    """Return the regression of all HS pixels over MS pixels but a margin, in float64."""
    side = len(pixels.y)
    axis = Axis(side, (side - 2 * margin) // ratio, float(ratio), float(margin))
    degrade = Degrade.between(Geometry(axis, axis), PSF((1.0, 1.0)), dtype=torch.float64)
    used = torch.ones((axis.coarse, axis.coarse), dtype=torch.bool)
    used[3, 4] = False
    return CellDesign(pixels, degrade, used, float(ratio), settings)


def expected_of(design: CellDesign, process: int, features: RandomFeatures) -> Tensor:
    """Return D of the random features on all MS pixels, (HS pixels, features)."""
    pixels = design.pixels
    waves = torch.cat(features(process, pixels.coordinates().flatten(1)), dim=1)
    values = waves.mT.reshape(-1, *pixels.valid.shape)
    values = values * (features.scale * pixels.level * pixels.valid)
    mean = design.degrade.forward(values) / design.degrade.forward(pixels.valid)
    return mean[:, design.used].mT


@pytest.mark.parametrize("process", [0, 1])
def test_d_of_features_is_exact_on_all_ms_pixels(process: int) -> None:
    """Below the ratio at which a lattice is used, whatever the block in memory."""
    features = RandomFeatures.draw(BANDS, SETTINGS)
    pixels = pixels_of(ratio=3)
    for block in (100, 10000):
        design = design_of(pixels, 3, replace(SETTINGS, block=block))
        found = design.features(process, features)[:, 1 + BANDS :]
        assert torch.allclose(found, expected_of(design, process, features), rtol=0, atol=1e-10)


def test_ms_pixels_beyond_the_psf_may_fill_a_block() -> None:
    """They are there for the texture maps alone, and D of features does not depend on them."""
    settings = replace(SETTINGS, features=16)
    features = RandomFeatures.draw(BANDS, settings)
    design = design_of(pixels_of(180, 3), 3, replace(settings, block=100), margin=66)
    found = design.features(0, features)[:, 1 + BANDS :]
    assert torch.allclose(found, expected_of(design, 0, features), rtol=0, atol=1e-10)


@pytest.mark.parametrize("process", [0, 1])
def test_d_of_features_on_a_lattice_is_near_that_on_all_ms_pixels(process: int) -> None:
    """To 0.4 % of the features; without a correction of the coordinates it would be 0.8 to 1 %."""
    features = RandomFeatures.draw(BANDS, SETTINGS)
    design = design_of(pixels_of(), 4, SETTINGS)
    wanted = expected_of(design, process, features)
    error = design.features(process, features)[:, 1 + BANDS :] - wanted
    assert 0 < error.square().mean().sqrt() < 0.004 * wanted.square().mean().sqrt()


def test_d_of_linear_features_on_a_lattice_is_exact() -> None:
    """Features that vary linearly over an HS pixel: angles so small that a sine is its angle."""
    drawn = RandomFeatures.draw(BANDS, SETTINGS)
    features = RandomFeatures(1e-5 * drawn.projection, SETTINGS)
    design = design_of(pixels_of(), 4, SETTINGS)
    for process in (0, 1):
        wanted = expected_of(design, process, features)
        found = design.features(process, features)[:, 1 + BANDS :]
        sines = slice(wanted.shape[1] // 2, None)
        scale = wanted[:, sines].abs().mean()
        assert (found[:, sines] - wanted[:, sines]).abs().max() < 1e-6 * scale
        assert torch.allclose(found, wanted, rtol=1e-8)


def test_d_of_the_linear_part_is_exact_on_a_lattice() -> None:
    """The constant is one and the bands are degraded on all MS pixels."""
    design = design_of(pixels_of(), 4, SETTINGS)
    found = design.features(0, RandomFeatures.draw(BANDS, SETTINGS)).mT[: 1 + BANDS]
    pixels, degrade = design.pixels, design.degrade
    wanted = degrade.forward(pixels.bands * pixels.valid) / degrade.forward(pixels.valid)
    deviation = SETTINGS.linear_deviation
    assert torch.allclose(found[0], torch.full_like(found[0], deviation))
    assert torch.allclose(found[1:], deviation * wanted[:, design.used])


def test_processes_use_the_two_halves_of_the_ms_pixels() -> None:
    """Two lattices are half of the pixels; with the next process's, all of them; or all at once."""
    halves = []
    for process in (0, 1):
        half = torch.zeros((6, 6))
        for step, (row, column) in DEFAULT.lattices(process, 4.0):
            half[row::step, column::step] += 1
        halves.append(half)
        assert half.sum() == 18
    assert torch.equal(halves[0] + halves[1], torch.ones((6, 6)))
    assert DEFAULT.lattices(1, 3.0) == [(1, (0, 0))]


def test_weights_solve_the_ridge_problem() -> None:
    """As least squares of the system with the roots of the noise below it."""
    draw = np.random.default_rng(0)
    design, observed = draw.normal(size=(40, 12)), draw.normal(size=(3, 40)) * [[5], [0.1], [1]]
    noise = np.array([0.1, 3.0, 0.1])
    found = ridge_weights(
        torch.from_numpy(design), torch.from_numpy(observed), noise, IN_FLOAT64
    ).numpy()
    for component in range(3):
        system = np.concatenate([design, math.sqrt(noise[component]) * np.eye(12)])
        target = np.concatenate([observed[component], np.zeros(12)])
        wanted = np.linalg.lstsq(system, target)[0]
        assert np.allclose(found[component], wanted, rtol=1e-9, atol=1e-12)


def test_products_in_float32_change_weights_by_a_fraction_of_the_noise() -> None:
    """At the smallest noise with such products, beside linear features that are far larger."""
    generator = torch.Generator().manual_seed(0)
    draw = {"generator": generator, "dtype": torch.float64}
    random = torch.randn((2304, 256), **draw) / math.sqrt(1024)  # type: ignore[arg-type]
    random[:, 128:] = random[:, :128] + 1e-2 * random[:, 128:]  # nearly dependent
    linear = 15 + torch.randn((2304, 4), **draw)  # type: ignore[arg-type]
    design = torch.cat([linear, random], dim=1)
    observed = torch.randn((2, 260), **draw) @ design.mT  # type: ignore[arg-type]
    noise = np.array([DEFAULT.single_product_noise, DEFAULT.single_factor_noise])
    for settings, linear_count, tolerance in ((DEFAULT, 4, 3e-5), (IN_FLOAT64, 4, 0.0)):
        found = ridge_weights(design, observed, noise, settings, linear_count)
        wanted = ridge_weights(design, observed, noise, IN_FLOAT64)
        error = (found - wanted) @ design.mT
        assert error.square().mean().sqrt() <= tolerance * observed.square().mean().sqrt()


def test_a_cell_without_data_has_weights_of_zero() -> None:
    """No HS pixel is used."""
    nothing = torch.zeros((2, 0), dtype=torch.float64)
    design = torch.zeros((0, 5), dtype=torch.float64)
    assert torch.equal(
        ridge_weights(design, nothing, np.ones(2), SETTINGS),
        torch.zeros((2, 5), dtype=torch.float64),
    )


@pytest.mark.parametrize("noise", [1e-3, 1e-1])
def test_cross_validation_finds_the_noise_that_was_added(noise: float) -> None:
    """Its score is least at the variance of the noise, to a step of the noises."""
    generator = torch.Generator().manual_seed(0)
    draw = {"generator": generator, "dtype": torch.float64}
    design = torch.randn((200, 60), **draw) / math.sqrt(60)  # type: ignore[arg-type]
    weights = torch.randn((40, 60), **draw)  # type: ignore[arg-type]
    error = torch.randn((40, 200), **draw)  # type: ignore[arg-type]
    observed = 7 * (weights @ design.mT + math.sqrt(noise) * error)
    scores = cross_validation(design, observed, SETTINGS)
    assert scores.shape == (len(SETTINGS.noises), 40)
    assert scores.amin(dim=0).abs().max() < 1e-9
    best = SETTINGS.noises[int(scores.mean(dim=1).argmin())]
    assert abs(math.log10(best / noise)) <= 0.5 + 1e-9


def test_a_model_is_the_same_packed_and_unpacked() -> None:
    """Weights, and the residual of HS rows and columns that differ in number."""
    weights, residual = torch.randn(2, 3, 7), torch.randn(3, 4, 5)
    packed = CellModel(weights, residual).packed()
    assert packed.dtype == np.float32
    assert packed.shape == (3, 2 * 7 + 4 * 5)
    model = CellModel.unpacked(packed, (2, 3, 7), (Span(3, 7), Span(10, 15)), "cpu")
    assert torch.equal(model.weights, weights)
    assert torch.equal(model.residual, residual)
