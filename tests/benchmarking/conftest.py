"""A benchmark of small cubes, carried out in this process."""

from pathlib import Path

import pytest
import xarray as xr
from processes import InProcess

from hsfuse.benchmarking.outcome import BenchmarkOutcome
from hsfuse.benchmarking.run import run_benchmark
from hsfuse.benchmarking.settings import BenchmarkSettings
from hsfuse.io.write import write_raster


@pytest.fixture(scope="session")
def settings() -> BenchmarkSettings:
    """Return two methods on pairs at ratio 4 with noise."""
    return BenchmarkSettings(
        methods=("bicubic", "guided"),
        ratios=(4.0,),
        rgb_sensors=("sentinel-2a:B2,B3,B4",),
        hs_snr=40.0,
        peak=2.0,
    )


@pytest.fixture(scope="session")
def cubes(tmp_path_factory: pytest.TempPathFactory, made_cubes: list[xr.DataArray]) -> list[Path]:
    """Return two cubes of 8 bands and 48 x 48 pixels as files in the folder `fields`."""
    folder = tmp_path_factory.mktemp("cubes") / "fields"
    folder.mkdir()
    paths = [folder / "north.tif", folder / "south.tif"]
    for cube, path in zip(made_cubes, paths, strict=True):
        write_raster(cube, path)
    return paths


@pytest.fixture(scope="session")
def finished(
    cubes: list[Path], settings: BenchmarkSettings, tmp_path_factory: pytest.TempPathFactory
) -> BenchmarkOutcome:
    """Return a finished benchmark of both cubes by two methods."""
    folder = tmp_path_factory.mktemp("benchmark") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hsfuse.benchmarking.execution.Pool", InProcess)
        return run_benchmark(cubes, folder, settings, pictures=False)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let benchmarks run in this process: others take seconds to load the libraries."""
    monkeypatch.setattr("hsfuse.benchmarking.execution.Pool", InProcess)
