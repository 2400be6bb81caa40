"""Weights files and their cards."""

from pathlib import Path

import pytest
import torch

from hsfuse.errors import WeightsError
from hsfuse.nets.ms_ssfnet import Architecture, MSSSFNet
from hsfuse.weights import find_weights, load_network, save_weights, shipped_weights

ABOUT = {"data": "made", "recipe": {}, "scores": {}, "terms": "none"}


@pytest.fixture
def saved(tmp_path: Path) -> tuple[MSSSFNet, Path]:
    """Return a small network and the file that holds it."""
    torch.manual_seed(0)
    network = MSSSFNet(Architecture(4, 3, 2, 4, 2)).eval()
    path = tmp_path / "small.safetensors"
    save_weights(
        network, path, fine_bands=3, wavelength=(400, 500, 600, 700), tolerance=5, about=ABOUT
    )
    return network, path


def test_weights_come_back(saved: tuple[MSSSFNet, Path]) -> None:
    """The loaded network gives the same cube; its card says what it is for."""
    network, path = saved
    card = find_weights(path)
    loaded = load_network(path, card.sha256)
    coarse, fine = torch.rand(1, 4, 3, 3), torch.rand(1, 3, 12, 12)
    with torch.inference_mode():
        assert torch.equal(loaded(coarse, fine), network(coarse, fine))
    assert card.architecture == network.architecture
    assert card.wavelength == (400, 500, 600, 700)


def test_damage_is_found(saved: tuple[MSSSFNet, Path]) -> None:
    """One flipped byte, and the message names the file."""
    _, path = saved
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"small\.safetensors.*damaged"):
        load_network(path, find_weights(path).sha256)


def test_a_card_is_owed(saved: tuple[MSSSFNet, Path], tmp_path: Path) -> None:
    """No card, half a card and no file are each one clear line."""
    _, path = saved
    card = path.with_suffix(".json")
    card.write_text('{"name": "small"}')
    with pytest.raises(WeightsError, match="a weights card has"):
        find_weights(path)
    card.write_text("nonsense")
    with pytest.raises(WeightsError, match="is not a weights card"):
        find_weights(path)
    card.unlink()
    with pytest.raises(WeightsError, match="has no card"):
        find_weights(path)
    with pytest.raises(WeightsError, match="is no weights file"):
        find_weights(tmp_path / "none.pt")


def test_every_shipped_card_is_whole() -> None:
    """What comes with the package loads, and says its data, recipe, scores and terms."""
    for card in shipped_weights():
        load_network(card.path, card.sha256)
        assert all(card.about[key] for key in ("data", "recipe", "scores", "terms"))
