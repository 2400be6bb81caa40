"""From files of cubes to weights and a card."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hsfuse.errors import HsfuseError, OutputError, PairError, PlanError, SensorError
from hsfuse.io.write import write_raster
from hsfuse.learning.train import RECIPES, Recipe, architecture_for, train
from hsfuse.nets.weights import Card, find_weights, load_network

pytestmark = pytest.mark.usefixtures("few_features")

SMALL = {"steps": 3, "batch": 2, "patch": 4, "scenes": 2, "refresh": 2}
BY_COMPONENT = replace(RECIPES["component"], ratio=(2.0, 3.0), **SMALL)
BY_CUBE = replace(RECIPES["paper"], **SMALL)
RGB = "sentinel-2a:B2,B3,B4"


@pytest.fixture(scope="module")
def cubes(made_cubes, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return two cubes as files."""
    folder = tmp_path_factory.mktemp("cubes")
    paths = [folder / "a.tif", folder / "b.tif"]
    for cube, path in zip(made_cubes, paths, strict=True):
        write_raster(cube.chunk(), path)
    return paths


def paper(cubes: list[Path], out: Path, **choices: object) -> Card:
    """Train the paper's network at ratio 2."""
    given = {"recipe": BY_CUBE, "rgb_sensors": [RGB], "scales": 1, "levels": 1, "width": 4}
    return train(cubes, out, **given | choices)


@pytest.mark.slow
def test_the_domain_of_the_paper_is_its_training_data(
    cubes: list[Path], made_cubes, tmp_path: Path
):
    """One ratio, one number of MS bands, the wavelengths of the cubes."""
    card = paper(cubes, tmp_path / "paper.safetensors")
    domain = card.domain
    assert (domain.ratio, domain.fine_bands) == ((2.0, 2.0), (3, 3))
    assert domain.wavelength == pytest.approx(made_cubes[0]["wavelength"].to_numpy())
    network = load_network(card.path, card.sha256)
    assert network(torch.rand(1, 8, 3, 3), torch.rand(1, 3, 6, 6)).shape == (1, 8, 6, 6)
    assert find_weights(card.path) == card


@pytest.mark.usefixtures("few_validation_scenes")
def test_the_domain_of_components_is_any_bands_nearby(cubes: list[Path], tmp_path: Path):
    """The recipe's ratios, any number of MS bands, the cubes' range and a band beyond."""
    card = train(
        cubes[:1],
        tmp_path / "any.safetensors",
        recipe=replace(BY_COMPONENT, scenes=1, refresh=3),
        rgb_sensors=["made", RGB],
        scales=2,
        width=4,
        validation=cubes[1:],
        about={"terms": "none"},
    )
    assert card.domain.ratio == (2.0, 3.0)
    assert card.domain.range_nm == pytest.approx((400.0, 850.0))
    assert card.domain.wavelength == ()
    assert card.domain.fine_bands[0] == 1
    about = card.about
    assert about["data"] == {"cubes": ["a.tif"], "validation": ["b.tif"]}
    assert set(about["scores"]) == {"validation", "start"}
    assert about["terms"] == "none"
    assert about["recipe"]["rgb_sensors"] == ["made", RGB]
    more = ("rgb_sensors", "started_from", "steps_done")
    assert Recipe(**{k: v for k, v in about["recipe"].items() if k not in more})
    assert sorted(path.name for path in (tmp_path / "any.training").iterdir()) == [
        "checkpoint.safetensors", "log.csv", "log.png", "recipe.json",
    ]  # fmt: skip


def test_existing_weights_are_kept_without_overwrite(cubes: list[Path], tmp_path: Path):
    """With it they are replaced, by another training too."""
    out = tmp_path / "mine.safetensors"
    first = paper(cubes, out)
    with pytest.raises(
        OutputError, match=r"mine\.safetensors: exists already; pass `overwrite=True`"
    ):
        paper(cubes, out)
    assert paper(cubes, out, overwrite=True).sha256 == first.sha256
    other = replace(BY_CUBE, seed=1)
    assert paper(cubes, out, recipe=other, overwrite=True).sha256 != first.sha256


