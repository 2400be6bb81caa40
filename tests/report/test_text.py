"""Plan, summary, record and picture of a run."""

import json
import shlex
from dataclasses import fields, replace
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rasterio
from hsfuse.cli.main import main
from matplotlib.image import imread
from rasterio.transform import from_origin

from hsfuse.core.grid import Span
from hsfuse.core.psf import PSF
from hsfuse.core.text import byte_size, duration, percent
from hsfuse.errors import OutputError
from hsfuse.fusion.duration import Duration
from hsfuse.fusion.job import Job, Outcome
from hsfuse.fusion.run import execute, prepare
from hsfuse.fusion.settings import Settings
from hsfuse.io.output.records import record_path
from hsfuse.io.read import open_raster
from hsfuse.io.write import write_raster
from hsfuse.pair.lattice import lattice_offset
from hsfuse.pair.notes import SHIFT_NOTE
from hsfuse.report.cost import report_cost
from hsfuse.report.files import write_report, write_sidecar
from hsfuse.report.quicklook import _detail, _dissimilar_pixels
from hsfuse.report.record import outcome_as_dict, plan_as_dict, repeat_command
from hsfuse.report.text import describe_plan, describe_raster, summarise
from hsfuse.report.wording import describe_psf
from hsfuse.synthetic.sample import write_sample


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("run")
    made = write_sample(
        folder,
        hs_sensor="generic-vnir",
        rgb_sensor="sentinel-2a:B2,B3,B4",
        size=(20, 30),
        ratio=3,
    )
    settings = Settings(
        method="bicubic", hs_sensor="generic-vnir", tile=32, creation_options={"COMPRESS": "NONE"}
    )
    return execute(prepare(made.scene, made.rgb, folder / "out.tif", settings))


def lines(text: str) -> dict[str, str]:
    return {line[:16].strip(): line[16:] for line in text.splitlines()}


def test_the_plan_tells_every_decision(outcome: Outcome):
    plan = lines(describe_plan(outcome.job))
    assert "20 rows x 30 columns, 61 bands, 400 to 1000 nm" in plan["HS image"]
    assert "EPSG:32633" in plan["MS image"]
    assert "ratio 3 MS pixels per HS pixel" in plan["grid"]
    assert describe_psf(outcome.job.plan.pair.psf) in plan["PSF"]
    assert plan["method"] == "bicubic"
    assert "of 32 rows x 32 columns" in plan["tiles"]
    assert "before compression" in plan["output"]
    report = report_cost(outcome.job)
    assert report.memory_bytes > outcome.job.memory_bytes
    assert plan["memory"] == f"about {byte_size(report.memory_bytes)}, while the report is made"
    alone = lines(describe_plan(outcome.job, files="none"))["memory"]
    assert alone == f"about {byte_size(outcome.job.memory_bytes)}"


def test_the_plan_states_one_size_of_the_output(outcome: Outcome):
    """That of the output itself: an estimated shift may change the overlap of the files."""
    _, rows, columns = outcome.job.plan.shape
    plan = lines(describe_plan(outcome.job))
    assert f"{rows} rows x {columns} columns" in plan["output"]
    assert "rows" not in plan["grid"]


@pytest.mark.parametrize("used", ["given", "specification", "assumed", "estimated from the pair"])
def test_the_plan_states_which_psf_is_used_and_why_an_estimate_is_not(used: Any):
    """Of two widths one is used, and the other is named as not used."""
    width = (1.4, 1.2)
    estimate = PSF((1.5, 1.3), "estimated from the pair", standard_error=(0.01, 0.02))
    own = estimate if used == estimate.status else PSF(width, used)
    text = describe_psf(own, estimate)
    assert text.startswith(f"Gaussian, {own.describe()}, ")
    assert describe_psf(own) in text
    if own is estimate:
        assert "not used" not in text
    else:
        assert f"the estimate from the pair, {estimate.describe()}, is not used: " in text


