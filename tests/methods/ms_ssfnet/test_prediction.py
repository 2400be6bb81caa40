"""Variance of the estimates about the initial one, and about other references."""

import torch

from hsfuse.methods.ms_ssfnet.estimators import Estimates
from hsfuse.methods.ms_ssfnet.prediction import Ensemble


def test_the_variance_about_a_reference_is_the_mean_squared_difference_from_it() -> None:
    """Summed over the bands, here from all estimates; that of a part is the part of that."""
    draw = torch.Generator().manual_seed(0)
    first, residual, one, two, guided, scene_wide, cnmf, reference = (
        torch.rand((3, 5, 4), generator=draw) for _ in range(8)
    )
    power = torch.rand((3, 1, 1), generator=draw)
    estimates = Estimates(first, residual, (one, two), guided, scene_wide, cnmf)
    differences = estimates.differences(power)
    ensemble = Ensemble(first, differences, power)

    def expected(centre: torch.Tensor) -> torch.Tensor:
        squares = torch.stack([one, two, guided, scene_wide, cnmf]) - centre
        return (power * squares.square()).sum(dim=1).mean(dim=0)

    assert torch.allclose(differences.variance, expected(first))
    assert torch.allclose(differences.cnmf, (power * (cnmf - first).square()).sum(dim=0))
    part = slice(1, 4), slice(0, 3)
    found = ensemble.variance_about(reference[:, *part], part)
    assert torch.allclose(found, expected(reference)[part])
