"""Leave-one-out cross-validation: the same as leaving one out, and larger where less is shown."""

import numpy as np
import torch

from hsfuse.methods.kriging.regression import ridge_weights
from hsfuse.methods.ms_ssfnet.cross_validation import leave_one_out


def test_it_equals_a_regression_without_the_pixel() -> None:
    """For every pixel and component, whatever the ridge of each."""
    draw = np.random.default_rng(0)
    design = torch.from_numpy(draw.normal(size=(6, 15)))
    observed = torch.from_numpy(draw.normal(size=(3, 15)))
    noise = np.array([0.1, 2.0, 0.1])
    found = leave_one_out(design, observed, noise)
    for pixel in range(15):
        others = [index for index in range(15) if index != pixel]
        weights = ridge_weights(design[:, others], observed[:, others], noise)
        expected = observed[:, pixel] - weights @ design[:, pixel]
        assert torch.allclose(found[:, pixel], expected, atol=1e-10)
