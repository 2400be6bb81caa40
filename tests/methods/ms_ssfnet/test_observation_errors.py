"""Errors of the HS image apart from its noise."""

import pytest
import torch

from hsfuse.methods.ms_ssfnet.observation_errors import psf_error_variance, unseen_variance


def test_even_ground_has_no_error() -> None:
    """Whatever the PSF and whatever is unseen."""
    even = torch.full((2, 5, 6), 3.0)
    valid = torch.ones(5, 6, dtype=torch.bool)
    assert not unseen_variance(even, valid, torch.full((5, 6), 0.5)).any()
    assert not psf_error_variance(even, even).any()


def test_an_edge_of_the_ground_is_an_error_of_the_pixels_about_it() -> None:
    """Of the mean square of the neighbours' differences, times the square of the unseen share."""
    step = torch.zeros(1, 5, 6)
    step[..., 3:] = 2.0
    valid = torch.ones(5, 6, dtype=torch.bool)
    valid[0, 3] = False
    found = unseen_variance(torch.where(valid, step, 0.0), valid, torch.full((5, 6), 0.5))[0]
    assert found[2, 0] == 0
    assert found[2, 2] == pytest.approx(0.25 * 4 * 3 / 8)
    assert found[1, 2] == pytest.approx(0.25 * 4 * 2 / 7)


def test_the_error_of_the_psf_is_a_mean_over_neighbours() -> None:
    """At the edge of the image over those that exist."""
    wider = torch.zeros(1, 4, 5)
    wider[0, 0, 0] = 6.0
    found = psf_error_variance(torch.zeros(1, 4, 5), wider)[0]
    assert found[0, 0] == pytest.approx(36 / 4)
    assert found[1, 1] == pytest.approx(36 / 9)
    assert not found[2:].any()
