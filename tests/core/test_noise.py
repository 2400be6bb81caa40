"""Noise estimated from the image itself."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hsfuse.core.noise import (
    band_noise,
    lag_one_autocorrelation,
    pixel_noise,
    regress_bands,
    signal_components,
)


def spectra(noise: float, components: int = 4) -> np.ndarray:
    """Return 60 bands of a smooth low-rank scene with white noise, 4000 pixels."""
    draw = np.random.default_rng(3)
    wave = np.linspace(0, 1, 60)
    shapes = np.array([np.sin((k + 1) * 3 * wave + k) for k in range(components)])
    clean = shapes.T @ draw.normal(size=(components, 4000))
    return clean + noise * draw.normal(size=clean.shape)


@pytest.mark.parametrize("noise", [0.01, 0.1, 0.5])
def test_the_level_is_found(noise: float) -> None:
    """Within a fifth, for every band away from the ends."""
    assert band_noise(spectra(noise))[5:-5] == pytest.approx(noise, rel=0.2)


def test_the_rank_is_found() -> None:
    """Four materials above the noise are four components."""
    data = spectra(0.1)
    assert signal_components(data, band_noise(data)) == 4


def test_autocorrelation_separates_ground_from_noise_and_stripes() -> None:
    """A blurred image is correlated along both axes; noise along neither and stripes along one."""
    draw = np.random.default_rng(0)
    white = draw.normal(size=(200, 300))
    ground = gaussian_filter(draw.normal(size=white.shape), 1.0)
    stripes = np.broadcast_to(draw.normal(size=300), white.shape)
    image = np.stack([white, ground / ground.std(), stripes, white + ground / ground.std()])
    correlation = lag_one_autocorrelation([image])
    assert correlation == pytest.approx([0, np.exp(-0.25), 0, np.exp(-0.25) / 2], abs=0.1)
    windows = [image[:, :90], image[:, 90:]]
    assert lag_one_autocorrelation(windows) == pytest.approx(correlation, abs=0.02)
    image[:, 20:60, 30:90] = np.nan
    assert lag_one_autocorrelation([image]) == pytest.approx(correlation, abs=0.03)


def test_regression_on_other_bands_predicts_the_signal_and_not_the_noise() -> None:
    """A band of much noise follows the others; few pixels amplify no difference between those."""
    noise = np.full(60, 0.01)
    data = spectra(0.01)
    truth = data[[20, 40]].copy()
    wanted = np.isin(np.arange(60), [20, 40])
    noise[wanted] = 0.5
    data[wanted] += 0.5 * np.random.default_rng(5).normal(size=truth.shape)
    weights, offset = regress_bands(data, wanted, noise)
    assert not weights[:, wanted].any()
    predicted = weights @ data + offset[:, None]
    assert np.abs(predicted - truth).std() < 0.05
    few, _ = regress_bands(data[:, :200], wanted, noise)
    ordinary, _ = regress_bands(data[:, :200], wanted, 0 * noise)
    assert np.square(few).sum() < 0.1 * np.square(ordinary).sum()


@pytest.mark.parametrize("bands", [1, 3, 4])
def test_the_noise_of_pixels_is_found_on_smooth_ground(bands: int) -> None:
    draw = np.random.default_rng(0)
    ramp = np.linspace(0, 1, 96) + np.linspace(0, 1, 96)[:, None]
    image = ramp * np.arange(1, bands + 1)[:, None, None] + 0.01 * draw.normal(size=(bands, 96, 96))
    assert pixel_noise(image) == pytest.approx(0.01, rel=0.3)


def test_texture_that_the_bands_share_is_no_noise() -> None:
    """Where no block is flat, what a band has in common with the others is left out."""
    draw = np.random.default_rng(0)
    texture = draw.normal(size=(2, 96, 96))
    mixing = np.array([[1.0, 0.2], [0.9, -0.1], [1.1, 0.4], [0.5, 1.0]])
    image = np.tensordot(mixing, texture, axes=1) + 0.01 * draw.normal(size=(4, 96, 96))
    assert pixel_noise(image)[:3] == pytest.approx(0.01, rel=0.4)
    assert (pixel_noise(image[:1]) > 0.5).all()


def test_noise_needs_a_block_with_data_in_every_band() -> None:
    image = np.random.default_rng(0).normal(size=(2, 32, 32))
    image[0, :, 1::8] = np.nan
    assert (pixel_noise(image) == 0).all()
