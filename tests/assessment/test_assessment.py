"""A fused raster is assessed without a truth, with D and R of its run, whatever its size."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hsfuse.cli.main import main

import hsfuse
import hsfuse.assessment.comparison as comparison
from hsfuse.assessment import assess, assess_fused, observe_pair
from hsfuse.assessment.comparison import observed_for
from hsfuse.core.discrepancy import describe_difference
from hsfuse.errors import PairError
from hsfuse.fusion.run import run
from hsfuse.io.output.records import record_path
from hsfuse.io.read import open_raster
from hsfuse.io.write import write_raster
from hsfuse.report.record import as_json, outcome_as_dict
from hsfuse.synthetic.sample import make_sample
from hsfuse.synthetic.simulation import observe

RATIO, ORIGIN = 3.5, (1.5, 0.0)
QUALITIES = ("poor", "fair", "good")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with a pair at a ratio of 3.5, its truth, and two results with records."""
    folder = tmp_path_factory.mktemp("assessed")
    cube = make_sample(size=(30, 34), seed=5).truth.isel(band=slice(0, 60, 5)).compute()
    cube["band"] = np.arange(1, cube.sizes["band"] + 1)
    seen = observe(
        cube.chunk({"band": -1, "y": 64, "x": 64}),
        rgb_sensor="generic-rgb", ratio=RATIO, fwhm=1.2, offset=ORIGIN,
    )  # fmt: skip
    for name, raster in (("scene", seen.scene), ("rgb", seen.rgb), ("truth", cube)):
        write_raster(raster, folder / f"{name}.tif")
    for method in ("guided", "bicubic"):
        out = folder / f"{method}.tif"
        outcome = run(*pair(folder), out, method=method, workers=1)
        record_path(out).write_text(as_json(outcome_as_dict(outcome)))
    return folder


def pair(folder: Path) -> tuple[str, str]:
    return str(folder / "scene.tif"), str(folder / "rgb.tif")


@pytest.fixture(scope="module")
def observed(made):
    return observe_pair(*pair(made), record=json.loads((made / "guided.tif.json").read_text()))


@pytest.fixture(scope="module")
def results(made, observed):
    return {
        name: assess_fused(str(made / f"{name}.tif"), observed)
        for name in ("guided", "bicubic", "truth")
    }


def test_a_fusion_is_better_than_interpolation_in_figures_and_in_words(results):
    guided, bicubic = (results[name][0] for name in ("guided", "bicubic"))
    assert guided.hqnr > bicubic.hqnr + 0.05
    assert guided.qnr > bicubic.qnr + 0.05
    assert guided.d_s < bicubic.d_s
    assert guided.hs.rmse < bicubic.hs.rmse
    assert guided.ms.rmse < bicubic.ms.rmse
    ranks = [[QUALITIES.index(f.quality) for f in each.findings] for each in (guided, bicubic)]
    assert all(a >= b for a, b in zip(*ranks, strict=True))
    assert sum(ranks[0]) > sum(ranks[1])
    assert "most in band " in guided.findings[1].text  # its number, not a name alone


def test_an_estimated_response_is_told_from_a_stated_one(made, results, tmp_path):
    """In what is said of a poor consistency with the MS image."""
    image = open_raster(made / "rgb.tif").drop_vars(["wavelength", "fwhm", "band_name"])
    image.attrs = {key: image.attrs[key] for key in ("units",) if key in image.attrs}
    write_raster(image, tmp_path / "plain.tif")
    unstated = observe_pair(str(made / "scene.tif"), str(tmp_path / "plain.tif"))
    assert unstated.radiometry.estimate is not None
    found = assess_fused(str(made / "bicubic.tif"), unstated)[0].findings[1]
    stated = results["bicubic"][0].findings[1]
    assert found.quality == stated.quality == "poor"
    assert "`--rgb-sensor`" in found.text
    assert "`--rgb-sensor`" not in stated.text


