"""
Text of a run for its user: the plan and the closing summary.

The wording may change between versions; the keys of the record (JSON) are stable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from dask.utils import format_bytes, format_time
from numpy.typing import NDArray

from hsfuse.core.discrepancy import Discrepancy
from hsfuse.core.text import by, image_kind, listed, numbers, table
from hsfuse.io.layout import STANDARD_ERROR, error_file
from hsfuse.pair.response import suggest_hs_sensor
from hsfuse.report.inputs import (
    PartOfPair,
    input_lines,
    pixel_size,
    raster_crs,
    raster_size,
)
from hsfuse.report.record import (
    grid_of,
    spectral_range,
    stored_bytes,
)

if TYPE_CHECKING:
    from hsfuse.fusion.job import Job, Outcome
    from hsfuse.pair.alignment import Alignment
    from hsfuse.report.files import ReportPaths

__all__ = ["describe_plan", "describe_raster", "summarise"]

_MOST_LISTED = 8  # MS bands whose gain and offset are written out


def describe_raster(raster: xr.DataArray) -> str:
    """
    Return the metadata of a raster, one line per item.

    Parameters
    ----------
    raster : DataArray
        From :func:`hsfuse.open_raster`; no pixel is read.
    """
    grid, span = grid_of(raster), spectral_range(raster)
    good = int(np.count_nonzero(raster["good"].values))
    attributes = raster.attrs
    bands = f"{raster.sizes['band']} bands"
    if span is not None:
        bands += f", {span[0]:.0f} to {span[1]:.0f} nm ({attributes.get('wavelength_source')})"
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
        ("bounds", numbers(grid["bounds"])),
        ("sensor", str(attributes.get("sensor") or "")),
        ("note", str(attributes.get("georeferencing") or "")),
    ]
    notes = [*attributes.get("notes", ()), *suggest_hs_sensor(raster)]
    return table([*lines, *(("note", str(note)) for note in notes)])


def describe_plan(job: Job, *, inputs: bool = True) -> str:
    """
    Return the plan of a run, one line per decision, then one line per note.

    Parameters
    ----------
    job : Job
        From :func:`hsfuse.fusion.run.prepare`.
    inputs : bool
        Begin with the lines of :func:`hsfuse.report.inputs.describe_inputs`.
    """
    plan, pair = job.plan, job.plan.pair
    bands, rows, columns = plan.shape
    count = len(plan.blocks)
    overlap = plan.rows.halo + plan.rows.blend, plan.columns.halo + plan.columns.blend
    lines = [
        *(_inputs(job) if inputs else ()),
        ("PSF", f"Gaussian, {pair.psf.describe()}, {pair.psf.status}"),
        ("co-registration", _alignment(plan.alignment)),
        ("SRF", pair.response_source),
        ("radiometry", _radiometry(job)),
        ("value range", _value_range(plan.lower_limit)),
        ("method", _method(plan.fuser.describe())),
        ("device", _device(job)),
        (
            "tiles",
            f"{count} of {plan.rows.size} x {plan.columns.size} pixels, "
            f"tile overlap {by(*overlap)} pixels",
        ),
        (
            "memory",
            f"about {format_bytes(job.memory_bytes)}{' a dask worker' if job.cluster else ''}",
        ),
        ("time", _duration(job)),
        (
            "output",
            f"{job.out}: {rows} x {columns} pixels, {bands} bands"
            f"{' and the standard error' if plan.fuser.gives_standard_error else ''}, "
            f"{_layout(job)}",
        ),
    ]
    return table([*lines, *(("note", note) for note in plan.notes)])


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
    rate = rows * columns / 1e6 * done / outcome.blocks / max(outcome.seconds, 1e-9)
    took = (
        f"{format_time(outcome.job.seconds)} planning, {format_time(outcome.seconds)} fusing "
        f"({rate:.3g} Mpx/s)"
    )
    if outcome.resumed:
        took += f"; {outcome.resumed} of {outcome.blocks} blocks were complete before this run"
    missing = outcome.missing / (bands * rows * columns)
    units = str(outcome.job.plan.pair.hs.attrs.get("units", ""))
    kind = image_kind(outcome.job.plan.pair.rgb.sizes["band"])
    lines = [
        ("output", f"{outcome.path}, {format_bytes(stored_bytes(outcome.path))}"),
        ("time", took),
        (
            "HS consistency",
            f"{_difference(outcome.spatial, units)}: output degraded by PSF, against HS image",
        ),
        (
            f"{kind} consistency",
            f"{_difference(outcome.spectral)}: output seen through SRF, against {kind} image",
        ),
        ("uncertainty", _standard_error(outcome, units)),
        ("no data", f"{missing:.3g} of the values" if missing else "none"),
        ("value range", _limited(outcome)),
        (
            "clipped",
            f"{outcome.clipped} values outside the range of the stored type"
            if outcome.clipped
            else "",
        ),
        *(
            ("warning", f"{fill.advice}; found in {fill.blocks} of {outcome.blocks} blocks")
            for fill in outcome.undeclared
        ),
        *(
            ("quality", f"{finding.quality}: {finding.text}")
            for finding in (paths.findings if paths else ())
        ),
        ("quicklook", str(paths.quicklook) if paths else ""),
        ("record", str(paths.sidecar) if paths else ""),
        ("report", str(paths.page) if paths and paths.page else ""),
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
        facts.append(f"no data {attributes['nodata']}" + (f" where {where}" if where else ""))
    facts += [str(attributes[key]) for key in ("mask", "mask_file", "units") if attributes.get(key)]
    return ", ".join(fact for fact in facts if fact)


def _alignment(found: Alignment | None) -> str:
    """Return the estimated shift and PSF of the pair."""
    if found is None or not found.reliable:
        return ""
    parts = [
        f"estimated shift of the HS image: {found.description}",
        f"estimated PSF: {found.psf.describe()}",
        f"{found.changed:.1%} of the pixels differ between the images",
    ]
    return ", ".join(parts)


def _radiometry(job: Job) -> str:
    found = job.plan.radiometry
    names = [str(name) for name in job.plan.pair.rgb["band_name"].values]
    lines = [
        f"{name or index} {gain:.4g}, {offset:+.3g}, {correlation:.3f}"
        for index, (name, gain, offset, correlation) in enumerate(
            zip(names, found.gain, found.offset, found.correlation, strict=True), start=1
        )
    ]
    more = len(lines) - _MOST_LISTED
    listing = "; ".join(lines[:_MOST_LISTED]) + (f"; and {more} more" if more > 0 else "")
    kind = image_kind(len(names))
    return (
        f"{kind} band = gain x (HS image seen through SRF) + offset; gain, offset and "
        f"correlation of the fit: {listing}"
    )


def _method(facts: dict[str, object]) -> str:
    name = str(facts.get("method", ""))
    rest = [
        f"{key.replace('_', ' ')} {_setting(value)}"
        for key, value in facts.items()
        if key != "method" and not key.endswith("sha256") and not isinstance(value, dict)
    ]
    return f"{name}: {', '.join(rest)}" if rest else name


def _value_range(lower: NDArray[np.float32]) -> str:
    """Return the limits of the output's values."""
    limits = lower[np.isfinite(lower)]
    if not limits.size:
        return "not limited: the HS image has negative values"
    if not limits.any():
        return "at least 0, as the HS image has no negative values"
    return (
        f"at least 0, in the {np.count_nonzero(limits)} bands with negative HS values at least "
        f"the smallest of them ({limits.min():.4g} in the lowest)"
    )


