"""The HTML file: data, sections and scripts filled into one template."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterable, Sequence
from html import escape
from importlib.metadata import version
from importlib.resources import files
from string import Template
from typing import NamedTuple

import matplotlib
import numpy as np

from hsfuse.assessment.figures import Finding
from hsfuse.assessment.text import describe_origin
from hsfuse.core.text import percent
from hsfuse.io.files.location import full_path
from hsfuse.io.files.url import AnyPath
from hsfuse.report.page.charts import psf_chart, srf_chart
from hsfuse.report.page.data import ReportData, page_data
from hsfuse.report.page.facts import (
    fusion_facts,
    lead,
    ms_band_rows,
    notes_of,
    pair_facts,
    run_facts,
    warnings_of,
)
from hsfuse.report.page.quality import COLOURS, Map, Quality
from hsfuse.report.page.subject import Subject

__all__ = ["fill_template", "prose", "render_page"]

_STYLES = ("chart.css", "page.css")
# In order of dependency.
_SCRIPTS = ("chart.js", "cube.js", "scale.js", "scene.js", "main.js")
_COLOUR_STEPS = 12
# Name of the list of warnings within the page.
_WARNINGS = "warnings"


class Page(NamedTuple):
    """The self-contained HTML of a report, and the findings that it states."""

    text: str
    findings: tuple[Finding, ...]


def render_page(subject: Subject) -> Page:
    """
    Return the HTML report of a fused raster.

    Raises
    ------
    RasterError
        If a file cannot be read.
    """
    data = page_data(subject)
    assessment = data.quality.assessment
    return Page(_html(subject, data), assessment.findings if assessment else ())


def _html(subject: Subject, data: ReportData) -> str:
    charts = [chart for chart in (srf_chart(subject), psf_chart(subject)) if chart["series"]]
    content = data.content | {"charts": charts}
    layers = [layer["name"] for layer in content["layers"]]
    return fill_template(
        "page.html",
        title=escape(subject.path.name),
        lead=escape(lead(subject)),
        script=_joined_modules(),
        data=_script_json(content),
        left_options=_options(layers, "HS image"),
        right_options=_options(layers, "fused image"),
        composite_options=_options(data.composites, "natural", data.composites),
        detail_button=(
            '<button type="button" id="to-detail">Full-resolution detail</button>'
            if content["detail"]
            else ""
        ),
        spectra_note=escape(data.spectra_note),
        view_command=escape(_view_command(subject.path)),
        quality=_quality(data.quality),
        maps=_maps(data.quality.maps),
        srf_caption=_srf_caption(subject),
        psf_caption=escape(
            f"PSF of the HS image as used ({subject.observed.pair.psf.status}); an HS pixel is one "
            "unit wide."
        ),
        pair=_list(pair_facts(subject)),
        bands=_bands(subject),
        run=_run(subject),
        about=_about(subject, data),
    )


def _view_command(path: AnyPath) -> str:
    """Return the command that shows all pixels and bands of a raster."""
    return shlex.join(["hsfuse", "view", str(full_path(path))])


def _srf_caption(subject: Subject) -> str:
    radiometry = subject.observed.radiometry
    if radiometry.estimate is None:
        return escape(
            f"SRF: response of each band of the MS image at the HS bands, as used "
            f"({subject.observed.pair.response_source})."
        )
    text = (
        "SRF of each band of the MS image, estimated from the pair (lines), and the "
        "weights of the HS bands as used, which are no responses (dashed)."
    )
    if not radiometry.warning:
        return escape(text)
    return (
        f'{escape(text)} The estimate is not reliable: see the <a href="#{_WARNINGS}">warning</a>.'
    )


def prose(text: str) -> str:
    """Return a message as HTML, what it quotes by backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def fill_template(name: str, **parts: str) -> str:
    """Fill a template of this folder with its parts, version and style; parts are not escaped."""
    style = "\n".join(_resource(each) for each in _STYLES)
    return Template(_resource(name)).substitute(parts, version=version("hsfuse"), style=style)


def _resource(name: str) -> str:
    return files("hsfuse.report.page").joinpath(name).read_text(encoding="utf-8")


def _joined_modules() -> str:
    """Join the modules: their names are unique, so that imports and exports can be removed."""
    text = "\n".join(_resource(name) for name in _SCRIPTS)
    text = re.sub(r"^import .*;\n", "", text, flags=re.MULTILINE)
    return re.sub(r"^export ", "", text, flags=re.MULTILINE)