def test_the_truth_is_consistent_with_both_images(results):
    """Which have no noise; windows show a little other ground at the two scales."""
    truth = results["truth"][0]
    assert truth.hs.relative < 0.01
    assert truth.ms.relative < 0.01
    assert truth.hqnr > 0.9
    assert {finding.quality for finding in truth.findings} == {"good"}


def test_the_run_is_assessed_with_its_own_co_registration_psf_and_response(made, observed):
    """The record's numbers are in D and R: others give another assessment."""
    record = json.loads((made / "guided.tif.json").read_text())
    found = assess(str(made / "guided.tif"), *pair(made))
    assert found.observed == str(made / "guided.tif.json")
    width = record["psf"]["fwhm"]
    assert observed.pair.psf.fwhm == (width["y"], width["x"])
    assert observed.pair.geometry.y.origin == pytest.approx(record["grid"]["origin"]["y"])
    assert found.ms.rmse == pytest.approx(record["result"]["spectral"]["rmse"], rel=1e-3)
    # The run leaves out HS pixels whose PSF lies across blocks; with one block there are none.
    assert found.hs.rmse == pytest.approx(record["result"]["spatial"]["rmse"], rel=0.05)
    record["radiometry"]["gain"][0] *= 1.1
    other = assess_fused(str(made / "guided.tif"), observe_pair(*pair(made), record=record))[0]
    assert other.ms.rmse > 2 * found.ms.rmse


def test_a_box_has_the_figures_of_the_whole_scene_inside_it(made, tmp_path, results):
    """Its outermost HS pixels see what is not fused: the run and the assessment omit them."""
    box = open_raster(made / "rgb.tif").isel(y=slice(15, 64), x=slice(17, 73)).rio.bounds()
    out = tmp_path / "box.tif"
    settings = {"align": False, "fwhm": (1.2, 1.2), "bbox": box}
    outcome = run(*pair(made), out, method="guided", workers=1, **settings)
    record_path(out).write_text(as_json(outcome_as_dict(outcome)))
    observed = observed_for(str(out), *pair(made), {})
    found, _ = assess_fused(str(out), observed)
    assert outcome.spatial.count == found.hs.pixels * outcome.shape[0]
    assert found.hs.rmse == pytest.approx(outcome.spatial.rmse, rel=1e-3)
    assert found.findings[0].quality == results["guided"][0].findings[0].quality
    truth, maps = assess_fused(str(made / "truth.tif"), observed)
    assert np.isfinite(maps.sel(band=1)).sum() == truth.hs.pixels == 12 * 14  # of 14 x 16
    assert truth.hs.relative < 1e-3


def test_a_record_of_another_pair_is_not_used(made, caplog):
    record = json.loads((made / "guided.tif.json").read_text())
    record["grid"]["ratio"]["x"] = 3.0
    found = observe_pair(*pair(made), record=record, record_name="other.json")
    assert found.source == "estimated from the pair"
    assert "other.json" in caplog.text


def test_numbers_of_values_in_another_unit_have_few_digits(made, observed):
    """A raster whose values are 1e30 times those of the pair is far off, in a readable number."""
    fused = open_raster(made / "guided.tif").compute()
    found = assess_fused(fused * np.float32(1e30), observed)[0]
    assert found.hs.relative > 1e29
    texts = [finding.text for finding in found.findings]
    texts += [describe_difference(each.rmse, each.relative) for each in (found.hs, found.ms)]
    assert not [text for text in texts if re.search(r"\d{8}", text)]


def test_blocks_give_the_figures_and_maps_of_the_whole(made, observed, results, monkeypatch):
    monkeypatch.setattr(comparison, "_BLOCK_VALUES", 1)  # one window of 8 HS pixels each
    found, maps = assess_fused(open_raster(made / "guided.tif"), observed)
    whole, expected = results["guided"]
    assert found.windows == whole.windows > 4
    for key, value in asdict(whole).items():
        if isinstance(value, float | tuple) and key != "findings":
            assert getattr(found, key) == pytest.approx(value, rel=1e-5)
    assert found.hs.band_rmse == pytest.approx(whole.hs.band_rmse, rel=1e-4)
    np.testing.assert_allclose(maps.values, expected.values, rtol=1e-3, atol=1e-4)


