"""The commands around `run`: sample, simulate, evaluate, info, methods, sensors."""

import json
import shlex
import shutil
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hsfuse.cli.main import main

from hsfuse.methods import list_methods
from hsfuse.sensor.catalogue import list_sensors

SMALL = ["--hs-sensor", "generic-vnir", "--rgb-sensor", "sentinel-2a:B2,B3,B4", "--ratio", "3"]


def hsfuse(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "pair"
    result = hsfuse("sample", folder, *SMALL, "--size", "12", "14")
    assert result.exit_code == 0, result.output
    assert [line[:12].strip() for line in result.stdout.splitlines()] == [
        "HS image", "MS image", "reference", "beside them", "fuse them",
    ]  # fmt: skip
    name, *words = shlex.split(result.stdout.splitlines()[-1][12:])
    assert name == "hsfuse"
    planned = hsfuse(*words, "--method", "bicubic", "--dry-run")
    assert planned.exit_code == 0, planned.output
    assert "sentinel-2a" in planned.stdout
    return folder


def test_sample_replaces_nothing_unasked(pair: Path):
    before = (pair / "scene.tif").read_bytes()
    refused = hsfuse("sample", pair, *SMALL, "--seed", "1", "--size", "12", "14")
    assert refused.exit_code == 1
    assert (pair / "scene.tif").read_bytes() == before


def test_simulate_makes_a_pair_of_a_cube(pair: Path, tmp_path: Path):
    result = hsfuse(
        "simulate", pair / "truth.tif", "-o", tmp_path / "made", "--ratio", "2.5",
        "--rgb-sensor", "sentinel-2a:B3", "--offset", "0.5", "1", "--hs-snr", "40",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    scene = json.loads(hsfuse("info", tmp_path / "made" / "scene.tif", "--json").stdout)
    truth = json.loads(hsfuse("info", tmp_path / "made" / "truth.tif", "--json").stdout)
    assert scene["pixel_size"][0] == pytest.approx(2.5 * truth["pixel_size"][0])


def test_noise_has_one_name_in_all_commands_and_former_names_are_accepted():
    options = [
        {name for option in main.commands[command].params for name in option.opts if "snr" in name}
        for command in ("sample", "simulate", "benchmark")
    ]
    assert options == 3 * [{"--hs-snr", "--ms-snr"}]
    former = ["folder", "--snr-hs", "31", "--snr-rgb=32"]
    given = main.commands["sample"].make_context("sample", former).params
    assert (given["hs_snr"], given["ms_snr"]) == (31, 32)


def test_simulated_files_as_json(pair: Path, tmp_path: Path):
    words = ("--rgb-sensor", "sentinel-2a:B3", "--ratio", "3", "--json")
    made = json.loads(hsfuse("simulate", pair / "truth.tif", "-o", tmp_path, *words).stdout)
    assert made == {name: str(tmp_path / f"{name}.tif") for name in ("scene", "rgb", "truth")}


def test_a_checked_definition_as_json(tmp_path: Path):
    """Faults are in the document, and on standard error as without it."""
    for name in ("generic-rgb.toml", "generic-rgb_bands.csv"):
        (tmp_path / name).write_bytes((files("hsfuse.sensors") / name).read_bytes())
    file = tmp_path / "generic-rgb.toml"
    facts = json.loads(hsfuse("sensors", "check", file, "--json").stdout)
    assert (facts["valid"], facts["faults"], facts["sensor"]["id"]) == (True, [], "generic-rgb")
    file.write_text(file.read_text() + "\ncolour = 3\n")
    result = hsfuse("sensors", "check", file, "--json")
    facts = json.loads(result.stdout)
    assert (result.exit_code, facts["valid"], facts["sensor"]) == (1, False, None)
    assert len(facts["faults"]) == result.stderr.count("Error: ")


def test_evaluate_a_raster_against_itself(pair: Path):
    truth = pair / "truth.tif"
    figures = json.loads(hsfuse("evaluate", truth, truth, "--json").stdout)
    assert figures["rmse"] == 0
    assert figures["sam"] == pytest.approx(0, abs=1e-4)
    assert figures["ergas"] is None, "JSON has no NaN"
    assert figures["psnr"] is None, "and no infinity"
    text = hsfuse("evaluate", truth, truth, "--ratio", "3")
    assert text.exit_code == 0
    assert "SAM" in text.stdout
    (rmse,) = (line for line in text.stdout.splitlines() if line.startswith("RMSE  "))
    assert rmse.split()[1:3] == ["0", "reflectance"]


def test_evaluate_what_cannot_be_compared(pair: Path):
    result = hsfuse("evaluate", pair / "truth.tif", pair / "rgb.tif")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1


def test_info_says_what_is_in_the_file(pair: Path):
    facts = json.loads(hsfuse("info", pair / "scene.tif", "--json").stdout)
    assert (facts["bands"], facts["rows"], facts["columns"]) == (61, 12, 14)
    assert facts["crs"] == "EPSG:32633"
    assert facts["source_scale"] == 0.0001
    assert facts["wavelength_range"] == [400.0, 1000.0]
    text = hsfuse("info", pair / "scene.tif").stdout
    for word in ("12 rows x 14 columns", "61 bands, 400 to 1000 nm", "EPSG:32633", "scale 0.0001"):
        assert word in text


def test_methods_lists_the_table():
    assert json.loads(hsfuse("methods", "--json").stdout) == list_methods()
    assert all(name in hsfuse("methods").stdout for name in list_methods())


def test_sensors_list():
    listed = json.loads(hsfuse("sensors", "list", "--json").stdout)
    assert [sensor["id"] for sensor in listed] == list(list_sensors())
    facts = next(sensor for sensor in listed if sensor["id"] == "enmap")
    assert (facts["kind"], facts["bands"], facts["gsd_m"]) == ("hs", 224, 30)
    assert facts["psf_status"] == "specification"
    head, *lines = hsfuse("sensors", "list").stdout.splitlines()
    assert head.split() == ["id", "kind", "bands", "range", "GSD", "PSF", "title"]
    assert len(lines) == len(listed)
    (enmap,) = (line for line in lines if line.startswith("enmap "))
    assert enmap.split()[1:8] == ["hs", "224", "418-2445", "nm", "30", "m", "specification"]
    columns = {line.index(sensor["title"]) for line, sensor in zip(lines, listed, strict=True)}
    assert columns == {head.index("title")}


def test_sensors_show():
    facts = json.loads(hsfuse("sensors", "show", "sentinel-2a", "--json").stdout)
    assert facts["band_name"][1] == "B2"
    text = hsfuse("sensors", "show", "sentinel-2a").stdout
    assert "Sentinel-2A MSI" in text
    unknown = hsfuse("sensors", "show", "sentinel-2x")
    assert unknown.exit_code == 1
    assert "did you mean" in unknown.stderr


def test_sensors_show_draws_and_replaces_nothing_unasked(tmp_path: Path):
    plot = tmp_path / "rgb.png"
    assert hsfuse("sensors", "show", "generic-rgb", "--plot", plot).exit_code == 0
    before = plot.read_bytes()
    assert before.startswith(b"\x89PNG")
    refused = hsfuse("sensors", "show", "sentinel-2a", "--plot", plot)
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert "exists already" in refused.stderr
    assert plot.read_bytes() == before
    again = hsfuse("sensors", "show", "sentinel-2a", "--plot", plot, "--overwrite", "--json")
    assert json.loads(again.stdout)["id"] == "sentinel-2a"
    assert plot.read_bytes() != before


def test_sensors_check(tmp_path: Path):
    folder = files("hsfuse.sensors")
    for name in ("generic-rgb.toml", "generic-rgb_bands.csv"):
        shutil.copy(str(folder / name), tmp_path / name)
    mine = tmp_path / "generic-rgb.toml"
    good = hsfuse("sensors", "check", mine)
    assert good.exit_code == 0, good.output
    assert "valid definition" in good.stdout
    mine.write_text(mine.read_text() + "\n[psfx]\nwide = 1\n")
    bad = hsfuse("sensors", "check", mine)
    assert bad.exit_code == 1
    assert "psfx" in bad.stderr
    assert bad.stdout == ""
    mine.write_text(mine.read_text().replace('kind = "rgb"', 'kind = "tv"'))
    worse = hsfuse("sensors", "check", mine)
    assert [line.startswith("Error: ") for line in worse.stderr.splitlines()] == [True, True]
    assert hsfuse("sensors", "check", "generic-rgb").exit_code == 1