def _limited(outcome: Outcome) -> str:
    if not outcome.limited:
        return ""
    lower = outcome.job.plan.lower_limit
    limit = "the smallest HS value of their band, at most 0," if lower.any() else "0"
    share = f"{100 * outcome.limited_share:.2g} %"
    return f"{share} of the values were below {limit} and were set to it"


def _setting(value: object) -> str:
    """Return a setting of a method as text."""
    if isinstance(value, list | tuple):
        return " and ".join(map(str, value)) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _device(job: Job) -> str:
    return f"{job.plan.options.device}, {_workers(job)}"


def _workers(job: Job) -> str:
    """Return what fuses the blocks."""
    cluster = job.cluster
    if cluster is None:
        kind = "process" if job.scheduler == "processes" else "worker"
        plural = "" if job.workers == 1 else "es" if kind == "process" else "s"
        return f"{job.workers} {kind}{plural}"
    text = (
        f"dask scheduler {cluster.address}, {cluster.workers} "
        f"{'worker' if cluster.workers == 1 else 'workers'}, {cluster.threads} blocks in parallel"
    )
    return f"{text}, dashboard {cluster.dashboard}" if cluster.dashboard else text


def _duration(job: Job) -> str:
    return "" if job.expected is None else f"about {_rounded(job.expected.total)} on this machine"


def _rounded(seconds: float) -> str:
    """
    Return a time in one unit, as exact as an estimate is.

    Examples
    --------
    >>> _rounded(0.3), _rounded(47.0), _rounded(251.0), _rounded(9000.0)
    ('1 s', '47 s', '4 min', '2.5 h')
    """
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.2g} h"


def _layout(job: Job) -> str:
    """Return the stored numbers of the output, why they are these, and their size."""
    layout = job.layout
    words: list[str] = [layout.dtype]
    if layout.dtype != "float32":
        words.append(f"x {layout.scale:g}" + (f" + {layout.offset:g}" if layout.offset else ""))
    if layout.max_error:
        words.append(f"rounded by at most {layout.max_error:g}")
    words.append(str(layout.attributes.get("stored_numbers", "")))
    size = f"{format_bytes(job.output_bytes)} before compression"
    if job.settings.dtype == "input" and layout.dtype != "float32":
        floats = job.output_bytes * 4 // np.dtype(layout.dtype).itemsize
        size += f" ({format_bytes(floats)} with --dtype float32)"
    return f"{' '.join(filter(None, words))}, {size}"


def _standard_error(outcome: Outcome, units: str) -> str:
    if outcome.standard_error is None:
        return ""
    median = f"{outcome.standard_error:.4g}{' ' + units if units else ''}"
    # Here, where a run has loaded it: metadata are shown without what writes.
    from hsfuse.io.formats import find_format

    place = {
        "GeoTIFF": f"band {outcome.job.plan.planes}",
        "ENVI": f"the file {error_file(outcome.path).name}",
    }.get(find_format(outcome.path).name, f"variable {STANDARD_ERROR}")
    return f"median standard error {median}, in {place}"


def _difference(found: Discrepancy, units: str = "") -> str:
    if not found.count:
        return "not measured"
    return (
        f"RMSE {found.rmse:.4g}{' ' + units if units else ''}, {found.relative:.2%} of the signal"
    )
