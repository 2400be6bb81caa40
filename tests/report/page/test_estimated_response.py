"""What a user sees of a run whose MS image is a photograph of an unknown camera."""

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import rasterio
from processes import InProcess

import hsfuse
from hsfuse.batch.run import plan_batch, prepare_batch
from hsfuse.batch.text import summarise_plans
from hsfuse.fusion.job import Outcome
from hsfuse.fusion.settings import Settings
from hsfuse.report.files import write_sidecar
from hsfuse.report.page import render_page
from hsfuse.report.page.charts import srf_chart
from hsfuse.report.page.facts import ms_band_rows
from hsfuse.report.page.pictures import draw_pictures
from hsfuse.report.page.subject import Subject, file_subject, outcome_subject
from hsfuse.report.srf_curves import ms_centres
from hsfuse.report.text import describe_plan, summarise
from hsfuse.report.wording import describe_srf, half_peak_bands
from hsfuse.synthetic.sample import write_sample
from tests.helpers.raster_files import write_tiff


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Return a run with an RGB image of bytes with a tone curve, which states colours alone."""
    folder = tmp_path_factory.mktemp("photograph")
    made = write_sample(
        folder,
        hs_sensor="generic-vnir",
        rgb_sensor="sentinel-2a:B2,B3,B4",
        size=(24, 20),
        ratio=3,
    )
    with rasterio.open(made.rgb) as source:
        linear, place = source.read([3, 2, 1]).astype(np.float64), source.transform
        crs = source.crs
    level = linear / linear.max(axis=(1, 2), keepdims=True)
    stored = np.round(10 + 240 * np.clip(level, 0, 1) ** (1 / 2.2)).astype(np.uint8)
    photograph = write_tiff(
        folder / "photograph.tif", stored, transform=place, crs=crs, photometric="RGB"
    )
    found = hsfuse.run(made.scene, photograph, folder / "out.tif", method="bicubic", align=False)
    write_sidecar(found)
    return found


def test_plan_summary_record_and_page_carry_the_warning(outcome: Outcome) -> None:
    warning = outcome.job.plan.radiometry.warning
    assert (
        "band 1 (red), band 2 (green), band 3 (blue) follow the HS image along a curve" in warning
    )
    plan = describe_plan(outcome.job)
    assert f"warning         {warning}" in plan
    assert "weights of the HS bands that predict the MS bands" in plan
    assert "warning         the spectral response of the MS image is not stated" in summarise(
        outcome
    )
    record = json.loads((outcome.path.parent / f"{outcome.path.name}.json").read_text())
    assert record["response"]["warning"] == warning
    assert len(record["response"]["estimate"]["centre"]) == 3
    text = render_page(outcome_subject(outcome)).text
    visible = unescape(re.sub("</?code>", "`", text))
    assert visible.count(warning) == 1
    assert '<a href="#warnings">' in text
    assert '<h3 id="warnings">Warnings and notes</h3>' in text


def test_a_report_without_a_record_has_the_warning_of_its_own_estimate(outcome: Outcome) -> None:
    """Once, and the pair of another program's output is said to be estimated."""
    subject = replace(outcome_subject(outcome), record={})
    text = unescape(re.sub("</?code>", "`", render_page(subject).text))
    assert text.count(outcome.job.plan.radiometry.warning) == 1


def test_an_estimated_response_states_its_extent(outcome: Outcome) -> None:
    """The HS bands of half its peak hold the peak, which a centre of mass may not."""
    subject = outcome_subject(outcome)
    estimate = subject.observed.radiometry.estimate
    assert estimate is not None
    broad = np.r_[np.linspace(0.9, 1, 5), np.linspace(1, 0, len(estimate.response[0]) - 5)]
    skewed = replace(estimate, response=np.tile(broad / broad.sum(), (3, 1)))
    radiometry = replace(subject.observed.radiometry, estimate=skewed)
    pair = subject.observed.pair
    for text in half_peak_bands(pair, radiometry):
        last = int(re.match(r"bands 1 to (\d+) \(", text)[1])  # type: ignore[index]
        assert broad[last - 1] >= 0.45
    rows = ms_band_rows(replace(subject, observed=replace(subject.observed, radiometry=radiometry)))
    assert [row[2] for row in rows] == half_peak_bands(pair, radiometry)
    assert "HS bands where it is at least half its peak: band 1 (red) bands 1 to" in describe_srf(
        pair, radiometry
    )


def test_a_dry_run_of_a_batch_counts_and_lists_the_warning(
    outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the dry run of the pair alone shows it."""
    monkeypatch.setattr("hsfuse.batch.run.Pool", InProcess)
    job = outcome.job
    pairs = [{"scene": str(job.scene), "rgb": str(job.rgb), "out": "a.tif"}]
    planned = plan_batch(prepare_batch(pairs, tmp_path, Settings(method="bicubic", align=False)))
    (pair,) = planned.pairs
    assert pair.warnings == (job.plan.radiometry.warning,)
    text = summarise_plans(planned)
    assert f"1, {len(pair.notes)}" in text
    assert f"warning         a.tif: {pair.warnings[0]}" in text


def centres(subject: Subject) -> np.ndarray:
    """Return the centres of the MS bands of a page."""
    return ms_centres(subject.observed.pair, subject.observed.radiometry)


def test_the_chart_has_the_estimate_and_the_weights(outcome: Outcome) -> None:
    """Each in the colour of its band; the centres are in order, near those of Sentinel-2."""
    subject = outcome_subject(outcome)
    chart = srf_chart(subject)
    lines = {each["name"]: each for each in chart["series"]}
    names = ["band 3 (blue)", "band 2 (green)", "band 1 (red)"]
    assert list(lines) == [*names, *(f"{name}, weights as used" for name in names)]
    hues = [lines[name]["colour"].split()[0] for name in names]
    assert hues == ["hsl(220", "hsl(130", "hsl(0"]
    used = lines["band 1 (red), weights as used"]
    assert used["colour"] == lines["band 1 (red)"]["colour"]
    assert used["kind"] == "dashed"
    assert "not reliable" in chart["title"]
    np.testing.assert_allclose(centres(subject), [665, 560, 492], atol=30)


def test_the_page_of_a_record_shows_the_same_response(outcome: Outcome) -> None:
    """The estimate comes from the record, not from another survey."""
    written, read = outcome_subject(outcome), file_subject(outcome.path)
    assert srf_chart(read) == srf_chart(written)
    assert read.observed.radiometry.warning == written.observed.radiometry.warning
    np.testing.assert_allclose(centres(read), centres(written))


def test_pictures_state_how_their_bands_were_chosen(outcome: Outcome) -> None:
    """The photograph by the names of its bands; an HS image without wavelengths by none."""
    subject = outcome_subject(outcome)
    labels = {layer.name: layer.pictures[0].shown.text for layer in draw_pictures(subject).layers}
    assert labels["MS image"] == "natural colours by the names of bands 1, 2, 3"
    assert labels["HS image"].startswith("natural colours, 6")
    pair = subject.observed.pair
    unknown = pair.hs.assign_coords(wavelength=("band", np.full(pair.hs.sizes["band"], np.nan)))
    observed = replace(subject.observed, pair=replace(pair, hs=unknown))
    page = render_page(replace(subject, observed=observed)).text
    assert re.search(r"bands \d+, \d+, \d+ \(no wavelengths\)", page)
    assert "three bands, natural where known</option>" in page
