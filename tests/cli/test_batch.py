"""`hsfuse batch` as a user types it, and what is left of one that is killed."""

import csv
import json
import socket
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result
from hsfuse.cli.main import main
from processes import InProcess
from runs import chunk_files

import hsfuse
from hsfuse.fusion.request import WITHOUT_EFFECT
from hsfuse.fusion.settings import Settings
from hsfuse.synthetic.sample import write_sample

OPTIONS = ["--method", "bicubic", "--no-align", "--format", "zarr", "--workers", "1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small simulated pair."""
    folder = tmp_path_factory.mktemp("pair")
    write_sample(folder, hs_sensor="cave-31", rgb_sensor="sentinel-2a:B2,B3", size=(8, 9), ratio=4)
    return folder


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let batches run in this process: others take seconds to load the libraries."""
    monkeypatch.setattr("hsfuse.batch.run.Pool", InProcess)


def manifest(path: Path, folder: Path, *outs: str, rgb: str = "rgb.tif") -> Path:
    lines = [f"{folder / 'scene.tif'},{folder / rgb},{out}\n" for out in outs]
    path.write_text("scene,rgb,out\n" + "".join(lines))
    return path


def batch(*words: object) -> Result:
    return CliRunner().invoke(
        main, ["batch", *map(str, words), *OPTIONS, "--no-quicklook", "--no-page"]
    )


@pytest.mark.usefixtures("in_process")
def test_a_batch_ends_with_a_table(folder: Path, tmp_path: Path) -> None:
    """Of all pairs, with the files; the exit status is 1 only where one failed."""
    pairs = manifest(tmp_path / "pairs.csv", folder, "a.zarr", "b.zarr")
    out = tmp_path / "out"
    plan = batch(pairs, "-o", out, "--dry-run")
    assert plan.exit_code == 0, plan.output
    assert "2 planned" in plan.stdout
    assert not out.exists()
    done = batch(pairs, "-o", out)
    assert done.exit_code == 0, done.output
    for words in ("a.zarr  finished", "HS consistency", "2 finished", str(out / "batch.csv")):
        assert words in done.stdout
    manifest(pairs, folder, "a.zarr", "b.zarr", "c.zarr").write_text(
        pairs.read_text() + f"{folder / 'scene.tif'},{folder / 'scene.tif'},d.zarr\n"
    )
    failed = batch(pairs, "-o", out)
    assert failed.exit_code == 1
    assert "1 finished, 2 done before, 1 failed" in failed.stdout
    assert "pairs.csv, line 5: " in failed.stdout
    assert "warning: " in failed.stderr
    facts = batch(pairs, "-o", out, "--json")
    assert facts.exit_code == 1
    assert [pair["status"] for pair in json.loads(facts.stdout)["pairs"]] == [
        "done", "done", "done", "failed",
    ]  # fmt: skip


@pytest.mark.usefixtures("in_process")
def test_a_batch_tells_the_notes_and_warnings_of_its_pairs(folder: Path, tmp_path: Path) -> None:
    """A note once with the number of its pairs, a warning for its pair, both in the files."""
    pairs = manifest(tmp_path / "pairs.csv", folder, "a.zarr", "b.zarr")
    pairs.write_text(pairs.read_text().replace("\n", ",dtype,scale\n", 1).replace(
        "a.zarr\n", "a.zarr,int16,0.000001\n").replace("b.zarr\n", "b.zarr,,\n")
    )  # fmt: skip
    done = batch(pairs, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    rows = [line for line in done.stdout.splitlines() if ".zarr  finished" in line]
    with (tmp_path / "out/batch.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    for row, cells, warnings in zip(rows, table, (1, 0), strict=True):
        assert f"  {warnings}, {len(cells['notes'].split(' | '))}  " in row
    (note, *_) = [line for line in done.stdout.splitlines() if line.startswith("note")]
    assert note.endswith("(2 of 2 pairs)")
    assert str(folder) not in note
    clipped = "of the stored type were set to its limit"
    warning = next(line for line in done.stdout.splitlines() if line.startswith("warning"))
    assert warning.startswith("warning         a.zarr: ")
    assert warning.endswith(clipped)
    assert table[0]["warnings"].endswith(clipped)
    assert clipped in (tmp_path / "out/index.html").read_text()
    planned = batch(pairs, "-o", tmp_path / "new", "--dry-run")
    assert "(2 of 2 pairs)" in planned.stdout


@pytest.mark.usefixtures("in_process")
def test_files_are_paired_by_patterns(folder: Path, tmp_path: Path) -> None:
    """With a note of what is left out."""
    for name in ("x", "y"):
        (tmp_path / f"{name}_hs.tif").write_bytes((folder / "scene.tif").read_bytes())
    (tmp_path / "x_ms.tif").write_bytes((folder / "rgb.tif").read_bytes())
    patterns = [tmp_path / "{id}_hs.tif", tmp_path / "{id}_ms.tif"]
    result = batch("--pair", *patterns, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "y_hs.tif" in result.stdout.split("note")[1]
    assert hsfuse.open_raster(tmp_path / "out/x_fused.zarr").sizes["band"] == 31


@pytest.mark.usefixtures("in_process")
def test_a_pair_that_lacks_a_file_is_told_first_and_the_others_run(folder: Path, tmp_path: Path):
    pairs = manifest(tmp_path / "pairs.csv", folder, "a.zarr", "b.zarr")
    pairs.write_text(pairs.read_text().replace("rgb.tif,a.zarr", "none.tif,a.zarr"))
    result = batch(pairs, "-o", tmp_path / "out")
    assert result.exit_code == 1
    beginning, _, end = result.stdout.partition("\n\n")
    assert f"files of 1 of 2 pairs, which count as failed: {pairs}, line 2" in beginning
    assert "1 finished, 1 failed" in end
    assert f"line 2: rgb: {folder / 'none.tif'}: no such file" in end


def test_faults_of_a_manifest_are_a_line_each(folder: Path, tmp_path: Path) -> None:
    pairs = manifest(tmp_path / "pairs.csv", folder, "a.zarr", "a.zarr", "b.png")
    result = batch(pairs, "-o", tmp_path / "out", "-q")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert [line[:7] for line in lines] == ["Error: "] * 2
    assert "line 4" in lines[0]
    assert "line 3" in lines[1]
    assert not (tmp_path / "out").exists()


def test_a_batch_takes_one_list_of_pairs(tmp_path: Path) -> None:
    for words in ([], ["pairs.csv", "--pair", "{a}", "{a}b"]):
        result = batch(*words, "-o", tmp_path)
        assert result.exit_code == 2
        assert "either MANIFEST or --pair" in result.stderr


@pytest.mark.usefixtures("in_process")
def test_an_interrupted_batch_says_how_to_go_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    pairs = manifest(tmp_path / "pairs.csv", folder, "a.zarr", "b.zarr")
    monkeypatch.setattr("hsfuse.cli.progress.Progress.__call__", stop)
    result = batch(pairs, "-o", tmp_path / "out")
    assert result.exit_code == 130
    stopped, command = result.stderr.splitlines()[-2:]
    assert stopped == "stopped; to continue, run"
    assert " batch " in command


def test_options_of_a_pair_are_those_of_run() -> None:
    """And the defaults as well."""
    parameters = main.commands["batch"].params
    options = {parameter.name for parameter in parameters}
    expected = {field.name for field in fields(Settings)} - set(WITHOUT_EFFECT)
    assert expected | {"workers", "overwrite"} <= options
    context = main.commands["batch"].make_context("batch", ["pairs.csv", "-o", "out"])
    chosen = {name: context.params[name] for name in {*expected, "workers", "overwrite"}}
    assert Settings(**chosen) == Settings()


@pytest.mark.slow
def test_a_killed_batch_goes_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kill -9 of a worker costs its pair, of the main process all workers; the rest is done."""
    names, out = [f"{number}.zarr" for number in range(4)], tmp_path / "out"
    again, pairs = manifest(tmp_path / "again.csv", folder, *names), tmp_path / "pairs.csv"
    with socket.create_server(("127.0.0.1", 0)) as silent:  # whoever reads from it waits
        silent.settimeout(600)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/scene.tif"
        lines = again.read_text().splitlines(keepends=True)
        unread = [line.replace(str(folder / "scene.tif"), url) for line in lines[3:]]
        pairs.write_text("".join([*lines[:3], *unread]))
        code = "from hsfuse.cli.main import main; main()"
        words = [
            sys.executable,
            "-c",
            code,
            "batch",
            pairs,
            "-o",
            out,
            *OPTIONS,
            "--no-quicklook",
            "--no-page",
        ]
        with subprocess.Popen([*map(str, words), "-q"], stderr=subprocess.DEVNULL) as running:
            main_process = psutil.Process(running.pid)
            with silent.accept()[0]:
                max(main_process.children(), key=lambda each: each.memory_info().rss).kill()
            with silent.accept()[0]:
                children = main_process.children()
                running.kill()
        _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    events = [json.loads(line) for line in (out / "batch.jsonl").read_text().splitlines()]
    assert [event["status"] for event in events] == [*("running", "finished") * 2, "failed"]
    assert "SIGKILL" in events[-1]["message"]
    assert not (out / "batch.csv").exists()
    monkeypatch.setattr("hsfuse.batch.run.Pool", InProcess)
    result = batch(again, "-o", out)
    assert result.exit_code == 0, result.output
    assert "2 finished, 2 done before" in result.stdout
    hsfuse.run(folder / "scene.tif", folder / "rgb.tif", tmp_path / "alone.zarr",
               method="bicubic", align=False)  # fmt: skip
    expected = chunk_files(tmp_path / "alone.zarr")
    assert expected
    assert all(chunk_files(out / name) == expected for name in names)


@pytest.mark.usefixtures("in_process")
def test_a_plan_counts_reports_and_says_which_times_are_estimated(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the table, in the sum and as JSON; the plan of one pair states the same report."""
    pairs = tmp_path / "pairs.csv"
    files = f"{folder / 'scene.tif'},{folder / 'rgb.tif'}"
    corner = _corner(folder / "rgb.tif")
    pairs.write_text(f"scene,rgb,out,bbox\n{files},a.zarr,\n{files},b.zarr,{corner}\n")
    monkeypatch.setattr("hsfuse.fusion.duration._FEWEST_PIXELS", 600)
    words = ["batch", str(pairs), "-o", str(tmp_path / "out"), *OPTIONS, "--dry-run"]
    facts = json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)["pairs"]
    whole, small = facts
    assert whole["expected_seconds"] > 0
    assert small["expected_seconds"] is None
    assert all(pair["report_seconds"] > 1 for pair in facts)
    text = CliRunner().invoke(main, words).stdout
    row, other = (
        next(line for line in text.splitlines() if line.startswith(name)) for name in ("a.z", "b.z")
    )
    assert "not estimated" not in row
    assert "not estimated" in other
    (time,) = [line for line in text.splitlines() if line.startswith("time")]
    assert "planning, fusing and writing, reports" in time
    assert "without fusing and writing of 1 pair" in time
    alone = ["run", str(folder / "scene.tif"), str(folder / "rgb.tif"), "-o", "x.zarr", "--dry-run"]
    plan = json.loads(CliRunner().invoke(main, [*alone, *OPTIONS[:3], "--json"]).stdout)
    assert plan["report"]["memory_bytes"] == whole["memory_bytes"]
    without = CliRunner().invoke(main, [*words, "--no-page", "--no-quicklook"]).stdout
    assert "planning, fusing and writing;" in without


def _corner(path: Path) -> str:
    """Return the bounding box of the upper left quarter of a raster."""
    left, bottom, right, top = hsfuse.open_raster(path).rio.bounds()
    return f"{left} {(bottom + top) / 2} {(left + right) / 2} {top}"
