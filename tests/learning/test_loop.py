"""Training is reproducible, resumes with the same bits, and stops at NaN."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hsfuse.errors import HsfuseError, WeightsError
from hsfuse.learning.checkpoint import last_warning
from hsfuse.learning.loop import build_network, learning_rate, train_network
from hsfuse.learning.recipe import RECIPES, Recipe
from hsfuse.methods.ms_ssfnet.features import CHANNELS
from hsfuse.nets.ms_ssfnet import Architecture
from hsfuse.nets.network import Network
from hsfuse.nets.single_pathway import SinglePathway
from hsfuse.sensor.catalogue import pick_sensor

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_features")]

COMPONENT = Architecture(1, CHANNELS, 2, 4, 2, CHANNELS)
CUBE = Architecture(8, 3, 1, 4, 1)
SMALL = {"steps": 6, "batch": 2, "patch": 4, "scenes": 2, "refresh": 2}
BY_COMPONENT = replace(RECIPES["component"], ratio=(2.0, 3.0), **SMALL)
BY_CUBE = replace(RECIPES["paper"], **SMALL)
RGB = pick_sensor("sentinel-2a:B2,B3,B4")


def state(network: Network) -> list[torch.Tensor]:
    """Return every weight."""
    return list(network.state_dict().values())


@pytest.mark.parametrize("decay_from", [0, 3])
def test_a_resumed_training_has_the_same_bits(made_cubes, tmp_path: Path, decay_from: int):
    """Interrupted after its first checkpoint and resumed, weights and log are those of one run."""
    recipe = replace(BY_CUBE, average=0.9, schedule="cosine", rate=1e-2, decay_from=decay_from)
    common = (made_cubes, [RGB], CUBE, recipe)
    whole = train_network(*common, tmp_path / "whole", every=2)

    def interrupt(done: int, _total: int, _loss: float) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_network(*common, tmp_path / "part", every=2, progress=interrupt)
    steps = []
    resumed = train_network(
        *common, tmp_path / "part", every=2, progress=lambda done, _n, _l: steps.append(done)
    )
    assert steps == [3, 4, 5, 6]
    assert all(torch.equal(a, b) for a, b in zip(state(whole), state(resumed), strict=True))
    assert (tmp_path / "part/log.csv").read_text() == (tmp_path / "whole/log.csv").read_text()


def test_a_later_decay_leaves_the_steps_before_it(made_cubes, tmp_path: Path):
    """Up to its first step the weights are those of a constant rate, after it no longer."""
    constant = replace(BY_CUBE, rate=1e-2)
    decaying = replace(constant, schedule="cosine", decay_from=3)
    for until, same in ((4, True), (6, False)):
        networks = [
            train_network(made_cubes, [RGB], CUBE, recipe, tmp_path / name, until=until)
            for name, recipe in (("constant", constant), ("decaying", decaying))
        ]
        weights = zip(*map(state, networks), strict=True)
        assert all(torch.equal(a, b) for a, b in weights) is same


def test_the_learning_rate_decays_to_zero():
    """Along half a cosine from the first step of the decay to the last, and never rises."""
    recipe = Recipe(steps=100, rate=2e-3, decay_from=60)
    rates = [learning_rate(recipe, step) for step in range(100)]
    assert rates[:61] == [2e-3] * 61
    assert rates[80] == pytest.approx(1e-3)
    assert np.all(np.diff(rates[60:]) < 0)
    assert 0 < rates[-1] < 1e-5


def test_a_correction_starts_at_zero(made_cubes, tmp_path: Path):
    """Before the first step every level predicts a correction of zero."""
    recipe = replace(BY_COMPONENT, steps=0)
    network = train_network(made_cubes, [None], COMPONENT, recipe, tmp_path)
    outputs = network.all_levels(torch.rand(1, CHANNELS, 3, 3), torch.rand(1, CHANNELS, 12, 12))
    assert len(outputs) == 2
    assert not any(output.any() for output in outputs)
    # Only the last layers are zero, so that gradients reach the others.
    assert all(block[0].weight.any() for block in (*network.spatial, *network.spectral))


def test_the_mean_of_the_weights_is_returned(made_cubes, tmp_path: Path):
    """With a decay it differs from the checkpoint's network, without one it is that network."""
    averaged = train_network(
        made_cubes, [RGB], CUBE, replace(BY_CUBE, average=0.9, rate=1e-2), tmp_path / "averaged"
    )
    plain = train_network(made_cubes, [RGB], CUBE, BY_CUBE, tmp_path / "plain")
    for network, folder, same in ((averaged, "averaged", False), (plain, "plain", True)):
        last = load_file(tmp_path / folder / "checkpoint.safetensors")
        found = [torch.equal(v, last[f"network.{k}"]) for k, v in network.state_dict().items()]
        assert all(found) is same


