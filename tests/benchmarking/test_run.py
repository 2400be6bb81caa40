"""A benchmark has the figures of single runs, resumes, and loses no run to another's failure."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import pytest
from processes import InProcess

from hsfuse.batch.pool import Ended
from hsfuse.benchmarking.outcome import BenchmarkOutcome
from hsfuse.benchmarking.run import run_benchmark
from hsfuse.benchmarking.weights import candidate_weights
from hsfuse.errors import OutputError, PlanError
from hsfuse.evaluation import evaluate
from hsfuse.fusion.run import run
from hsfuse.io.read import open_raster
from hsfuse.methods.table import METHODS, MethodSpec
from hsfuse.nets.weights import find_weights
from hsfuse.synthetic.simulated_files import simulate


@pytest.fixture
def copied(finished: BenchmarkOutcome, tmp_path: Path) -> Path:
    """Return a copy of the folder of the finished benchmark."""
    return shutil.copytree(finished.folder, tmp_path / "out")


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a benchmark fail that runs anything."""
    monkeypatch.setattr(
        "hsfuse.benchmarking.execution.Pool", lambda _: pytest.fail("a run was carried out")
    )


def test_the_figures_are_those_of_single_commands(cubes, finished, tmp_path, settings) -> None:
    """Simulate, fuse and evaluate one after the other give the same bits."""
    observed = {"rgb_sensor": settings.rgb_sensors[0], "ratio": 4.0, "hs_snr": 40.0}
    files = simulate(open_raster(cubes[1]), tmp_path, **observed)
    out = run(files.scene, files.rgb, tmp_path / "fused.zarr", method="guided", align=False,
              rgb_sensor=settings.rgb_sensors[0])  # fmt: skip
    expected = evaluate(files.truth, out.path, ratio=4.0, peak=2.0)
    row = next(r for r in finished.rows if (r.scene, r.method) == ("south", "guided"))
    assert (row.psnr, row.sam, row.ssim) == (expected.psnr, expected.sam, expected.ssim)
    assert (row.bands, row.pixels, row.peak) == (8, 48 * 48, 2.0)
    assert row.seconds > row.planning_seconds > 0
    assert row.memory_bytes > 50e6


def test_there_is_a_line_for_each_run_and_a_table_of_means(finished) -> None:
    with (finished.folder / "benchmark.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["scene"], line["method"]) for line in lines] == [
        (scene, method) for scene in ("north", "south") for method in ("bicubic", "guided")
    ]
    psnr = [float(line["psnr"]) for line in lines if line["method"] == "guided"]
    text = (finished.folder / "benchmark.md").read_text()
    assert "| method | fields (2) RMSE | PSNR | SAM | SSIM |" in text
    row = next(line for line in text.splitlines() if line.startswith("| guided"))
    assert row.split(" | ")[2] == f"**{mean(psnr):.2f} ± {stdev(psnr):.2f}**"
    assert "noise HS 40 dB, MS none" in text


def test_pictures_of_each_pair_are_drawn(cubes, copied, settings, idle, monkeypatch) -> None:
    """Of all methods, also where nothing is left to run; no temporary folder is left."""
    drawn = []
    for kind in ("band", "angles"):
        monkeypatch.setattr(
            f"hsfuse.benchmarking.execution.draw_{kind}",
            lambda *words: drawn.append(words) or b"PNG",
        )
    outcome = run_benchmark(cubes, copied, settings)
    names = {path.name for path in outcome.files if path.suffix == ".png"}
    scenes = [f"fields-{scene}-4-sentinel_2a_B2_B3_B4" for scene in ("north", "south")]
    assert names == {f"{scene}_{kind}.png" for scene in scenes for kind in ("band", "sam")}
    assert {(words[1], *words[2]) for words in drawn} == {(s, "bicubic", "guided") for s in scenes}
    assert not list(copied.glob(".work-*"))


def test_what_is_finished_is_kept(cubes, copied, finished, idle, settings) -> None:
    """The same benchmark runs nothing, and has the same figures."""
    again = run_benchmark(cubes, copied, settings, pictures=False)
    assert {row.status for row in again.rows} == {"done"}
    assert [row.psnr for row in again.rows] == [row.psnr for row in finished.rows]
    assert not again.failed


