"""Agreement with both inputs: nearer to each, never by copying noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hsfuse.core.grid import Axis, Geometry
from hsfuse.methods.agreement import CANDIDATES, Agreement, Observed, agree, likeliest_return
from hsfuse.observe import Degrade

SEEN = np.array([[0.5, 0.2, 0.1], [0.3, -0.4, 0.2]])


@pytest.fixture
def observed() -> tuple[torch.Tensor, Observed]:
    """Return a truth of three components and what noise-free sensors see of it."""
    axis = Axis(48, 12, 4.0)
    geometry = Geometry(axis, axis)
    draw = torch.Generator().manual_seed(0)
    truth = torch.rand(3, 48, 48, generator=draw)
    seen = torch.from_numpy(SEEN.astype(np.float32))
    back = likeliest_return(SEEN, np.ones(3), 1e-8 * np.eye(2))
    return truth, Observed(
        geometry,
        (1.0, 1.0),
        Degrade.between(geometry, (1.0, 1.0)).forward(truth),
        torch.ones(12, 12, dtype=torch.bool),
        torch.ones(48, 48, dtype=torch.bool),
        torch.tensordot(seen, truth, dims=1),
        torch.zeros(3),
        seen,
        torch.from_numpy(back.astype(np.float32)),
    )


@pytest.mark.parametrize("agreement", CANDIDATES)
def test_the_truth_stays_the_truth(
    observed: tuple[torch.Tensor, Observed], agreement: Agreement
) -> None:
    """What agrees already is left alone."""
    truth, seen = observed
    assert torch.allclose(agree(truth, seen, agreement), truth, atol=1e-4)


def test_more_rounds_come_nearer_to_the_hs_image(observed: tuple[torch.Tensor, Observed]) -> None:
    """D of the answer misses less of the HS image with every round."""
    _, seen = observed
    degrade = Degrade.between(seen.geometry, seen.blur)
    start = torch.zeros(3, 48, 48)
    left = [
        float((seen.wanted - degrade.forward(agree(start, seen, Agreement(rounds)))).square().sum())
        for rounds in (0, 1, 4)
    ]
    assert left[0] > 10 * left[1] > 10 * left[2]


def test_the_fine_image_is_shown(observed: tuple[torch.Tensor, Observed]) -> None:
    """Moved to the fine image, A of the answer is that image, and the error is not larger."""
    truth, seen = observed
    start = truth + 0.1 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(1))
    moved = agree(start, seen, Agreement(0, fine=True))
    shown = torch.tensordot(seen.seen, moved, dims=1)
    assert torch.allclose(shown, seen.fine, atol=1e-3)
    assert (moved - truth).square().mean() < 0.6 * (start - truth).square().mean()


def test_sparing_leaves_alone_what_the_fine_image_shows(
    observed: tuple[torch.Tensor, Observed],
) -> None:
    """What is added for the HS image is invisible to the fine sensor."""
    _, seen = observed
    start = torch.zeros(3, 48, 48)
    added = agree(start, seen, Agreement(1, spared=True))
    assert added.abs().max() > 0.1
    assert torch.tensordot(seen.seen, added, dims=1).abs().max() < 1e-3


def test_what_is_noise_is_not_asked_for(observed: tuple[torch.Tensor, Observed]) -> None:
    """An HS image that differs by its noise alone changes nothing much."""
    truth, seen = observed
    noise = 0.05 * torch.randn(seen.wanted.shape, generator=torch.Generator().manual_seed(2))
    noisy = replace(seen, wanted=seen.wanted + noise)
    copied = agree(truth, noisy, Agreement(1)) - truth
    aware = agree(truth, replace(noisy, noise=torch.full((3,), 0.05)), Agreement(1)) - truth
    assert aware.square().mean() < 0.2 * copied.square().mean()


def test_a_hole_asks_for_nothing(observed: tuple[torch.Tensor, Observed]) -> None:
    """HS pixels without data add nothing about them."""
    _, seen = observed
    used = seen.used.clone()
    used[4:8, 4:8] = False
    start = torch.zeros(3, 48, 48)
    added = agree(start, replace(seen, used=used), Agreement(1))
    assert added[:, 22:26, 22:26].abs().max() < 1e-6


def test_the_stated_reach_holds(observed: tuple[torch.Tensor, Observed]) -> None:
    """One HS pixel changes nothing farther away than that."""
    truth, seen = observed
    for agreement in (Agreement(1), Agreement(4)):
        other = seen.wanted.clone()
        other[:, 0, 0] += 1
        change = agree(truth, replace(seen, wanted=other), agreement) - agree(
            truth, seen, agreement
        )
        rows = torch.nonzero(change.abs().amax(dim=(0, 2)) > 1e-6)[:, 0]
        assert int(rows.max()) / 4 <= agreement.reach(seen.blur)[0] + 1
