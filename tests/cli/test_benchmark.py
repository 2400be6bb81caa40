"""`hsfuse benchmark` prints tables or JSON, and its exit status says whether all runs are there."""

import json
from pathlib import Path

import pytest
import xarray as xr
from click.testing import CliRunner, Result
from hsfuse.cli.main import main
from processes import InProcess

from hsfuse.io.write import write_raster

WORDS = ("--rgb-sensor", "sentinel-2a:B2,B3", "--methods", "bicubic", "--no-pictures")


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory, made_cubes: list[xr.DataArray]) -> Path:
    return write_raster(made_cubes[0], tmp_path_factory.mktemp("cube") / "north.tif")


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hsfuse.benchmarking.execution.Pool", InProcess)


def hsfuse(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["benchmark", *map(str, words)])


def test_a_dry_run_lists_the_runs_and_writes_nothing(cube, tmp_path) -> None:
    result = hsfuse(cube, "-o", tmp_path / "out", *WORDS, "--ratio", 4, "--ratio", 8, "--dry-run")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("planned  bicubic") == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_json_is_one_document_of_all_runs(cube, tmp_path) -> None:
    """The second run of the command has the figures of the first."""
    found = [hsfuse(cube, "-o", tmp_path / "out", *WORDS, "--json") for _ in range(2)]
    first, second = (json.loads(result.stdout)["runs"][0] for result in found)
    assert (first["status"], second["status"]) == ("finished", "done")
    assert first["psnr"] == second["psnr"] > 10


@pytest.mark.slow
def test_a_failed_run_is_exit_status_1(cube, tmp_path) -> None:
    result = hsfuse(cube, "-o", tmp_path / "out", *WORDS, "--rgb-sensor", "sentinel-2a:B12", "-q")
    assert result.exit_code == 1
    assert "does not cover sentinel-2a B12" in result.stderr


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("--methods", "bicubic,best"), 2, "found 'best'; expected one of bicubic"),
        (("--peak", "high"), 2, "neither a number nor max"),
        (("--weights", "guided=a.safetensors"), 1, "guided takes no weights"),
        (("--pair", "a.tif", "b.tif"), 2, "expected either CUBES or --pair"),
    ],
)
def test_wrong_options_are_one_line(cube, tmp_path, words, status, message) -> None:
    result = hsfuse(cube, "-o", tmp_path / "out", *words)
    assert result.exit_code == status
    assert message in result.stderr
