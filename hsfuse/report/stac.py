"""
STAC item (version 1.1) of a fused raster: bands, grid, footprint and processing.

Fields follow STAC 1.1.0 (https://github.com/radiantearth/stac-spec) and its extensions eo 2.0,
raster 2.0, projection 2.0 and processing 1.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from hsfuse.core.picture import natural_bands
from hsfuse.errors import OutputError
from hsfuse.fusion.digest import versions
from hsfuse.io.files.reports import write_side_file
from hsfuse.io.files.url import AnyPath
from hsfuse.io.names import STANDARD_ERROR
from hsfuse.io.output.records import record_path
from hsfuse.io.read import open_raster
from hsfuse.io.stac import Times, parse_time
from hsfuse.report.record import as_json, grid_of

if TYPE_CHECKING:
    from hsfuse.fusion.job import Outcome

__all__ = ["check_footprint", "item_of", "item_path", "parse_times", "utc_text", "write_item"]

_EXTENSIONS = {"eo": "v2.0.0", "raster": "v2.0.0", "projection": "v2.0.0", "processing": "v1.2.0"}
_MEDIA_TYPES = {
    ".tif": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".tiff": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".zarr": "application/vnd.zarr; version=3",
    ".nc": "application/netcdf",
}
# Number of points of each edge of the footprint, which is curved in geographic coordinates.
_EDGE_POINTS = 9


def item_path(out: AnyPath) -> AnyPath:
    """Return the path of the STAC item of an output."""
    return out.with_name(f"{out.name}.stac.json")


def parse_times(text: str) -> Times:
    """
    Parse a time, a date in UTC or an interval; return its start and end.

    Raises
    ------
    ValueError
        If the text is neither a time nor an interval.

    Examples
    --------
    >>> start, end = parse_times("2020-06-01T10:30:00Z/2020-06-02T10:00:00Z")
    >>> (end - start).days, len(set(parse_times("2020-06-01T10:30:00Z")))
    (0, 1)
    >>> [time.isoformat() for time in parse_times("2020-06-01")]
    ['2020-06-01T00:00:00+00:00', '2020-06-01T23:59:59+00:00']
    """
    first, _, last = text.partition("/")
    start, _ = _moments(first)
    _, end = _moments(last or first)
    if end < start:
        raise ValueError(f"found the interval {text!r}; expected the earlier time first")
    return start, end


def _moments(text: str) -> Times:
    """Return the first and the last second of a date, or a time twice."""
    try:
        date = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        time = parse_time(text)
        return time, time
    return date, date + timedelta(days=1, seconds=-1)


def write_item(outcome: Outcome, times: Times) -> AnyPath:
    """
    Write ``<output>.stac.json`` beside an output.

    Raises
    ------
    OutputError
        If the item cannot be written, or a file of its name was not written by hsfuse; the output
        itself is complete.
    """
    text = as_json(item_of(outcome, times))
    return write_side_file(item_path(outcome.path), f"{text}\n")


def item_of(outcome: Outcome, times: Times) -> dict[str, object]:
    """
    Return the STAC item of a finished run.

    Parameters
    ----------
    outcome : Outcome
        Result of :func:`hsfuse.run`.
    times : tuple of datetime
        Start and end of the acquisition of the two images. If they differ, the item has
        start_datetime and end_datetime in place of datetime, as the specification requires.

    Raises
    ------
    OutputError
        If the output has no CRS, or crosses the antimeridian.
    """
    raster, path = open_raster(outcome.path), outcome.path
    ring, bounds = check_footprint(raster)
    grid = grid_of(raster)
    size = grid["pixel_size"] if grid["unit"] == "m" else None
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [
            f"https://stac-extensions.github.io/{name}/{version}/schema.json"
            for name, version in _EXTENSIONS.items()
        ],
        "id": path.stem,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": bounds,
        "properties": {
            **_time_fields(times),
            **({"gsd": _metres(size)} if isinstance(size, list) else {}),
            **_processing(outcome),
            **_projection(raster, grid),
        },
        "links": [],
        "assets": _assets(outcome, raster),
    }


def _metres(pixel_size: Sequence[float]) -> float:
    """
    Return the larger side of a pixel without digits that the transform leaves of its rounding.

    Examples
    --------
    >>> _metres([0.10000000000093366, 0.1])
    0.1
    """
    return float(f"{max(pixel_size):.9g}")


def _time_fields(times: Times) -> dict[str, object]:
    start, end = (utc_text(each) for each in times)
    if start == end:
        return {"datetime": start}
    return {"datetime": None, "start_datetime": start, "end_datetime": end}


def utc_text(time: datetime) -> str:
    """Return a time in UTC as STAC items write it, with Z."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _processing(outcome: Outcome) -> dict[str, object]:
    job = outcome.job
    return {
        "processing:lineage": (
            f"Fusion of the hyperspectral image {job.scene.name} with the multispectral image "
            f"{job.rgb.name} by {job.plan.fuser.name}; plan {job.plan.digest[:16]}"
        ),
        "processing:datetime": utc_text(datetime.now(UTC)),
        "processing:software": versions(),
    }


