"""The page of a report in a real browser: swipe, click, keys, values, and no network."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hsfuse.batch.index import write_index
from hsfuse.batch.status import PairStatus
from hsfuse.fusion.job import Outcome
from hsfuse.io.read import open_raster
from hsfuse.report.files import write_page

pytestmark = pytest.mark.slow

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_READY = "html[data-ready]"


@pytest.fixture(scope="module")
def page_file(outcome: Outcome) -> tuple[Path, Path]:
    """Return the page of a small run, and its output."""
    return write_page(outcome)[0], outcome.path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip(f"no browser of {', '.join(_NAMES)} is installed")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@dataclass
class Opened:
    """A page in the browser, and what it complained of or asked for."""

    page: Any
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def opened(browser: Any, page_file: tuple[Path, Path]) -> Iterator[Opened]:
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    found = Opened(context.new_page())
    found.page.on("console", lambda message: found.faults.append(message.text))
    found.page.on("pageerror", lambda error: found.faults.append(str(error)))
    found.page.on("request", lambda request: found.requests.append(request.url))
    found.page.goto(page_file[0].as_uri())
    found.page.wait_for_selector(_READY)
    yield found
    context.close()
    assert found.faults == []
    asked = [url for url in found.requests if not url.startswith(("data:", "blob:"))]
    assert asked == [page_file[0].as_uri()]


def place_of(page: Any) -> tuple[int, int]:
    """Return row and column that the page states for the crosshair."""
    found = re.match(r"row (\d+), column (\d+)", page.inner_text("#pixel"))
    assert found, page.inner_text("#pixel")
    return int(found[1]), int(found[2])


def table_of(page: Any) -> dict[str, list[float]]:
    """Return the columns of the table of spectra: name and values."""
    rows = page.evaluate(
        "() => [...document.querySelectorAll('#table tr')].map("
        "row => [...row.children].map(cell => cell.textContent))"
    )
    columns = {}
    for index, name in enumerate(rows[0]):
        values = [row[index].split(" ± ")[0] for row in rows[1:]]
        columns[name] = [
            float(value) if re.fullmatch(r"-?[\d.]+(e-?\d+)?", value) else np.nan
            for value in values
        ]
    return columns


def check_values(page: Any, path: Path) -> None:
    """Compare the table with the raster at the stated pixel, to the four digits that it shows."""
    row, column = place_of(page)
    expected = open_raster(path).values[:, row, column]
    columns = table_of(page)
    shown = np.array(columns["fused pixel"])
    shown = shown[np.isfinite(shown)]
    assert shown.size == expected.size
    np.testing.assert_allclose(shown, expected, rtol=6e-4)
    assert any(name.startswith("HS pixel") for name in columns)
    assert any("scaled to the HS image" in name for name in columns)


def shown_pixels(page: Any, x: float) -> str:
    """Return the colours of a column of the viewer's canvas, at a share of its width."""
    return page.evaluate(
        """(x) => {
          const canvas = document.querySelector("#viewer canvas");
          const copy = new OffscreenCanvas(1, canvas.height);
          const context = copy.getContext("2d", { willReadFrequently: true });
          context.drawImage(canvas, -Math.round(canvas.width * x), 0);
          return context.getImageData(0, 0, 1, canvas.height).data.join();
        }""",
        x,
    )


def test_a_click_shows_the_spectra_of_the_raster(opened: Opened, page_file: tuple[Path, Path]):
    """At several places; the chart has a line for each spectrum."""
    page, (_, raster) = opened.page, page_file
    check_values(page, raster)
    box = page.locator("#viewer canvas").bounding_box()
    places = set()
    for across, down in ((0.45, 0.3), (0.55, 0.8), (0.62, 0.5)):
        page.mouse.click(box["x"] + box["width"] * across, box["y"] + box["height"] * down)
        check_values(page, raster)
        places.add(place_of(page))
    assert len(places) == 3
    assert page.locator("#spectrum polyline").count() >= 3
    assert page.locator("#spectrum circle").count() == 4


