"""Messages of wrong uses of the commands, as a user sees them."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hsfuse.cli.main import main

SMALL = ["--hs-sensor", "generic-vnir", "--rgb-sensor", "sentinel-2a:B2,B3,B4", "--ratio", "3"]


def hsfuse(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def message(*words: str | Path) -> str:
    """Return the message of a command that is refused; nothing else is printed."""
    result = hsfuse(*words)
    assert result.exit_code == 1, result.output
    assert result.output.startswith("Error: "), result.output
    assert len(result.output.splitlines()) == 1, result.output
    return result.output.removeprefix("Error: ").strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a pair, its reference, and a fused raster with its record."""
    made = tmp_path_factory.mktemp("made")
    assert hsfuse("sample", made, *SMALL, "--size", "12", "14").exit_code == 0
    words = (made / "scene.tif", made / "rgb.tif", "--method", "bicubic", "--no-page")
    assert hsfuse("run", *words, "--workers", "1").exit_code == 0
    return made


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("run scene.tif rgb.tif -o x.png", "x.png: an output must end in .tif"),
        ("run scene.tif rgb.tif -o folder", "this name has no suffix; expected the name of a file"),
        ("run scene.tif rgb.tif -o scene.tif", "scene.tif: is also an input"),
        ("run scene.tif rgb.tif", "scene_fused.tif: exists already and is complete; pass `--over"),
        ("run scene.tif rgb.tif -o none/x.tif", "there is no folder"),
        ("run scene.tif rgb.tif -o x.tif --co A=B", "creation option A is not accepted"),
        (
            "assess scene_fused.tif scene.tif rgb.tif --maps x.png",
            "x.png: an output must end in .tif",
        ),
        ("report scene_fused.tif -o x.png", "x.png: a report must end in .html"),
        ("report scene_fused.tif -o none/x.html", "there is no folder"),
        ("report none.tif", "none.tif: no such file"),
        (
            "simulate truth.tif -o scene.tif --ratio 3 --rgb-sensor generic-rgb",
            "is a file; expected",
        ),
        ("train truth.tif -o x.png", "x.png: expected a name that ends in .safetensors"),
        ("train truth.tif -o none/x.safetensors", "does not exist; create it first"),
        ("batch pairs.csv -o scene.tif", "scene.tif: is no folder"),
        ("benchmark truth.tif -o scene.tif", "scene.tif: is no folder"),
    ],
)
def test_an_output_that_cannot_be_is_told_alone_and_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: str, expected: str
):
    """Before a line about the inputs, which are opened after it."""
    monkeypatch.chdir(folder)
    (folder / "folder").mkdir(exist_ok=True)
    (folder / "pairs.csv").write_text("scene,rgb\nscene.tif,rgb.tif\n")
    assert expected in message(*command.split())


def test_a_misspelt_name_of_a_choice_has_a_suggestion():
    result = hsfuse("run", "a.tif", "b.tif", "--method", "guidd")
    assert result.exit_code == 2
    assert "found 'guidd'; did you mean guided? Accepted are bicubic, " in result.stderr


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("run rgb.tif scene.tif", "were the two files swapped?"),
        ("run scene_fused.tif rgb.tif", "larger pixels than the MS image"),
        ("assess scene_fused.tif rgb.tif scene.tif", "scene_fused.tif: has "),
        ("assess rgb.tif scene.tif scene_fused.tif", "rgb.tif: has 3 bands and the HS image "),
        ("assess scene.tif scene_fused.tif rgb.tif", "larger pixels than the MS image"),
        ("report rgb.tif scene.tif scene_fused.tif", "rgb.tif: has 3 bands and the HS image "),
        ("view scene_fused.tif rgb.tif scene.tif", "were the two files swapped?"),
        ("evaluate truth.tif rgb.tif", "the same bands are needed in both"),
        ("evaluate scene_fused.tif scene.tif", "their pixels do not line up"),
    ],
)
def test_swapped_files_give_an_error_and_no_warning(folder: Path, command: str, expected: str):
    name, *files = command.split()
    assert expected in message(name, *(folder / file for file in files))