def _projection(raster: xr.DataArray, grid: Mapping[str, object]) -> dict[str, object]:
    crs = raster.rio.crs
    code = crs.to_authority()
    place = (
        {"proj:code": ":".join(code)}
        if code
        else {"proj:code": None, "proj:projjson": CRS.from_wkt(crs.to_wkt()).to_json_dict()}
    )
    return {
        **place,
        "proj:bbox": grid["bounds"],
        "proj:shape": [raster.sizes["y"], raster.sizes["x"]],
        "proj:transform": grid["transform"],
    }


def check_footprint(raster: xr.DataArray) -> tuple[list[list[float]], list[float]]:
    """
    Return the footprint of a raster in WGS 84 degrees: counterclockwise ring, and bounds.

    Raises
    ------
    OutputError
        If the raster has no CRS, or crosses the antimeridian.
    """
    label, crs = raster.attrs.get("source", "output"), raster.rio.crs
    if crs is None:
        raise OutputError(f"{label}: has no CRS, which the footprint of a STAC item needs")
    rows, columns = raster.sizes["y"], raster.sizes["x"]
    edge = np.linspace(0, 1, _EDGE_POINTS)[:-1]
    across = np.concatenate([edge, np.ones_like(edge), 1 - edge, np.zeros_like(edge)]) * columns
    down = np.concatenate([np.zeros_like(edge), edge, np.ones_like(edge), 1 - edge]) * rows
    x, y = raster.rio.transform() * (across, down)
    try:
        there = Transformer.from_crs(CRS.from_wkt(crs.to_wkt()), "OGC:CRS84", always_xy=True)
        longitude, latitude = (np.round(each, 7) for each in there.transform(x, y, errcheck=True))
    except (CRSError, ProjError) as error:
        raise OutputError(f"{label}: its CRS has no longitude and latitude ({error})") from error
    if np.ptp(longitude) > 180:
        raise OutputError(f"{label}: crosses the antimeridian; expected no STAC item of it")
    points = list(zip(longitude.tolist(), latitude.tolist(), strict=True))
    following = [*points[1:], points[0]]
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(points, following, strict=True))
    ring = [list(point) for point in (points if area > 0 else points[::-1])]
    bounds = [longitude.min(), latitude.min(), longitude.max(), latitude.max()]
    return [*ring, ring[0]], [float(value) for value in bounds]


def _assets(outcome: Outcome, raster: xr.DataArray) -> dict[str, object]:
    path = outcome.path
    data = {
        "href": f"./{path.name}",
        "title": str(raster.attrs.get("long_name") or "fused raster"),
        "roles": ["data"],
        **_stored(raster),
        "bands": _bands(raster, path),
    }
    if path.suffix.lower() in _MEDIA_TYPES:
        data["type"] = _MEDIA_TYPES[path.suffix.lower()]
    assets: dict[str, object] = {"data": data}
    for key, beside, kind, role in (
        ("record", record_path(path), "application/json", "metadata"),
        ("quicklook", path.with_name(f"{path.name}.png"), "image/png", "overview"),
        ("report", path.with_name(f"{path.name}.html"), "text/html", "metadata"),
    ):
        if beside.exists():
            assets[key] = {"href": f"./{beside.name}", "type": kind, "roles": [role]}
    return assets


def _stored(raster: xr.DataArray) -> dict[str, object]:
    """Return the fields common to all bands: data type, scale, unit and pixel size."""
    attributes, grid = raster.attrs, grid_of(raster)
    fields: dict[str, object] = {"data_type": attributes["source_dtype"]}
    nodata = attributes.get("nodata")
    if isinstance(nodata, int | float):
        fields["nodata"] = "nan" if math.isnan(nodata) else nodata
    for name, plain in (("scale", 1.0), ("offset", 0.0)):
        value = attributes.get(f"source_{name}", plain)
        if isinstance(value, int | float) and value != plain:
            fields[f"raster:{name}"] = value
    size = grid["pixel_size"]
    if grid["unit"] == "m" and isinstance(size, list):
        fields["raster:spatial_resolution"] = _metres(size)
    if attributes.get("units"):
        fields["unit"] = attributes["units"]
    return fields


def _bands(raster: xr.DataArray, path: AnyPath) -> list[dict[str, object]]:
    """Return the fields of each band; wavelengths are in micrometres, as the eo extension asks."""
    wavelength = np.asarray(raster["wavelength"].values, dtype=np.float64)
    good = np.asarray(raster["good"].values, dtype=bool)
    colours = dict(zip(_shown(wavelength, good), ("red", "green", "blue"), strict=False))
    bands = []
    for index, name in enumerate(raster["band_name"].values):
        band: dict[str, object] = {"name": str(name)}
        for field, lengths in (
            ("eo:center_wavelength", wavelength),
            ("eo:full_width_half_max", raster["fwhm"].values),
        ):
            if math.isfinite(lengths[index]) and lengths[index] > 0:
                band[field] = round(float(lengths[index]) / 1000, 7)
        if index in colours:
            band["eo:common_name"] = colours[index]
        bands.append(band)
    if STANDARD_ERROR in raster.coords and path.suffix.lower() in (".tif", ".tiff"):
        bands.append({"name": STANDARD_ERROR, "description": "standard error of each pixel"})
    return bands


def _shown(wavelength: NDArray[np.float64], good: NDArray[np.bool_]) -> list[int]:
    """Return the bands nearest to red, green and blue, if within the spectral range."""
    if not np.isfinite(wavelength).all() or wavelength.min() > 520 or wavelength.max() < 620:
        return []
    return natural_bands(wavelength, good)
