"""What a survey tells of a pair."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hsfuse.core.grid import Axis, Geometry
from hsfuse.core.noise import band_noise
from hsfuse.core.psf import PSF
from hsfuse.pair.survey import Patch, Survey


def surveyed(coarse: np.ndarray) -> Survey:
    """Return the survey of an HS image beside a flat fine one."""
    bands, rows, columns = coarse.shape
    geometry = Geometry(Axis(2 * rows, rows, 2.0), Axis(2 * columns, columns, 2.0))
    fine = np.ones((1, 2 * rows, 2 * columns), np.float32)
    patch = Patch(coarse.astype(np.float32), fine, geometry, (0, 0))
    return Survey((patch,), PSF((1.0, 1.0)), np.ones(bands, bool), np.linspace(400, 900, bands))


def ground(own: float) -> np.ndarray:
    """Return 40 bands of three materials, and of what each band alone shows of the ground."""
    draw = np.random.default_rng(0)
    maps = np.stack([gaussian_filter(draw.normal(size=(48, 60)), 1.5) for _ in range(43)])
    maps /= maps.std(axis=(1, 2), keepdims=True)
    mix = np.array([np.sin(k + np.linspace(0, 2 + k, 40)) for k in range(3)])
    return np.tensordot(mix.T, maps[:3], axes=1) + own * maps[3:]


@pytest.mark.parametrize("own", [0.0, 0.02])
def test_noise_is_found_whatever_bands_show_of_their_own(own: float) -> None:
    """White noise is told within a quarter."""
    noise = 0.05 * np.random.default_rng(1).normal(size=(40, 48, 60))
    survey = surveyed(ground(own) + noise)
    assert survey.noise == pytest.approx(0.05, rel=0.25)


def test_what_has_a_shape_is_no_noise() -> None:
    """A clean image whose bands each show something of their own is told to be clean."""
    image = ground(0.02)
    unexplained = band_noise(image.reshape(40, -1))
    assert (surveyed(image).noise < 0.2 * unexplained).all()


def test_a_bad_band_has_no_noise_to_tell() -> None:
    """Bands without data keep their place, at zero."""
    image = ground(0.02)
    image[7] = np.nan
    survey = surveyed(image)
    assert not survey.good[7]
    assert survey.noise[7] == 0
    assert survey.noise.shape == (40,)