@pytest.mark.parametrize(
    ("change", "carried_out"),
    [({"seed": 1}, 2), ({"workers": 1}, 0), ({"methods": ("bicubic", "spectralift")}, 1)],
)
def test_what_is_asked_decides_what_is_done(
    cubes, copied, in_process, monkeypatch, change, carried_out, settings
) -> None:
    """Another seed or method is another run; how it is computed is no part of it."""
    begun = []
    monkeypatch.setattr(
        "hsfuse.benchmarking.execution.run_method",
        lambda row, *_: begun.append(row) or replace(row, status="finished"),
    )
    run_benchmark(cubes[:1], copied, replace(settings, **change), pictures=False)
    assert len(begun) == carried_out


def test_a_method_that_fails_costs_its_row(
    cubes, copied, in_process, monkeypatch, settings
) -> None:
    """The row says why, the tables too, and the next benchmark tries again."""
    monkeypatch.setitem(METHODS, "broken", MethodSpec("hsfuse.methods.bicubic:MISSING", "none"))
    asked = replace(settings, methods=("bicubic", "broken", "guided"))
    for _ in range(2):
        outcome = run_benchmark(cubes[:1], copied, asked, pictures=False)
        assert [row.status for row in outcome.rows] == ["done", "failed", "done"]
        assert "MISSING" in outcome.failed[0].message
    text = (copied / "benchmark.md").read_text()
    assert "- broken on north (fields), simulated, ratio 4: AttributeError" in text
    assert "| broken | - | - | - | - |" in text


def test_a_killed_process_costs_its_row(cubes, tmp_path, monkeypatch, settings) -> None:
    class Dying(InProcess):
        def results(self):
            key, function, arguments = self.tasks.popleft()
            died = function.__name__ == "run_method" and arguments[0].method == "bicubic"
            yield key, Ended("was ended by signal SIGKILL") if died else function(*arguments)

    monkeypatch.setattr("hsfuse.benchmarking.execution.Pool", Dying)
    outcome = run_benchmark(cubes[:1], tmp_path / "out", settings, pictures=False)
    assert [row.status for row in outcome.rows] == ["failed", "finished"]
    assert "signal SIGKILL" in outcome.failed[0].message


def test_a_cube_that_a_sensor_does_not_cover_costs_its_rows(
    cubes, tmp_path, in_process, settings
) -> None:
    asked = replace(settings, rgb_sensors=("sentinel-2a:B11",), methods=("bicubic",))
    outcome = run_benchmark(cubes[:1], tmp_path / "out", asked)
    assert "does not cover sentinel-2a B11" in outcome.failed[0].message


def test_weights_score_only_scenes_they_have_not_seen(
    cubes, component_weights, tmp_path, in_process, monkeypatch, settings
) -> None:
    """Weights whose card names the scene are left out; without others the row says so."""
    card = find_weights(component_weights)
    seen = replace(card, about={**card.about, "data": {"cubes": ["data/north.tif"]}})
    monkeypatch.setattr("hsfuse.benchmarking.weights.find_weights", lambda _: seen)
    assert candidate_weights("ms-ssfnet", [component_weights], "north") == []
    assert candidate_weights("ms-ssfnet", [component_weights], "south") == [seen]
    assert candidate_weights("dhsis", [], "south") == []
    asked = replace(settings, methods=("ms-ssfnet",), weights={"ms-ssfnet": [component_weights]})
    outcome = run_benchmark(cubes[:1], tmp_path / "out", asked)
    assert "all weights were trained on this scene" in outcome.failed[0].message


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"methods": ("best",)}, "method must be one of bicubic"),
        ({"methods": ("dhsis",)}, "dhsis needs weights, and none come with hsfuse"),
        ({"weights": {"bicubic": ["a.safetensors"]}}, "bicubic takes no weights"),
        ({"ratios": (1.0,)}, "ratios must be numbers greater than 1, got 1"),
        ({"psf": "average", "fwhm": 1.0}, "psf 'average' has no FWHM, got 1"),
        ({"peak": -1.0}, "peak must be a positive number or max, got -1"),
    ],
)
def test_wrong_settings_are_one_line(cubes, tmp_path, choices, message) -> None:
    with pytest.raises(PlanError, match=message):
        run_benchmark(cubes, tmp_path, **choices)


def test_a_benchmark_as_a_whole_is_refused(cubes, tmp_path) -> None:
    with pytest.raises(PlanError, match="either cubes or a pair"):
        run_benchmark(out=tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is no folder"):
        run_benchmark(cubes, tmp_path / "file")
    with pytest.raises(PlanError, match="have the same name"):
        run_benchmark([cubes[0], cubes[0]], tmp_path)
    with pytest.raises(TypeError, match="unexpected option 'sensor'"):
        run_benchmark(cubes, tmp_path, sensor="enmap")