def test_an_output_that_is_smaller_than_the_ms_image_is_told(outcome: Outcome, tmp_path: Path):
    """In plan, summary and record; one of the whole MS image needs no line."""
    folder = outcome.path.parent
    scene = open_raster(folder / "scene.tif").isel(y=slice(0, 15))
    write_raster(scene, tmp_path / "part.tif")
    settings = replace(outcome.job.settings, align=False)
    part = execute(prepare(tmp_path / "part.tif", folder / "rgb.tif", None, settings))
    rows, columns = open_raster(folder / "rgb.tif").shape[1:]
    share = 1 - part.job.plan.shape[1] * part.job.plan.shape[2] / (rows * columns)
    assert share > 0.2
    for text in (lines(describe_plan(part.job)), lines(summarise(part))):
        assert f"({rows} rows x {columns} columns)" in text["extent"]
        assert f"{share:.1%} of its pixels lie outside" in text["extent"]
    assert "cut to the part that the HS image covers" in lines(describe_plan(part.job))["grid"]
    grid: Any = plan_as_dict(part.job)["grid"]
    assert grid["ms_size"] == {"y": rows, "x": columns}
    inside = replace(settings, bbox=tuple(part.job.plan.pair.rgb.rio.bounds()))
    whole = prepare(tmp_path / "part.tif", folder / "rgb.tif", tmp_path / "b.tif", inside)
    assert "extent" not in lines(describe_plan(whole))


def test_a_pixel_size_without_a_crs_is_in_map_units(tmp_path: Path):
    file = tmp_path / "plain.tif"
    profile = {"driver": "GTiff", "width": 8, "height": 8, "count": 2, "dtype": "float32"}
    with rasterio.open(file, "w", **profile, transform=from_origin(5, 9, 2, 2)) as raster:
        raster.write(np.ones((2, 8, 8), np.float32))
    found = lines(describe_raster(open_raster(file)))
    assert found["pixel"] == "2 map units"
    assert found["CRS"].startswith("none stated, so the unit")


def test_every_note_is_a_line_of_the_plan(outcome: Outcome):
    plan = replace(outcome.job.plan, notes=("first thing", "second thing"))
    text = describe_plan(replace(outcome.job, plan=plan))
    assert text.endswith("note            first thing\nnote            second thing")


def test_the_summary_has_both_consistency_errors(outcome: Outcome):
    summary = lines(summarise(outcome))
    assert f"{outcome.spatial.rmse:.4g}" in summary["HS consistency"]
    assert f"{outcome.spectral.relative:.2%}" in summary["MS consistency"]
    assert summary["no data"] == "none"
    assert "clipped" not in summary
    assert "3 values" in lines(summarise(replace(outcome, clipped=3)))["clipped"]


def test_a_figure_of_consistency_and_a_path_stand_once(outcome: Outcome):
    """With a report the quality in words has the figures; the record has the words."""
    paths = write_report(outcome)
    text = summarise(outcome, paths)
    record = json.loads(Path(paths.sidecar).read_text())["result"]
    assert [found["text"] for found in record["quality"]] == [f.text for f in paths.findings]
    assert len(paths.findings) == 4
    assert all(text.count(found.text) == 1 for found in paths.findings)
    for part in (outcome.spatial, outcome.spectral):
        assert text.count(f"RMSE {part.rmse:.4g}") == 1
    assert text.count(str(outcome.path.parent)) == 1
    for path in (paths.page, paths.quicklook, paths.sidecar):
        assert path is not None
        assert path.name in lines(text)["beside it"]


@pytest.mark.parametrize("blocks", [1, 2])
def test_rmse_and_per_cent_are_over_the_same_bands_and_pixels(outcome: Outcome, blocks: int):
    """Both of the run, and the same words without a report; of two blocks, not all HS pixels."""
    found = replace(outcome, blocks=blocks)
    paths = write_report(found)
    page = unescape(Path(paths.page or "").read_text())
    after, plain = lines(summarise(found, paths)), lines(summarise(found))
    for name, part in (("HS", outcome.spatial), ("MS", outcome.spectral)):
        figures = plain[f"{name} consistency"].partition(":")[0]
        assert figures.startswith(f"RMSE {part.rmse:.4g}")
        assert f"{percent(part.relative)} of the root mean square of the image, over all" in figures
        if name == "HS":  # the words are of all HS pixels, which are more than these
            assert after["HS consistency"].endswith(f"; {figures}")
        else:  # the words have this share already
            assert after["MS consistency"].endswith(f"; {figures.partition(', ')[0]}")
            assert after["MS consistency"].count(percent(part.relative)) == 1
        assert figures in page
        assert ("within one of the 2 tiles" in figures) == (name == "HS" and blocks == 2)
    assert "over the whole raster" not in page


