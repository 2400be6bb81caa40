"""Noise told from the image itself."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hsfuse.core.noise import band_noise, likeness, signal_components


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


def test_likeness_tells_ground_from_noise_and_stripes() -> None:
    """What a blur made is like its neighbour along both axes; noise and stripes are not."""
    draw = np.random.default_rng(0)
    white = draw.normal(size=(200, 300))
    ground = gaussian_filter(draw.normal(size=white.shape), 1.0)
    stripes = np.broadcast_to(draw.normal(size=300), white.shape)
    image = np.stack([white, ground / ground.std(), stripes, white + ground / ground.std()])
    alike = likeness([image])
    assert alike == pytest.approx([0, np.exp(-0.25), 0, np.exp(-0.25) / 2], abs=0.1)
    windows = [image[:, :90], image[:, 90:]]
    assert likeness(windows) == pytest.approx(alike, abs=0.02)
    image[:, 20:60, 30:90] = np.nan
    assert likeness([image]) == pytest.approx(alike, abs=0.03)
