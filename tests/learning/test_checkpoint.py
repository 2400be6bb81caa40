"""The folder of a training run."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from hsfuse.errors import WeightsError
from hsfuse.learning.checkpoint import begin, last_row, log, restore, save

FACTS = {"recipe": {"steps": 200, "rate": 0.001, "ratio": (2.0, 4.0)}, "cubes": ["a", "b", "c"]}


def parts(width: int = 2) -> tuple[nn.Module, torch.optim.Optimizer, dict[str, torch.Tensor]]:
    """Return a network, its optimiser after one step, and a running mean."""
    network = nn.Linear(3, width)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.1)
    network(torch.ones(3)).sum().backward()
    optimiser.step()
    return network, optimiser, {k: v + 1 for k, v in network.state_dict().items()}


def test_a_checkpoint_round_trip(tmp_path: Path):
    """Network, running mean, optimiser and step are what they were."""
    network, optimiser, mean = parts()
    save(tmp_path, network, optimiser, mean, 7)
    torch.manual_seed(1)
    other, empty, zeros = parts()
    assert restore(tmp_path, other, empty, zeros) == 7
    for before, after in ((network.state_dict(), other.state_dict()), (mean, zeros)):
        assert all(torch.equal(before[name], after[name]) for name in before)
    before, after = (each.state_dict()["state"] for each in (optimiser, empty))
    assert all(torch.equal(before[i][k], after[i][k]) for i in before for k in before[i])
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]


def test_without_a_checkpoint_nothing_is_restored(tmp_path: Path):
    """Training begins at step 0."""
    assert restore(tmp_path, *parts()) == 0


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path):
    """So is a truncated one; the message names the file."""
    save(tmp_path, *parts(), 7)
    with pytest.raises(WeightsError, match=r"checkpoint\.safetensors: .*another network"):
        restore(tmp_path, *parts(width=4))
    file = tmp_path / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(WeightsError, match=r"checkpoint\.safetensors: is damaged"):
        restore(tmp_path, *parts())


def test_the_same_recipe_is_accepted(tmp_path: Path):
    """The same training can be resumed; tuples become lists in JSON, which is no difference."""
    folder = tmp_path / "deep" / "mine.training"
    begin(folder, FACTS)
    save(folder, *parts(), 7)
    begin(folder, FACTS)
    assert json.loads((folder / "recipe.json").read_text())["recipe"]["ratio"] == [2.0, 4.0]
    assert (folder / "checkpoint.safetensors").exists()


def test_another_recipe_is_refused_in_one_line(tmp_path: Path):
    """The line names file, differences and remedy; nothing is changed."""
    begin(tmp_path, FACTS)
    save(tmp_path, *parts(), 7)
    other = {"recipe": {"steps": 400, "rate": 0.001, "ratio": (3.0, 4.0)}, "cubes": ["a", "b"]}
    with pytest.raises(WeightsError) as caught:
        begin(tmp_path, other)
    message = str(caught.value)
    assert "\n" not in message
    assert "steps (200, now 400), ratio (2.0 to 4.0, now 3.0 to 4.0), cubes;" in message
    assert "rate" not in message
    assert "`overwrite=True`" in message
    assert restore(tmp_path, *parts()) == 7
    begin(tmp_path, FACTS)


def test_overwriting_deletes_another_training_only(tmp_path: Path):
    """The checkpoint and log of this recipe stay, those of another are deleted."""
    begin(tmp_path, FACTS)
    save(tmp_path, *parts(), 7)
    log(tmp_path, {"step": 7, "loss": 1.0})
    begin(tmp_path, FACTS, overwrite=True)
    assert restore(tmp_path, *parts()) == 7
    begin(tmp_path, {**FACTS, "cubes": ["d"]}, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.json"]
    assert last_row(tmp_path) == {}


def test_an_invalid_recipe_file_is_refused(tmp_path: Path):
    """The message names the file."""
    begin(tmp_path, FACTS)
    save(tmp_path, *parts(), 7)
    (tmp_path / "recipe.json").write_text("{")
    with pytest.raises(WeightsError, match=r"recipe\.json: is not the recipe"):
        begin(tmp_path, FACTS)


def test_the_log_has_a_row_a_checkpoint(tmp_path: Path):
    """Rows of an interrupted run are removed, new figures get a column, steps are not rounded."""
    for step, loss in ((200, 0.5), (400, 0.25), (600, 0.2)):
        log(tmp_path, {"step": step, "loss": loss})
    log(tmp_path, {"step": 400, "loss": 0.3, "validation": 0.4})
    log(tmp_path, {"step": 1234567, "loss": 0.1, "validation": 0.2})
    assert (tmp_path / "log.csv").read_text().split() == [
        "step,loss,validation",
        "200,0.5,",
        "400,0.3,0.4",
        "1234567,0.1,0.2",
    ]
    assert last_row(tmp_path) == {"step": 1234567, "loss": 0.1, "validation": 0.2}
    assert (tmp_path / "log.png").read_bytes().startswith(b"\x89PNG")