def _script_json(content: object) -> str:
    """Return JSON that is safe inside a script element."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _options(names: Iterable[str], chosen: str, labels: dict[str, str] | None = None) -> str:
    return "".join(
        f'<option value="{escape(name)}"{" selected" if name == chosen else ""}>'
        f"{escape((labels or {}).get(name, name))}</option>"
        for name in names
    )


def _list(facts: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>\n" for name, text in facts)
    return f"<dl>\n{rows}</dl>"


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """Return an HTML table; the columns from index ``texts`` on are numeric."""

    def cell(tag: str, place: int, text: str, scope: str = "") -> str:
        number = ' class="number"' if place >= texts else ""
        return f"<{tag}{scope}{number}>{escape(text)}</{tag}>"

    names = "".join(cell("th", place, name, ' scope="col"') for place, name in enumerate(head))
    lines = "".join(
        f"<tr>{''.join(cell('td', place, text) for place, text in enumerate(row))}</tr>\n"
        for row in rows
    )
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{names}</tr></thead>\n"
        f"<tbody>\n{lines}</tbody></table>"
    )


def _quality(quality: Quality) -> str:
    assessment = quality.assessment
    if assessment is None:
        return f'<p class="note">{escape(quality.scope)}</p>'
    findings = "".join(
        f'<li><span class="{finding.quality}">{finding.quality}</span>'
        f"<span>{prose(_sentence(finding.text))}</span></li>\n"
        for finding in assessment.findings
    )
    best = "1 is best; the noise of the HS image allows at most"
    square = "the root mean square of the image, over all bands"
    rows = [
        ("HQNR", _figure(assessment.hqnr), f"{best} {_figure(assessment.hqnr_limit)}"),
        ("QNR", _figure(assessment.qnr), f"{best} {_figure(assessment.qnr_limit)}"),
        ("D_lambda_K", _figure(assessment.d_lambda_k), "spectral distortion of HQNR; 0 is best"),
        ("D_lambda", _figure(assessment.d_lambda), "spectral distortion of QNR; 0 is best"),
        ("D_s", _figure(assessment.d_s), "spatial distortion; 0 is best"),
        (
            "HS RMSE",
            _with_units(assessment.hs.rmse, assessment.hs.units),
            f"{percent(assessment.hs.relative)} of {square}",
        ),
        ("HS SAM", f"{assessment.hs.sam:.3f}°", "mean spectral angle"),
        (
            "MS RMSE",
            _with_units(assessment.ms.rmse, assessment.ms.units),
            f"{percent(assessment.ms.relative)} of {square}",
        ),
    ]
    table = _table("Figures without a reference", ("Figure", "Value", "Meaning"), rows, texts=3)
    return (
        f'<ul class="findings">\n{findings}</ul>\n'
        f'<p class="caption">{escape(_sentence(quality.scope))}. PSF and SRF: '
        f"{escape(describe_origin(assessment))}.</p>\n<details><summary>Figures</summary>{table}</details>"
    )


def _sentence(text: str) -> str:
    """Return a text with a capital, unless it begins with the name of a file."""
    begins_with_file = "." in text.partition(" ")[0].removesuffix(".")
    return text if begins_with_file else text[:1].upper() + text[1:]


def _figure(value: float) -> str:
    return f"{value:.4f}" if np.isfinite(value) else "not known"


def _with_units(value: float, units: str) -> str:
    return f"{value:.4g} {units}".strip()


def _maps(maps: Sequence[Map]) -> str:
    if not maps:
        return "<p>There are no values to map.</p>"
    figures = "\n".join(_map_figure(each) for each in maps)
    return (
        f'<div class="maps">\n{figures}\n</div>\n<p class="caption">Colours run from the 2nd to '
        "the 98th percentile. The viewer above shows each map over the images as well.</p>"
    )


def _map_figure(each: Map) -> str:
    colours = matplotlib.colormaps[COLOURS](np.linspace(0, 1, _COLOUR_STEPS))
    stops = ", ".join(
        "#" + "".join(f"{round(255 * part):02x}" for part in colour[:3]) for colour in colours
    )
    low, high, median = (f"{value:.3g}" for value in (each.low, each.high, each.median))
    units = each.units or "value"
    alt = f"Map: {each.text}. Median {median}, from {low} to {high} {units}."
    return (
        f'<figure id="map-{each.key}"><h3>{escape(each.title)}</h3>'
        f'<img src="{data_url(each.png)}" alt="{escape(alt)}">'
        f'<div class="colours" style="background: linear-gradient(to right, {stops})"></div>'
        f'<div class="ends"><span>{low}</span><span>{high}</span></div>'
        f'<p class="scale">{escape(units)}, median {median}</p>'
        f"<figcaption>{escape(_sentence(each.text))}.</figcaption></figure>"
    )


def data_url(png: bytes) -> str:
    """Return a PNG as a data URL."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _bands(subject: Subject) -> str:
    caption = "Bands of the MS image: band = gain x (HS image seen through the SRF) + offset"
    head = ("Band", "Centre", "HS bands of at least half the peak", "Gain", "Offset", "Correlation")
    return f'<div class="scroll">{_table(caption, head, ms_band_rows(subject), texts=3)}</div>'


def _run(subject: Subject) -> str:
    warnings = [
        f"<li><strong>Warning:</strong> {prose(text)}</li>\n" for text in warnings_of(subject)
    ]
    notes = [f"<li>{prose(_sentence(note))}</li>\n" for note in notes_of(subject)]
    command = str(subject.record.get("command") or "")
    parts = [_list(fusion_facts(subject)), _list(run_facts(subject))]
    if warnings or notes:
        heading = "Warnings and notes" if warnings else "Notes"
        parts.append(f'<h3 id="{_WARNINGS}">{heading}</h3>\n<ul>\n{"".join(warnings + notes)}</ul>')
    if command:
        parts.append(
            "<h3>Command that repeats this run</h3>\n"
            f'<pre><code id="command">{escape(command)}</code></pre>\n'
            '<button type="button" id="copy">Copy</button> '
            '<output id="copied" aria-live="polite"></output>'
        )
        if "--overwrite" not in command.split():
            parts.append(
                '<p class="caption">The output exists: add <code>--overwrite</code> to replace it, '
                "or give another <code>-o</code>.</p>"
            )
    return "\n".join(parts)


def _about(subject: Subject, data: ReportData) -> str:
    sentences = [
        "This file holds all that it shows: it needs no server and no network.",
        data.pictures_note,
        data.spectra_note,
        "Other programs, such as QGIS, open the raster itself.",
    ]
    return "".join(f"<p>{escape(sentence)}</p>\n" for sentence in sentences)
