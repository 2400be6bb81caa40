"""The page of a batch: a row for each pair, links that lead somewhere, text of files as text."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hsfuse.batch.index import write_index
from hsfuse.batch.run import run_batch
from hsfuse.batch.status import PairStatus
from hsfuse.errors import OutputError
from hsfuse.fusion.settings import Settings

pytestmark = pytest.mark.slow

SETTINGS = Settings(method="bicubic", align=False, tile=32, workers=1)


class _Page(HTMLParser):
    """Collects links, pictures and the number of rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.rows = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known: dict[str, Any] = dict(attrs)
        self.rows += tag == "tr"
        if tag == "a":
            self.links.append(known["href"])
        if tag == "img":
            self.pictures.append(known["src"])


@pytest.mark.usefixtures("in_process")
def test_the_page_of_a_batch_leads_to_its_reports(inputs: Path, tmp_path: Path) -> None:
    """A finished pair has its picture and its report, a failed one its message."""
    pair = {"scene": str(inputs / "hs/1.tif"), "rgb": str(inputs / "ms/1_rgb.tif"), "out": "1.tif"}
    (tmp_path / "cut.tif").write_bytes((inputs / "hs/1.tif").read_bytes()[:200])
    failing = pair | {"scene": str(tmp_path / "cut.tif"), "out": "2.tif"}
    (tmp_path / "out").mkdir()
    (tmp_path / "out/1.tif.png").write_bytes(b"")  # drawing one takes a second
    outcome = run_batch([pair, failing], tmp_path / "out", SETTINGS, quicklook=False)
    assert outcome.index == tmp_path / "out/index.html"
    text = outcome.index.read_text()
    # Above the table, which scrolls: a caption is as wide as the table, and so cut off.
    assert text.index("Consistency:") < text.index("<table")
    assert "<caption" not in text
    found = _Page(text)
    assert found.rows == 1 + 2 + 1  # a message has a row of its own
    assert found.links == ["batch.csv", "1.tif.html"]
    assert found.pictures == ["1.tif.png"]
    for link in (*found.links, *found.pictures):
        assert (tmp_path / "out" / link).is_file()
    assert outcome.failed[0].message.split(":")[0] in text


def test_names_and_messages_are_no_markup(tmp_path: Path) -> None:
    """Names with spaces and marks are links all the same."""
    name = 'a "b" <i>#1.tif'
    (tmp_path / f"{name}.html").write_text("")
    rows = [
        PairStatus("", "", str(tmp_path / name), "done"),
        PairStatus("", "", str(tmp_path / "c.tif"), "failed", "<script>alert(1)</script>"),
    ]
    text = write_index(tmp_path, rows).read_text()
    assert "<i>" not in text
    assert "<script>" not in text
    assert _Page(text).links[1] == "a%20%22b%22%20%3Ci%3E%231.tif.html"


def test_a_page_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "index.html").mkdir()
    with pytest.raises(OutputError, match=r"index\.html: cannot be written"):
        write_index(tmp_path, [])
