"""
Spectra at sampled pixels of the fused raster, and of both inputs at the same positions.

Values are those of the rasters, not averages. The number of values read is bounded for rasters of
any size: in a large raster the sampled pixels lie in a subset of its tiles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.grid import Axis, Geometry, Span, spread_evenly
from hsfuse.fusion.consistency import finite_in, hs_bands
from hsfuse.io.preview import read_window
from hsfuse.observe import Degrade
from hsfuse.report.page.pixels import TILE, read_pixels
from hsfuse.report.page.subject import Subject

__all__ = ["Pixels", "Region", "area_of", "choose_pixels", "read_region", "thin_region"]

Cube = NDArray[np.float32]
Indexes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Settings:
    """Limits of the spectra read and embedded."""

    # Maximum number of values of the fused raster read for the whole image: 1 GB of float32.
    most_read: int = 2**28
    # Maximum number of values of a window read for degradation to the HS image.
    most_degraded: int = 2**26
    # Number of bands degraded at a time.
    bands: int = 16


_SETTINGS = _Settings()


class Pixels(NamedTuple):
    """
    Sampled pixels: all combinations of ``rows`` and ``columns``, both in increasing order.

    ``step`` is their spacing in pixels. If only some tiles of a raster are sampled, ``parts`` is
    their number (down, across), and ``step`` the spacing within a tile.
    """

    rows: Indexes
    columns: Indexes
    step: int
    parts: tuple[int, int] | None = None


@dataclass(frozen=True)
class Region:
    """
    Sampled spectra of a window of the fused raster.

    Attributes
    ----------
    window : tuple of Span
        Rows and columns of the fused raster.
    pixels : Pixels
        The sampled pixels of the fused raster.
    fused : ndarray of shape (bands, rows, columns)
        Spectra at the sampled pixels, NaN for no data.
    hs : ndarray of shape (bands, HS rows, HS columns)
        Spectra of the HS pixels that contain the sampled pixels.
    degraded : ndarray of shape (bands, HS rows, HS columns) or None
        The fused raster degraded to those HS pixels by D; NaN where the PSF reaches beyond the
        raster. None for windows too large to be read completely.
    hs_rows, hs_columns : ndarray of int
        Index into ``hs`` for each sampled row and column; -1 outside the HS image.
    ms : ndarray of shape (MS bands, rows, columns)
        The MS image at the sampled pixels, in units of the HS image: (value - offset) / gain.
    error : ndarray of shape (1, rows, columns) or None
        Standard error at the sampled pixels, in units of the HS image.
    """

    window: tuple[Span, Span]
    pixels: Pixels
    fused: Cube
    hs: Cube
    degraded: Cube | None
    hs_rows: Indexes
    hs_columns: Indexes
    ms: Cube
    error: Cube | None


def choose_pixels(
    window: tuple[Span, Span], bands: int, most_pixels: int, *, most_read: int | None = None
) -> Pixels:
    """
    Return the pixels of a window to sample.

    Parameters
    ----------
    window : tuple of Span
        Rows and columns of the window.
    bands : int
        Number of bands of the raster.
    most_pixels : int
        Approximate maximum number of sampled pixels.
    most_read : int, optional
        Maximum number of values to read; a tile counts as a whole.

    Examples
    --------
    >>> choose_pixels((Span(0, 9), Span(0, 6)), 10, most_pixels=6).rows.tolist()
    [1, 4, 7]
    """
    step = max(math.ceil(math.sqrt(area_of(window) / most_pixels)), 1)
    most_read = _SETTINGS.most_read if most_read is None else most_read
    if area_of(window) * bands <= most_read:
        rows, columns = (
            np.arange(span.start + min((step - 1) // 2, len(span) - 1), span.stop, step)
            for span in window
        )
        return Pixels(rows, columns, step)
    # A tile is decoded completely even for one pixel: sample few tiles, with many pixels in each.
    tiles = [math.ceil(len(span) / TILE) for span in window]
    share = math.sqrt(most_read / (bands * TILE**2) / math.prod(tiles))
    chosen = [spread_evenly(count, round(share * count)) for count in tiles]
    area = math.prod(len(indexes) for indexes in chosen) * TILE**2
    step = max(math.ceil(math.sqrt(area / most_pixels)), 1)
    rows, columns = (
        np.concatenate(
            [
                np.arange(
                    span.start + index * TILE + (step - 1) // 2,
                    min(span.start + (index + 1) * TILE, span.stop),
                    step,
                )
                for index in indexes
            ]
        )
        for span, indexes in zip(window, chosen, strict=True)
    )
    return Pixels(rows, columns, step, (len(chosen[0]), len(chosen[1])))


def read_region(subject: Subject, window: tuple[Span, Span], pixels: Pixels) -> Region:
    """Return the sampled spectra of a window, from all three rasters."""
    pair, radiometry = subject.observed.pair, subject.observed.radiometry
    geometry = subject.geometry
    rows, columns = pixels.rows + subject.row, pixels.columns + subject.column
    hs_rows, down = _under(geometry.y, pixels.rows)
    hs_columns, across = _under(geometry.x, pixels.columns)
    small = subject.held or subject.fused.sizes["band"] * area_of(window) <= _SETTINGS.most_degraded
    ms = read_pixels(pair.rgb, rows, columns).astype(np.float64)
    gain = np.where(radiometry.gain != 0, radiometry.gain, np.nan)
    scaled = (ms - radiometry.offset[:, None, None]) / gain[:, None, None]
    error = subject.standard_error
    return Region(
        window,
        pixels,
        read_pixels(subject.fused, pixels.rows, pixels.columns),
        read_pixels(pair.hs, hs_rows, hs_columns),
        _degraded(subject, hs_rows, hs_columns) if small else None,
        down,
        across,
        scaled.astype(np.float32),
        None
        if error is None
        else read_pixels(error.expand_dims("band"), pixels.rows, pixels.columns),
    )


def area_of(window: tuple[Span, Span]) -> int:
    """Return the number of pixels of a window."""
    return len(window[0]) * len(window[1])


def _degraded(subject: Subject, hs_rows: Indexes, hs_columns: Indexes) -> Cube:
    """Return the fused raster degraded by D at the given HS pixels."""
    geometry, psf = subject.geometry, subject.observed.pair.psf
    axes = geometry.y, geometry.x
    coarse = [Span(int(each[0]), int(each[-1]) + 1) for each in (hs_rows, hs_columns)]
    fine = [
        axis.fine_span(span, reach)
        for axis, span, reach in zip(axes, coarse, psf.reach, strict=True)
    ]
    values = read_window(subject.fused, None, *fine)
    known = finite_in(values, np.flatnonzero(subject.good))
    y, x = (axis.cut(*spans) for axis, *spans in zip(axes, fine, coarse, strict=True))
    operator = Degrade.between(Geometry(y, x), psf)
    parts = [
        hs_bands(values[first : first + _SETTINGS.bands], operator, known)
        for first in range(0, len(values), _SETTINGS.bands)
    ]
    down, across = hs_rows - coarse[0].start, hs_columns - coarse[1].start
    return np.concatenate(parts)[:, down][:, :, across]


def _under(axis: Axis, fine: Indexes) -> tuple[Indexes, Indexes]:
    """Return the HS pixels that contain fine pixels, and for each fine pixel its index in them."""
    index = np.floor((fine + 0.5 - axis.origin) / axis.ratio).astype(np.intp)
    inside = (index >= 0) & (index < axis.coarse)
    pixels = np.unique(index[inside])
    if not pixels.size:
        return np.zeros(1, np.intp), np.full(len(fine), -1)
    return pixels, np.where(inside, np.searchsorted(pixels, index), -1)


def thin_region(region: Region) -> Region:
    """Return every second row and column of a region."""
    pixels = region.pixels
    rows, columns = (_middle(indexes) for indexes in (pixels.rows, pixels.columns))
    hs_rows, down = _kept(region.hs_rows[rows])
    hs_columns, across = _kept(region.hs_columns[columns])
    inner, under = np.s_[:, rows, columns], np.ix_(np.arange(len(region.hs)), hs_rows, hs_columns)
    return replace(
        region,
        pixels=pixels._replace(
            rows=pixels.rows[rows], columns=pixels.columns[columns], step=2 * pixels.step
        ),
        fused=region.fused[inner],
        hs=region.hs[under],
        degraded=None if region.degraded is None else region.degraded[under],
        hs_rows=down,
        hs_columns=across,
        ms=region.ms[inner],
        error=None if region.error is None else region.error[inner],
    )


def _middle(indexes: Indexes) -> slice:
    return slice(0, None, 2) if len(indexes) < 3 else slice(1, None, 2)


def _kept(places: Indexes) -> tuple[Indexes, Indexes]:
    """Return the distinct indices in use and, for each input index, its position among them."""
    used = np.unique(places[places >= 0])
    if not used.size:
        return np.zeros(1, np.intp), places
    return used, np.where(places >= 0, np.searchsorted(used, places), -1)
