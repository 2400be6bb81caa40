"""`hsfuse train` as a user types it; what it wrote is opened."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from hsfuse.cli.main import main

import hsfuse.learning.train
from hsfuse.io.write import write_raster
from hsfuse.learning.train import RECIPES, SCALES
from hsfuse.nets.weights import Card, find_weights, load_network

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_features")]

RGB = "sentinel-2a:B2,B3,B4"
SMALL = ["--batch", "2", "--patch", "4", "--scenes", "2", "--width", "4"]
PAPER = [
    "--recipe", "paper", "--scales", "1", "--levels", "1", "--rgb-sensor", RGB, "--steps", "4",
]  # fmt: skip


@pytest.fixture(scope="module")
def cubes(made_cubes, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return two cubes as files."""
    folder = tmp_path_factory.mktemp("cubes")
    paths = [folder / "a.tif", folder / "b.tif"]
    for cube, path in zip(made_cubes, paths, strict=True):
        write_raster(cube.chunk(), path)
    return paths


def train(cubes: list[Path], out: Path, *options: str) -> Result:
    words = ["train", *map(str, cubes), "-o", str(out), *SMALL, *options]
    return CliRunner().invoke(main, words)


def count_steps(monkeypatch: pytest.MonkeyPatch, *, interrupt_at: int) -> list[int]:
    """Return the list of finished steps, one of which raises KeyboardInterrupt, once."""
    finished: list[int] = []
    pending = [interrupt_at]
    library = hsfuse.learning.train.train

    def counted(*cubes: object, progress: Callable[[int, int, float], None], **given: Any) -> Card:
        def report(done: int, total: int, loss: float) -> None:
            progress(done, total, loss)
            finished.append(done)
            if done in pending:
                pending.remove(done)
                raise KeyboardInterrupt

        return library(*cubes, progress=report, **given)

    monkeypatch.setattr(hsfuse.learning.train, "train", counted)
    return finished


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("few_validation_scenes")
def test_components_are_trained_and_the_files_of_the_summary_exist(
    cubes: list[Path], tmp_path: Path
):
    """Weights, card, log and plot; the card has the options, the summary the figures."""
    out = tmp_path / "mine.safetensors"
    result = train(
        cubes[:1], out, "--steps", "3", "--scales", "2", "--ratio", "2", "3", "--fwhm", "1", "1.5",
        "--snr", "30", "40", "--clean", "0.5", "--rate", "0.002", "--seed", "5",
        "--rgb-sensor", "made", "--rgb-sensor", RGB, "--validation", str(cubes[1]),
        "--terms", "as you like", "--device", "cpu",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    card = find_weights(out)
    load_network(out, card.sha256)
    assert (card.architecture.scales, card.architecture.width) == (2, 4)
    assert card.domain.ratio == (2.0, 3.0)
    recipe = card.about["recipe"]
    asked = {
        "steps": 3, "batch": 2, "patch": 4, "scenes": 2, "rate": 0.002, "seed": 5, "clean": 0.5,
        "ratio": [2.0, 3.0], "fwhm": [1.0, 1.5], "snr": [30.0, 40.0], "rgb_sensors": ["made", RGB],
    }  # fmt: skip
    assert {key: recipe[key] for key in asked} == asked
    assert card.about["terms"] == "as you like"
    said = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert said["weights"] == str(out)
    assert said["card"] == str(out.with_suffix(".json"))
    (row,) = rows(tmp_path / "mine.training")
    assert said["log"] == str(tmp_path / "mine.training" / "log.csv")
    assert Path(said["plot"]).read_bytes().startswith(b"\x89PNG")
    assert said["loss"].endswith("at step 3")
    score, start = float(row["validation"]), float(row["start"])
    assert said["validation"] == f"{score:.4g}, {start:.4g} without the network"


def test_the_summary_of_the_paper_as_json(cubes: list[Path], tmp_path: Path):
    """One document on standard output; the weights take the pair they were trained for."""
    out = tmp_path / "paper.safetensors"
    result = train(cubes, out, *PAPER, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["weights"] == str(out)
    assert facts["step"] == 4
    assert facts["loss"] == float(rows(tmp_path / "paper.training")[-1]["loss"])
    assert "validation" not in facts
    network = load_network(out, find_weights(out).sha256)
    assert network(torch.rand(1, 8, 2, 2), torch.rand(1, 3, 4, 4)).shape == (1, 8, 4, 4)


def test_another_network_is_trained_by_its_name(cubes: list[Path], tmp_path: Path):
    """By the recipe of the paper, at the ratio of its scales; the card names the network."""
    out = tmp_path / "cnn.safetensors"
    result = train(
        cubes, out, "--network", "ssf-resnet", "--scales", "1", "--depth", "1", "--steps", "2",
        "--rgb-sensor", RGB, "-q",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    card = find_weights(out)
    expected = {
        "network": "ssf-resnet", "bands": 8, "fine_bands": 3, "ratio": 2, "width": 4, "depth": 1,
    }  # fmt: skip
    assert card.architecture.to_dict() == expected
    assert card.about["recipe"]["loss"] == "squared"
    assert card.about["recipe"]["steps_done"] == 2


def test_existing_weights_are_kept_without_overwrite(cubes: list[Path], tmp_path: Path):
    """One line that names the file; --overwrite replaces it."""
    out = tmp_path / "mine.safetensors"
    out.write_bytes(b"mine")
    refused = train(cubes, out, *PAPER)
    assert refused.exit_code == 1
    assert refused.stderr == f"Error: {out}: exists already; pass `--overwrite` to replace it\n"
    assert out.read_bytes() == b"mine"
    replaced = train(cubes, out, *PAPER, "--overwrite", "-q")
    assert (replaced.exit_code, replaced.output) == (0, "")
    find_weights(out)


def test_an_interrupted_training_is_resumed_by_the_same_command(
    cubes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Ctrl-C keeps the last checkpoint, from which the same command continues, and only it."""
    out, folder = tmp_path / "mine.safetensors", tmp_path / "mine.training"
    words = [*PAPER, "--steps", "300", "--batch", "1", "--patch", "2", "--width", "2"]

    # The checkpoint is written at step 200. The interrupt comes from the training itself at a
    # later step, so that no step depends on how fast the machine is.
    finished = count_steps(monkeypatch, interrupt_at=250)
    stopped = train(cubes, out, *words)
    assert (stopped.exit_code, stopped.stdout) == (130, "")
    told, command = stopped.stderr.splitlines()[-2:]
    assert told == "stopped; to continue, run"
    assert f" train {cubes[0]} " in command
    assert finished == [*range(1, 251)]
    assert not out.exists()
    (before,) = rows(folder)
    assert before["step"] == "200"

    other = train(cubes, out, *words, "--rate", "0.5")
    assert other.exit_code == 1
    assert other.stderr.count("\n") == 1
    assert f"{folder / 'checkpoint.safetensors'}" in other.stderr
    assert "rate (0.0001, now 0.5)" in other.stderr

    finished.clear()
    again = train(cubes, out, *words, "-v")
    assert again.exit_code == 0, again.output
    assert "at step 200" in again.stderr
    assert finished == [*range(201, 301)]
    assert [row["step"] for row in rows(folder)] == ["200", "300"]
    assert rows(folder)[0] == before
    find_weights(out)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--rgb-sensor", "sentinel-2x"], "unknown sensor"),
        (["--recipe", "paper"], "one MS sensor"),
        (["--ratio", "4", "2"], "ratio must be"),
        (["--levels", "5"], "levels must not exceed scales"),
        (["--depth", "5"], "ms-ssfnet has no depth to choose"),
        ([*PAPER, "--network", "ssf-cnn"], "ssf-cnn has no levels to choose"),
        (["--network", "dhsis", "--recipe", "component"], "predicts components, which dhsis"),
        (["--validation", "absent.tif"], "absent.tif"),
        ([*PAPER, "--scales", "3", "--patch", "64"], "a patch of 512 pixels"),
    ],
)
def test_bad_input_is_one_line(cubes: list[Path], tmp_path: Path, options: list[str], words: str):
    """Exit status 1, what is wrong, and no weights."""
    out = tmp_path / "mine.safetensors"
    result = train(cubes, out, *options)
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr
    assert not out.exists()


@pytest.mark.parametrize("name", ["mine.pt", "nowhere/mine.safetensors"])
def test_an_invalid_output_is_one_line(cubes: list[Path], tmp_path: Path, name: str):
    """It is refused before the training."""
    result = train(cubes, tmp_path / name, "--steps", "1000000")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert name in result.stderr


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--recipe", "magic"], "--recipe"),
        (["--network", "magic"], "--network"),
        (["--steps", "0"], "--steps"),
        (["--rate", "0"], "--rate"),
        (["--clean", "2"], "--clean"),
        (["--recipe", "paper", "--ratio", "2", "4"], "--ratio is a range"),
        (["--recipe", "paper", "--snr", "20", "30"], "--snr needs scenes with noise"),
        (["--device", "abacus"], "--device"),
    ],
)
def test_an_invalid_option_is_a_usage_error(
    cubes: list[Path], tmp_path: Path, options: list[str], named: str
):
    """The option is named; options that a recipe does not use are refused, not ignored."""
    result = train(cubes, tmp_path / "mine.safetensors", *options)
    assert result.exit_code == 2
    assert named in result.stderr


def test_the_help_shows_the_defaults_of_every_recipe():
    """They are those of the library."""
    text = " ".join(CliRunner().invoke(main, ["train", "--help"]).stdout.split())
    usual, paper = RECIPES["component"], RECIPES["paper"]
    assert f"default: {usual.steps}]" in text
    assert f"default: {usual.batch}; paper {paper.batch}]" in text
    assert f"default: {usual.ratio[0]:g} {usual.ratio[1]:g}]" in text
    assert f"default: {SCALES['component']}; paper {SCALES['cube']}]" in text