@pytest.mark.parametrize("name", ["out.tif", "out.dat", "out.nc", "out.zarr"])
def test_every_file_beside_an_output_is_told(outcome: Outcome, tmp_path: Path, name: str):
    """Also without a report; a style that the user made is none of them."""
    folder = outcome.path.parent
    settings = replace(outcome.job.settings, align=False, creation_options={})
    done = execute(prepare(folder / "scene.tif", folder / "rgb.tif", tmp_path / name, settings))
    for report in (False, True):
        paths = write_report(done, page=False) if report else None
        told = lines(summarise(done, paths)).get("beside it", "")
        assert {word for word in told.replace(",", " ").split() if word.startswith("out")} == {
            file.name for file in tmp_path.iterdir() if file.name != name
        }
    if (style := tmp_path / "out.qml").exists():
        style.write_text("<qgis/>")
        assert style.name not in summarise(done)


def test_a_corrected_shift_stands_once_in_the_plan(outcome: Outcome):
    """The note on it is part of the line of the co-registration."""
    note = f"{SHIFT_NOTE}: 0.5 HS pixels up, corrected in the output grid; the file is untouched"
    plan = replace(outcome.job.plan, notes=("first thing", note))
    text = describe_plan(replace(outcome.job, plan=plan))
    assert text.count("0.5 HS pixels up") == 1
    if outcome.job.plan.alignment is not None and outcome.job.plan.alignment.reliable:
        assert note.partition(": ")[2] in lines(text)["co-registration"]


def test_the_plan_says_what_its_time_covers(outcome: Outcome):
    """Planning is done; the report follows the run, if there is one."""
    job = replace(outcome.job, seconds=12.0, expected=Duration(2.0, 30.0, 8.0), pace=2.0)
    report = duration(report_cost(job).seconds)
    assert lines(describe_plan(job))["time"] == (
        f"12 s planning (done), then about 40 s fusing and writing, about {report} report on this "
        "machine"
    )
    assert lines(describe_plan(job, files="none"))["time"] == (
        "12 s planning (done), then about 40 s fusing and writing on this machine"
    )
    assert lines(describe_plan(replace(job, expected=None)))["time"] == (
        "12 s planning (done); the time of fusing and writing is not estimated for an output "
        f"this small; about {report} report"
    )


def test_the_cost_of_a_report_grows_with_what_it_holds(outcome: Outcome):
    """A picture costs less than a page, a slow machine takes longer, no report costs nothing."""
    job = replace(outcome.job, pace=1.0)
    assert report_cost(job, "none") == (0, 0)
    page, picture = report_cost(job), report_cost(job, "picture")
    assert all(less < more for less, more in zip(picture, page, strict=True))
    slow = report_cost(replace(job, pace=3.0))
    assert slow == (pytest.approx(3 * page.seconds), page.memory_bytes)


@pytest.mark.parametrize(("bands", "peak"), [(15, 1.43e9), (24, 0.90e9), (160, 1.23e9)])
def test_the_memory_of_a_report_is_near_what_was_measured(bands: int, peak: float):
    """Of 2048 x 2048 pixels: 15 bands are held in memory, more are read by tiles."""
    job = SimpleNamespace(pace=1.0, plan=SimpleNamespace(shape=(bands, 2048, 2048)))
    assert report_cost(job).memory_bytes == pytest.approx(peak, rel=0.25)  # type: ignore[arg-type]


def test_the_record_holds_what_repeats_the_run(outcome: Outcome):
    record = json.loads(write_sidecar(outcome).read_text())
    words = shlex.split(record["command"])
    assert words[:2] == ["hsfuse", "run"]
    assert Path(words[2]).is_absolute()
    for option in ("--method", "--hs-sensor", "--tile", "--co"):
        assert option in words
    assert "--dtype" not in words, "what is at its default is left out"
    assert record["digest"] == outcome.job.plan.digest
    assert len(record["scene"]["file"]["sha256_first_mib"]) == 64
    assert {"hsfuse", "torch", "gdal", "python"} <= set(record["versions"])
    assert record["result"]["spatial"]["rmse"] == pytest.approx(outcome.spatial.rmse)
    response = record["response"]["matrix"]
    assert len(response) == 3
    assert sum(response[0]) == pytest.approx(1, abs=1e-6)


def test_the_command_of_the_record_is_the_run(outcome: Outcome):
    """What the command line reads from it is what was asked for."""
    words = shlex.split(repeat_command(outcome.job))[2:]
    context = main.commands["run"].make_context("run", words)
    chosen = {key: context.params[key] for key in (field.name for field in fields(Settings))}
    assert Settings(**chosen) == outcome.job.settings


def test_nan_is_null_in_the_record(outcome: Outcome):
    facts = outcome_as_dict(replace(outcome, seconds=float("nan")))
    assert facts["result"]["seconds"] is None


def test_a_plan_is_json(outcome: Outcome):
    json.dumps(plan_as_dict(outcome.job), allow_nan=False)


