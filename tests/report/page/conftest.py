"""A small run, whose page is looked at."""

import pytest

import hsfuse
from hsfuse.fusion.job import Outcome
from hsfuse.report.files import write_sidecar
from hsfuse.synthetic.sample import write_sample


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Return a run of 16 x 12 HS pixels by `bicubic`, with its record."""
    folder = tmp_path_factory.mktemp("page")
    made = write_sample(
        folder,
        hs_sensor="generic-vnir",
        rgb_sensor="sentinel-2a:B2,B3,B4,B8",
        size=(16, 12),
        ratio=3,
    )
    found = hsfuse.run(made.scene, made.rgb, folder / "out.tif", method="bicubic", align=False)
    write_sidecar(found)
    return found
