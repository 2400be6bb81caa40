"""Small simulated pairs, and the work of a batch within this process."""

from pathlib import Path

import pytest
from processes import InProcess

from hsfuse.synthetic.sample import write_sample


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the pairs hs/1.tif and ms/1_rgb.tif, and so 2, of 10 x 12 HS pixels."""
    folder = tmp_path_factory.mktemp("inputs")
    for name in ("hs", "ms"):
        (folder / name).mkdir()
    for seed in (1, 2):
        made = write_sample(
            folder / "made",
            hs_sensor="cave-31",
            rgb_sensor="sentinel-2a:B2,B3",
            size=(10, 12),
            ratio=4,
            seed=seed,
            overwrite=True,
        )
        made.scene.rename(folder / "hs" / f"{seed}.tif")
        made.rgb.rename(folder / "ms" / f"{seed}_rgb.tif")
    return folder


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let batches run in this process: others take seconds to load the libraries."""
    monkeypatch.setattr("hsfuse.batch.run.Pool", InProcess)
