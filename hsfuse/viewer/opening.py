"""Open the scene of a fused raster: raster, standard error, and the two images of its run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from affine import Affine

from hsfuse.core.grid import Axis
from hsfuse.errors import HsfuseError, message_of
from hsfuse.io.files.url import AnyPath
from hsfuse.io.levels import Pyramid, array_pyramid, open_pyramid
from hsfuse.io.output.provenance import is_record_of
from hsfuse.io.output.records import read_record, record_path, recorded_images
from hsfuse.io.read import check_georeferencing, open_raster
from hsfuse.pair.geometry import Pair, make_pair, transform
from hsfuse.pair.lattice import lattice_offset
from hsfuse.pair.part import restrict_ms, select_bands
from hsfuse.pair.recorded import recorded_pair, same_grid
from hsfuse.sensor.catalogue import known_sensor
from hsfuse.viewer.scene import BandFacts, Layer, MSRelation, Scene

__all__ = ["open_scene"]

Record = Mapping[str, Any]


@dataclass(frozen=True)
class _Inputs:
    """Paths of the two images of a fused raster, and whether the caller or a record named them."""

    hs: AnyPath
    ms: AnyPath
    named: bool


def open_scene(fused: AnyPath, inputs: tuple[AnyPath, AnyPath] | None = None) -> Scene:
    """
    Return the scene of a fused raster; no pixel is read.

    Parameters
    ----------
    fused : Path or Url
    inputs : tuple of (Path or Url), optional
        The HS image and the MS image; by default those named by the record of the run, if they
        still exist.

    Raises
    ------
    RasterError
        If a raster cannot be read.
    PairError
        If the given images do not match the grid of the fused raster.
    """
    raster = open_raster(fused)
    pyramid, error = open_pyramid(fused)
    record, notes = _record(fused)
    layers = {"fused": _own("fused", raster, pyramid)}
    images = _inputs(inputs, record)
    relation = None
    if images is not None:
        try:
            pair, recorded = _pair(images, record, notes)
            layers |= _input_layers(pair, raster, images)
            relation = _relation(record, layers["ms"]) if recorded else None
        except (HsfuseError, OSError) as fault:
            if images.named:
                raise
            notes.append(f"the images that its record names are not shown: {message_of(fault)}")
    if error is not None:
        whole = raster.isel(band=[0]).assign_coords(
            wavelength=("band", [np.nan]), fwhm=("band", [np.nan]), good=("band", [True])
        )
        whole = whole.assign_coords(band_name=("band", ["standard error"]))
        layers["standard_error"] = _own("standard error", whole, error)
    if layers["fused"].pyramid.sampled(2 ** Scene(fused.name, layers).deepest):
        notes.append(
            "it has no overviews: zoomed out far, the picture is a sample of its pixels, and exact "
            "when you zoom in"
        )
    placed = bool(raster.attrs.get("georeferenced", True))
    return Scene(
        fused.name,
        layers,
        transform(raster) if placed else None,
        raster.rio.crs,
        relation,
        tuple(notes),
    )


def _record(fused: AnyPath) -> tuple[Record, list[str]]:
    """Return the record of a fused raster, empty if it has none, and notes on it."""
    record: Record = read_record(fused)
    if not record:
        return {}, []
    if not is_record_of(record, fused):
        return {}, [f"{record_path(fused).name} belongs to another raster and is not used"]
    return record, []


def _own(label: str, raster: xr.DataArray, pyramid: Pyramid) -> Layer:
    """Return a layer on the pixel grid of the fused raster."""
    rows, columns = (Axis(size, size, 1.0) for size in pyramid.shape[1:])
    return _placed(label, pyramid, (rows, columns), raster)


def _inputs(given: tuple[AnyPath, AnyPath] | None, record: Record) -> _Inputs | None:
    """Return the given images, or those of a record if both still exist."""
    if given is not None:
        return _Inputs(*given, named=True)
    images = recorded_images(record)
    if images is None or not all(path.exists() for path in images):
        return None
    return _Inputs(*images, named=False)


def _pair(inputs: _Inputs, record: Record, notes: list[str]) -> tuple[Pair, bool]:
    """Return the pair, and whether it is co-registered as stated by its record."""
    settings = record.get("settings") or {}
    hs, ms = (
        _opened(path, settings, role) for path, role in ((inputs.hs, "hs"), (inputs.ms, "rgb"))
    )
    if settings.get("bands") is not None:
        hs = select_bands(hs, settings["bands"])
    sensors = [
        known_sensor(settings.get(f"{role}_sensor"), raster.attrs.get("sensor"))
        for role, raster in (("hs", hs), ("rgb", ms))
    ]
    box = settings.get("bbox")
    part = restrict_ms(hs, ms, sensors[1], box and tuple(box), settings.get("bbox_crs"))

    def placed(move: Affine | None) -> Pair:
        return make_pair(
            hs,
            part.rgb,
            hs_sensor=sensors[0],
            rgb_sensor=part.sensor,
            move=move,
            window=part.window,
        )

    if not record:
        notes.append("it has no record: the georeferencing of the two images is used as it is")
        return placed(None), False
    try:
        pair = recorded_pair(placed, record)
        recorded = same_grid(pair.geometry, record["grid"])
    except (KeyError, TypeError, ValueError):
        recorded = False
    if recorded:
        return pair, True
    notes.append("its record is not of these two images: their georeferencing is used as it is")
    return placed(None), False


def _opened(path: AnyPath, settings: Record, role: str) -> xr.DataArray:
    """Open one of the two images with the sensor, mask and nodata value of the run."""
    options = {name: settings.get(f"{role}_{name}") for name in ("sensor", "mask", "nodata")}
    raster = open_raster(path, **options)
    check_georeferencing(raster)
    return raster


def _input_layers(pair: Pair, fused: xr.DataArray, inputs: _Inputs) -> dict[str, Layer]:
    """Return both images on the grid of the fused raster."""
    both = f"{inputs.ms} and {fused.attrs.get('source', 'fused')}"
    row, column = lattice_offset(pair.rgb, fused, both)
    size = fused.sizes["y"], fused.sizes["x"]
    geometry = pair.geometry
    coarse = [
        Axis(length, axis.coarse, axis.ratio, axis.origin - start)
        for length, axis, start in zip(size, (geometry.y, geometry.x), (row, column), strict=True)
    ]
    file = open_raster(inputs.ms)
    corner = (
        ~transform(file) * transform(pair.rgb) if file.attrs["georeferenced"] else Affine.scale(1)
    )
    pyramid, _ = open_pyramid(inputs.ms)
    fine = [
        Axis(length, whole, 1.0, float(-start - round(begin)))
        for length, whole, start, begin in zip(
            size, pyramid.shape[1:], (row, column), (corner.f, corner.c), strict=True
        )
    ]
    same_bands = pair.rgb.sizes["band"] == file.sizes["band"]
    ms = pair.rgb if same_bands else file
    return {
        "hs": _placed("HS image", array_pyramid(pair.hs), (coarse[0], coarse[1]), pair.hs),
        "ms": _placed("MS image", pyramid, (fine[0], fine[1]), ms),
    }


def _placed(label: str, pyramid: Pyramid, axes: tuple[Axis, Axis], raster: xr.DataArray) -> Layer:
    units = str(raster.attrs.get("units") or "")
    return Layer(label, pyramid, *axes, BandFacts.of(raster), units)


def _relation(record: Record, ms: Layer) -> MSRelation | None:
    """Return gain and offset of the MS bands from a record; None unless it has all of them."""
    stated = record["radiometry"]
    gain, offset = (np.array(stated[name], dtype=np.float64) for name in ("gain", "offset"))
    known = gain.shape == (ms.pyramid.shape[0],) and np.isfinite(gain).all() and gain.all()
    return MSRelation(gain, offset) if known else None
