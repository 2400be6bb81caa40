"""
Relative geometry of a pair of rasters: overlap, ratio and grids, with PSF, response and notes.

The geometry follows from the two transforms; no pixel is read. Each assumption made for missing
metadata is recorded in a note for the user; a pair that cannot be fused raises a one-line error
that names both files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from affine import Affine
from numpy.typing import NDArray

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.psf import ASSUMED_PSF, PSF
from hsfuse.errors import PairError
from hsfuse.io.input.labels import crs_label, raster_label, raster_notes
from hsfuse.io.warp import Grid, unwrap_longitude, warp_to_grid
from hsfuse.pair.response import pair_response
from hsfuse.sensor.catalogue import Sensor

__all__ = ["SETTINGS", "GeometrySettings", "Pair", "make_pair", "shifted_by"]


@dataclass(frozen=True, slots=True)
class GeometrySettings:
    """Margins of the two rasters around the overlap, and the smallest ratio."""

    # HS pixels beyond the overlap that are read, for interpolation at the edge of the output.
    hs_margin: int = 2
    # MS pixels beyond the overlap that are read, in HS pixels: texture maps of `kriging` extend
    # six, the PSF of the outermost HS pixels two more.
    ms_margin: int = 8
    # Smallest number of MS pixels in an HS pixel along each axis.
    smallest_ratio: float = 2.0


SETTINGS = GeometrySettings()


@dataclass(frozen=True)
class Pair:
    """
    Two lazy rasters on parallel grids.

    Attributes
    ----------
    hs : DataArray
        HS image (band, y, x), cut to the overlap with a margin.
    fine : DataArray
        MS image (band, y, x): the pixels of the output, with a margin that covers the PSF of the
        outermost HS pixels, as far as the file has them.
    fine_geometry : Geometry
        Grid of ``hs`` relative to ``fine``.
    output : tuple of Span
        Rows and columns of ``fine`` in the output.
    psf : PSF
        PSF of the HS sensor, in HS pixels.
    response : ndarray of shape (MS bands, bands) or None
        Spectral response R from the sensors; None where it has to be estimated.
    response_source : str
        Origin of R, for reports.
    notes : tuple of str
        Assumptions, one sentence each.
    ms_size : tuple of int
        Rows and columns of the MS image, or of the window to which the output is restricted; the
        output is smaller where the HS image does not cover it.
    """

    hs: xr.DataArray
    fine: xr.DataArray
    fine_geometry: Geometry
    output: tuple[Span, Span]
    psf: PSF
    response: NDArray[np.float64] | None
    response_source: str
    notes: tuple[str, ...]
    ms_size: tuple[int, int]

    @cached_property
    def rgb(self) -> xr.DataArray:
        """The MS image in the overlap, on the grid of the output."""
        return _cut(self.fine, self.output)

    @cached_property
    def geometry(self) -> Geometry:
        """Grid of ``hs`` relative to ``rgb``."""
        rows, columns = self.output
        y, x = self.fine_geometry.y, self.fine_geometry.x
        return Geometry(y.cut(rows, Span(0, y.coarse)), x.cut(columns, Span(0, x.coarse)))


def make_pair(
    hs: xr.DataArray,
    rgb: xr.DataArray,
    *,
    hs_sensor: Sensor | None = None,
    rgb_sensor: Sensor | None = None,
    psf: PSF | None = None,
    move: Affine | None = None,
    window: tuple[Span, Span] | None = None,
) -> Pair:
    """
    Return the pair of two rasters, cut to their overlap on parallel grids.

    Parameters
    ----------
    hs, rgb : DataArray
        Rasters of :func:`hsfuse.open_raster`.
    hs_sensor, rgb_sensor : Sensor, optional
        Sensors, which complete the metadata of the files.
    psf : PSF, optional
        PSF of the HS sensor in HS pixels; replaces that of ``hs_sensor``.
    move : Affine, optional
        Correction of the position of the HS image, in pixel coordinates of ``rgb``.
    window : tuple of Span, optional
        Rows and columns of ``rgb`` to which the output is restricted.

    Raises
    ------
    PairError
        If the rasters cannot be fused.
    """
    both = f"{raster_label(hs)} and {raster_label(rgb)}"
    if hs.sizes["band"] < 2:
        raise PairError(f"{raster_label(hs)}: has one band; a hyperspectral raster has two or more")
    notes = [
        f"{raster_label(raster)}: {note}" for raster in (hs, rgb) for note in raster_notes(raster)
    ]
    hs, relative, rgb = _relative_transform(hs, rgb, both, notes)
    hs, relative = _align_orientation(hs, relative)
    relative = (move or Affine.identity()) * relative
    _refuse_small_ratio(relative, both)
    geometry, fine, coarse, output = _overlap(hs, rgb, relative, both, window)
    hs = hs.isel(y=coarse[0].slice, x=coarse[1].slice)
    ms_size = _size(rgb, window)
    rgb = _cut(rgb, fine)
    response, source = pair_response(hs, rgb, rgb_sensor, both, notes)
    stated = ASSUMED_PSF if hs_sensor is None else hs_sensor.psf
    return Pair(hs, rgb, geometry, output, psf or stated, response, source, tuple(notes), ms_size)


def shifted_by(shift: tuple[float, float], geometry: Geometry) -> Affine:
    """Return the ``move`` of :func:`make_pair` for a shift (y, x) in HS pixels."""
    return Affine.translation(shift[1] * geometry.x.ratio, shift[0] * geometry.y.ratio)


def _georeferenced(raster: xr.DataArray) -> bool:
    stated = raster.attrs.get("georeferenced")
    return bool(stated) if stated is not None else not transform(raster).is_identity


def transform(raster: xr.DataArray) -> Affine:
    """Return the transform of a raster's pixel corners, also where it is a window of its file."""
    stated = Affine(*raster.rio.transform()[:6])
    if "x" not in raster.coords or "y" not in raster.coords or not stated.is_rectilinear:
        return stated  # 1-D coordinates cannot represent a rotation
    return Affine(*raster.rio.transform(recalc=raster.sizes["x"] > 1 < raster.sizes["y"])[:6])


