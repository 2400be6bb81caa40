"""
Spectra at sampled pixels of the fused raster, and of both inputs at the same places.

The values are those of the rasters at these pixels; nothing is averaged. Of a raster of any size a
bounded number of values is read: of a large one the sampled pixels lie in some of its tiles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.grid import Axis, Span, spread_evenly
from hsfuse.report.page.pixels import TILE, read_pixels
from hsfuse.report.page.subject import Subject

__all__ = ["Pixels", "Region", "choose_pixels", "read_region", "thin_region"]

Cube = NDArray[np.float32]
Indexes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Settings:
    """Of what is read and kept of the spectra."""

    # Values of the fused raster that are read for the whole image: 1 GB of float32.
    most_read: int = 2**28


_SETTINGS = _Settings()


class Pixels(NamedTuple):
    """
    Sampled pixels: all crossings of some rows and columns of a raster, in increasing order.

    ``step`` is their distance, within a tile where only ``parts`` (down, across) of it are sampled.
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
        At the sampled pixels, NaN for no data.
    hs : ndarray of shape (bands, HS rows, HS columns)
        The HS pixels under them.
    hs_rows, hs_columns : ndarray of int
        Of ``hs``, for each sampled row and column; -1 beyond the HS image.
    ms : ndarray of shape (MS bands, rows, columns)
        The MS image there, in units of the HS image: (value - offset) / gain.
    error : ndarray of shape (1, rows, columns) or None
        Standard error, in units of the HS image.
    """

    window: tuple[Span, Span]
    pixels: Pixels
    fused: Cube
    hs: Cube
    hs_rows: Indexes
    hs_columns: Indexes
    ms: Cube
    error: Cube | None


def choose_pixels(
    window: tuple[Span, Span], bands: int, most_pixels: int, *, most_read: int | None = None
) -> Pixels:
    """
    Return which pixels of a window are sampled.

    Parameters
    ----------
    window : tuple of Span
        Rows and columns.
    bands : int
        Of the raster.
    most_pixels : int
        Sampled at most, about.
    most_read : int, optional
        Values that may be read for it; a tile counts as a whole.

    Examples
    --------
    >>> choose_pixels((Span(0, 9), Span(0, 6)), 10, most_pixels=6).rows.tolist()
    [1, 4, 7]
    """
    down, across = window
    step = max(math.ceil(math.sqrt(len(down) * len(across) / most_pixels)), 1)
    most_read = _SETTINGS.most_read if most_read is None else most_read
    if len(down) * len(across) * bands <= most_read:
        rows, columns = (
            np.arange(span.start + min((step - 1) // 2, len(span) - 1), span.stop, step)
            for span in window
        )
        return Pixels(rows, columns, step)
    # Whole tiles are decoded for one of their pixels: so there are few tiles, and many pixels each.
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
    geometry = pair.geometry
    rows, columns = pixels.rows + subject.row, pixels.columns + subject.column
    hs_rows, down = _under(geometry.y, rows)
    hs_columns, across = _under(geometry.x, columns)
    ms = read_pixels(pair.rgb, rows, columns).astype(np.float64)
    gain = np.where(radiometry.gain != 0, radiometry.gain, np.nan)
    scaled = (ms - radiometry.offset[:, None, None]) / gain[:, None, None]
    error = subject.standard_error
    return Region(
        window,
        pixels,
        read_pixels(subject.fused, pixels.rows, pixels.columns),
        read_pixels(pair.hs, hs_rows, hs_columns),
        down,
        across,
        scaled.astype(np.float32),
        None
        if error is None
        else read_pixels(error.expand_dims("band"), pixels.rows, pixels.columns),
    )


def _under(axis: Axis, fine: Indexes) -> tuple[Indexes, Indexes]:
    """Return the HS pixels under some fine ones, and for each of these its place among them."""
    index = np.floor((fine + 0.5 - axis.origin) / axis.ratio).astype(np.intp)
    inside = (index >= 0) & (index < axis.coarse)
    found = np.unique(index[inside])
    if not found.size:
        return np.zeros(1, np.intp), np.full(len(fine), -1)
    return found, np.where(inside, np.searchsorted(found, index), -1)


def thin_region(region: Region) -> Region:
    """Return every second row and column of a region."""
    pixels = region.pixels
    rows, columns = (_middle(indexes) for indexes in (pixels.rows, pixels.columns))
    hs_rows, down = _kept(region.hs_rows[rows])
    hs_columns, across = _kept(region.hs_columns[columns])
    inner = np.s_[:, rows, columns]
    return replace(
        region,
        pixels=pixels._replace(
            rows=pixels.rows[rows], columns=pixels.columns[columns], step=2 * pixels.step
        ),
        fused=region.fused[inner],
        hs=region.hs[:, hs_rows][:, :, hs_columns],
        hs_rows=down,
        hs_columns=across,
        ms=region.ms[inner],
        error=None if region.error is None else region.error[inner],
    )


def _middle(indexes: Indexes) -> slice:
    return slice(0, None, 2) if len(indexes) < 3 else slice(1, None, 2)


def _kept(places: Indexes) -> tuple[Indexes, Indexes]:
    """Return the used places and, for each that was given, its place among them."""
    used = np.unique(places[places >= 0])
    if not used.size:
        return np.zeros(1, np.intp), places
    return used, np.where(places >= 0, np.searchsorted(used, places), -1)