def test_keys_move_the_crosshair(opened: Opened, page_file: tuple[Path, Path]):
    """By one sampled pixel, and ten with Shift; values follow, also for screen readers."""
    page = opened.page
    page.focus("#viewer")
    row, column = place_of(page)
    for key, step in (("ArrowRight", (0, 1)), ("ArrowDown", (1, 0)), ("ArrowLeft", (0, -1))):
        page.keyboard.press(key)
        row, column = row + step[0], column + step[1]
        assert place_of(page) == (row, column)
        check_values(page, page_file[1])
    page.keyboard.press("Shift+ArrowUp")
    assert place_of(page) == (row - 10, column)
    assert page.get_attribute("#pixel", "aria-live") == "polite"


def test_the_swipe_moves_with_pointer_and_keys(opened: Opened):
    """Left of it is the one image, right of it the other."""
    page = opened.page
    box = page.locator("#viewer").bounding_box()
    before = shown_pixels(page, 0.45)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    assert abs(float(page.input_value("#swipe")) - 30) <= 2
    moved = shown_pixels(page, 0.45)
    assert moved != before
    page.focus("#swipe")
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert abs(float(page.input_value("#swipe")) - 50) <= 2
    assert shown_pixels(page, 0.45) == before


def test_zoom_is_common_to_images_side_by_side(opened: Opened):
    """Three canvases with one view; the scale bar follows it."""
    page = opened.page
    page.check("#beside")
    assert page.locator("#viewer canvas").count() == 3
    whole = page.inner_text("#scale")
    page.click("#larger")
    page.click("#larger")
    page.click("#larger")
    assert page.inner_text("#scale") != whole
    page.click("#fit")
    assert page.inner_text("#scale") == whole
    page.check("#over")
    assert page.locator("#viewer canvas").count() == 1


def test_bands_and_maps_are_picked(opened: Opened):
    """False colours and maps change what is shown."""
    page = opened.page
    natural = shown_pixels(page, 0.6)
    page.select_option("#composite", "false")
    assert shown_pixels(page, 0.6) != natural
    assert "near infrared" in page.inner_text("#shown")
    page.select_option("#right", "Map: Difference from the HS image")
    assert "(dark) to" in page.inner_text("#shown")


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1300, "dark")])
def test_the_page_fits_its_window(
    browser: Any, page_file: tuple[Path, Path], width: int, scheme: str
):
    """On a phone too, nothing is wider than the window; text contrasts with its ground."""
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, device_scale_factor=2
    )
    page = context.new_page()
    page.goto(page_file[0].as_uri())
    page.wait_for_selector(_READY)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, select, input')].filter(each =>"
        " !(each.labels?.length || each.ariaLabel || each.textContent.trim())).length"
    )
    assert unnamed == 0
    contrast = page.evaluate(
        """() => {
          const light = (colour) => {
            const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
            const linear = (p) => (p <= 0.04 ? p / 12.92 : ((p + 0.055) / 1.055) ** 2.4);
            const [r, g, b] = parts.map(linear);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const ground = light(getComputedStyle(document.body).backgroundColor);
          const names = ["p", "a", ".caption", ".good, .fair, .poor, .unknown", "dt"];
          return Math.min(...names.map((name) => {
            const ink = light(getComputedStyle(document.querySelector(name)).color);
            return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
          }));
        }"""
    )
    assert contrast >= 4.5
    context.close()


@pytest.mark.parametrize("width", [1000, 1400])
def test_the_table_of_a_batch_is_as_wide_as_the_window(browser: Any, tmp_path: Path, width: int):
    """Also with long names and messages, which wrap."""
    facts = {"bands": 224, "rows": 12345, "columns": 12345, "bytes": 10**9, "seconds": 600.0}
    rows = [
        PairStatus("", "", str(tmp_path / f"{'long_name_' * 6}{number}.tif"), status, message,
                   quality="poor (HS consistency, MS consistency)", warnings=warnings,
                   hs_consistency=0.0102, ms_consistency=0.1234, missing_share=0.05, **facts)
        for number, (status, message, warnings) in enumerate((
            ("finished", "", ("a warning, " * 40,)), ("failed", "/a/long/path" * 20, ()),
        ))
    ]  # fmt: skip
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(write_index(tmp_path, rows).as_uri())
    widths = (
        "[...document.querySelectorAll('html, .scroll')].map(e => e.scrollWidth - e.clientWidth)"
    )
    assert page.evaluate(widths) == [0, 0]
    page.close()