def _relative_transform(
    hs: xr.DataArray, rgb: xr.DataArray, both: str, notes: list[str]
) -> tuple[xr.DataArray, Affine, xr.DataArray]:
    """Return the HS raster, its transform to pixel coordinates of the MS raster, the MS raster."""
    georeferenced = _georeferenced(hs), _georeferenced(rgb)
    if not all(georeferenced):
        relative = _match_corners(hs, rgb, both)
        reason = {
            (False, False): "neither file is georeferenced",
            (True, False): f"{raster_label(rgb)} is not georeferenced",
            (False, True): f"{raster_label(hs)} is not georeferenced",
        }[georeferenced]
        notes.append(
            f"{reason}: the corners of both are taken for the same place, "
            f"ratio {relative.a:.4g} by {relative.e:.4g}"
        )
        if georeferenced == (True, False):
            target = transform(hs) * Affine.scale(1 / relative.a, 1 / relative.e)
            rgb = _with_transform(rgb, target, hs.rio.crs)
        return hs, relative, rgb

    inside = ~transform(rgb) * transform(hs)
    crs_hs, crs_rgb = hs.rio.crs, rgb.rio.crs
    if crs_hs is None or crs_rgb is None:
        inside = _shared_crs(hs, rgb, inside, both, notes)
        if crs_rgb is None and crs_hs is not None:
            rgb = rgb.rio.write_crs(crs_hs)
        if not _parallel(inside, hs):
            raise PairError(
                f"{both}: one grid is rotated or sheared against the other and a CRS is missing, "
                "so they cannot be warped; give both files their CRS"
            )
        return hs, inside, rgb
    hs_grid, rgb_grid = (
        Grid(transform(raster), raster.rio.crs, (raster.sizes["y"], raster.sizes["x"]))
        for raster in (hs, rgb)
    )
    if crs_hs == crs_rgb:
        hs_grid = unwrap_longitude(hs_grid, rgb_grid)
        inside = ~rgb_grid.transform * hs_grid.transform
        if _parallel(inside, hs):
            return hs, inside, rgb
    warped, placed = warp_to_grid(hs, hs_grid, rgb_grid)
    why = (
        f"from {crs_label(crs_hs)} to {crs_label(crs_rgb)}"
        if crs_hs != crs_rgb
        else "to parallel grids"
    )
    notes.append(f"{raster_label(hs)} was warped {why}, cubic, at its own pixel size")
    return warped, ~transform(rgb) * placed, rgb


