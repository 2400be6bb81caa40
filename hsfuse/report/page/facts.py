"""Labels and texts of a report about pair, sensors and run, without markup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hsfuse.core.band_labels import band_label
from hsfuse.core.discrepancy import describe_compared, describe_difference
from hsfuse.core.psf import PSF
from hsfuse.core.text import along_axes, byte_size, duration, image_size
from hsfuse.pair.alignment import describe_shift
from hsfuse.pair.notes import SHIFT_NOTE
from hsfuse.pair.radiometry import Radiometry
from hsfuse.report.inputs import describe_extent, pixel_size, raster_bands, raster_crs, raster_size
from hsfuse.report.notes import plan_notes, result_warnings
from hsfuse.report.page.subject import Subject
from hsfuse.report.wording import (
    describe_change,
    describe_limited,
    describe_method,
    describe_psf,
    describe_srf,
    half_peak_bands,
)

__all__ = [
    "fusion_facts",
    "lead",
    "ms_band_rows",
    "notes_of",
    "pair_facts",
    "run_facts",
    "warnings_of",
]

Facts = list[tuple[str, str]]
Record = Mapping[str, Any]


def lead(subject: Subject) -> str:
    """Return the introductory sentence about the fused raster."""
    fused, record = subject.fused, subject.record
    parts = [raster_bands(fused), raster_size(fused)]
    if size := pixel_size(fused):
        parts.append(f"pixels of {size}")
    method = (record.get("method") or {}).get("method")
    sentence = ", ".join(parts)
    return f"{sentence}, fused by the method {method}" if method else sentence


def pair_facts(subject: Subject) -> Facts:
    """Return the facts about the two images, their grids and the co-registration."""
    pair, record = subject.observed.pair, subject.record
    axes = pair.geometry
    alignment = record.get("alignment")
    ratio = along_axes(axes.y.ratio, axes.x.ratio)
    facts = [
        ("HS image", _raster_text(pair.hs, record.get("scene"))),
        ("MS image", _raster_text(pair.rgb, record.get("rgb"))),
        (
            "ratio",
            f"{ratio} pixels of the MS image per HS pixel",
        ),
        ("extent", describe_extent(pair, bool((record.get("settings") or {}).get("bbox")))),
        ("reference system", raster_crs(subject.fused)),
        ("co-registration", _alignment_text(alignment, bool(record))),
        ("PSF of the HS image", describe_psf(pair.psf, _estimated_psf(alignment))),
        ("SRF", describe_srf(pair, subject.observed.radiometry)),
    ]
    return [fact for fact in facts if fact[1]]


def _estimated_psf(alignment: Record | None) -> PSF | None:
    """Return the PSF estimated from the pair, or None if it is not reliable."""
    if not alignment or not alignment.get("reliable") or not alignment.get("psf"):
        return None
    stated = alignment["psf"]
    width, error = (
        None if stated.get(name) is None else (stated[name]["y"], stated[name]["x"])
        for name in ("fwhm", "standard_error")
    )
    return None if width is None else PSF(width, stated["status"], standard_error=error)


def _raster_text(raster: Any, stated: Record | None) -> str:
    """Return the file and size of an input, from the record if it states them."""
    size, pixel = raster_size(raster), pixel_size(raster)
    if stated and "rows" in stated:
        size = image_size(stated["rows"], stated["columns"])
    parts = [
        str(raster.attrs.get("source", "")),
        size,
        raster_bands(raster),
        f"pixels of {pixel}" if pixel else "not georeferenced",
    ]
    if raster.attrs.get("sensor"):
        parts.append(f"sensor {raster.attrs['sensor']}")
    return ", ".join(parts)


def _alignment_text(alignment: Record | None, recorded: bool) -> str:
    if alignment is None:
        return "as the files state it" if recorded else "estimated from the pair for this report"
    if not alignment.get("reliable"):
        return "as the files state it: no reliable estimate from the pair"
    shift = describe_shift(alignment["shift"], alignment["shift_error"])
    return f"estimated shift of the HS image: {shift}; {describe_change(alignment['changed'])}"


def ms_band_rows(subject: Subject) -> list[tuple[str, str, str, str, str, str]]:
    """Return name, centre, HS bands of half the peak, gain, offset and correlation of MS bands."""
    rgb, radiometry = subject.observed.pair.rgb, subject.observed.radiometry
    half_peak = half_peak_bands(subject.observed.pair, radiometry)
    rows = []
    for band, name in enumerate(rgb["band_name"].values):
        centre = float(rgb["wavelength"].values[band])
        rows.append(
            (
                band_label(band + 1, centre, str(name)),
                f"{centre:.1f} nm" if np.isfinite(centre) else _estimated_centre(radiometry, band),
                half_peak[band],
                f"{radiometry.gain[band]:.4g}",
                f"{radiometry.offset[band]:+.4g}",
                f"{radiometry.correlation[band]:.3f}",
            )
        )
    return rows


def _estimated_centre(radiometry: Radiometry, band: int) -> str:
    estimate = radiometry.estimate
    if estimate is None:
        return "unknown"
    unit = " nm" if estimate.nanometres else ""
    name = "" if estimate.nanometres else "HS band "
    low, centre, high = (
        values[band] for values in (estimate.lowest, estimate.centre, estimate.highest)
    )
    return f"{name}{centre:.0f}{unit} (centre of mass), estimated; {low:.0f} to {high:.0f} possible"


def fusion_facts(subject: Subject) -> Facts:
    """Return the facts about method, options and consistency of the run."""
    record = subject.record
    if not record:
        return [("run", "no record of hsfuse belongs to this file")]
    method, parameters = describe_method(record.get("method") or {})
    result = record.get("result") or {}
    facts = [
        ("method", method),
        ("parameters", parameters),
        *_difference(
            "consistency with the HS image",
            result.get("spatial"),
            subject.units,
            describe_compared(int(result.get("blocks") or 1)),
        ),
        *_difference(
            "consistency with the MS image",
            result.get("spectral"),
            str(subject.observed.pair.rgb.attrs.get("units") or ""),
            describe_compared(),
        ),
    ]
    if result.get("median_standard_error") is not None:
        error = f"{result['median_standard_error']:.4g} {subject.units}".strip()
        facts.append(("median standard error", error))
    if result.get("missing_share") is not None:
        share = result["missing_share"]
        facts.append(("no data", f"{share:.3g} of the values" if share else "none"))
    negative = any(record.get("lower_limit") or ())  # None where a band has no limit
    facts.append(
        ("value range", describe_limited(result.get("limited_share") or 0, negative=negative))
    )
    return [fact for fact in facts if fact[1]]


def _difference(label: str, discrepancy: Record | None, units: str, compared: str) -> Facts:
    if not discrepancy or discrepancy.get("rmse") is None:
        return []
    text = describe_difference(discrepancy["rmse"], discrepancy["relative"], units)
    return [(label, f"{text}, {compared}")]


def run_facts(subject: Subject) -> Facts:
    """Return the facts about time, machine, duration and library versions of the run."""
    record = subject.record
    result, versions = record.get("result") or {}, record.get("versions") or {}
    output = record.get("output") or {}
    facts: Facts = [("file", str(subject.path))]
    if result.get("finished"):
        facts.append(("finished", str(result["finished"])))
    if result.get("seconds") is not None:
        planning, fusing = result.get("planning_seconds") or 0, result["seconds"]
        text = f"{duration(planning)} planning, {duration(fusing)} fusing"
        facts.append(("time", f"{text}, on {record.get('device', '')}"))
    if output.get("dtype"):
        stored = str(output["dtype"])
        if output.get("scale", 1.0) != 1.0:
            stored += f" x {output['scale']:g}"
        size = f", {byte_size(result['bytes'])} on disk" if result.get("bytes") else ""
        facts.append(("stored as", stored + size))
    listed = [f"{name} {versions[name]}" for name in ("hsfuse", "torch", "gdal", "python")
              if name in versions]  # fmt: skip
    facts.append(("versions", ", ".join(listed)))
    facts.append(("digest of the plan", str(record.get("digest") or "")))
    return [fact for fact in facts if fact[1]]


def warnings_of(subject: Subject) -> list[str]:
    """Return the warnings of the run, or of the estimates for this report, one sentence each."""
    if subject.record:
        return result_warnings(subject.record)
    return [text for text in (subject.observed.radiometry.warning,) if text]


def notes_of(subject: Subject) -> list[str]:
    """Return the notes of the run on assumptions and choices, but the shift, which is a fact."""
    record = subject.record
    notes = plan_notes(record) if record else list(subject.observed.pair.notes)
    return [note for note in notes if not note.startswith(SHIFT_NOTE)]
