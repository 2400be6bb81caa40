"""Error covariance of the MS image."""

import numpy as np
import pytest

from hsfuse.methods.ms_ssfnet.ms_error import MSErrorSettings, error_covariance, unexplained_share


def test_the_error_of_the_ms_image_grows_with_what_is_unexplained() -> None:
    """A residual k times larger counts for more than k squared; noise alone for its own size."""
    draw = np.random.default_rng(0)
    fine, residual = draw.normal(size=(2, 500)), 0.02 * draw.normal(size=(2, 500))
    settings, noise = MSErrorSettings(), np.array([0.1, 0.2])

    def covariance(residual: np.ndarray, noise: np.ndarray) -> np.ndarray:
        return error_covariance(residual, noise, unexplained_share(residual, fine), settings)

    alone = covariance(0 * residual, noise)
    assert alone == pytest.approx(settings.inflation * np.diag(noise**2))
    once, twice = (covariance(k * residual, 0 * noise) for k in (1, 2))
    assert np.all(np.diag(twice) > 4.05 * np.diag(once))
    # No more than all of an image is unexplained.
    most = covariance(1e6 * residual, 0 * noise)
    assert np.all(np.diag(most) < 1e12 * (1 + settings.unexplained_factor) * np.diag(once))
