"""Fused values far above both images are counted, reported and left as they are."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from runs import Stopped, stop_after

from hsfuse.core.excess import Excess
from hsfuse.fusion.block import fuse_input, read_block
from hsfuse.fusion.brightness import find_excess
from hsfuse.fusion.plan import plan_fusion
from hsfuse.fusion.run import run
from hsfuse.fusion.settings import Settings
from hsfuse.io.read import open_raster
from hsfuse.report.record import outcome_as_dict
from hsfuse.report.text import summarise
from hsfuse.report.wording import describe_excess

SETTINGS = Settings(method="bicubic", align=False, tile=16, workers=1)


def test_the_bright_pixels_of_a_block_are_counted(files: Path) -> None:
    """The range of the sample is that of the whole small scene; one value is far above it."""
    plan = plan_fusion(files / "scene.tif", files / "rgb.tif", method="bicubic", tile=16)
    hs, bright = plan.pair.hs.values, plan.bright
    assert np.allclose(bright.highest, hs.max(axis=(1, 2)), equal_nan=True)
    assert 1 < bright.sharpening < 20
    read = read_block(plan, 0, 0)
    values, _ = fuse_input(plan, read)
    assert not find_excess(plan, read, values).count
    values[2, 3, 4] = 100 * bright.highest[2]
    found = find_excess(plan, read, values)
    assert (found.count, found.band) == (1, 2)
    assert (found.row, found.column) == (3, 4)
    last = read_block(plan, *plan.blocks[-1])
    values, _ = fuse_input(plan, last)
    values[2, 0, 0] = 100 * bright.highest[2]
    found = find_excess(plan, last, values)
    assert (found.row, found.column) == (last.rows.start, last.columns.start)
    values, _ = fuse_input(plan, read)
    values[2, 3, 4] = 100 * bright.highest[2]
    found = find_excess(plan, read, values)
    assert found.value == pytest.approx(100 * bright.highest[2])
    assert found.hs_maximum == pytest.approx(bright.highest[2])


def test_bad_bands_are_not_checked(files: Path) -> None:
    """Their values may be anything."""
    scene = open_raster(files / "scene.tif")
    good = scene["good"].values.copy()
    good[3] = False
    plan = plan_fusion(
        scene.assign_coords(good=("band", good)), files / "rgb.tif", method="bicubic", tile=16
    )
    assert np.array_equal(np.isnan(plan.bright.median), ~good)
    read = read_block(plan, 0, 0)
    values, _ = fuse_input(plan, read)
    values[3] = 1e6
    assert not find_excess(plan, read, values).count


def test_bright_pixels_outside_the_sample_explain_bright_values(files: Path) -> None:
    """A block adds its input to the range of the sample."""
    plan = plan_fusion(files / "scene.tif", files / "rgb.tif", method="bicubic", tile=16)
    read = read_block(plan, 0, 0)
    values, _ = fuse_input(plan, read)
    low = replace(plan.bright, highest=plan.bright.median + 1e-4 * plan.bright.median)
    assert low.excess(values).count
    assert not find_excess(replace(plan, bright=low), read, values).count


def test_record_and_summary_say_what_was_found(files: Path, tmp_path: Path) -> None:
    """Nothing where there is nothing; count, share and largest value where there is."""
    with pytest.raises(Stopped):
        run(files / "scene.tif", files / "rgb.tif", tmp_path / "a.zarr", SETTINGS,
            progress=stop_after(1))  # fmt: skip
    outcome = run(
        files / "scene.tif", files / "rgb.tif", tmp_path / "a.zarr", SETTINGS, resume=True
    )
    assert outcome.excess == Excess()
    assert "larger than the HS image" not in summarise(outcome)
    assert outcome_as_dict(outcome)["result"]["excess"] == {
        "values": 0, "share": 0.0, "largest": None
    }  # fmt: skip
    bright = replace(outcome, excess=Excess(7, 5.0, 2.5, 0.5, 1))
    record = json.loads(json.dumps(outcome_as_dict(bright)["result"]["excess"]))
    assert record["values"] == 7
    assert record["share"] == pytest.approx(7 / np.prod(outcome.shape))
    assert record["largest"]["band"] == 2
    (line,) = [line for line in summarise(bright).splitlines() if line.startswith("warning")]
    assert line.endswith(describe_excess(record, str(outcome.job.plan.pair.hs.attrs["units"])))