def test_another_recipe_does_not_resume_a_checkpoint(cubes: list[Path], tmp_path: Path):
    """Not even where the weights themselves have been deleted."""
    out = tmp_path / "mine.safetensors"
    paper(cubes, out)
    out.unlink()
    out.with_suffix(".json").unlink()
    with pytest.raises(HsfuseError, match=r"steps \(3, now 4\)"):
        paper(cubes, out, recipe=replace(BY_CUBE, steps=4))
    assert not out.exists()


def test_the_architecture_follows_the_recipe(made_cubes):
    """The scales of the paper's network give its ratio; those of components need no cubes."""
    assert architecture_for(RECIPES["component"]).bands == 1
    assert architecture_for(RECIPES["paper"], made_cubes).ratio == 16
    assert architecture_for(RECIPES["paper"], made_cubes, scales=3, width=5).width == 5
    with pytest.raises(PlanError, match="levels must not exceed scales"):
        architecture_for(RECIPES["component"], levels=4)


def test_cubes_of_the_paper_have_the_same_bands(cubes: list[Path], made_cubes, tmp_path: Path):
    """The message names the cube with other bands, or with bands of unknown wavelength."""
    fewer, unknown = tmp_path / "fewer.tif", tmp_path / "unknown.tif"
    write_raster(made_cubes[0][:5].chunk(), fewer)
    write_raster(made_cubes[0].drop_vars("wavelength").chunk(), unknown)
    out = tmp_path / "x.safetensors"
    with pytest.raises(PairError, match=r"fewer\.tif: has 5 bands, 450 to 650 nm"):
        paper([*cubes, fewer], out)
    with pytest.raises(PairError, match=r"fewer\.tif"):
        paper(cubes, out, validation=[fewer])
    with pytest.raises(PairError, match=r"unknown\.tif: some of its bands have no wavelength"):
        paper([*cubes, unknown], out)


@pytest.mark.parametrize(
    ("choices", "error", "message"),
    [
        ({"rgb_sensors": ()}, PairError, "serves one MS sensor.*got made"),
        ({"rgb_sensors": [RGB, "generic-rgb"]}, PairError, "serves one MS sensor"),
        (
            {"rgb_sensors": ["sentinel-2a"]},
            PairError,
            r"a\.tif.*do not cover B8, .*B12 of sentinel-2a",
        ),
        ({"rgb_sensors": ["sentinel-2x"]}, SensorError, "unknown sensor"),
        ({"device": "abacus"}, PlanError, "auto, cpu or cuda"),
        ({"levels": 2}, PlanError, "levels must not exceed scales"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    cubes: list[Path], tmp_path: Path, choices: dict, error: type, message: str
):
    """Before anything is written."""
    with pytest.raises(error, match=message):
        paper(cubes, tmp_path / "x.safetensors", **choices)
    assert not list(tmp_path.iterdir())


def test_a_cube_is_not_for_training_and_validation(cubes: list[Path], tmp_path: Path):
    """Nor may there be no cube to train on."""
    with pytest.raises(PairError, match=r"a\.tif: is given for training and for validation"):
        paper(cubes, tmp_path / "x.safetensors", validation=[cubes[0]])
    with pytest.raises(PairError, match="at least one cube"):
        paper([], tmp_path / "x.safetensors")


@pytest.mark.parametrize("name", ["weights.pt", "nowhere/x.safetensors"])
def test_weights_need_a_suffix_and_a_folder(cubes: list[Path], tmp_path: Path, name: str):
    """The suffix is .safetensors and the folder exists."""
    with pytest.raises(OutputError, match=name.split("/")[0]):
        paper(cubes, tmp_path / name)


def test_the_recipe_beside_the_checkpoint_is_complete(cubes: list[Path], tmp_path: Path):
    """Recipe, architecture, cubes and sensors, in JSON."""
    paper(cubes, tmp_path / "x.safetensors")
    facts = json.loads((tmp_path / "x.training/recipe.json").read_text())
    assert facts["recipe"]["predicts"] == "cube"
    assert facts["architecture"]["scales"] == 1
    assert facts["cubes"] == ["a.tif", "b.tif"]
    assert facts["rgb_sensors"] == [RGB]
