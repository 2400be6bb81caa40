"""The page of a batch: a table of all pairs with quicklooks and links to their reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from hsfuse.batch.status import SUMMARY, PairStatus
from hsfuse.core.text import byte_size, duration, percent
from hsfuse.io.files.reports import write_report
from hsfuse.report.files import page_path
from hsfuse.report.page.document import fill_template, prose

__all__ = ["INDEX", "write_index"]

#: Name of the file in the folder of a batch.
INDEX = "index.html"

_HEAD = (
    "Picture", "Output", "Status", "Size", "HS consistency (all bands)",
    "MS consistency (all bands)", "No data", "Quality", "Time",
)  # fmt: skip


def write_index(folder: Path, rows: Sequence[PairStatus]) -> Path:
    """
    Write the page of a batch, with a group of rows for each pair in the order of the manifest.

    Parameters
    ----------
    folder : Path
        Folder of the outputs.
    rows : sequence of PairStatus
        Status of each pair.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    counts = Counter(row.status for row in rows)
    head = "".join(f'<th scope="col">{name}</th>' for name in _HEAD)
    text = fill_template(
        "index.html",
        title=escape(folder.absolute().name),
        lead=escape(", ".join(f"{number} {status}" for status, number in counts.items())),
        summary=SUMMARY,
        head=head,
        rows="\n".join(_row(folder, row) for row in rows),
    )
    return write_report(folder / INDEX, text)


def _row(folder: Path, row: PairStatus) -> str:
    out = Path(row.out)
    picture, page = out.with_name(f"{out.name}.png"), Path(str(page_path(out)))
    name = str(out.relative_to(folder)) if out.is_relative_to(folder) else row.out
    image = ""
    if row.good and picture.exists():
        image = (
            f'<img src="{_link(folder, picture)}" alt="Quicklook of {escape(name)}" '
            'loading="lazy" width="160">'
        )
    linked = escape(name)
    if row.good and page.exists():
        linked = f'<a href="{_link(folder, page)}">{linked}</a>'
    size = row.size if row.bytes is None else f"{row.size}, {byte_size(row.bytes)}"
    state = "good" if row.good else "poor"
    cells = [
        image,
        linked,
        f'<span class="{state}">{row.status}</span>',
        "<br>".join(escape(size).split(", ")),
        *(_share(value) for value in (row.hs_consistency, row.ms_consistency, row.missing_share)),
        escape(row.quality),
        "" if row.seconds is None else duration(row.seconds),
    ]
    messages = _messages(row)
    # The messages are beside the picture and below the figures, as wide as these.
    first = f'<td rowspan="{2 if messages else 1}">{cells[0]}</td>'
    figures = {_HEAD.index(name) for name in ("No data", "Time")}
    others = "".join(
        f'<td class="figure">{cell}</td>' if place in figures else f"<td>{cell}</td>"
        for place, cell in enumerate(cells[1:], start=1)
    )
    below = f'<tr><td colspan="{len(_HEAD) - 1}">{messages}</td></tr>' if messages else ""
    return f"<tbody><tr>{first}{others}</tr>{below}</tbody>"


def _messages(row: PairStatus) -> str:
    """Return the reason of a failure and the warnings of a pair, a paragraph each."""
    warnings = [f"<strong>Warning:</strong> {prose(text)}" for text in row.warnings]
    texts = [*([prose(row.message)] if row.message else []), *warnings]
    return "".join(f"<p>{text}</p>" for text in texts)


def _share(value: float | None) -> str:
    return "" if value is None else percent(value)


def _link(folder: Path, path: Path) -> str:
    """Return the address of a file, relative to the page if it is in its folder."""
    if path.is_relative_to(folder):
        return quote(path.relative_to(folder).as_posix())
    return path.absolute().as_uri()
