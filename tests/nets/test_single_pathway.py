"""The networks with a single pathway, and the table of networks."""

import pytest
import torch

from hsfuse.nets.network import Network
from hsfuse.nets.single_pathway import SinglePathway
from hsfuse.nets.table import NETWORKS, build, read_architecture

DEPTHS = {"ssf-cnn": 3, "ssf-resnet": 2, "spectral-resnet": 1, "dhsis": 5}
NAMES = pytest.mark.parametrize("name", sorted(DEPTHS))
BANDS, FINE = 5, 3


def network(name: str, ratio: int = 4) -> Network:
    """Return a small network with random weights that are all alive."""
    torch.manual_seed(0)
    return build(SinglePathway(name, BANDS, FINE, ratio, 6, DEPTHS[name])).double().eval()


def inputs(side: int, *, gradients: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    coarse, fine = (
        torch.rand(2, n, side, side + 1, generator=generator, dtype=torch.float64)
        for n in (BANDS, FINE)
    )
    return coarse.requires_grad_(gradients), fine.requires_grad_(gradients)


@NAMES
@pytest.mark.parametrize("ratio", [1, 3, 16])
def test_the_result_has_the_fine_grid_and_all_bands(name: str, ratio: int) -> None:
    """Of any ratio: no layer depends on it."""
    one = network(name, ratio)
    coarse, fine = inputs(9)
    (level,) = one.all_levels(coarse, fine)
    assert level.shape == (2, BANDS, 9, 10)
    assert torch.equal(level, one(coarse, fine))
    assert one.architecture.level_ratios == (ratio,)


@NAMES
def test_the_stated_reach_is_the_measured_one(name: str) -> None:
    """The gradient of a pixel is as wide as the kernels along the pathway."""
    one = network(name)
    reach = one.architecture.reach
    coarse, fine = inputs(2 * reach + 7, gradients=True)
    centre = reach + 3
    one(coarse, fine)[..., centre, centre].sum().backward()
    used = fine if one.architecture.hs_input != "initial" else coarse
    assert used.grad is not None
    rows = torch.nonzero(used.grad.abs().amax(dim=(0, 1, 3)))[:, 0]
    assert (int(rows[0]), int(rows[-1])) == (centre - reach, centre + reach)


@NAMES
def test_each_network_takes_its_own_inputs(name: str) -> None:
    """Spectral-ResNet ignores the HS image, DHSIS the MS image; the others depend on both."""
    one = network(name)
    coarse, fine = inputs(8)
    cube = one(coarse, fine)
    depends = [
        not torch.equal(cube, one(coarse + 0.1, fine)),
        not torch.equal(cube, one(coarse, fine + 0.1)),
    ]
    expected = {"spectral-resnet": [False, True], "dhsis": [True, False]}
    assert depends == expected.get(name, [True, True])


def test_dhsis_corrects_its_input() -> None:
    """With zeros in its last layer the result is the initial estimate itself."""
    one = network("dhsis")
    for head in one.heads():
        torch.nn.init.zeros_(head.weight)
        assert head.bias is not None
        torch.nn.init.zeros_(head.bias)
    coarse, fine = inputs(8)
    assert torch.equal(one(coarse, fine), coarse)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_network_comes_back_from_its_card(name: str) -> None:
    """The facts of an architecture make it again, and the network it belongs to."""
    if name == "ms-ssfnet":
        facts: dict[str, int | str] = {"bands": 5, "fine_bands": 3, "scales": 2, "width": 4}
    else:
        facts = {"network": name, "bands": 5, "fine_bands": 3, "ratio": 4, "depth": DEPTHS[name]}
    architecture = read_architecture(facts)
    assert read_architecture(architecture.to_dict()) == architecture
    assert architecture.network == name
    assert build(architecture).architecture == architecture
    assert architecture.ratio == 4


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"network": "magic"}, "network must be one of ms-ssfnet, ssf-cnn"),
        ({"network": "ssf-cnn", "depth": 4}, "three layers"),
        ({"network": "dhsis", "depth": 1}, "two layers or more"),
        ({"network": "ssf-resnet", "width": 0}, "positive"),
    ],
)
def test_impossible_networks_are_refused(facts: dict, message: str) -> None:
    """In a line that says what is expected."""
    with pytest.raises(ValueError, match=message):
        read_architecture({"bands": 5, "fine_bands": 3, "ratio": 4, **facts})
