"""Adaptation to the scene: never worse where it is judged, repeatable, and told of."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hsfuse.errors import OutputError, PlanError
from hsfuse.fusion.plan import Plan, survey_for
from hsfuse.fusion.run import Settings, execute, prepare
from hsfuse.io.write import write_raster
from hsfuse.learning.adapt import adapt, adapted_path, describe_adaptation, find_adapted
from hsfuse.learning.lessons import Lessons, disagreement, held_loss, prepare_lessons
from hsfuse.learning.recipe import Recipe
from hsfuse.methods.ms_ssfnet.components import ComponentFuser
from hsfuse.methods.ms_ssfnet.features import CHANNELS
from hsfuse.methods.trial import held_out
from hsfuse.nets.ms_ssfnet import Architecture, MSSSFNet
from hsfuse.nets.weights import Card, Domain, load_network, save_weights
from hsfuse.synthetic.sample import make_sample
from hsfuse.synthetic.simulation import observe


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with scene.tif, rgb.tif and small weights of components."""
    place = tmp_path_factory.mktemp("pair")
    cube = make_sample(size=(24, 26), seed=5).truth.isel(band=slice(0, 60, 10)).compute()
    cube["band"] = np.arange(1, cube.sizes["band"] + 1)
    seen = observe(
        cube.chunk({"band": -1, "y": 64, "x": 64}), rgb_sensor="generic-rgb", ratio=2.0, fwhm=1.0
    )
    write_raster(seen.scene, place / "scene.tif")
    write_raster(seen.rgb, place / "rgb.tif")
    torch.manual_seed(0)
    save_weights(
        MSSSFNet(Architecture(1, CHANNELS, 3, width=4, levels=1, coarse_bands=CHANNELS)),
        place / "small.safetensors",
        domain=Domain((1.5, 40), (1, 1000)),
        about={"data": "none", "recipe": {}, "scores": {}, "terms": "free"},
    )
    return place


def settings(folder: Path, **others: object) -> Settings:
    """Return settings of a run that adapts for no longer than it must."""
    asked = Settings(weights=str(folder / "small.safetensors"), tile=64, workers=1, adapt=1e-3)
    return replace(asked, **others)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def plan(folder: Path) -> Plan:
    """Return the plan without adaptation."""
    asked = settings(folder, adapt=None)
    return prepare(folder / "scene.tif", folder / "rgb.tif", folder / "plain.tif", asked).plan


@pytest.fixture(scope="module")
def original(plan: Plan) -> Card:
    """Return the card of the weights that are adapted."""
    assert isinstance(plan.fuser, ComponentFuser)
    return plan.fuser.card


@pytest.fixture(scope="module")
def lessons(plan: Plan, original: Card) -> Lessons:
    """Return what the pair teaches."""
    assert isinstance(plan.fuser, ComponentFuser)
    network = load_network(original.path, original.sha256)
    return prepare_lessons(survey_for(plan.pair)[0], plan.fuser, network, Recipe())


