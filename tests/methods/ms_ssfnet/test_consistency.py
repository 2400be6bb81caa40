"""Agreement with both inputs: nearer to each, never by copying noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hsfuse.core.grid import Axis, Geometry
from hsfuse.methods.ms_ssfnet.consistency import (
    CANDIDATES,
    Agreement,
    Observed,
    agree,
    likeliest_return,
)
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
        torch.ones(3),
        seen,
        torch.from_numpy(back.astype(np.float32)),
    )


EVEN = torch.ones(48, 48)


@pytest.mark.parametrize("agreement", CANDIDATES)
def test_the_truth_stays_the_truth(
    observed: tuple[torch.Tensor, Observed], agreement: Agreement
) -> None:
    """What agrees already is left alone."""
    truth, seen = observed
    assert torch.allclose(agree(truth, EVEN, seen, agreement), truth, atol=1e-4)


def test_the_answer_comes_nearer_to_the_hs_image(observed: tuple[torch.Tensor, Observed]) -> None:
    """D of the answer misses less of the HS image."""
    _, seen = observed
    degrade = Degrade.between(seen.geometry, seen.blur)
    answer = agree(torch.zeros(3, 48, 48), EVEN, seen, Agreement(fine=False))
    left = (seen.wanted - degrade.forward(answer)).square().sum()
    assert left < 0.1 * seen.wanted.square().sum()


def test_the_answer_is_the_likeliest_one(
    observed: tuple[torch.Tensor, Observed], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With rounds enough it is ``u D' (D u D' + N)^-1 (S - D Z)``, solved here as it stands."""
    monkeypatch.setattr("hsfuse.methods.ms_ssfnet.consistency._ROUNDS", 100)
    _, seen = observed
    seen = replace(seen, noise=torch.full((3,), 0.1))
    uncertain = 0.2 + torch.rand(48, 48, generator=torch.Generator().manual_seed(3))
    answer = agree(torch.zeros(3, 48, 48), uncertain, seen, Agreement(fine=False))
    one = Degrade.between(seen.geometry, seen.blur)
    whole = torch.kron(one.rows, one.columns).double()
    likely = uncertain.ravel()[:, None].double() * whole.T
    gain = likely @ torch.linalg.inv(whole @ likely + 0.01 * torch.eye(144))
    expected = (gain @ seen.wanted.reshape(3, -1).T.double()).T.reshape(3, 48, 48)
    assert torch.allclose(answer.double(), expected, atol=1e-3)


def test_what_is_missed_belongs_where_the_estimates_disagree(
    observed: tuple[torch.Tensor, Observed],
) -> None:
    """A pixel that is sure keeps its value; the one beside it that is not is changed."""
    truth, seen = observed
    start = truth.clone()
    start[:, 22, 22] += 2.0
    uncertain = torch.full((48, 48), 0.01)
    uncertain[22, 22] = 10.0
    error = (agree(start, uncertain, seen, Agreement(fine=False)) - truth).square()
    even = (agree(start, EVEN, seen, Agreement(fine=False)) - truth).square()
    assert error.mean() < 0.2 * even.mean()


def test_the_fine_image_is_shown(observed: tuple[torch.Tensor, Observed]) -> None:
    """Moved to the fine image, A of the answer is that image, and the error is not larger."""
    truth, seen = observed
    start = truth + 0.1 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(1))
    moved = agree(start, EVEN, seen, Agreement(hs=False))
    shown = torch.tensordot(seen.seen, moved, dims=1)
    assert torch.allclose(shown, seen.fine, atol=1e-3)
    assert (moved - truth).square().mean() < 0.6 * (start - truth).square().mean()


def test_what_is_noise_is_not_asked_for(observed: tuple[torch.Tensor, Observed]) -> None:
    """An HS image that differs by its noise alone changes nothing much."""
    truth, seen = observed
    noise = 0.05 * torch.randn(seen.wanted.shape, generator=torch.Generator().manual_seed(2))
    noisy = replace(seen, wanted=seen.wanted + noise, doubt=torch.full((3,), 0.05))
    hs = Agreement(fine=False)
    copied = agree(truth, EVEN, noisy, hs) - truth
    aware = agree(truth, EVEN, replace(noisy, noise=torch.full((3,), 0.05)), hs) - truth
    assert aware.square().mean() < 0.2 * copied.square().mean()


def test_a_hole_asks_for_nothing(observed: tuple[torch.Tensor, Observed]) -> None:
    """HS pixels without data add nothing about them."""
    _, seen = observed
    used = seen.used.clone()
    used[4:8, 4:8] = False
    start = torch.zeros(3, 48, 48)
    added = agree(start, EVEN, replace(seen, used=used), Agreement(fine=False))
    assert added[:, 22:26, 22:26].abs().max() < 1e-6


def test_the_stated_reach_holds(observed: tuple[torch.Tensor, Observed]) -> None:
    """One HS pixel changes nothing farther away than that."""
    truth, seen = observed
    agreement = Agreement()
    other = seen.wanted.clone()
    other[:, 0, 0] += 1
    change = agree(truth, EVEN, replace(seen, wanted=other), agreement) - agree(
        truth, EVEN, seen, agreement
    )
    rows = torch.nonzero(change.abs().amax(dim=(0, 2)) > 1e-6)[:, 0]
    assert int(rows.max()) / 4 <= agreement.reach(seen.blur)[0] + 1
