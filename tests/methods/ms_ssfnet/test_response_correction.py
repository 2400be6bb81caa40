"""Correction of the stated response of the MS sensor."""

import numpy as np
import pytest

from hsfuse.methods.ms_ssfnet.response_correction import response_correction

WAVELENGTH = np.linspace(400, 1000, 61)


def bell(centre: float, width: float) -> np.ndarray:
    values = np.exp(-4 * np.log(2) * ((WAVELENGTH - centre) / width) ** 2)
    return values / values.sum()


def residual_of(
    shift: float, noise: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return noisy components, the residual of shifted bands, the stated response and its error."""
    draw = np.random.default_rng(seed)
    loading = np.stack([np.cos(np.pi * k * (WAVELENGTH - 400) / 600) for k in range(1, 7)])
    clean = draw.normal(size=(6, 900)) / np.arange(1, 7)[:, None]
    stated, true = (
        np.stack([bell(c + offset, 60) for c in (480, 560, 660)]) @ loading.T
        for offset in (0, shift)
    )
    deviation = noise / np.arange(1, 7)
    components = clean + deviation[:, None] * draw.normal(size=clean.shape)
    components -= components.mean(axis=1, keepdims=True)
    fine = true @ clean + 0.005 * draw.normal(size=(3, 900))
    return components, fine - stated @ components, stated, true - stated


def corrected(shift: float, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the correction, the error of the stated response, and that response."""
    components, residual, stated, error = residual_of(shift, noise)
    deviation = noise / np.arange(1, 7)
    return response_correction(components, residual, stated, deviation, np.eye(6)), error, stated


@pytest.mark.parametrize("noise", [0.02, 0.2])
def test_a_correct_response_does_not_change(noise: float) -> None:
    """Neither does one whose residual is correlated with the components through their noise."""
    correction, _, stated = corrected(0.0, noise)
    assert np.linalg.norm(correction) < 0.01 * np.linalg.norm(stated)


@pytest.mark.parametrize("shift", [-8.0, 8.0])
def test_the_response_of_shifted_bands_is_corrected(shift: float) -> None:
    """The error of the correction is less than a third of that of the stated response."""
    correction, error, _ = corrected(shift, 0.05)
    assert np.linalg.norm(correction - error) < 0.3 * np.linalg.norm(error)


def test_a_residual_of_zero_gives_no_correction() -> None:
    """Every variance of it is zero."""
    components, residual, stated, _ = residual_of(0.0, 0.1)
    correction = response_correction(components, 0 * residual, 0 * stated, np.zeros(6), np.eye(6))
    assert not correction.any()
