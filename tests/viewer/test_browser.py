"""The page in a real browser: what it shows and says is what the rasters hold."""

import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.slow

START = "from hsfuse.cli.main import main; main()"
WAIT = 60_000  # ms; the cores may be shared


@pytest.fixture(scope="module")
def address(files):
    """Return the address that a server prints; it has to stop at Ctrl-C with one line."""
    names = [str(files[0] / name) for name in ("fused.tif", "hs.tif", "ms.tif")]
    server = subprocess.Popen(
        [sys.executable, "-c", START, "view", *names, "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert server.stdout is not None
    yield server.stdout.readline().strip()
    server.send_signal(signal.SIGINT)
    _, said = server.communicate(timeout=60)
    assert server.returncode == 0
    assert said.splitlines()[-1] == "stopped"
    assert "Traceback" not in said


@pytest.fixture(scope="module")
def browser():
    """Return a headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium is installed")
    with playwright.sync_playwright() as running:
        found = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(browser, address):
    """Return the page; nothing may be said in the console, or asked for elsewhere."""
    found = browser.new_page(viewport={"width": 1200, "height": 800})
    found.set_default_timeout(WAIT)
    faults, elsewhere = [], []
    found.on("console", lambda message: faults.append(message.text))
    found.on("pageerror", lambda error: faults.append(str(error)))
    host = address.split("/")[2]
    found.on(
        "request",
        lambda request: (
            request.url.startswith((f"http://{host}/", "data:")) or elsewhere.append(request.url)
        ),
    )
    found.goto(address)
    found.wait_for_selector(".leaflet-left-pane .leaflet-tile-loaded")
    found.wait_for_selector(".leaflet-right-pane .leaflet-tile-loaded")
    yield found
    found.close()
    assert not faults
    assert not elsewhere


def pixel_on_screen(page, row, column):
    """Return where the centre of a pixel is, by the page's own transform of Leaflet's panes."""
    box = page.evaluate(
        """() => {
          const tile = document.querySelector('.leaflet-left-pane .leaflet-tile-loaded');
          const box = tile.getBoundingClientRect();
          const [, level, row, column] = tile.src.match(/tile\\/\\w+\\/(\\d+)\\/(\\d+)\\/(\\d+)/);
          return [box.x, box.y, box.width, 256 << level, Number(row), Number(column)];
        }"""
    )
    left, top, width, pixels, tile_row, tile_column = box
    scale = width / pixels
    return (
        left + (column + 0.5 - tile_column * pixels) * scale,
        top + (row + 0.5 - tile_row * pixels) * scale,
    )


def numbers(page) -> np.ndarray:
    """Return the values of the table under the chart, one column for each spectrum."""
    page.wait_for_selector("#values:not([hidden])")
    page.evaluate("document.getElementById('values').open = true")
    lines = page.locator(".spectrum-table tbody tr").all_inner_texts()
    return np.array(
        [
            [float(cell) if cell.strip() else np.nan for cell in line.split("\t")[2:]]
            for line in lines
        ]
    )


def four_digits(values):
    return [float(f"{value:.4g}") for value in values]


def test_a_click_shows_the_spectra_of_the_rasters(page, files):
    page.mouse.click(*pixel_on_screen(page, 120, 33))
    page.wait_for_selector("#place:has-text('row 120, column 33;')")
    table = numbers(page)
    known = np.isfinite(table[:, 0])
    stored = files[1]
    assert table[known, 0].tolist() == four_digits(stored["fused"][:, 120, 33])
    assert table[known, 1].tolist() == four_digits(stored["hs"][:, 30, 8])
    assert page.locator("#chart svg polyline").count() >= 2
    place = page.locator("#place").inner_text()
    assert "(EPSG:32633)" in place
    assert re.search(r"52\.\d{6}° N, 13\.\d{6}° E", place)


def test_the_keyboard_alone_moves_zooms_and_shows_a_spectrum(page, files):
    page.focus("#map")
    page.keyboard.press("+")
    page.wait_for_timeout(400)
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(400)
    page.keyboard.press("Enter")
    page.wait_for_selector("#place:has-text('row ')")
    found = re.match(r"row (\d+), column (\d+);", page.locator("#place").inner_text())
    assert found is not None
    row, column = int(found[1]), int(found[2])
    assert abs(row - 150) <= 1
    assert column > 145
    table = numbers(page)
    values = table[np.isfinite(table[:, 0]), 0]
    assert values.tolist() == four_digits(files[1]["fused"][:, row, column])


def test_the_divider_moves_by_keys_and_pointer_and_cuts_both_images(page):
    def right_edge():
        clip = page.evaluate("document.querySelector('.leaflet-left-pane').style.clip")
        start = page.evaluate("document.querySelector('.leaflet-right-pane').style.clip")
        edges = [re.findall(r"-?[\d.]+(?=px)", text) for text in (clip, start)]
        assert edges[0][1] == edges[1][3]  # where the left image ends the right one begins
        return float(edges[0][1])

    before = right_edge()
    page.focus("#divider")
    page.keyboard.press("End")
    assert right_edge() > before
    assert page.get_attribute("#divider", "aria-valuenow") == "100"
    page.keyboard.press("Home")
    assert page.get_attribute("#divider", "aria-valuenow") == "0"
    box = page.locator("#view").bounding_box()
    page.mouse.move(box["x"] + 3, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 300, steps=4)
    page.mouse.up()
    assert page.get_attribute("#divider", "aria-valuenow") == "25"
    assert right_edge() < before


def test_bands_and_images_are_those_that_are_chosen(page):
    with page.expect_request(re.compile(r"tile/fused/.*bands=4&.*colours=viridis")):
        page.select_option("[name=mode]", "single")
        page.select_option("[name=single]", "4")
    assert "780 nm" in page.locator("#left-label").inner_text()
    page.wait_for_selector(".legend img")
    with page.expect_request(re.compile(r"tile/ms/")):
        page.select_option("[name=right]", "ms")
    page.select_option("[name=right]", "")
    page.wait_for_selector("#divider", state="hidden")


def test_the_csv_holds_the_pixels_that_were_shown(page, files):
    for row, column in ((5, 7), (200, 100)):
        page.fill("#pixel [name=row]", str(row))
        page.fill("#pixel [name=column]", str(column))
        page.click("#pixel button")
        page.wait_for_selector(f"#visited button:text-is('{row}, {column}')")
    with page.expect_download() as download:
        page.click("#download")
    text = download.value.path().read_text().splitlines()
    assert download.value.suggested_filename == "fused.tif_spectra.csv"
    assert len(text) == 1 + 2 * (6 + 6 + 3)
    assert float(text[1].split(",")[-2]) == float(files[1]["fused"][0, 5, 7])


def test_every_control_has_a_name_and_a_phone_shows_all_without_scrolling_sideways(page):
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('select, input, button, a[href], [tabindex="0"]')]
          .filter((each) => each.checkVisibility())
          .filter((each) => !(each.labels?.length || each.textContent.trim()
            || each.getAttribute('aria-label')))
          .map((each) => each.outerHTML)"""
    )
    assert unnamed == []
    page.set_viewport_size({"width": 360, "height": 740})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("width", [1000, 1300, 1600])
def test_no_menu_cuts_off_what_is_chosen(page, width):
    """A menu as narrow as its chosen text would be no wider than it is."""
    page.set_viewport_size({"width": width, "height": 800})
    cut = page.evaluate(
        """() => [...document.querySelectorAll('aside select')]
          .filter((menu) => menu.offsetWidth)
          .filter((menu) => {
            const copy = menu.cloneNode();
            copy.append(menu.selectedOptions[0].cloneNode(true));
            Object.assign(copy.style, { width: 'auto', position: 'absolute' });
            menu.after(copy);
            const wanted = copy.offsetWidth;
            copy.remove();
            return wanted > menu.offsetWidth;
          })
          .map((menu) => menu.name)"""
    )
    assert cut == []
