"""Weights files, their cards, and the pairs they are for."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hsfuse.errors import WeightsError
from hsfuse.nets.ms_ssfnet import Architecture, MSSSFNet
from hsfuse.nets.table import NETWORKS
from hsfuse.nets.weights import (
    Card,
    Domain,
    find_weights,
    load_network,
    save_weights,
    shipped_weights,
)

ABOUT = {"data": "made", "recipe": {}, "scores": {}, "terms": "none"}
# Of a network that predicts cubes, and of one that predicts components.
EXACT = Domain((4.0, 4.0), (3, 3), (0.0, math.inf), (400.0, 500.0, 600.0, 700.0))
BROAD = Domain((2.0, 16.0), (1, 9), (380.0, 1020.0))
BENCHMARKS = Path(__file__).parents[2] / "benchmarks" / "weights"
REMOTE_SENSING = {
    f"{scene}.tif"
    for scene in (
        *("abu_airport_1", "abu_airport_2", "abu_beach_1", "abu_urban_1", "abu_urban_2"),
        *("aviris_park", "enmap_potsdam", "indian_pines", "jasper_ridge"),
        *("pavia_centre_crop", "samson"),
    )
}


def benchmark_weights() -> list[Card]:
    """Return the cards of the weights that the benchmarks use beside the shipped ones."""
    return [find_weights(path) for path in sorted(BENCHMARKS.glob("*.safetensors"))]


@pytest.fixture
def saved(tmp_path: Path) -> tuple[MSSSFNet, Path]:
    """Return a small network and the file that holds it."""
    torch.manual_seed(0)
    network = MSSSFNet(Architecture(4, 3, 2, 4, 2)).eval()
    path = tmp_path / "small.safetensors"
    save_weights(network, path, domain=EXACT, about=ABOUT)
    return network, path


def misfit(domain: Domain, **changes: object) -> str | None:
    """Return what a domain has against a pair of 4 bands, 3 MS bands and ratio 4."""
    pair: dict = {
        "wavelength": np.array([400.0, 500.0, 600.0, 700.0]),
        "good": np.ones(4, bool),
        "fine_bands": 3,
        "ratio": (4.0, 4.0),
    }
    return domain.misfit(**pair | changes)


def test_weights_come_back(saved: tuple[MSSSFNet, Path]) -> None:
    """The loaded network gives the same cube; its card says what it is for."""
    network, path = saved
    card = find_weights(path)
    loaded = load_network(path, card.sha256)
    coarse, fine = torch.rand(1, 4, 3, 3), torch.rand(1, 3, 12, 12)
    with torch.inference_mode():
        assert torch.equal(loaded(coarse, fine), network(coarse, fine))
    assert card.architecture == network.architecture
    assert card.domain == EXACT
    assert card.about == ABOUT


def test_components_come_back(tmp_path: Path) -> None:
    """A network whose coarse input has bands of its own is loaded as it was."""
    torch.manual_seed(0)
    network = MSSSFNet(Architecture(1, 7, 2, 4, 2, coarse_bands=7)).eval()
    card = save_weights(network, tmp_path / "any.safetensors", domain=BROAD, about=ABOUT)
    loaded = load_network(card.path, card.sha256)
    coarse, fine = torch.rand(1, 7, 3, 3), torch.rand(1, 7, 12, 12)
    with torch.inference_mode():
        assert torch.equal(loaded(coarse, fine), network(coarse, fine))


def test_weights_are_as_readable_as_their_card(saved: tuple[MSSSFNet, Path]) -> None:
    _, path = saved
    assert path.stat().st_mode == path.with_suffix(".json").stat().st_mode


def test_damage_is_found(saved: tuple[MSSSFNet, Path]) -> None:
    """One flipped byte, and the message names the file."""
    _, path = saved
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"small\.safetensors.*damaged"):
        load_network(path, find_weights(path).sha256)


def test_a_card_of_another_network_is_found(saved: tuple[MSSSFNet, Path]) -> None:
    """The hash fits and the shapes do not: the card was edited."""
    _, path = saved
    card = path.with_suffix(".json")
    facts = json.loads(card.read_text())
    facts["architecture"]["width"] = 5
    card.write_text(json.dumps(facts))
    with pytest.raises(WeightsError, match="does not hold the network of its card"):
        load_network(path, facts["sha256"])


def test_a_card_is_required(saved: tuple[MSSSFNet, Path], tmp_path: Path) -> None:
    """No card, half a card and no file are each one clear line."""
    _, path = saved
    card = path.with_suffix(".json")
    whole = json.loads(card.read_text())
    card.write_text('{"name": "small"}')
    with pytest.raises(WeightsError, match="a weights card has"):
        find_weights(path)
    card.write_text(json.dumps(whole | {"domain": {"ratio": [4, 4]}}))
    with pytest.raises(WeightsError, match=r"is not a weights card \('range_nm'\)"):
        find_weights(path)
    card.write_text("nonsense")
    with pytest.raises(WeightsError, match="is not a weights card"):
        find_weights(path)
    card.unlink()
    with pytest.raises(WeightsError, match="has no card"):
        find_weights(path)
    with pytest.raises(WeightsError, match=r"none\.safetensors: no such file"):
        find_weights(tmp_path / "none.safetensors")
    with pytest.raises(WeightsError, match="is not a weights file"):
        find_weights(tmp_path / "none.pt")


@pytest.mark.parametrize("left_out", sorted(ABOUT))
def test_a_card_says_how_the_weights_were_made(left_out: str, tmp_path: Path) -> None:
    """Data, recipe, scores and terms are required when weights are saved."""
    about = {key: value for key, value in ABOUT.items() if key != left_out}
    path = tmp_path / "x.safetensors"
    with pytest.raises(WeightsError, match=f"got no {left_out}"):
        save_weights(MSSSFNet(Architecture(4, 3, 1, 4, 1)), path, domain=EXACT, about=about)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("domain", [EXACT, BROAD, replace(BROAD, range_nm=(0.0, math.inf))])
def test_a_domain_comes_back_from_json(domain: Domain) -> None:
    """Infinity included, which JSON does not have."""
    text = json.dumps(domain.to_dict(), allow_nan=False)
    assert Domain.from_dict(json.loads(text)) == domain


@pytest.mark.parametrize("domain", [EXACT, BROAD])
def test_a_domain_holds_what_it_is_for(domain: Domain) -> None:
    """The pair itself, and one that is a little off."""
    assert misfit(domain) is None
    assert misfit(domain, ratio=(4.01, 3.99)) is None
    assert misfit(domain, wavelength=np.array([402.0, 497.0, 604.0, 700.0])) is None


@pytest.mark.parametrize(
    ("domain", "changes", "reason"),
    [
        (EXACT, {"wavelength": np.arange(400.0, 900.0, 100), "good": np.ones(5, bool)},
         "take 4 good HS bands, the pair has 5"),
        (EXACT, {"good": np.arange(4) > 0}, "take 4 good HS bands, the pair has 3"),
        (EXACT, {"wavelength": np.array([400.0, 506.0, 600.0, 700.0])},
         "take bands at 400 to 700 nm within 5 nm"),
        (EXACT, {"wavelength": np.full(4, np.nan)}, "take bands at 400 to 700 nm within 5 nm"),
        (EXACT, {"fine_bands": 4}, "take 3 MS bands, the pair has 4"),
        (EXACT, {"ratio": (4.0, 4.1)}, "take ratio 4, the pair has 4 by 4.1"),
        (BROAD, {"wavelength": np.array([370.0, 500.0, 600.0, 700.0])},
         "take HS bands within 380 to 1020 nm"),
        (BROAD, {"wavelength": np.full(4, np.nan)}, "take HS bands within 380 to 1020 nm"),
        (BROAD, {"fine_bands": 10}, "take 1 to 9 MS bands, the pair has 10"),
        (BROAD, {"ratio": (20.0, 20.0)}, "take ratio 2 to 16, the pair has 20 by 20"),
        (BROAD, {"ratio": (1.5, 4.0)}, "take ratio 2 to 16, the pair has 1.5 by 4"),
    ],
)  # fmt: skip
def test_a_domain_says_why_a_pair_does_not_fit(domain: Domain, changes: dict, reason: str) -> None:
    """What the weights take and what the pair has, in a phrase."""
    assert misfit(domain, **changes) == reason


def test_bad_bands_may_lie_outside() -> None:
    """Where the good ones count, and where any bands do, unknown ones included."""
    far = np.array([400.0, 500.0, 600.0, 2500.0])
    assert misfit(BROAD, wavelength=far) is not None
    assert misfit(BROAD, wavelength=far, good=np.arange(4) < 3) is None
    anything = replace(BROAD, range_nm=(0.0, math.inf))
    assert misfit(anything, wavelength=np.full(4, np.nan)) is None


def test_every_card_is_complete() -> None:
    """Weights of the package and the benchmarks load and state data, recipe, scores and terms."""
    for card in [*shipped_weights(), *benchmark_weights()]:
        load_network(card.path, card.sha256)
        assert all(card.about[key] for key in ("data", "recipe", "scores", "terms"))


def test_the_package_ships_one_file_of_weights() -> None:
    """The second set serves the benchmarks and is no part of the package."""
    assert [card.name for card in shipped_weights()] == ["any-sensor"]
    names = {card.name for card in benchmark_weights()}
    assert names == {"any-sensor-b", *(f"cave-16-{name}" for name in NETWORKS)}


def test_benchmark_weights_of_a_network_are_small_and_for_one_pair_of_sensors() -> None:
    """Each has the name of its network, and was not trained on the scenes that score it."""
    for card in benchmark_weights()[1:]:
        assert card.name == f"cave-16-{card.architecture.network}"
        assert Path(card.path).stat().st_size < 2e6
        assert (card.domain.ratio, card.domain.fine_bands) == ((16.0, 16.0), (3, 3))
        assert len(card.domain.wavelength) == 31
        data = card.about["data"]
        assert isinstance(data, dict)
        assert not {Path(cube).stem for cube in data["cubes"]} & set(data["held_out"])


def test_every_remote_sensing_scene_has_weights_not_trained_on_it() -> None:
    """The halves of remote-sensing scenes in both cards are disjoint: each can be scored."""
    first, second = (
        {name for name in card.about["data"]["cubes"] if name in REMOTE_SENSING}
        for card in (*shipped_weights(), *benchmark_weights()[:1])
    )
    assert not first & second
    assert first | second == REMOTE_SENSING