@pytest.fixture
def ready(lessons: Lessons, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare a test the preparation."""
    monkeypatch.setattr("hsfuse.learning.adapt.prepare_lessons", lambda *_: lessons)


@pytest.mark.usefixtures("ready")
def test_adapted_weights_are_never_worse_where_they_are_judged(
    plan: Plan, original: Card, lessons: Lessons, tmp_path: Path
) -> None:
    """The held-out loss falls here, and the card's figures are those of the weights."""
    card = adapt(plan, tmp_path / "out.tif", 1.0, steps=16)
    scores = card.about["scores"]
    assert isinstance(scores, dict)
    assert scores["held_out_after"] < scores["held_out_before"]
    for each, name in ((original, "held_out_before"), (card, "held_out_after")):
        loss = held_loss(load_network(each.path, each.sha256), lessons.held)
        assert loss == pytest.approx(scores[name], rel=1e-4)


def test_what_is_held_out_is_not_taught(lessons: Lessons) -> None:
    """Errors count in one part or the other; a quarter is held out."""
    for taught, held in zip(lessons.taught, lessons.held, strict=True):
        assert not (taught.weight * held.weight).any()
        assert (taught.weight + held.weight).gt(0).float().mean() > 0.7
    assert held_out(32, 32).mean() == 0.25
    assert lessons.places


def test_an_answer_that_agrees_with_both_images_loses_nothing(lessons: Lessons) -> None:
    """At full scale only what lies beyond the noise counts, and gradients reach the network."""
    network = MSSSFNet(Architecture(1, CHANNELS, 3, width=4, levels=1, coarse_bands=CHANNELS))
    place, draw = lessons.places[0], np.random.default_rng(0)
    disagreement(network, place, lessons.scale, draw).backward()
    assert all(weight.grad is not None for weight in network.parameters())
    torch.nn.init.zeros_(network.head.weight)
    torch.nn.init.zeros_(network.head.bias)
    place.changes.zero_()
    exact = replace(
        place, missing=torch.zeros_like(place.missing), unseen=torch.zeros_like(place.unseen)
    )
    assert disagreement(network, exact, lessons.scale, draw) == 0
    off = replace(exact, missing=exact.missing + 9 * (lessons.scale.noise + lessons.scale.unit))
    assert disagreement(network, off, lessons.scale, draw) > 1


@pytest.mark.usefixtures("ready")
def test_weights_that_do_not_get_better_are_the_original_ones(
    plan: Plan, original: Card, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rate that ruins the network leaves it as it was, and the note says so."""
    monkeypatch.setattr("hsfuse.learning.adapt._RECIPE", Recipe(batch=2, rate=10.0))
    card = adapt(plan, tmp_path / "out.tif", 1.0, steps=3)
    assert not card.adapted
    assert "did not lower" in describe_adaptation(card)
    before, after = (load_network(each.path, each.sha256).state_dict() for each in (original, card))
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.usefixtures("ready")
def test_the_card_says_where_the_weights_come_from(
    plan: Plan, original: Card, tmp_path: Path
) -> None:
    """Base weights by their hash, the pair by its plan's, and the effort."""
    out = tmp_path / "out.tif"
    card = adapt(plan, out, 1.0, steps=2)
    recipe = card.about["recipe"]
    assert isinstance(recipe, dict)
    assert recipe["adapted_from"] == original.sha256
    assert recipe["pair"] == plan.digest
    assert (recipe["steps"], recipe["minutes"]) == (2, 1.0)
    assert card.about["data"] == {"adapted_to": ["scene.tif", "rgb.tif"], "trained_on": "none"}
    assert card.about["terms"] == "free"
    assert find_adapted(plan, out, 1.0) == card


def test_a_repeated_run_reuses_the_weights_to_the_bit(folder: Path, tmp_path: Path) -> None:
    """The same plan takes the same weights and gives the same pixels, at no cost."""
    scene, rgb, out = folder / "scene.tif", folder / "rgb.tif", tmp_path / "out.zarr"
    first = prepare(scene, rgb, out, settings(folder))
    assert any("adapted to this pair" in note or "did not" in note for note in first.plan.notes)
    weights = adapted_path(out).read_bytes()
    execute(first)
    again = prepare(scene, rgb, out, settings(folder, overwrite=True))
    assert any("reused from" in note for note in again.plan.notes)
    assert adapted_path(out).read_bytes() == weights
    assert again.plan.digest == first.plan.digest
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out.zarr",
        "out.zarr.adapted.json",
        "out.zarr.adapted.safetensors",
    ]


@pytest.mark.usefixtures("ready")
def test_weights_of_another_pair_are_refused(folder: Path, plan: Plan, tmp_path: Path) -> None:
    """So are those of another time; only --overwrite replaces either."""
    out = tmp_path / "out.tif"
    card = adapt(plan, out, 1.0, steps=1)
    with pytest.raises(OutputError, match=r"adapted for 1.0 minutes.*--overwrite"):
        find_adapted(plan, out, 2.0)
    path = Path(card.path).with_suffix(".json")
    facts = json.loads(path.read_text())
    facts["about"]["recipe"]["pair"] = "another"
    path.write_text(json.dumps(facts))
    asked = settings(folder, adapt=1.0)
    with pytest.raises(OutputError, match=r"another pair.*--overwrite"):
        prepare(folder / "scene.tif", folder / "rgb.tif", out, asked)
    assert find_adapted(plan, out, 1.0, overwrite=True) is None
    path.unlink()
    with pytest.raises(OutputError, match="no weights with their card"):
        find_adapted(plan, out, 1.0)


def test_a_dry_run_says_so_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    """No step is taken; the plan tells that a run would take some."""
    out = tmp_path / "out.tif"
    asked = settings(folder, adapt=7.0)
    job = prepare(folder / "scene.tif", folder / "rgb.tif", out, asked, dry_run=True)
    assert any("would first adapt" in note and "7 minutes" in note for note in job.plan.notes)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan")])
def test_no_time_is_refused(folder: Path, minutes: float) -> None:
    """The message names the value."""
    with pytest.raises(PlanError, match="over 0, got"):
        prepare(
            folder / "scene.tif",
            folder / "rgb.tif",
            folder / "none.tif",
            settings(folder, adapt=minutes),
        )


def test_a_method_without_a_network_is_refused(folder: Path) -> None:
    """The message names what would be accepted."""
    asked = settings(folder, method="bicubic", weights=None)
    with pytest.raises(PlanError, match=r"bicubic would fuse.*ms-ssfnet with weights"):
        prepare(folder / "scene.tif", folder / "rgb.tif", folder / "none.tif", asked)
