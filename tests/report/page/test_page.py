"""The page of a report: embedded values, what it refers to, what it costs in bytes."""

import base64
import json
import re
import shutil
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from hsfuse.cli.main import main
from numpy.testing import assert_allclose, assert_array_equal

import hsfuse
from hsfuse.assessment.observation import survey_observed
from hsfuse.core.grid import Span
from hsfuse.errors import OutputError, RasterError
from hsfuse.fusion.job import Outcome
from hsfuse.io.names import STANDARD_ERROR
from hsfuse.io.output.records import record_path
from hsfuse.io.read import open_raster
from hsfuse.io.write import write_raster
from hsfuse.report.files import page_path, write_page
from hsfuse.report.page import data, pictures, pixels, render_page, sampling
from hsfuse.report.page.document import _run, _sentence
from hsfuse.report.page.facts import ms_band_rows, pair_facts, run_facts
from hsfuse.report.page.packing import largest_error, pack_cube
from hsfuse.report.page.pixels import read_pixels
from hsfuse.report.page.sampling import choose_pixels
from hsfuse.report.page.subject import Subject, file_subject, outcome_subject

Cube = np.ndarray


@pytest.fixture(scope="module")
def subject(outcome: Outcome) -> Subject:
    return outcome_subject(outcome)


@pytest.fixture(scope="module")
def page(subject: Subject) -> str:
    return render_page(subject).text


def test_a_sentence_leaves_the_name_of_a_file():
    """At its beginning; other sentences begin with a capital."""
    for text, sentence in (
        ("scene.tif names no sensor", "scene.tif names no sensor"),
        ("5 bands are bad", "5 bands are bad"),
        ("co-registration: no shift", "Co-registration: no shift"),
        ("good.", "Good."),
    ):
        assert _sentence(text) == sentence


def test_the_plan_hands_over_what_another_survey_would_find(subject: Subject):
    """Noise and synthesised bands, so that the page surveys the pair no second time."""
    observed = subject.observed
    again = survey_observed(observed.pair, observed.radiometry)
    assert_array_equal(observed.noise, again.noise)
    assert_array_equal(observed.synthesis.weights, again.synthesis.weights)
    assert_array_equal(observed.synthesis.offset, again.synthesis.offset)


def unpacked(packed: dict) -> Cube:
    """Return the values of a packed cube as cube.js does."""
    content = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), np.uint8)
    low, high = content.reshape(2, -1).astype(np.uint16)
    numbers = np.cumsum((low + 256 * high).reshape(packed["shape"]), axis=0, dtype=np.uint16)
    step, offset = (np.array(packed[name])[:, None, None] for name in ("step", "offset"))
    return np.where(numbers == 65535, np.nan, offset + step * numbers)


def embedded(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found[1])


def test_a_packed_cube_holds_its_values_to_half_a_step():
    """With missing values, constant bands and bands of very different ranges."""
    draw = np.random.default_rng(0)
    cube = draw.normal(size=(5, 7, 6)).astype(np.float32) * [[[1e-4]], [[1]], [[1e6]], [[0]], [[2]]]
    cube[1, 2, 3] = cube[4] = np.nan
    packed = pack_cube(cube.astype(np.float32))
    found = unpacked(packed._asdict())
    assert_array_equal(np.isnan(found), np.isnan(cube))
    error = np.nan_to_num(np.abs(found - cube)).max(axis=(1, 2))
    assert (error <= np.array(packed.step) / 2 * 1.01 + 1e-12).all()
    assert largest_error(packed) == max(packed.step) / 2


def test_stored_integers_are_embedded_as_they_are():
    """Of a raster of integers with a scale nothing is rounded."""
    numbers = np.random.default_rng(0).integers(-300, 9000, (4, 6, 5))
    cube = (numbers * 1e-4).astype(np.float32)
    packed = pack_cube(cube, 1e-4)
    assert_allclose(unpacked(packed._asdict()), cube, atol=1e-7)
    assert largest_error(packed, 1e-4) == 0


@pytest.mark.parametrize(("shape", "most"), [((9, 6), 6), ((40, 3), 50), ((500, 700), 1000)])
def test_sampled_pixels_are_few_and_within_the_window(shape: tuple[int, int], most: int):
    window = Span(5, 5 + shape[0]), Span(2, 2 + shape[1])
    found = choose_pixels(window, 10, most)
    for indexes, span in zip(found[:2], window, strict=True):
        assert span.start <= indexes[0] <= indexes[-1] < span.stop
        assert (np.diff(indexes) == found.step).all()
    assert found.rows.size * found.columns.size <= 2 * most


