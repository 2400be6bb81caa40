"""Kalman gain of the MS image."""

import numpy as np
import pytest
import torch

from hsfuse.methods.ms_ssfnet.kalman_gain import KalmanGain

RESPONSE = np.array([[0.5, 0.2, 0.1], [0.3, -0.4, 0.2]])


def test_the_gain_is_that_of_each_variance() -> None:
    """``u C A' (u A C A' + N)^-1`` pixel by pixel, here inverted directly."""
    draw = np.random.default_rng(0)
    error = np.cov(draw.normal(size=(2, 20)))
    deviation = np.array([1.0, 0.5, 2.0])
    variance = draw.random((3, 4)) * 5
    residual = draw.normal(size=(2, 3, 4))
    gain = KalmanGain.of(RESPONSE, deviation, error)
    found = gain.update(torch.from_numpy(residual), torch.from_numpy(variance)).numpy()
    covariance = deviation[:, None] ** 2 * RESPONSE.T
    for pixel in np.ndindex(3, 4):
        u = variance[pixel]
        weights = u * covariance @ np.linalg.inv(u * RESPONSE @ covariance + error)
        assert found[:, *pixel] == pytest.approx(weights @ residual[:, *pixel], rel=1e-6)