@pytest.mark.parametrize(("architecture", "recipe"), [(COMPONENT, BY_COMPONENT), (CUBE, BY_CUBE)])
def test_a_loss_that_becomes_nan_or_infinite_stops(
    made_cubes, tmp_path: Path, architecture, recipe
):
    """The message names step and remedy; the checkpoint is that of the last finite step."""
    wild = replace(
        recipe, steps=20, refresh=20, rate=1e20, schedule="constant", clip=0.0, average=0.0
    )
    losses: list[float] = []
    with pytest.raises(
        HsfuseError, match=r"NaN or infinite at step \d+; .*lower learning rate"
    ) as caught:
        train_network(
            made_cubes, [RGB], architecture, wild, tmp_path, every=1,
            progress=lambda _done, _total, loss: losses.append(loss),
        )  # fmt: skip
    assert np.isfinite(losses).all()
    kept = load_file(tmp_path / "checkpoint.safetensors")
    assert f"at step {int(kept['step']) + 1};" in str(caught.value)
    assert all(torch.isfinite(value).all() for value in kept.values())


@pytest.mark.usefixtures("few_validation_scenes")
def test_the_log_has_a_row_for_every_checkpoint(made_cubes, tmp_path: Path):
    """Loss, validation and that of the start; a correction of zero has the loss of the start."""
    recipe = replace(BY_COMPONENT, steps=5, scenes=1, refresh=5, rate=1e-12, average=0.0)
    train_network(
        made_cubes[:1], [None], COMPONENT, recipe, tmp_path, validation=made_cubes[1:], every=2
    )
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    assert [row["step"] for row in rows] == [2, 4, 5]
    assert all(np.isfinite(row["loss"]) and row["loss"] > 0 for row in rows)
    for row in rows:
        assert row["validation"] == pytest.approx(row["start"], rel=1e-4)
    assert (tmp_path / "log.png").read_bytes().startswith(b"\x89PNG")


def test_training_reduces_the_loss(made_cubes, tmp_path: Path):
    """Fifty steps reduce the loss of the paper's recipe to less than a fifth."""
    losses = []
    train_network(
        made_cubes, [RGB], CUBE, replace(BY_CUBE, steps=50, rate=1e-2), tmp_path,
        progress=lambda _done, _total, loss: losses.append(loss),
    )  # fmt: skip
    assert np.mean(losses[-5:]) < 0.2 * np.mean(losses[:5])


@pytest.mark.parametrize("change", ["recipe", "architecture", "cubes", "sensor"])
def test_a_checkpoint_of_another_training_is_refused(made_cubes, tmp_path: Path, change: str):
    """Whatever determines the weights: resuming would mix two trainings."""
    given = {"cubes": made_cubes, "sensors": [RGB], "architecture": CUBE, "recipe": BY_CUBE}
    train_network(**given, folder=tmp_path)
    given |= {
        "recipe": {"recipe": replace(BY_CUBE, seed=1)},
        "architecture": {"architecture": replace(CUBE, width=5)},
        "cubes": {"cubes": made_cubes[::-1]},
        "sensor": {"sensors": [pick_sensor("sentinel-2a:B2,B3,B5")]},
    }[change]
    with pytest.raises(WeightsError, match="another training"):
        train_network(**given, folder=tmp_path)
    train_network(**given, folder=tmp_path, overwrite=True)


SINGLE = {
    name: SinglePathway(name, 8, 3, 2, 4, depth)
    for name, depth in (("ssf-cnn", 3), ("ssf-resnet", 1), ("spectral-resnet", 1), ("dhsis", 3))
}


def test_a_network_that_responds_to_nothing_is_told(
    made_cubes, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """No unit of a hidden layer responds; once it does, the warning is gone."""
    architecture, recipe = SINGLE["dhsis"], replace(BY_CUBE, steps=2, rate=1e-6)
    alive = build_network(architecture, recipe).state_dict()
    alive["head.weight"].normal_(std=0.1)
    dead = {**alive, "layers.0.bias": torch.full_like(alive["layers.0.bias"], -1e3)}
    for start, told in ((dead, True), (alive, False)):
        caplog.clear()
        train_network(
            made_cubes, [RGB], architecture, recipe, tmp_path, every=1, start=start, overwrite=True
        )
        (tmp_path / "checkpoint.safetensors").unlink()
        warning = last_warning(tmp_path)
        assert ("gives the initial estimate for any pair" in warning) is told
        assert ("a `--rate` below 1e-06" in warning) is told
        assert len(caplog.records) == told, "once, not at every checkpoint"


@pytest.mark.parametrize("name", sorted(SINGLE))
def test_every_network_is_trained_by_the_recipe_of_the_paper(made_cubes, tmp_path: Path, name: str):
    """Thirty steps reduce its loss; a pause and a resumption change no bit of its weights."""
    recipe = replace(BY_CUBE, steps=30, rate=1e-2, initial=0.0, refresh=30)
    common = (made_cubes, [RGB], SINGLE[name], recipe)
    losses: list[float] = []
    whole = train_network(
        *common, tmp_path / "whole", progress=lambda _d, _n, loss: losses.append(loss)
    )
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    train_network(*common, tmp_path / "part", until=7)
    resumed = train_network(*common, tmp_path / "part")
    assert all(torch.equal(a, b) for a, b in zip(state(whole), state(resumed), strict=True))
    steps = [row.split(",")[0] for row in (tmp_path / "part/log.csv").read_text().split()]
    assert steps == ["step", "7", "30"]
