"""
Rasters, plans and runs as mappings of JSON types: the record from which all reports are made.

Values are neither formatted nor computed here; NaN becomes None.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from hsfuse.core.discrepancy import Discrepancy
from hsfuse.core.json_types import json_mapping
from hsfuse.core.psf import PSF
from hsfuse.fusion.digest import LIBRARIES
from hsfuse.io.files.identity import STORE_FILES
from hsfuse.io.files.location import full_path
from hsfuse.io.files.url import AnyPath, Url, as_path
from hsfuse.io.input.labels import crs_text, raster_notes
from hsfuse.io.names import STANDARD_ERROR
from hsfuse.io.read import open_raster

if TYPE_CHECKING:
    from hsfuse.assessment.figures import Finding
    from hsfuse.fusion.job import Job, Outcome
    from hsfuse.fusion.plan import Plan
    from hsfuse.fusion.settings import PathLike, SensorLike
    from hsfuse.pair.alignment import Alignment
    from hsfuse.pair.geometry import Pair
    from hsfuse.pair.radiometry import Radiometry
    from hsfuse.pair.response_estimate import ResponseEstimate

__all__ = [
    "as_json",
    "excess_as_dict",
    "grid_of",
    "outcome_as_dict",
    "plan_as_dict",
    "raster_as_dict",
    "repeat_command",
    "spectral_range",
    "stored_bytes",
]

_HASHED = 2**20  # bytes at the beginning of an input that its checksum covers
# Libraries that compute pixels, followed by those that only read and write them.
_LIBRARIES = (*LIBRARIES, "xarray", "zarr", "rioxarray")


def raster_as_dict(raster: xr.DataArray) -> dict[str, object]:
    """
    Return the metadata of a raster: size, grid and bands.

    Parameters
    ----------
    raster : DataArray
        From :func:`hsfuse.open_raster`; no pixel is read.
    """
    bands, rows, columns = raster.shape
    facts = {
        "path": str(raster.attrs.get("source", "")),
        "bands": bands,
        "rows": rows,
        "columns": columns,
        **grid_of(raster),
        "wavelength_range": spectral_range(raster),
        "good_bands": int(np.count_nonzero(raster["good"].values)),
        "standard_error": STANDARD_ERROR in raster.coords,
        **{key: value for key, value in raster.attrs.items() if key != "source"},
        "notes": raster_notes(raster),
        "band_name": [str(name) for name in raster["band_name"].values],
        **{key: raster[key].values for key in ("wavelength", "fwhm", "good")},
    }
    return json_mapping(facts)


def grid_of(raster: xr.DataArray) -> dict[str, object]:
    """
    Return the grid of a raster: transform, pixel size, bounds and coordinate reference system.

    All are None if the raster is not georeferenced. ``pixel_size`` is in ``unit``, in order y, x.
    """
    if not raster.attrs.get("georeferenced", True) and raster.rio.crs is None:
        return dict.fromkeys(("transform", "pixel_size", "unit", "bounds", "crs"))
    transform, crs = raster.rio.transform(), raster.rio.crs
    rows, columns = raster.sizes["y"], raster.sizes["x"]
    corners = [transform * corner for corner in ((0, 0), (columns, 0), (0, rows), (columns, rows))]
    across, down = (sorted(values) for values in zip(*corners, strict=True))
    return {
        "transform": [float(number) for number in tuple(transform)[:6]],
        "pixel_size": [math.hypot(transform.b, transform.e), math.hypot(transform.a, transform.d)],
        "unit": _unit(crs),
        "bounds": [across[0], down[0], across[-1], down[-1]],
        "crs": None if crs is None else crs_text(crs),
    }


def _unit(crs: object) -> str | None:
    if crs is None:
        return None
    name = (
        "degree"
        if getattr(crs, "is_geographic", False)
        else str(getattr(crs, "linear_units", "") or "")
    )
    return {"metre": "m", "meter": "m", "degree": "°"}.get(name.lower(), name or None)


def spectral_range(raster: xr.DataArray) -> list[float] | None:
    """Return the shortest and the longest known wavelength in nanometres; None if unknown."""
    known = raster["wavelength"].values[np.isfinite(raster["wavelength"].values)]
    return [float(known.min()), float(known.max())] if known.size else None


def plan_as_dict(job: Job) -> dict[str, object]:
    """
    Return the record of a planned run: inputs, grids, sensors, radiometry, method, tiles, output.

    Parameters
    ----------
    job : Job
        From :func:`hsfuse.fusion.run.prepare`.
    """
    plan, settings = job.plan, job.settings
    facts = {
        "command": repeat_command(job),
        "config": job.config,
        "settings": asdict(settings),
        "request": job.request,
        "versions": _versions(),
        "scene": _input(job.scene, settings.hs_sensor, settings.hs_mask),
        "rgb": _input(job.rgb, settings.rgb_sensor, settings.rgb_mask),
        "grid": _grids(plan.pair),
        "psf": _psf(plan.pair.psf),
        "alignment": _alignment(plan.alignment),
        "response": {
            "source": plan.pair.response_source,
            "matrix": np.round(plan.radiometry.response, 9),
            "estimate": _estimate(plan.radiometry.estimate),
            "warning": plan.radiometry.warning,
        },
        "radiometry": _radiometry(plan.radiometry),
        "lower_limit": plan.lower_limit,
        "method": plan.fuser.describe(),
        "device": plan.options.device,
        "workers": job.workers,
        "cluster": None if job.cluster is None else asdict(job.cluster),
        "tiles": _tiles(plan),
        "output": _output(job),
        "memory_bytes": job.memory_bytes,
        "expected_seconds": None if job.expected is None else job.expected.total,
        "notes": plan.notes,
        "digest": plan.digest,
    }
    return json_mapping(facts)


def _grids(pair: Pair) -> dict[str, object]:
    """Return the relation of both grids along each axis, and the grid of the output."""
    axes = {"y": pair.geometry.y, "x": pair.geometry.x}
    return {
        "ratio": {name: axis.ratio for name, axis in axes.items()},
        "origin": {name: axis.origin for name, axis in axes.items()},
        "coarse": {name: axis.coarse for name, axis in axes.items()},
        "fine": {name: axis.fine for name, axis in axes.items()},
        "ms_size": dict(zip(axes, pair.ms_size, strict=True)),
        **grid_of(pair.rgb),
    }


def _radiometry(radiometry: Radiometry) -> dict[str, object]:
    return {
        "gain": radiometry.gain,
        "offset": radiometry.offset,
        "correlation": radiometry.correlation,
        "good": radiometry.good,
        "covered": radiometry.covered,
        "explained": np.round(radiometry.explained, 4),
        "curved": radiometry.curved,
    }


def _estimate(estimate: ResponseEstimate | None) -> dict[str, object] | None:
    """Return the response estimated from the pair, None where one is stated."""
    if estimate is None:
        return None
    return {**asdict(estimate), "response": np.round(estimate.response, 9)}


def _tiles(plan: Plan) -> dict[str, object]:
    rows, columns = plan.rows, plan.columns
    overlap = {"y": rows.halo + rows.blend, "x": columns.halo + columns.blend}
    return {"count": len(plan.blocks), "size": rows.size, "overlap": overlap}


def _output(job: Job) -> dict[str, object]:
    layout = job.layout
    return {
        "path": str(full_path(job.out)),
        "shape": job.plan.shape,
        "dtype": layout.dtype,
        "scale": layout.scale,
        "offset": layout.offset,
        "max_error": layout.max_error,
        "stored_numbers": layout.attributes.get("stored_numbers", "as asked"),
        "bytes": job.output_bytes,
    }


def outcome_as_dict(outcome: Outcome, findings: Sequence[Finding] = ()) -> dict[str, object]:
    """
    Return the record of a finished run: plan, time, and consistency with both inputs.

    Parameters
    ----------
    outcome : Outcome
        From :func:`hsfuse.fusion.run.run`.
    findings : sequence of Finding
        Quality of the output: HS consistency, MS consistency, HQNR and QNR.
    """
    bands, rows, columns = outcome.job.plan.shape
    finished = outcome.blocks - outcome.resumed
    facts = {
        **plan_as_dict(outcome.job),
        "result": {
            "path": str(full_path(outcome.path)),
            "finished": outcome.finished.isoformat(timespec="seconds"),
            "bytes": stored_bytes(outcome.path),
            "planning_seconds": outcome.job.seconds,
            "seconds": outcome.seconds,
            "megapixels_per_second": rows
            * columns
            / 1e6
            * finished
            / outcome.blocks
            / max(outcome.seconds, 1e-9),
            "blocks": outcome.blocks,
            "resumed_blocks": outcome.resumed,
            "missing_values": outcome.missing,
            "missing_share": outcome.missing / (bands * rows * columns),
            "clipped_values": outcome.clipped,
            "limited_values": outcome.limited,
            "limited_share": outcome.limited_share,
            "excess": excess_as_dict(outcome),
            "undeclared_fill": [fill._asdict() for fill in outcome.undeclared],
            "median_standard_error": outcome.standard_error,
            "spatial": _discrepancy(outcome.spatial),
            "spectral": _discrepancy(outcome.spectral),
            "quality": [asdict(found) for found in findings],
        },
    }
    return json_mapping(facts)


def excess_as_dict(outcome: Outcome) -> dict[str, object]:
    """Return the number of values far above the HS image, and the largest relative to its band."""
    excess, hs = outcome.excess, outcome.job.plan.pair.hs
    largest = {
        "band": excess.band + 1,
        "wavelength": hs["wavelength"].values[excess.band],
        "value": excess.value,
        "hs_maximum": excess.hs_maximum,
        "row": excess.row,
        "column": excess.column,
        "covered": bool(outcome.job.plan.radiometry.covered[excess.band]),
    }
    return {
        "values": excess.count,
        "share": outcome.excess_share,
        "largest": largest if excess.count else None,
    }


def stored_bytes(path: AnyPath) -> int:
    """Return the size in bytes of a file, or of all files of a store."""
    if isinstance(path, Url):
        return path.stat().st_size if path.is_file() else path.disk_usage()
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def as_json(facts: Mapping[str, object]) -> str:
    """
    Return a mapping as JSON text with one line per key and lists of numbers on one line.

    Examples
    --------
    >>> print(as_json({"gain": [1.0, 2.5]}))
    {
      "gain": [1.0, 2.5]
    }
    """
    text = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False)
    # A line break after a bracket is never part of a string, where it would be escaped.
    return re.sub(r"\[\n[^\[\]{}]*?\n *\]", _on_one_line, text)


def _on_one_line(match: re.Match[str]) -> str:
    return "[" + " ".join(line.strip() for line in match[0][1:-1].splitlines()).strip() + "]"


def repeat_command(job: Job) -> str:
    """Return the command that repeats a run; options at their defaults are omitted."""
    settings = job.settings
    files = [str(full_path(path)) for path in (job.scene, job.rgb, job.out)]
    words = ["hsfuse", "run", *files[:2], "-o", files[2]]
    for field in fields(settings):
        value = getattr(settings, field.name)
        option = f"--{field.name.replace('_', '-')}"
        if field.name == "creation_options":
            for key, text in value.items():
                words += ["--co", f"{key}={text}"]
        elif field.default is True:
            words += [] if value else [f"--no-{option.removeprefix('--')}"]
        elif value is True:
            words.append(option)
        elif value not in (None, False) and value != field.default:
            words += [option, *map(str, value if isinstance(value, tuple) else [value])]
    return shlex.join([*words, *job.words])


def _input(path: AnyPath, sensor: SensorLike | None, mask: PathLike | None) -> dict[str, object]:
    facts = {**raster_as_dict(open_raster(path, sensor=sensor, mask=mask)), "file": _identity(path)}
    return facts if mask is None else {**facts, "mask_file": _identity(as_path(mask))}


def _identity(path: AnyPath) -> dict[str, object]:
    """Return the size, modification time and checksum of a file, or of the metadata of a store."""
    if isinstance(path, Url):
        return _identity_of_object(path)
    file = path
    if path.is_dir():
        file = next((path / name for name in STORE_FILES if (path / name).exists()), path)
    if not file.is_file():
        return {"path": str(full_path(path))}
    status = file.stat()
    with file.open("rb") as stream:
        digest = hashlib.sha256(stream.read(_HASHED)).hexdigest()
    changed = datetime.fromtimestamp(status.st_mtime, UTC)
    return {
        "path": str(full_path(file)),
        "bytes": status.st_size,
        "changed": changed.isoformat(timespec="seconds"),
        "sha256_first_mib": digest,
    }


def _identity_of_object(url: Url) -> dict[str, object]:
    """Return the size, time and entity tag of an object, or of the metadata of a store."""
    for each in (url, *(url / name for name in STORE_FILES)):
        if each.is_file():
            state = each.stat()
            facts = {"path": str(each), "bytes": state.st_size, "changed": state.changed}
            return facts | {"entity_tag": state.entity_tag}
    return {"path": str(url)}


def _versions() -> dict[str, str]:
    import rasterio

    libraries = {name: version(name) for name in _LIBRARIES}
    return {**libraries, "gdal": rasterio.__gdal_version__, "python": platform.python_version()}


def _alignment(alignment: Alignment | None) -> dict[str, object] | None:
    if alignment is None:
        return None
    return {**asdict(alignment), "reliable": alignment.reliable, "psf": _psf(alignment.psf)}


def _psf(psf: PSF) -> dict[str, object]:
    error = psf.standard_error
    return {
        "fwhm": dict(zip("yx", psf.fwhm, strict=True)),
        "standard_error": None if error is None else dict(zip("yx", error, strict=True)),
        "status": psf.status,
        "source": psf.source,
    }


def _discrepancy(difference: Discrepancy) -> dict[str, object]:
    return {
        "rmse": difference.rmse,
        "relative": difference.relative,
        "values": difference.count,
    }
