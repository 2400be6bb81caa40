"""Local statistics of the maps from which standard errors are predicted."""

import numpy as np
import pytest

from hsfuse.methods.ms_ssfnet.error_maps import local_contrast, local_rms


def test_a_local_mean_square_counts_neighbours() -> None:
    """A single pixel spreads over its window, and a constant stays."""
    values = np.zeros((20, 20))
    values[10, 10] = 5.0
    found = local_rms(values, 2)
    assert np.allclose(found[8:13, 8:13], 1.0)
    assert np.count_nonzero(found > 1e-6) == 25
    assert np.allclose(local_rms(np.full((20, 20), 3.0), 2), 3.0)


def test_contrast_counts_valid_pixels_only() -> None:
    """An edge has contrast, a flat field none, and pixels without data have no effect."""
    fine = np.zeros((2, 20, 20))
    fine[:, :, 10:] = 1.0
    valid = np.ones((20, 20), bool)
    found = local_contrast(fine, valid, 2)
    assert found[10, 10] == pytest.approx(np.sqrt(0.24))
    assert found[:, :7].max() < 1e-6
    valid[:, 10:] = False
    assert local_contrast(fine, valid, 2)[:, :10].max() < 1e-6
    assert np.isfinite(local_contrast(fine, valid, 2)).all()