def test_of_a_large_raster_few_tiles_are_read():
    """All sampled pixels lie in so many tiles that these hold the values that may be read."""
    found = choose_pixels(
        (Span(0, 20_000), Span(0, 30_000)), 200, 4000, most_read=200 * 6 * pixels.TILE**2
    )
    tiles = [len(set(indexes // pixels.TILE)) for indexes in found[:2]]
    assert tiles == list(found.parts)
    assert np.prod(tiles) <= 6
    assert found.rows.size * found.columns.size <= 2 * 4000


def test_pixels_are_read_as_they_are(monkeypatch: pytest.MonkeyPatch):
    """Across the edges of tiles and groups of bands, for any rows and columns."""
    monkeypatch.setattr(pixels, "TILE", 4)
    monkeypatch.setattr(pixels, "_PIECE", 20)
    values = np.random.default_rng(0).normal(size=(5, 11, 9)).astype(np.float32)
    raster = xr.DataArray(values, dims=("band", "y", "x")).chunk()
    rows, columns = np.array([0, 3, 4, 9]), np.array([2, 8])
    assert_array_equal(read_pixels(raster, rows, columns), values[:, rows][:, :, columns])


def test_embedded_spectra_are_those_of_the_rasters(outcome: Outcome, page: str):
    """Fused, HS and scaled MS spectra equal the files' values at the stated pixels."""
    content = embedded(page)
    (region,) = content["regions"]
    rows, columns = region["rows"], region["columns"]
    fused = open_raster(outcome.path).values
    assert_allclose(unpacked(region["fused"]), fused[:, rows][:, :, columns], atol=1e-6)
    plan = outcome.job.plan
    geometry, radiometry = plan.pair.geometry, plan.radiometry
    hs_row = np.floor((np.array(rows) + 0.5 - geometry.y.origin) / geometry.y.ratio).astype(int)
    hs_column = np.floor((np.array(columns) + 0.5 - geometry.x.origin) / geometry.x.ratio)
    under = plan.pair.hs.values[:, hs_row][:, :, hs_column.astype(int)]
    hs = unpacked(region["hs"])[:, region["hsRow"]][:, :, region["hsColumn"]]
    assert_allclose(hs, under, atol=1e-5)
    ms = plan.pair.rgb.values[:, rows][:, :, columns]
    gain, offset = (each[:, None, None] for each in (radiometry.gain, radiometry.offset))
    assert_allclose(unpacked(region["ms"]) * gain + offset, ms, atol=1e-4)


def test_the_fused_image_as_the_hs_sensor_sees_it_is_embedded(page: str):
    """Away from the edge it is near to the HS image, which bicubic interpolation keeps."""
    (region,) = embedded(page)["regions"]
    hs, degraded = unpacked(region["hs"]), unpacked(region["degraded"])
    inner = np.s_[:, 4:-4, 4:-4]
    assert np.isfinite(degraded[inner]).all()
    assert np.abs(degraded - hs)[inner].mean() < 0.2 * hs[inner].mean()


class _Links(HTMLParser):
    """Collects what a page refers to, and the elements that need a name."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.links += [known[name] or "" for name in ("href", "src", "srcset") if name in known]
        if tag == "img":
            self.images.append(known)


def test_a_page_refers_to_nothing_outside_itself(page: str):
    found = _Links()
    found.feed(page)
    assert found.links
    assert all(link.startswith(("#", "data:")) for link in found.links)
    assert "default-src 'none'" in page
    assert not re.search(r"^\s*(import|export)\s", page, re.MULTILINE), "modules are joined"
    assert len(found.images) == 3
    assert all(image["alt"] for image in found.images)


def test_text_of_files_is_no_markup(subject: Subject):
    """Names, notes and units that hold markup are shown as text."""
    bad = '</script><img src=x onerror="alert(1)">'
    pair = subject.observed.pair
    hs = pair.hs.assign_attrs(units=bad).assign_coords(
        band_name=("band", np.array([bad] * pair.hs.sizes["band"], dtype=np.dtypes.StringDType()))
    )
    odd = replace(
        subject,
        path=subject.path.with_name(f"{bad.replace('/', '')}.tif"),
        observed=replace(subject.observed, pair=replace(pair, hs=hs)),
        record={**subject.record, "notes": [bad], "command": bad},
    )
    text = render_page(odd).text
    assert "<img src=x" not in text
    assert text.count("</script>") == 2
    assert embedded(text)["bands"]["names"][0].startswith(f"band 1 ({bad}")


def test_quality_facts_and_command_are_on_the_page(outcome: Outcome, page: str):
    record = json.loads(page_path(outcome.path).with_suffix(".json").read_text())
    for text in ("hsfuse run ", "HQNR", "Gaussian, FWHM", "bicubic", "Spectral angle", "SRF"):
        assert text in page
    assert record["digest"] in page
    assert f"<code>hsfuse view {outcome.path.absolute()}</code>" in page
    assert "The pictures have every pixel" in page


@pytest.mark.parametrize(
    ("lower", "words"), [(0.0, "below 0 and"), (-0.1, "the smallest HS value")]
)
def test_limited_values_and_warnings_come_before_the_notes(
    subject: Subject, lower: float, words: str
):
    """As in the summary; the warnings marked."""
    record = {
        **subject.record,
        "lower_limit": [0.0, lower, None],
        "notes": ["a choice, try `--bands` < 3"],
        "response": {"warning": "of an estimate"},
        "result": {**subject.record["result"], "limited_share": 0.016, "clipped_values": 3},
    }
    text = _run(replace(subject, record=record))
    assert "<dt>value range</dt><dd>1.6% of the fused values were below" in text
    assert words in text
    marked = [text.index(f"<strong>Warning:</strong> {each}") for each in ("of an", "3 values")]
    assert max(marked) < text.index("<li>A choice, try <code>--bands</code> &lt; 3</li>")
    result = {**record["result"], "limited_share": 0.0}
    assert "value range" not in _run(replace(subject, record={**record, "result": result}))


def test_page_and_record_say_when_the_output_was_complete(outcome: Outcome):
    """Not when each of them was written."""
    done = replace(outcome, finished=datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC))
    facts = dict(run_facts(outcome_subject(done)))
    assert facts["finished"] == "2020-02-03T04:05:06+00:00"


def test_shift_and_ms_bands_are_named_as_in_the_plan(subject: Subject):
    """No number with a sign and digits that its standard error does not support."""
    shift = {"reliable": True, "shift": [1e-5, -0.25], "shift_error": [1e-4, 2e-4], "changed": 0.0}
    facts = dict(pair_facts(replace(subject, record={**subject.record, "alignment": shift})))
    assert facts["co-registration"].startswith(
        "estimated shift of the HS image: 0.25 HS pixels left (standard error below 0.0005"
    )
    assert ms_band_rows(subject)[0][:2] == ("band 1 (B2, 493 nm)", "492.7 nm")


def test_a_large_image_is_reduced_with_a_detail(subject: Subject, monkeypatch: pytest.MonkeyPatch):
    """Pictures of the whole are reduced; the framed window has every pixel and its spectra."""
    monkeypatch.setattr(pictures, "_SETTINGS", replace(pictures._SETTINGS, longest=20, detail=12))
    content = data.page_data(subject).content
    left, top, right, bottom = content["detail"]
    assert right - left == bottom - top == 12
    whole, detail = content["regions"]
    assert detail["window"] == content["detail"]
    assert detail["rows"] == list(range(top, bottom))
    for layer in content["layers"][:3]:
        extents = [picture["extent"] for picture in layer["pictures"]]
        if layer["name"] != "HS image":
            assert content["detail"] in extents
        assert extents[0][0] <= 0 < extents[0][2]
    fused = open_raster(subject.path).values
    expected = fused[:, whole["rows"]][:, :, whole["columns"]]
    assert_allclose(unpacked(whole["fused"]), expected, atol=1e-6)


def test_spectra_and_pictures_are_thinned_to_their_bounds(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
):
    """What remains are still values of the rasters at the stated pixels."""
    monkeypatch.setattr(data, "_WHOLE", 20_000)
    monkeypatch.setattr(data, "_CHARACTERS", 0.05)  # so that the first attempt is too large
    monkeypatch.setattr(
        pictures, "_SETTINGS", replace(pictures._SETTINGS, most_bytes=3000, detail=8)
    )
    content = data.page_data(subject).content
    (region,) = content["regions"]
    size = sum(len(region[name]["data"]) for name in ("fused", "hs", "degraded", "ms"))
    assert size <= 20_000
    fused = open_raster(subject.path).values
    expected = fused[:, region["rows"]][:, :, region["columns"]]
    assert_allclose(unpacked(region["fused"]), expected, atol=1e-6)
    sources = [
        picture["source"] for layer in content["layers"][:3] for picture in layer["pictures"]
    ]
    assert sum(map(len, sources)) <= 3000 * 4 / 3 + 40 * len(sources)


def test_a_raster_that_is_not_held_is_read_in_parts(
    outcome: Outcome, monkeypatch: pytest.MonkeyPatch
):
    """The embedded values are the same; the page says which part was compared."""
    monkeypatch.setattr("hsfuse.report.page.subject.HELD_VALUES", 0)
    monkeypatch.setattr("hsfuse.report.page.quality._MOST_VALUES", 1)
    monkeypatch.setattr(sampling, "TILE", 16)
    monkeypatch.setattr(
        sampling,
        "_SETTINGS",
        replace(sampling._SETTINGS, most_read=61 * 16**2 * 4, most_degraded=0),
    )
    subject = outcome_subject(outcome)
    assert not subject.held
    found = data.page_data(subject)
    (region,) = found.content["regions"]
    fused = open_raster(outcome.path).values
    expected = fused[:, region["rows"]][:, :, region["columns"]]
    assert_allclose(unpacked(region["fused"]), expected, atol=1e-6)
    assert "degraded" not in region
    assert "2 x 2 areas of the image" in found.spectra_note


def test_a_raster_of_another_program_has_a_report(outcome: Outcome, tmp_path: Path):
    """Its images are named; without a record PSF, response and shift are estimated."""
    made = outcome.job
    fused = open_raster(outcome.path)
    error = xr.DataArray(
        np.linspace(0.01, 0.02, fused[0].size, dtype=np.float32).reshape(fused[0].shape),
        dims=("y", "x"),
    )
    other = write_raster(fused.assign_coords({STANDARD_ERROR: error}), tmp_path / "other.zarr")
    with pytest.raises(RasterError, match="expected the HS image and the MS image"):
        file_subject(other)
    path = hsfuse.write_html_report(other, made.scene, made.rgb, align=False)
    text = path.read_text()
    assert path == tmp_path / "other.zarr.html"
    assert "estimated from the pair" in text
    assert "no record of hsfuse" in text
    (region,) = embedded(text)["regions"]
    expected = error.values[region["rows"]][:, region["columns"]]
    assert_allclose(unpacked(region["error"])[0], expected, atol=1e-6)
    assert 'id="map-standard_error"' in text
    with pytest.raises(OutputError, match="exists already"):
        hsfuse.write_html_report(other, made.scene, made.rgb)


def test_the_command_takes_the_images_from_the_record(outcome: Outcome, tmp_path: Path):
    """It writes the page beside the output, and refuses to replace it unasked."""
    runner = CliRunner()
    out = tmp_path / "page.html"
    words = ["report", str(outcome.path), "-o", str(out)]
    found = runner.invoke(main, words)
    assert found.exit_code == 0, found.output
    assert found.output.endswith(f"report          {out}\n")
    assert "hsfuse run " in out.read_text()
    facts = runner.invoke(main, [*words, "--overwrite", "--json"])
    assert json.loads(facts.stdout) == {"report": str(out)}
    again = runner.invoke(main, words)
    assert again.exit_code == 1
    assert "exists already; pass `--overwrite`" in again.output


def test_the_images_of_a_record_are_found_from_another_folder(
    outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Also where the command named them from the folder in which it ran."""
    fused = Path(shutil.copy(outcome.path, tmp_path))
    record = json.loads(record_path(outcome.path).read_bytes())
    for role in ("scene", "rgb"):
        record[role]["path"] = Path(record[role]["path"]).name
    record_path(fused).write_text(json.dumps(record))
    monkeypatch.chdir(tmp_path)
    found = file_subject(fused)
    assert found.record["digest"] == record["digest"]
    assert found.observed.pair.rgb.attrs["source"] == str(outcome.job.rgb.absolute())


@pytest.mark.slow
def test_a_run_can_leave_the_page_out(outcome: Outcome, tmp_path: Path):
    """Record and quicklook are written; by default the page is too (tests/cli/test_run.py)."""
    scene, rgb, out = str(outcome.job.scene), str(outcome.job.rgb), tmp_path / "out.tif"
    words = ["run", scene, rgb, "-o", str(out), "--method", "bicubic", "--no-align", "--no-page"]
    found = CliRunner().invoke(main, words)
    assert found.exit_code == 0, found.output
    assert not page_path(out).exists()
    assert record_path(out).exists()
    assert "\nreport " not in found.output


def test_a_page_that_cannot_be_written_spares_the_output(outcome: Outcome, tmp_path: Path):
    elsewhere = replace(outcome, path=tmp_path / "out.tif")
    elsewhere.path.write_bytes(outcome.path.read_bytes())
    page_path(elsewhere.path).mkdir()  # a folder where the page would be
    with pytest.raises(OutputError, match="the output is complete"):
        write_page(elsewhere)
