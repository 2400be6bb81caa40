"""Fill that planning cannot see is reported, never fused in silence."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from raster_files import write_tiff
from runs import Stopped, stop_after
from scipy.ndimage import zoom

import hsfuse
from hsfuse.fusion.run import run
from hsfuse.fusion.settings import Settings
from hsfuse.report.record import outcome_as_dict
from hsfuse.report.text import summarise

SIDE = 320
# Between the windows (48 pixels every 68) and the lines (one every 10 pixels) of planning.
REGION = (slice(None), slice(56, 60), slice(56, 60))
SETTINGS = Settings(method="bicubic", align=False, tile=256, workers=1)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[int | None, tuple[Path, Path]]:
    """Return files of pairs at ratio 2, by the number that a small region of the HS image is."""
    folder, draw = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    maps = zoom(draw.random((3, SIDE // 8, SIDE // 8)), (1, 8, 8), order=1)
    hs = 1000 + 4000 * np.tensordot(draw.dirichlet(np.ones(3), 18), maps, axes=1)
    hs = (hs + draw.integers(0, 40, hs.shape)).astype(np.int16)
    fine = (1000 + 4000 * maps.repeat(2, axis=1).repeat(2, axis=2)).astype(np.int16)
    rgb = write_tiff(folder / "rgb.tif", fine, transform=Affine.scale(1, -1))
    found = {}
    for number in (None, -9999, 0):
        values = hs.copy()
        if number is not None:
            values[REGION] = number
        scene = write_tiff(folder / f"{number}.tif", values, transform=Affine.scale(2, -2))
        found[number] = scene, rgb
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", [-9999, 0])
def test_fill_between_windows_and_lines_is_reported(
    pairs: dict[int | None, tuple[Path, Path]], tmp_path: Path, number: int
) -> None:
    """With the number, the blocks and the option, in summary and record; resumed runs know it."""
    pair = pairs[number]
    with pytest.raises(Stopped):
        run(*pair, tmp_path / "out.zarr", SETTINGS, progress=stop_after(1))
    outcome = run(*pair, tmp_path / "out.zarr", SETTINGS, resume=True)
    assert outcome.resumed == 1
    assert outcome.undeclared == (("hs", number, 1),)
    (line,) = [line for line in summarise(outcome).splitlines() if line.startswith("warning")]
    assert f"{number} in the HS image" in line
    assert "--hs-nodata none" in line
    assert "1 of 9 tiles" in line
    record = json.loads(json.dumps(outcome_as_dict(outcome)))
    assert record["result"]["undeclared_fill"] == [{"image": "hs", "number": number, "blocks": 1}]


@pytest.mark.slow
def test_measurements_are_not_reported(
    pairs: dict[int | None, tuple[Path, Path]], tmp_path: Path
) -> None:
    """Nor a number that the user states to be one."""
    outcome = run(*pairs[None], tmp_path / "out.zarr", SETTINGS)
    assert outcome.undeclared == ()
    assert "warning" not in summarise(outcome)
    given = run(*pairs[-9999], tmp_path / "given.zarr", SETTINGS, hs_nodata="none")
    assert given.undeclared == ()


@pytest.mark.slow
def test_a_chunk_of_the_lazy_array_warns(
    pairs: dict[int | None, tuple[Path, Path]], caplog: pytest.LogCaptureFixture
) -> None:
    """When it is computed, and no other chunk."""
    fused = hsfuse.fuse(*pairs[-9999], method="bicubic", align=False, tile=256)
    with caplog.at_level(logging.WARNING, "hsfuse"):
        fused[:, 400:410, 400:410].compute(scheduler="synchronous")
        assert not caplog.records
        fused[:, 100:110, 100:110].compute(scheduler="synchronous")
    (record,) = caplog.records
    assert "-9999 in the HS image" in record.getMessage()
