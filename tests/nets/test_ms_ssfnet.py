"""The network of the paper."""

import pytest
import torch

from hsfuse.nets.ms_ssfnet import Architecture, MSSSFNet, reach

# The last has another number of bands in its coarse input than in its result.
SHAPES = [(5, 3, 1, 4, 1), (8, 4, 2, 6, 2), (6, 1, 3, 4, 2), (4, 3, 4, 3, 3), (1, 7, 2, 4, 2, 7)]


def build(numbers: tuple[int, ...]) -> MSSSFNet:
    """Return a network with random weights that are all alive."""
    torch.manual_seed(0)
    network = MSSSFNet(Architecture(*numbers))
    return network.double().eval()


@pytest.mark.parametrize("numbers", SHAPES)
def test_any_bands_ratio_width_and_levels(numbers: tuple[int, ...]) -> None:
    """The output has the fine grid's size, the levels' outputs their scales'."""
    network = build(numbers)
    a = network.architecture
    coarse = torch.rand(2, a.coarse_bands or a.bands, 3, 2, dtype=torch.float64)
    fine = torch.rand(2, a.fine_bands, 3 * a.ratio, 2 * a.ratio, dtype=torch.float64)
    outputs = network.all_levels(coarse, fine)
    assert [tuple(o.shape) for o in outputs] == [
        (2, a.bands, 3 * 2**s, 2 * 2**s) for s in a.level_scales
    ]
    assert torch.equal(outputs[-1], network(coarse, fine))


@pytest.mark.parametrize("numbers", SHAPES)
def test_the_stated_reach_holds_the_measured_one(
    numbers: tuple[int, ...],
) -> None:
    """No gradient leaves the reach, and the reach is hardly wider than that."""
    network = build(numbers)
    a = network.architecture
    cells = 2 * (-(-reach(a) // a.ratio)) + 3
    coarse = torch.rand(
        1, a.coarse_bands or a.bands, cells, cells, dtype=torch.float64, requires_grad=True
    )
    side = cells * a.ratio
    fine = torch.rand(1, a.fine_bands, side, side, dtype=torch.float64, requires_grad=True)
    centre = (cells // 2) * a.ratio
    measured = 0
    for offset in range(a.ratio):  # every place in a coarse pixel
        network(coarse, fine)[..., centre + offset, centre + offset].sum().backward()
        for gradient, size in ((fine.grad, 1), (coarse.grad, a.ratio)):
            assert gradient is not None
            rows = torch.nonzero(gradient.abs().amax(dim=(0, 1, 3)))[:, 0] * size
            at = centre + offset
            measured = max(measured, at - int(rows[0]) - size + 1, int(rows[-1]) - at)
            gradient.zero_()
    assert measured <= reach(a) <= measured + 2


def test_a_result_does_not_depend_on_its_batch() -> None:
    """One window alone and among others gives the same cube."""
    network = build((6, 3, 2, 4, 1))
    coarse, fine = torch.rand(3, 6, 4, 4).double(), torch.rand(3, 3, 16, 16).double()
    together = network(coarse, fine)
    assert torch.allclose(together[1:2], network(coarse[1:2], fine[1:2]), atol=1e-12)


def test_exported_weights_have_no_auxiliary_heads() -> None:
    """They load into a network of one level, which gives the same cube."""
    network = build((6, 3, 3, 4, 3))
    single = MSSSFNet(Architecture(6, 3, 3, 4, 1)).double().eval()
    single.load_state_dict(network.exported())
    coarse, fine = torch.rand(1, 6, 4, 4).double(), torch.rand(1, 3, 32, 32).double()
    assert torch.equal(network(coarse, fine), single(coarse, fine))


def test_it_learns() -> None:
    """A small network overfits one tile: every part of it passes gradients."""
    torch.manual_seed(1)
    network = MSSSFNet(Architecture(4, 3, 2, 8, 2))
    coarse, fine = torch.rand(1, 4, 4, 4), torch.rand(1, 3, 16, 16)
    target = fine.mean(dim=1, keepdim=True).expand(-1, 4, -1, -1)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = (network(coarse, fine) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_the_coarse_input_has_the_bands_of_the_result_unless_told() -> None:
    """Bands of its own change the first spectral layer alone, not how far the network sees."""
    own, same = Architecture(1, 7, 2, 4, 2, coarse_bands=5), Architecture(1, 7, 2, 4, 2)
    shapes, usual = (
        {name: tuple(value.shape) for name, value in MSSSFNet(a).state_dict().items()}
        for a in (own, same)
    )
    changed = {name for name in shapes if shapes[name] != usual[name]}
    assert changed == {"spectral.0.0.weight"}
    assert (shapes["spectral.0.0.weight"][1], usual["spectral.0.0.weight"][1]) == (5, 1)
    assert reach(own) == reach(same)


@pytest.mark.parametrize("numbers", SHAPES)
def test_the_numbers_come_back_from_a_card(numbers: tuple[int, ...]) -> None:
    """What a weights card holds makes the same architecture again."""
    architecture = Architecture(*numbers)
    assert Architecture(**architecture.to_dict()) == architecture


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"scales": 1, "levels": 2}, "levels must not exceed scales"),
        ({"scales": 0}, "positive"),
        ({"scales": 2, "coarse_bands": -1}, "coarse_bands must not be negative"),
    ],
)
def test_nonsense_is_refused(numbers: dict[str, int], message: str) -> None:
    """Levels are among the scales, and nothing is negative."""
    with pytest.raises(ValueError, match=message):
        Architecture(4, 3, **numbers)
