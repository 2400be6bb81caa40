"""
Sampling of a pair: which windows of the two images are surveyed, and reading them.

A small scene is read completely, of a large one a few windows spread evenly, always the same ones
for the same pair. At large ratios, the windows of the MS image are smaller than those of the HS
image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.io.input.labels import raster_band_labels
from hsfuse.pair.checks import check_survey
from hsfuse.pair.patch import Patch
from hsfuse.pair.pixels import PixelCache
from hsfuse.pair.survey import Survey

if TYPE_CHECKING:
    from hsfuse.pair.geometry import Pair

__all__ = ["FINE_VALUES", "survey_pair"]

# Values of the MS image in all windows, including halos: with four bands 1620 pixels along each
# axis, which at ratio 8 are three windows of 64 HS pixels. They take 42 MB.
FINE_VALUES = 4 * 1620**2


@dataclass(frozen=True, slots=True)
class _Settings:
    """Settings of the surveyed windows."""

    # Windows along each axis, and side of a window in HS pixels. Nine windows of 64 hold 37
    # thousand spectra, which determine mean and covariance of a few hundred bands to a fraction of
    # the noise, in 60 MB at 400 bands. A scene up to twice the side of a window is read completely.
    windows: int = 3
    side: int = 64
    # Smallest side of a window of the MS image in HS pixels, whatever the number of MS pixels: a
    # reduced-resolution test needs twelve.
    minimum_side: int = 16


_SETTINGS = _Settings()


def survey_pair(
    pair: Pair,
    windows: int = _SETTINGS.windows,
    *,
    halo: float = 0.0,
    fine_values: int = FINE_VALUES,
    cache: PixelCache | None = None,
) -> Survey:
    """
    Read the survey of a pair.

    Parameters
    ----------
    pair : Pair
        The pair.
    windows : int
        Number of windows along each axis of a large scene.
    halo : float
        Width in HS pixels of the halo of MS pixels around a window, at least the reach of the PSF.
    fine_values : int
        Approximate number of values of the MS image in all windows.
    cache : PixelCache, optional
        Pixels already read from the two rasters; the pixels read here are added.

    Raises
    ------
    PairError
        If no pixel has data in both rasters, or values are too large for float32.
    """
    cache = cache or PixelCache()
    reach = max(pair.psf.reach[0], halo), max(pair.psf.reach[1], halo)
    along_axis = math.sqrt(fine_values / max(pair.rgb.sizes["band"], 4))
    axes = pair.geometry.y, pair.geometry.x
    rows, columns = (
        _spread(axis.coarse, _SETTINGS.side, _count(axis, around, windows, along_axis))
        for axis, around in zip(axes, reach, strict=True)
    )
    images = tuple(cache.read("hs", pair.hs, down, across) for down in rows for across in columns)
    fine_rows, fine_columns = (
        _spread(axis.coarse, _fine_side(axis, around, along_axis), len(spans))
        for axis, around, spans in zip(axes, reach, (rows, columns), strict=True)
    )
    patches = tuple(
        _read_patch(pair, down, across, reach, cache)
        for down in fine_rows
        for across in fine_columns
    )
    survey = Survey(
        patches,
        pair.psf,
        np.asarray(pair.hs["good"].values, dtype=bool),
        np.asarray(pair.hs["wavelength"].values, dtype=np.float64),
        pair.response,
        pair.geometry.coarse_shape,
        windows=() if (rows, columns) == (fine_rows, fine_columns) else images,
        ms_labels=raster_band_labels(pair.rgb),
    )
    check_survey(pair, survey)
    return survey


def _spread(length: int, side: int, count: int) -> list[Span]:
    """Return spans spread evenly over an axis; the whole axis if it is at most two sides long."""
    if length <= 2 * side:
        return [Span(0, length)]
    count = max(count, _SETTINGS.windows)
    starts = np.linspace(0, length - side, count).round().astype(int)
    return [Span(int(start), int(start) + side) for start in starts]


def _fine_side(axis: Axis, reach: float, along_axis: float) -> int:
    """Return the side in HS pixels of a window of the MS image, for ``along_axis`` MS pixels."""
    side = int(along_axis / (_SETTINGS.windows * axis.ratio) - 2 * reach)
    return min(max(side, _SETTINGS.minimum_side), _SETTINGS.side)


def _count(axis: Axis, reach: float, windows: int, along_axis: float) -> int:
    """Return the number of windows along an axis that ``along_axis`` MS pixels allow."""
    window = (_fine_side(axis, reach, along_axis) + 2 * reach) * axis.ratio
    return min(windows, axis.coarse // _SETTINGS.side, int(along_axis / window))


def _read_patch(
    pair: Pair, rows: Span, columns: Span, reach: tuple[float, float], cache: PixelCache
) -> Patch:
    geometry = pair.fine_geometry
    fine_rows = geometry.y.fine_span(rows, reach[0])
    fine_columns = geometry.x.fine_span(columns, reach[1])
    return Patch(
        cache.read("hs", pair.hs, rows, columns),
        cache.read("fine", pair.fine, fine_rows, fine_columns),
        Geometry(geometry.y.cut(fine_rows, rows), geometry.x.cut(fine_columns, columns)),
        (rows.start, columns.start),
    )
