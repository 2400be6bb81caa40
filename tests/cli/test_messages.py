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
