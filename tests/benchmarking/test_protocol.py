"""The protocol of the paper has its split sizes, response and ratio, and nothing else."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from hsfuse.benchmarking.protocol import paper_split
from hsfuse.benchmarking.run import plan_benchmark, prepare_benchmark, run_benchmark
from hsfuse.benchmarking.settings import BenchmarkSettings
from hsfuse.errors import PlanError

METHODS = BenchmarkSettings(methods=("bicubic",))


def write_scenes(folder: Path, count: int, variable: str) -> Path:
    """Write small scenes of a data set, which differ by name alone."""
    folder.mkdir(parents=True)
    cube = np.random.default_rng(0).random((32, 32, 31))
    first = folder / "scene000.mat"
    scipy.io.savemat(first, {variable: cube})
    for number in range(1, count):
        (folder / f"scene{number:03d}.mat").hardlink_to(first)
    return folder


@pytest.fixture(scope="module")
def harvard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("data") / "CZ_hsdb", 50, "ref")


def test_a_data_set_is_split_by_its_seed(harvard) -> None:
    """Training and test have the sizes of the paper and no scene in common."""
    split = paper_split(harvard, 0)
    assert (split.dataset, len(split.training), len(split.test)) == ("Harvard", 40, 10)
    assert set(split.training) | set(split.test) == set(harvard.glob("*.mat"))
    assert paper_split(harvard, 0) == split
    assert paper_split(harvard, 1).test != split.test


def test_icvl_uses_101_of_201_scenes(tmp_path) -> None:
    split = paper_split(write_scenes(tmp_path / "icvl", 201, "rad"), 0)
    assert (len(split.training), len(split.test)) == (71, 30)
    assert not set(split.training) & set(split.test)


def test_nus_is_split_as_delivered(tmp_path) -> None:
    write_scenes(tmp_path / "Training_Set", 41, "tensor")
    write_scenes(tmp_path / "Testing_Set", 25, "tensor")
    split = paper_split(tmp_path, 0)
    assert {path.parent.name for path in split.test} == {"Testing_Set"}
    assert (len(split.training), len(split.test)) == (41, 25)


def test_only_test_scenes_are_fused_as_the_paper_does(harvard, tmp_path) -> None:
    found = prepare_benchmark([harvard], tmp_path, METHODS, protocol="paper")
    rows = plan_benchmark(found).rows
    assert len(rows) == 10
    for row in rows:
        assert (row.ratio, row.rgb_sensor) == (16.0, "nikon-d700")
        assert (row.hs_snr, row.ms_snr) == (None, None)
    assert "40 scenes for training and 10 for test, drawn with seed 0" in found.notes[0]
    assert "a Gaussian PSF of 1 HS pixels" in found.notes[0]


def test_the_split_is_written_for_training(harvard, tmp_path, in_process, monkeypatch) -> None:
    monkeypatch.setattr("hsfuse.benchmarking.execution.Execution.execute", lambda *_: None)
    run_benchmark([harvard], tmp_path, METHODS, protocol="paper", psf="average", pictures=False)
    split = json.loads((tmp_path / "split.json").read_text())
    assert (len(split["training"]), len(split["test"]), split["seed"]) == (40, 10, 0)
    assert "here it is the mean over each HS pixel" in (tmp_path / "benchmark.md").read_text()


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"ratios": (8.0,)}, "the protocol of the paper fixes ratios"),
        ({"rgb_sensors": ("enmap",), "peak": 1.0}, "fixes rgb_sensors, peak"),
        ({"protocol": "other"}, "protocol must be paper, got 'other'"),
    ],
)
def test_what_the_paper_fixes_is_not_chosen(harvard, tmp_path, choices, message) -> None:
    with pytest.raises(PlanError, match=message):
        run_benchmark([harvard], tmp_path, **{"protocol": "paper", **choices})


def test_an_incomplete_data_set_is_refused(tmp_path) -> None:
    folder = write_scenes(tmp_path / "harvard", 12, "ref")
    with pytest.raises(PlanError, match="holds 12 files of Harvard; expected 50"):
        paper_split(folder, 0)
    with pytest.raises(PlanError, match=r"holds no \.mat"):
        paper_split(tmp_path / "nothing", 0)
    with pytest.raises(PlanError, match="takes one folder"):
        run_benchmark([folder, folder], tmp_path, protocol="paper")
