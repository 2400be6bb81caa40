"""Write the reports beside an output: record, quicklook and page."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hsfuse.errors import OutputError
from hsfuse.io.files import reports
from hsfuse.io.files.url import AnyPath, Url, as_path
from hsfuse.io.output.destination import check_parent
from hsfuse.io.output.input_files import check_not_input
from hsfuse.io.output.records import record_path
from hsfuse.report.record import as_json, outcome_as_dict

if TYPE_CHECKING:
    from hsfuse.assessment.figures import Finding
    from hsfuse.fusion.job import Outcome
    from hsfuse.fusion.settings import PathLike

__all__ = [
    "ReportPaths",
    "page_path",
    "write_html_report",
    "write_page",
    "write_quicklook",
    "write_report",
    "write_sidecar",
]


class ReportPaths(NamedTuple):
    """
    The files that :func:`write_report` wrote.

    Attributes
    ----------
    sidecar, quicklook : Path or Url
        JSON record and quicklook image.
    page : Path or Url or None
        Report, an HTML file; None if it was not requested.
    findings : tuple of Finding
        Interpretation of the quality, as in the report; empty without one.
    seconds : float
        Time spent writing the files, in seconds.
    """

    sidecar: AnyPath
    quicklook: AnyPath
    page: AnyPath | None
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0


def write_report(outcome: Outcome, *, page: bool = True) -> ReportPaths:
    """
    Write record, quicklook and report of a run beside its output.

    Parameters
    ----------
    outcome : Outcome
        Result of :func:`hsfuse.run`.
    page : bool
        Also write the report, an HTML file.

    Returns
    -------
    ReportPaths
        ``<output>.json``, ``<output>.png`` and ``<output>.html``.

    Raises
    ------
    OutputError
        If a report cannot be written; the output itself is complete.
    """
    started = time.monotonic()
    sidecar, quicklook = write_sidecar(outcome), write_quicklook(outcome)
    file, findings = write_page(outcome) if page else (None, ())
    return ReportPaths(sidecar, quicklook, file, findings, time.monotonic() - started)


def write_sidecar(outcome: Outcome, findings: Sequence[Finding] = ()) -> AnyPath:
    """Write ``<output>.json``: the record of a run, with everything needed to repeat it."""
    path = record_path(outcome.path)
    return reports.write_side_file(path, f"{as_json(outcome_as_dict(outcome, findings))}\n")


def write_quicklook(outcome: Outcome) -> AnyPath:
    """Write ``<output>.png``: both inputs and the output, a full-size detail, and spectra."""
    from hsfuse.report.quicklook import draw_quicklook  # matplotlib takes a while to load

    path = outcome.path.with_name(f"{outcome.path.name}.png")
    return reports.write_side_file(path, draw_quicklook(outcome.job.plan, outcome.path))


def write_page(outcome: Outcome) -> tuple[AnyPath, tuple[Finding, ...]]:
    """
    Write the page ``<output>.html``; return its path and the findings it states.

    The record is written again with the findings.
    """
    from hsfuse.report.page import outcome_subject, render_page

    page = render_page(outcome_subject(outcome))
    path = reports.write_side_file(page_path(outcome.path), page.text)
    write_sidecar(outcome, page.findings)
    return path, page.findings


def page_path(out: AnyPath) -> AnyPath:
    """Return the path of the HTML page of an output."""
    return out.with_name(f"{out.name}.html")


def write_html_report(
    fused: PathLike,
    hs: PathLike | None = None,
    ms: PathLike | None = None,
    out: PathLike | None = None,
    *,
    overwrite: bool = False,
    **choices: Any,
) -> AnyPath:
    """
    Write the report of a fused raster: one HTML file that needs no server and no network.

    It shows the HS, MS and fused image on the same area, the spectra at the clicked pixel, maps of
    the consistency with both images and of the standard error, an interpretation of the quality
    (:func:`hsfuse.assess`), the SRF and PSF used, and the parameters of the run. It is smaller
    than 15 MB for a raster of any size.

    Parameters
    ----------
    fused : str or path
        An output of hsfuse, or a fused raster of another program on the pixels of the MS image with
        the bands of the HS image.
    hs, ms : str or path, optional
        The HS and the MS image; by default those named by the record beside ``fused``.
    out : str or path, optional
        Path of the report, ``<fused>.html`` by default.
    overwrite : bool
        Replace an existing file.
    **choices
        Options of :func:`hsfuse.assess` for reading the images without a record.

    Returns
    -------
    Path
        Path of the report.

    Raises
    ------
    OutputError
        If the file exists or cannot be written.
    RasterError, PairError
        If a raster cannot be read, neither ``hs`` and ``ms`` nor a record name the images, or their
        grids or bands do not match.
    """
    path = as_path(fused)
    page = page_path(path) if out is None else as_path(out)
    if page.suffix.lower() != ".html":
        raise OutputError(f"{page}: a report must end in .html, not in {page.suffix!r}")
    if isinstance(page, Url):
        page.check_writable("`--out FILE`")
    check_parent(page)
    check_not_input([page], [path, *(file for file in (hs, ms) if file is not None)])
    if page.exists() and not overwrite:
        raise OutputError(f"{page}: exists already; pass `--overwrite` to replace it")
    from hsfuse.report.page import file_subject, render_page

    images = [None if each is None else as_path(os.fspath(each)) for each in (hs, ms)]
    subject = file_subject(path, images[0], images[1], choices)
    return reports.write_report(page, render_page(subject).text)