def _with_transform(raster: xr.DataArray, target: Affine, crs: object | None) -> xr.DataArray:
    """Return a raster with another transform and CRS."""
    columns, rows = raster.sizes["x"], raster.sizes["y"]
    placed = raster.assign_coords(
        x=target.c + (np.arange(columns) + 0.5) * target.a,
        y=target.f + (np.arange(rows) + 0.5) * target.e,
    )
    placed = placed.rio.write_transform(target)
    return placed if crs is None else placed.rio.write_crs(crs)


def _match_corners(hs: xr.DataArray, rgb: xr.DataArray, both: str) -> Affine:
    across, down = (rgb.sizes[axis] / hs.sizes[axis] for axis in ("x", "y"))
    # Tolerates missing fine pixels at the lower and right edges, up to one HS pixel.
    slack = max(1 / hs.sizes["x"], 1 / hs.sizes["y"], 0.01)
    if abs(across / down - 1) > slack:
        raise PairError(
            f"{both}: not both are georeferenced and their sizes make no single ratio, "
            f"{across:.4g} across and {down:.4g} down; expected files with a transform"
        )
    nearest = round((across + down) / 2)
    if all(0 <= rgb.sizes[axis] - hs.sizes[axis] * nearest < nearest for axis in ("x", "y")):
        across = down = float(nearest)
    return Affine.scale(across, down)


def _shared_crs(
    hs: xr.DataArray, rgb: xr.DataArray, inside: Affine, both: str, notes: list[str]
) -> Affine:
    """Use the CRS of one file for both if their extents overlap; return the relative transform."""
    left, top = inside * (0, 0)
    right, bottom = inside * (hs.sizes["x"], hs.sizes["y"])
    across = min(max(left, right), rgb.sizes["x"]) - max(min(left, right), 0)
    down = min(max(top, bottom), rgb.sizes["y"]) - max(min(top, bottom), 0)
    missing = hs if hs.rio.crs is None else rgb
    if across <= 0 or down <= 0:
        raise PairError(
            f"{both}: {raster_label(missing)} has no CRS and the two extents share nothing, "
            f"{_extent(hs)} and {_extent(rgb)}; give it its CRS"
        )
    other = hs.rio.crs or rgb.rio.crs
    if other is None:
        notes.append("neither file states a CRS; their coordinates were compared as they are")
    else:
        notes.append(
            f"{raster_label(missing)} states no CRS; {crs_label(other)} was taken from the other "
            "file, whose extent agrees"
        )
    return inside


def _parallel(inside: Affine, hs: xr.DataArray) -> bool:
    """Return whether the grids are parallel to a tenth of a fine pixel over the image."""
    return abs(inside.b) * hs.sizes["y"] < 0.1 and abs(inside.d) * hs.sizes["x"] < 0.1


def _align_orientation(hs: xr.DataArray, relative: Affine) -> tuple[xr.DataArray, Affine]:
    """Return the HS raster, flipped where its axes run opposite to those of the MS raster."""
    for axis, step in (("x", relative.a), ("y", relative.e)):
        if step < 0:
            count = hs.sizes[axis]
            hs = hs.isel({axis: slice(None, None, -1)})
            flip = Affine.translation(count, 0) * Affine.scale(-1, 1)
            if axis == "y":
                flip = Affine.translation(0, count) * Affine.scale(1, -1)
            relative = relative * flip
    return hs, relative