def test_maps_lie_on_the_ground_of_the_hs_image_and_show_where(made, observed, results):
    """A square that is wrong is wrong in the maps there, and nowhere else."""
    fused = open_raster(made / "guided.tif").compute()
    fused.values[:, 60:80, 60:80] *= 1.5
    maps = assess_fused(fused, observed)[1]
    before = results["guided"][1]
    step = abs(float(maps.x[1] - maps.x[0]))
    assert step == pytest.approx(RATIO * abs(float(fused.x[1] - fused.x[0])))
    worse = (maps - before).sel(band=3)
    inside = (
        (worse.x > float(fused.x[60])) & (worse.x < float(fused.x[79]))
        & (worse.y < float(fused.y[60])) & (worse.y > float(fused.y[79]))
    )  # fmt: skip
    assert float(worse.where(inside).min()) > 0.01
    far = (abs(worse.x - float(fused.x[70])) > 5 * step) & np.isfinite(worse)
    assert float(abs(worse.where(far)).max()) < 1e-6


def test_pixels_without_data_take_no_part(made, observed, results):
    """What is compared of a part of a raster with a gap is what it is in the whole."""
    fused = open_raster(made / "guided.tif").compute()
    fused.values[:, 30:60, :40] = np.nan
    part, maps = assess_fused(fused.isel(y=slice(10, None)), observed)
    whole, expected = results["guided"]
    assert 0 < part.hs.pixels < whole.hs.pixels
    assert 0 < part.windows < whole.windows
    compared = np.isfinite(maps.values[0])
    assert not compared[:2].any(), "HS pixels that see what was cut off"
    assert not compared[10:16, :10].any(), "HS pixels in the gap"
    # A thousandth of a PSF may lie on the gap.
    np.testing.assert_allclose(
        maps.values[0][compared], expected.values[0][compared], rtol=0, atol=1e-3
    )


def test_what_does_not_belong_together_is_refused(made, observed):
    fused = open_raster(made / "guided.tif")
    with pytest.raises(PairError, match=r"12 and 5 bands"):
        assess_fused(fused.isel(band=slice(5)), observed)
    with pytest.raises(PairError, match="do not line up"):
        assess_fused(fused.assign_coords(x=fused.x + 3.0), observed)
    empty = fused.copy(data=np.full(fused.shape, np.nan, np.float32))
    with pytest.raises(PairError, match="no pixel has data"):
        assess_fused(empty, observed)
    with pytest.raises(TypeError, match="method"):
        hsfuse.assess(fused, *pair(made), method="guided")


def test_the_command_prints_words_json_and_writes_maps(made, tmp_path):
    words = ["assess", str(made / "bicubic.tif"), *pair(made)]
    text = CliRunner().invoke(main, [*words, "--bands", "--maps", str(tmp_path / "maps.tif")])
    assert text.exit_code == 0, text.output
    assert text.stdout.splitlines()[1].startswith("poor")
    assert "bicubic.tif.json" in text.stdout
    maps = open_raster(tmp_path / "maps.tif")
    assert [str(name) for name in maps["band_name"].values][:2] == ["hs_rmse", "hs_sam"]
    found = json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)
    assert len(found["hs"]["band_rmse"]) == len(found["band_d_s"]) == 12
    assert found["findings"][1]["quality"] == "poor"


def test_a_scene_smaller_than_a_window_has_no_index_and_says_so(made, observed):
    """Consistency needs no window."""
    fused = open_raster(made / "guided.tif").isel(y=slice(40, 60), x=slice(40, 60))
    found = assess_fused(fused, observed)[0]
    assert found.windows == 0
    assert np.isnan(found.hqnr)
    assert [finding.quality for finding in found.findings[2:]] == ["unknown", "unknown"]
    assert found.hs.pixels > 0