@pytest.mark.slow
def test_the_picture_shows_something(outcome: Outcome):
    paths = write_report(outcome)
    picture = imread(paths.quicklook)
    assert picture.shape[1] == pytest.approx(1386, abs=2)
    assert picture.std() > 0.1


def test_spectra_are_compared_as_the_hs_sensor_sees_the_output(outcome: Outcome, tmp_path: Path):
    """Of the truth the PSF leaves the HS image and its noise; dots lie whole in the picture."""
    plan = outcome.job.plan
    truth = open_raster(Path(str(outcome.job.scene)).parent / "truth.tif")
    row, column = lattice_offset(truth, plan.pair.rgb, "truth and output")
    cut = truth.isel(y=slice(row, row + 60), x=slice(column, column + 90))
    detail = _detail(plan, write_raster(cut, tmp_path / "cut.tif"), Span(2, 50), Span(10, 70))
    known = np.isfinite(detail.degraded).all(axis=0)
    assert known.sum() > 100
    assert detail.degraded.shape == detail.hs.shape
    difference = (detail.degraded - detail.hs)[:, known]
    assert np.sqrt((difference**2).mean()) < 0.03 * np.sqrt((detail.hs[:, known] ** 2).mean())
    pixels = _dissimilar_pixels(plan, detail)
    assert len(pixels) == 3
    for _, _, fine_row, fine_column in pixels:
        assert 1 < fine_row < 46
        assert 1 < fine_column < 58


def test_a_report_that_cannot_be_written_spares_the_output(outcome: Outcome, tmp_path: Path):
    elsewhere = replace(outcome, path=tmp_path / "out.tif")
    elsewhere.path.write_bytes(b"raster")
    record_path(elsewhere.path).mkdir()  # a folder where the record would be
    with pytest.raises(OutputError, match="the output is complete"):
        write_sidecar(elsewhere)


def test_a_file_that_hsfuse_did_not_write_is_not_replaced(outcome: Outcome, tmp_path: Path):
    """A record of an earlier run is."""
    elsewhere = replace(outcome, path=tmp_path / "out.tif")
    elsewhere.path.write_bytes(b"raster")
    path = record_path(elsewhere.path)
    path.write_text('{"notes": "mine"}')
    with pytest.raises(OutputError, match=r"out\.tif\.json: exists and was not written by hsfuse"):
        write_sidecar(elsewhere)
    assert path.read_text() == '{"notes": "mine"}'
    path.unlink()
    written = write_sidecar(elsewhere).read_text()
    path.write_text(f"{written}\n\n")
    assert not write_sidecar(elsewhere).read_text().endswith("\n\n")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("georeferenced", [True, False])
@pytest.mark.slow
def test_a_pair_without_a_place_has_a_plan(tmp_path: Path, georeferenced: bool):
    draw = np.random.default_rng(0)
    for name, bands, side, pixel in (("scene", 8, 8, 4), ("rgb", 3, 32, 1)):
        place = {"crs": "EPSG:32633", "transform": from_origin(0, 32, pixel, pixel)}
        with rasterio.open(
            tmp_path / f"{name}.tif", "w", driver="GTiff", dtype="float32", count=bands,
            width=side, height=side, **(place if georeferenced else {}),
        ) as dataset:  # fmt: skip
            dataset.write(draw.uniform(0.1, 1, (bands, side, side)).astype(np.float32))
    job: Job = prepare(
        tmp_path / "scene.tif",
        tmp_path / "rgb.tif",
        tmp_path / "out.zarr",
        Settings(method="bicubic"),
    )
    text = describe_plan(job)
    assert ("not georeferenced" in text) is not georeferenced
    assert plan_as_dict(job)["grid"]["crs"] == ("EPSG:32633" if georeferenced else None)
    assert write_report(execute(job)).quicklook.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("few_features")
def test_the_standard_error_of_a_run_is_mapped(tmp_path: Path, component_weights: str):
    """In the quicklook, and on the page with its values beside the spectra."""
    made = write_sample(
        tmp_path,
        hs_sensor="generic-vnir",
        rgb_sensor="sentinel-2a:B2,B3,B4",
        size=(16, 16),
        ratio=3,
    )
    settings = Settings(weights=component_weights, uncertainty=True, align=False)
    found = execute(prepare(made.scene, made.rgb, tmp_path / "out.zarr", settings))
    paths = write_report(found)
    text = paths.page.read_text()
    assert 'id="map-standard_error"' in text
    assert "median standard error" in text
    assert imread(paths.quicklook).std() > 0.1
