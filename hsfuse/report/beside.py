"""The files that a run writes beside its output, with what they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hsfuse.io.files.url import AnyPath
from hsfuse.io.names import error_file

if TYPE_CHECKING:
    from hsfuse.report.files import ReportPaths

__all__ = ["files_beside", "styles_of"]


def files_beside(out: AnyPath, reports: ReportPaths | None = None) -> list[tuple[AnyPath, str]]:
    """
    Return the files beside a finished output, in the order of their use.

    Parameters
    ----------
    out : Path or Url
        The output.
    reports : ReportPaths, optional
        From :func:`hsfuse.report.files.write_report`.
    """
    files: list[tuple[AnyPath, str]] = []
    if reports is not None:
        if reports.page is not None:
            files.append((reports.page, "report: open it in a browser"))
        files += [(reports.quicklook, "quicklook"), (reports.sidecar, "record")]
    files += [(style, "style for QGIS") for style in styles_of(out)]
    # Imported here, where a run has loaded it already: `hsfuse info` does not need writers.
    from hsfuse.io.output.formats import find_format

    for companion in find_format(out).companions(out):
        if companion.is_file():
            error = companion.stem == error_file(out).stem
            kind = "header" if companion.suffix == ".hdr" else "file"
            files.append((companion, f"{kind} of the standard error" if error else "ENVI header"))
    return files


def styles_of(*rasters: AnyPath) -> list[Path]:
    """Return the QGIS styles that hsfuse wrote beside rasters."""
    from hsfuse.io.output.qgis_style import written_style

    found = (written_style(raster) for raster in rasters if isinstance(raster, Path))
    return [style for style in found if style is not None]