def _refuse_small_ratio(relative: Affine, both: str) -> None:
    ratio = min(relative.a, relative.e)
    if ratio >= SETTINGS.smallest_ratio - 1e-6:
        return
    hint = "were the two files swapped?" if ratio <= 0.5 else "are these the right two files?"
    compared = (
        "the HS image has smaller pixels than the MS image"
        if max(relative.a, relative.e) < 1
        else "the HS image does not have clearly larger pixels than the MS image"
    )
    raise PairError(
        f"{both}: {compared}: one HS pixel is {relative.a:.3g} by {relative.e:.3g} MS pixels; "
        f"expected at least {SETTINGS.smallest_ratio:g}; {hint}"
    )


def _overlap(
    hs: xr.DataArray,
    rgb: xr.DataArray,
    relative: Affine,
    both: str,
    window: tuple[Span, Span] | None,
) -> tuple[Geometry, tuple[Span, Span], tuple[Span, Span], tuple[Span, Span]]:
    """Return the geometry, its fine and HS pixels in the files, and its output pixels."""
    axes, fines, coarses, outputs = [], [], [], []
    for place, (axis, ratio, origin) in enumerate(
        (("y", relative.e, relative.f), ("x", relative.a, relative.c))
    ):
        whole = Axis(rgb.sizes[axis], hs.sizes[axis], ratio, _without_rounding(origin))
        # A fine pixel belongs to the output if its centre is inside the HS image.
        start = max(0, math.ceil(whole.origin - 0.5 - 1e-6))
        stop = min(whole.fine, math.floor(whole.origin + whole.coarse * ratio - 0.5 + 1e-6) + 1)
        if stop <= start:
            crs = f" in {crs_label(rgb.rio.crs)}" if rgb.rio.crs else ""
            raise PairError(
                f"{both}: no overlap, {_extent(hs)} and {_extent(rgb)}{crs}; "
                "expected rasters of the same place"
            )
        if window is not None:
            start, stop = max(start, window[place].start), min(stop, window[place].stop)
            if stop <= start:
                raise PairError(f"{both}: the bbox lies outside the overlap of both")
        beyond = math.ceil(SETTINGS.ms_margin * ratio)
        fine = Span(max(start - beyond, 0), min(stop + beyond, whole.fine))
        coarse = whole.coarse_span(Span(start, stop), SETTINGS.hs_margin)
        fines.append(fine)
        coarses.append(coarse)
        outputs.append(Span(start, stop).shifted(-fine.start))
        axes.append(whole.cut(fine, coarse))
    return (
        Geometry(axes[0], axes[1]),
        (fines[0], fines[1]),
        (coarses[0], coarses[1]),
        (outputs[0], outputs[1]),
    )


def _size(rgb: xr.DataArray, window: tuple[Span, Span] | None) -> tuple[int, int]:
    whole = Span(0, rgb.sizes["y"]), Span(0, rgb.sizes["x"])
    rows, columns = window or whole
    return len(rows), len(columns)


def _without_rounding(origin: float) -> float:
    """Round an origin to whole fine pixels if it differs by less than a thousandth of one."""
    nearest = round(origin)
    return float(nearest) if abs(origin - nearest) < 1e-3 else origin


def _cut(rgb: xr.DataArray, fine: tuple[Span, Span]) -> xr.DataArray:
    rows, columns = fine
    stated = transform(rgb)
    part = rgb.isel(y=rows.slice, x=columns.slice)
    return part.rio.write_transform(stated * Affine.translation(columns.start, rows.start))


def _extent(raster: xr.DataArray) -> str:
    corner = transform(raster)
    left, top = corner * (0, 0)
    right, bottom = corner * (raster.sizes["x"], raster.sizes["y"])
    return (
        f"x {min(left, right):.8g} to {max(left, right):.8g} "
        f"y {min(top, bottom):.8g} to {max(top, bottom):.8g}"
    )
