"""
Text of a run for the user: the plan and the final summary.

The wording may change between versions; the keys of the JSON record are stable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from tqdm import tqdm

from hsfuse.core.discrepancy import (
    Discrepancy,
    describe_compared,
    describe_difference,
    describe_rmse,
)
from hsfuse.core.json_types import json_mapping
from hsfuse.core.psf import PSF
from hsfuse.core.text import (
    along_axes,
    byte_size,
    duration,
    image_size,
    listed,
    percent,
    table,
)
from hsfuse.io.input.labels import raster_band_labels, raster_notes
from hsfuse.io.names import STANDARD_ERROR, error_file
from hsfuse.pair.notes import SHIFT_NOTE
from hsfuse.pair.response import suggest_hs_sensor
from hsfuse.report.beside import files_beside
from hsfuse.report.cost import Files, describe_memory, describe_time, report_cost
from hsfuse.report.inputs import (
    PartOfPair,
    describe_extent,
    input_lines,
    pixel_size,
    raster_bands,
    raster_crs,
    raster_size,
)
from hsfuse.report.record import excess_as_dict, grid_of, stored_bytes
from hsfuse.report.wording import (
    SRF_WARNING,
    describe_change,
    describe_clipped,
    describe_excess,
    describe_limited,
    describe_method,
    describe_psf,
    describe_srf,
)

if TYPE_CHECKING:
    from hsfuse.assessment.figures import Finding
    from hsfuse.fusion.job import Job, Outcome
    from hsfuse.pair.alignment import Alignment
    from hsfuse.report.files import ReportPaths

__all__ = ["describe_plan", "describe_raster", "summarise"]

_MOST_LISTED = 8  # maximum number of MS bands whose gain and offset are listed


def describe_raster(raster: xr.DataArray) -> str:
    """
    Return the metadata of a raster, one line per item.

    Parameters
    ----------
    raster : DataArray
        From :func:`hsfuse.open_raster`; no pixel is read.
    """
    bounds = grid_of(raster)["bounds"]
    good = int(np.count_nonzero(raster["good"].values))
    attributes = raster.attrs
    bands = raster_bands(raster)
    if attributes.get("wavelength_source") and np.isfinite(raster["wavelength"]).any():
        bands += f" (wavelengths: {attributes['wavelength_source']})"
    if good < raster.sizes["band"]:
        bands += f"; {raster.sizes['band'] - good} flagged as bad"
    names = [str(name) for name in raster["band_name"].values if str(name)]
    lines = [
        ("file", str(attributes.get("source", ""))),
        ("product", str(attributes.get("product", ""))),
        ("size", f"{raster_size(raster)}, {bands}"),
        ("band names", listed(names)),
        ("uncertainty", "standard error of each pixel" if STANDARD_ERROR in raster.coords else ""),
        ("stored as", _stored(raster)),
        ("pixel", pixel_size(raster) or "not georeferenced"),
        ("CRS", raster_crs(raster)),
        ("bounds", _bounds(bounds) if isinstance(bounds, list) else ""),
        ("sensor", str(attributes.get("sensor") or "")),
        ("note", str(attributes.get("georeferencing") or "")),
    ]
    notes = [*raster_notes(raster), *suggest_hs_sensor(raster)]
    return table([*lines, *(("note", str(note)) for note in notes)])


def describe_plan(job: Job, *, inputs: bool = True, files: Files = "page") -> str:
    """
    Return the plan of a run, one line per decision, then one line per note.

    Parameters
    ----------
    job : Job
        From :func:`hsfuse.fusion.run.prepare`.
    inputs : bool
        Whether to begin with the lines of :func:`hsfuse.report.inputs.describe_inputs`.
    files : {"page", "picture", "none"}
        Report that follows the run, whose time and memory are part of the estimates.
    """
    plan, pair = job.plan, job.plan.pair
    bands, rows, columns = plan.shape
    count = len(plan.blocks)
    down, across = (axis.halo + axis.blend for axis in (plan.rows, plan.columns))
    method, parameters = describe_method(plan.fuser.describe())
    report = report_cost(job, files)
    moved = [note for note in plan.notes if note.startswith(SHIFT_NOTE)]
    lines = [
        *(_inputs(job) if inputs else ()),
        (
            "PSF",
            f"point spread function: {describe_psf(pair.psf, _estimated_psf(plan.alignment))}",
        ),
        ("co-registration", _alignment(plan.alignment, moved)),
        ("SRF", f"spectral response function: {describe_srf(pair, plan.radiometry)}"),
        ("radiometry", _radiometry(job)),
        ("value range", _value_range(plan.lower_limit)),
        ("method", f"{method}: {parameters}" if parameters else method),
        ("device", _device(job)),
        (
            "tiles",
            f"{count} of {image_size(plan.rows.size, plan.columns.size)}, the parts of the output "
            "that a worker fuses at a time, with an overlap of "
            f"{along_axes(down, across, 'pixels')}",
        ),
        (
            "memory",
            describe_memory(job, report),
        ),
        ("time", describe_time(job, report)),
        (
            "output",
            f"{job.out}: {image_size(rows, columns)}, {bands} bands"
            f"{' and the standard error' if plan.fuser.gives_standard_error else ''}, "
            f"{_layout(job)}",
        ),
        ("extent", describe_extent(pair, job.settings.bbox is not None)),
    ]
    notes = [("note", note) for note in plan.notes if note not in moved]
    return table([*lines, *notes, ("warning", plan.radiometry.warning)])


def summarise(outcome: Outcome, paths: ReportPaths | None = None) -> str:
    """
    Return the summary of a finished run, one line per item.

    Parameters
    ----------
    outcome : Outcome
        From :func:`hsfuse.fusion.run.run`.
    paths : ReportPaths, optional
        From :func:`hsfuse.report.files.write_report`.
    """
    bands, rows, columns = outcome.job.plan.shape
    done = outcome.blocks - outcome.resumed
    rate = rows * columns * done / outcome.blocks / max(outcome.seconds, 1e-9)
    spent = (
        f"{duration(outcome.job.seconds)} planning, {duration(outcome.seconds)} fusing and "
        f"writing ({tqdm.format_sizeof(rate)} pixels/s)"
    )
    if paths is not None:
        spent += f", {duration(paths.seconds)} report"
    if outcome.resumed:
        spent += f"; {outcome.resumed} of {outcome.blocks} tiles were complete before this run"
    missing = outcome.missing / (bands * rows * columns)
    units = str(outcome.job.plan.pair.hs.attrs.get("units", ""))
    lines = [
        ("output", f"{outcome.path}, {byte_size(stored_bytes(outcome.path))}"),
        ("extent", describe_extent(outcome.job.plan.pair, outcome.job.settings.bbox is not None)),
        ("time", spent),
        *_consistency(outcome, paths.findings if paths else ()),
        ("uncertainty", _standard_error(outcome, units)),
        ("no data", f"{missing:.3g} of the values" if missing else "none"),
        ("value range", _limited(outcome)),
        ("warning", SRF_WARNING if outcome.job.plan.radiometry.warning else ""),
        ("warning", describe_excess(json_mapping(excess_as_dict(outcome)), units)),
        (
            "clipped",
            describe_clipped(outcome.clipped),
        ),
        *(
            ("warning", f"{fill.advice}; found in {fill.blocks} of {outcome.blocks} tiles")
            for fill in outcome.undeclared
        ),
        *(
            ("quality", f"{finding.quality}: {finding.text}")
            for finding in (paths.findings[2:] if paths else ())
        ),
        ("beside it", _files(outcome, paths)),
    ]
    return table(lines)


def _inputs(job: Job) -> list[tuple[str, str]]:
    settings = job.settings
    return input_lines(
        job.scene,
        job.rgb,
        sensors=(settings.hs_sensor, settings.rgb_sensor),
        masks=(settings.hs_mask, settings.rgb_mask),
        part=PartOfPair(settings.bbox, settings.bbox_crs, settings.bands),
    )


def _stored(raster: xr.DataArray) -> str:
    attributes = raster.attrs
    facts = [str(attributes.get("source_dtype", ""))]
    for name in ("scale", "offset"):
        stated = attributes.get(f"source_{name}")
        if isinstance(stated, list):
            facts.append(f"{name} {min(stated):.6g} to {max(stated):.6g}, one for each band")
        elif stated is not None:
            facts.append(f"{name} {stated:.6g}")
    if "nodata" in attributes:
        where = attributes.get("nodata_where")
        nodata = f"no data {_number(attributes['nodata'])}"
        facts.append(nodata + (f" where {where}" if where else ""))
    facts += [str(attributes[key]) for key in ("mask", "mask_file") if attributes.get(key)]
    if attributes.get("units"):
        facts.append(f"units {attributes['units']}")
    return ", ".join(fact for fact in facts if fact)


def _number(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _bounds(bounds: list[float]) -> str:
    sides = zip(("left", "bottom", "right", "top"), bounds, strict=True)
    return ", ".join(f"{side} {value:.10g}" for side, value in sides)


def _estimated_psf(alignment: Alignment | None) -> PSF | None:
    return alignment.psf if alignment is not None and alignment.reliable else None


def _alignment(alignment: Alignment | None, moved: Sequence[str]) -> str:
    """Return the estimated shift of the pair; ``moved`` is the note that it is corrected."""
    if alignment is None or not alignment.reliable:
        return ""
    shift = f"estimated shift of the HS image: {alignment.description}"
    return (
        f"{moved[0].partition(': ')[2] if moved else shift}; {describe_change(alignment.changed)}"
    )


def _radiometry(job: Job) -> str:
    radiometry = job.plan.radiometry
    labels = raster_band_labels(job.plan.pair.rgb)
    lines = [
        f"{label} {gain:.4g}, {offset:+.3g}, {correlation:.3f}"
        for label, gain, offset, correlation in zip(
            labels, radiometry.gain, radiometry.offset, radiometry.correlation, strict=True
        )
    ]
    more = len(lines) - _MOST_LISTED
    listing = "; ".join(lines[:_MOST_LISTED]) + (f"; and {more} more" if more > 0 else "")
    return (
        "MS band = gain x (HS image seen through the SRF) + offset; gain, offset and "
        f"correlation of the fit: {listing}"
    )


def _value_range(lower: NDArray[np.float32]) -> str:
    """Return the lower limits of the output values as text."""
    limits = lower[np.isfinite(lower)]
    if not limits.size:
        return "not limited: the HS image has negative values"
    if not limits.any():
        return "fused values below 0 are set to 0, as the HS image has no negative values"
    lowest, highest = (f"{limit:.4g}" for limit in (limits.min(), limits[limits < 0].max()))
    return (
        "fused values below a lower limit are set to it: to 0, and to the smallest HS value of the "
        f"band ({lowest} to {highest}) in the {np.count_nonzero(limits)} bands where that is "
        "negative"
    )


def _limited(outcome: Outcome) -> str:
    lower = outcome.job.plan.lower_limit
    return describe_limited(outcome.limited_share, negative=bool(lower[np.isfinite(lower)].any()))


def _device(job: Job) -> str:
    return f"{job.plan.options.device}, {_workers(job)}"


def _workers(job: Job) -> str:
    """Return the threads or processes that fuse the blocks as text."""
    cluster = job.cluster
    if cluster is None:
        kind = "process" if job.scheduler == "processes" else "worker"
        plural = "" if job.workers == 1 else "es" if kind == "process" else "s"
        return f"{job.workers} {kind}{plural}"
    text = (
        f"dask scheduler {cluster.address}, {cluster.workers} "
        f"{'worker' if cluster.workers == 1 else 'workers'}, {cluster.threads} tiles in parallel"
    )
    return f"{text}, dashboard {cluster.dashboard}" if cluster.dashboard else text


def _layout(job: Job) -> str:
    """Return the data type of the output, the reason for it, and the size as text."""
    layout = job.layout
    words: list[str] = [layout.dtype]
    if layout.dtype != "float32":
        words.append(f"x {layout.scale:g}" + (f" + {layout.offset:g}" if layout.offset else ""))
    if layout.max_error:
        words.append(f"rounded by at most {layout.max_error:g}")
    elif layout.attributes.get("stored_numbers"):
        words.append(str(layout.attributes["stored_numbers"]))
    size = f"{byte_size(job.output_bytes)} before compression"
    if job.settings.dtype == "input" and layout.dtype != "float32":
        floats = job.output_bytes * 4 // np.dtype(layout.dtype).itemsize
        size += f" ({byte_size(floats)} with --dtype float32)"
    return f"{' '.join(words)}, {size}"


def _standard_error(outcome: Outcome, units: str) -> str:
    if outcome.standard_error is None:
        return ""
    median = f"{outcome.standard_error:.4g}{' ' + units if units else ''}"
    # Imported here, where a run has loaded it already: `hsfuse info` does not need writers.
    from hsfuse.io.output.formats import find_format

    place = {
        "GeoTIFF": f"band {outcome.job.plan.planes}",
        "ENVI": f"the file {error_file(outcome.path).name}",
    }.get(find_format(outcome.path).name, f"variable {STANDARD_ERROR}")
    return f"median standard error {median}, in {place}"


def _consistency(outcome: Outcome, findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Return the differences from both images, after their interpretation where there is one."""
    pair = outcome.job.plan.pair
    labels = "HS consistency", "MS consistency"
    units = [str(raster.attrs.get("units") or "") for raster in (pair.hs, pair.rgb)]
    parts = (outcome.spatial, outcome.spectral), units, (outcome.blocks, 1)
    if findings:
        texts = [
            f"{found.quality}: {found.text}; {_difference(part, unit, blocks, said=found.text)}"
            for found, part, unit, blocks in zip(findings[:2], *parts, strict=True)
        ]
    else:
        how = "degraded by the PSF", "seen through the SRF"
        texts = [
            f"{_difference(part, unit, blocks)}: output {words}, compared with the {image} image"
            for part, unit, blocks, words, image in zip(*parts, how, ("HS", "MS"), strict=True)
        ]
    return list(zip(labels, texts, strict=True))


def _files(outcome: Outcome, paths: ReportPaths | None) -> str:
    return ", ".join(f"{file.name} ({what})" for file, what in files_beside(outcome.path, paths))


def _difference(discrepancy: Discrepancy, units: str, blocks: int, said: str = "") -> str:
    """Return RMSE and share; a share over all that ``said`` has is not repeated."""
    if not discrepancy.count:
        return "not measured"
    if blocks == 1 and f" {percent(discrepancy.relative)}" in said:
        return describe_rmse(discrepancy.rmse, units)
    figures = describe_difference(discrepancy.rmse, discrepancy.relative, units)
    return f"{figures}, {describe_compared(blocks)}"
