"""`hsfuse run` as a user types it; what it wrote is opened."""

import html
import inspect
import json
import re
import shlex
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner, Result
from hsfuse.cli.main import main

import hsfuse
from hsfuse.fusion.settings import FusionSettings, Settings
from hsfuse.io.read import open_raster
from hsfuse.synthetic.sample import write_sample

SENSOR = "generic-vnir"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small made pair, ratio 4."""
    folder = tmp_path_factory.mktemp("pair")
    write_sample(
        folder, hs_sensor=SENSOR, rgb_sensor="sentinel-2a:B2,B3,B4", size=(12, 14), ratio=4
    )
    return folder


def run(pair: Path, out: Path, *options: str) -> Result:
    files = [str(pair / "scene.tif"), str(pair / "rgb.tif"), "-o", str(out)]
    known = "--method", "bicubic", "--no-align", "--no-page"
    return CliRunner().invoke(main, ["run", *files, *known, *options])


@pytest.mark.parametrize("name", ["out.tif", "out.zarr"])
def test_writes_a_raster_with_its_report(pair: Path, tmp_path: Path, name: str):
    result = run(pair, tmp_path / name, "--align", "--page")
    assert result.exit_code == 0, result.output
    fused, scene, rgb = (
        open_raster(path) for path in (tmp_path / name, pair / "scene.tif", pair / "rgb.tif")
    )
    assert fused.sizes["band"] == scene.sizes["band"]
    assert fused.rio.crs == rgb.rio.crs
    assert fused.rio.resolution() == rgb.rio.resolution()
    np.testing.assert_allclose(fused["wavelength"], scene["wavelength"], atol=0.01)
    assert np.isfinite(fused.compute()).all()
    record = json.loads((tmp_path / f"{name}.json").read_text())
    assert record["result"]["missing_values"] == 0
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / f"{name}.html").read_text().startswith("<!doctype html>")
    found = sorted(path.name for path in tmp_path.iterdir())
    style = [] if name == "out.zarr" else ["out.qml"]
    assert found == [*style, name, f"{name}.html", f"{name}.json", f"{name}.png"]
    for word in (
        "HS image",
        "method          bicubic",
        "HS consistency",
        "MS consistency",
        f"{name}.html (report",
    ):
        assert word in result.stdout
    assert result.stderr == ""
    page = html.unescape((tmp_path / f"{name}.html").read_text())
    line = r"^(?:quality|\w+ consistency) +\w+: (.*?)(?:; RMSE .*)?$"
    quality = re.findall(line, result.stdout, re.MULTILINE)
    assert len(quality) == 4
    figures = re.findall(r"differs from the \w+ image by (\S+%)", result.stdout)
    assert len(figures) == 2
    assert result.stdout.count("; RMSE ") == 2
    assert "of the root mean square" not in result.stdout, "the share is part of the words"
    assert all(text.lower() in page.lower() for text in quality)


def test_the_default_output_lies_beside_the_scene(tmp_path: Path):
    made = write_sample(
        tmp_path, hs_sensor=SENSOR, rgb_sensor="sentinel-2a:B3", size=(8, 8), ratio=3
    )
    words = ["run", str(made.scene), str(made.rgb), "--method", "bicubic", "--no-report"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "scene_fused.tif").exists()
    assert not list(tmp_path.glob("*.json"))


def test_a_dry_run_shows_the_plan_and_writes_nothing(pair: Path, tmp_path: Path):
    result = run(pair, tmp_path / "out.tif", "--dry-run")
    assert result.exit_code == 0
    assert "tiles" in result.stdout
    assert not list(tmp_path.iterdir())


def test_a_dry_run_beside_an_output_leaves_it(pair: Path, tmp_path: Path):
    out = tmp_path / "out.tif"
    out.write_bytes(b"mine")
    assert "output" in run(pair, out, "--dry-run").stdout
    assert out.read_bytes() == b"mine"


def test_a_dry_run_as_json(pair: Path, tmp_path: Path):
    plan = json.loads(run(pair, tmp_path / "out.tif", "--dry-run", "--json").stdout)
    assert plan["grid"]["ratio"] == {"y": 4.0, "x": 4.0}
    assert plan["method"] == {"method": "bicubic"}
    assert "result" not in plan


def test_json_is_all_there_is_on_standard_output(pair: Path, tmp_path: Path):
    result = run(pair, tmp_path / "out.tif", "--json", "--no-report")
    facts = json.loads(result.stdout)
    assert facts["result"]["path"] == str(tmp_path / "out.tif")
    assert facts["result"]["spatial"]["rmse"] > 0


def test_quiet_says_nothing(pair: Path, tmp_path: Path):
    result = run(pair, tmp_path / "out.tif", "-q", "--no-report")
    assert (result.exit_code, result.output) == (0, "")


def test_an_existing_output_is_kept_unless_told(pair: Path, tmp_path: Path):
    out = tmp_path / "out.tif"
    out.write_bytes(b"mine")
    refused = run(pair, out)
    assert refused.exit_code == 1
    assert refused.stdout == ""  # the inputs are not opened
    assert refused.stderr.count("\n") == 1
    assert str(out) in refused.stderr
    assert "--overwrite" in refused.stderr
    assert out.read_bytes() == b"mine"
    assert run(pair, out, "--overwrite", "--no-report").exit_code == 0
    with rasterio.open(out) as dataset:
        assert dataset.count == 61


def test_a_missing_file_is_one_line(pair: Path, tmp_path: Path):
    result = CliRunner().invoke(main, ["run", str(tmp_path / "nix.tif"), str(pair / "rgb.tif")])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert "nix.tif" in result.stderr


@pytest.mark.parametrize(
    "options",
    [
        ["--method", "magic"],
        ["--dtype", "float16"],
        ["--co", "COMPRESS"],
        ["--tile", "0"],
        ["--device", "abacus"],
    ],
)
def test_a_slip_on_the_command_line_is_a_usage_error(
    pair: Path, tmp_path: Path, options: list[str]
):
    result = run(pair, tmp_path / "out.tif", *options)
    assert result.exit_code == 2
    assert options[0] in result.stderr


def test_an_unknown_method_names_those_there_are(pair: Path, tmp_path: Path):
    assert "guided" in run(pair, tmp_path / "out.tif", "--method", "magic").stderr


def test_integers_and_creation_options_reach_the_file(pair: Path, tmp_path: Path):
    out = tmp_path / "out.tif"
    options = ["--dtype", "int16", "--scale", "0.0001", "--co", "COMPRESS=DEFLATE", "--no-report"]
    result = run(pair, out, *options)
    assert result.exit_code == 0, result.output
    with rasterio.open(out) as dataset:
        assert set(dataset.dtypes) == {"int16"}
        assert set(dataset.scales) == {0.0001}
        assert dataset.compression.value == "DEFLATE"


def test_an_interrupt_says_how_to_go_on(
    pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("hsfuse.cli.progress.Progress.__call__", stop)
        files = [str(pair / "scene.tif"), str(pair / "rgb.tif"), "-o", str(tmp_path / "out.tif")]
        words = ["run", *files, "--method", "bicubic", "--no-align"]
        result = CliRunner().invoke(main, words, prog_name="hsfuse")
    assert result.exit_code == 130
    first, command = result.stderr.splitlines()
    assert first == "stopped; to continue, run"
    assert not (tmp_path / "out.tif").exists()
    program, *words = shlex.split(command)
    assert program == "hsfuse"
    assert words[-1] == "--resume"
    again = CliRunner().invoke(main, [*words, "--no-report"], prog_name=program)
    assert again.exit_code == 0, again.output
    assert "1 of 1 tiles were complete before this run" in again.stdout
    whole = run(pair, tmp_path / "whole.tif", "--no-report")
    for name in ("HS consistency", "MS consistency", "no data"):
        (resumed,), (expected,) = (
            [line for line in result.stdout.splitlines() if line.startswith(name)]
            for result in (again, whole)
        )
        assert resumed == expected
        assert "not measured" not in resumed


@pytest.mark.usefixtures("few_features")
@pytest.mark.parametrize("name", ["out.tif", "out.zarr"])
@pytest.mark.slow
def test_uncertainty_is_written_and_summarised_and_left_out_of_figures(
    tmp_path: Path, component_weights: str, name: str
):
    made = write_sample(
        tmp_path, hs_sensor=SENSOR, rgb_sensor="sentinel-2a:B2,B3,B4", size=(16, 16), ratio=2
    )
    out = tmp_path / name
    words = ["run", str(made.scene), str(made.rgb), "-o", str(out), "--uncertainty"]
    result = CliRunner().invoke(main, [*words, "--no-align", "--weights", component_weights])
    assert result.exit_code == 0, result.output
    assert "61 bands and the standard error" in result.stdout
    assert "note            standard error: " in result.stdout
    median = float(open_raster(out)["standard_error"].compute().median())
    place = "band 62" if name == "out.tif" else "variable standard_error"
    (line,) = (each for each in result.stdout.splitlines() if each.startswith("uncertainty"))
    assert f"median standard error {median:.4g}" in line
    assert line.endswith(f", in {place}")
    record = json.loads((tmp_path / f"{name}.json").read_text())
    assert record["settings"]["uncertainty"] is True
    assert "--uncertainty" in record["command"].split()
    assert record["result"]["median_standard_error"] == pytest.approx(median)
    words = ["evaluate", str(made.truth), str(out), "--json"]
    figures = json.loads(CliRunner().invoke(main, words).stdout)
    assert figures["bands"] <= 61
    info = CliRunner().invoke(main, ["info", str(out)]).stdout
    assert "61 bands" in info
    assert "standard error" in info


def test_uncertainty_of_another_method_is_refused(pair: Path, tmp_path: Path):
    result = run(pair, tmp_path / "out.tif", "--uncertainty")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "Error: bicubic gives no standard error; methods that do: ms-ssfnet"
    )
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_weights_are_refused_before_an_input_is_opened(tmp_path: Path):
    """Missing ones, and a method that has none: neither image exists here."""
    files = [str(tmp_path / "no.tif"), str(tmp_path / "none.tif")]
    for words, found in (
        (["--weights", str(tmp_path / "no.safetensors")], "no.safetensors: no such file"),
        (["--method", "dhsis"], "dhsis needs weights"),
    ):
        result = CliRunner().invoke(main, ["run", *files, *words])
        assert result.exit_code == 1
        assert found in result.stderr
        assert result.stdout == ""


def test_the_options_of_the_command_are_the_settings():
    """Every field has its option, of the same name, default and choices; no other option has."""
    own = {"scene", "rgb", "out", "dry_run", "report", "page", "as_json", "quiet", "verbose"}
    own |= {"config", "assets", "stac_item", "when"}
    options = {parameter.name: parameter for parameter in main.commands["run"].params}
    assert options.keys() - own == {field.name for field in fields(Settings)}
    context = main.commands["run"].make_context("run", ["scene.tif", "rgb.tif"])
    chosen = {name: value for name, value in context.params.items() if name not in own}
    assert Settings(**chosen) == Settings()
    for name in options.keys() - own:
        for choice in getattr(options[name].type, "choices", ()):
            Settings(**{name: choice})


def test_run_and_fuse_take_the_fields_of_the_settings():
    """What decides the pixels is the first part of what a run takes."""
    fusion = [field.name for field in fields(FusionSettings)]
    assert [field.name for field in fields(Settings)][: len(fusion)] == fusion
    for function, settings in ((hsfuse.fuse, FusionSettings), (hsfuse.run, Settings)):
        assert settings.__name__ in str(inspect.signature(function).parameters["settings"])
    for name in fusion:
        assert name in str(hsfuse.fuse.__doc__)


@pytest.mark.slow
def test_a_part_is_said_and_recorded_and_assessed(pair: Path, tmp_path: Path):
    """Plan, record and command name the part; `assess` takes it from the record."""
    left, bottom, right, top = open_raster(pair / "rgb.tif").rio.bounds()
    middle = (left + right) / 2
    box = ["--bbox", *map(str, (left, bottom, middle, top)), "--bands", "400-700nm"]
    config = tmp_path / "bands.toml"
    config.write_text('bands = "400-700nm"\n')
    result = run(pair, tmp_path / "out.tif", *box[:5], "--config", str(config))
    assert result.exit_code == 0, result.output
    assert "31 bands, 400 to 700 nm (1-31 of 61)" in result.stdout
    assert "that of the MS image within the bbox" in result.stdout
    fused = open_raster(tmp_path / "out.tif")
    assert fused.sizes["band"] == 31
    assert fused.rio.bounds()[2] <= middle + abs(fused.rio.resolution()[0]) / 2
    record = json.loads((tmp_path / "out.tif.json").read_text())
    assert " ".join(box) in record["command"]
    assert record["request"]["bands"] == "400-700nm"
    assert record["config"] == str(config)
    files = [str(tmp_path / "out.tif"), *(str(pair / name) for name in ("scene.tif", "rgb.tif"))]
    assessed = CliRunner().invoke(main, ["assess", *files])
    assert assessed.exit_code == 0, assessed.output
    assert str(tmp_path / "out.tif.json") in assessed.stdout
    assert assessed.stderr == ""
