"""Noise told from the image itself."""

import numpy as np
import pytest

from hsfuse.core.noise import band_noise, signal_components


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
