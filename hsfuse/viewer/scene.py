"""
What a viewer shows: images on the grid of one of them, the fused raster.

Pixels are shown in the fused raster's own grid; nothing is reprojected, so that rotated grids and
rasters without a CRS are shown like others, and a pixel stays a square of one value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from hsfuse.core.grid import Axis, Span
from hsfuse.io.levels import Pyramid

__all__ = ["TILE", "BandFacts", "Layer", "MSRelation", "Scene"]

#: Pixels a side of a tile.
TILE = 256
# Pixels of the longer side of the sample that percentiles are taken from.
_SAMPLE = 512

Cube = NDArray[np.float32]


class BandFacts(NamedTuple):
    """Wavelength and FWHM in nanometres (NaN where unknown), use and name of each band."""

    wavelength: NDArray[np.float64]
    fwhm: NDArray[np.float64]
    good: NDArray[np.bool_]
    names: tuple[str, ...]

    @classmethod
    def of(cls, raster: xr.DataArray) -> BandFacts:
        """Return those of a raster from :func:`hsfuse.open_raster`."""
        return cls(
            raster["wavelength"].values.astype(np.float64),
            raster["fwhm"].values.astype(np.float64),
            raster["good"].values.astype(bool),
            tuple(str(name) for name in raster["band_name"].values),
        )


@dataclass(frozen=True)
class Layer:
    """
    An image on the grid of the fused raster.

    Attributes
    ----------
    label : str
        What people read.
    pyramid : Pyramid
    rows, columns : Axis
        Its pixels as the coarse ones over those of the fused raster.
    bands : BandFacts
    units : str
    """

    label: str
    pyramid: Pyramid
    rows: Axis
    columns: Axis
    bands: BandFacts
    units: str = ""

    def read(self, bands: Sequence[int], step: int, rows: Span, columns: Span) -> Cube:
        """
        Return some bands of a window of the fused raster, the nearest pixel of this image each.

        Parameters
        ----------
        bands : sequence of int
            Indexes from 0.
        step : int
            Pixels of the fused raster that one of these has along each axis, a power of two.
        rows, columns : Span
            The window in pixels of that size.

        Returns
        -------
        ndarray of shape (bands, rows, columns)
            NaN where there is no data.
        """
        ratio = min(self.rows.ratio, self.columns.ratio)
        own = 2 ** max(math.floor(math.log2(step / ratio) + 1e-9), 0)
        down = _nearest(self.rows, rows, step) // own
        across = _nearest(self.columns, columns, step) // own
        cube = np.full((len(bands), len(rows), len(columns)), np.nan, np.float32)
        inside = down >= 0, across >= 0
        if inside[0].any() and inside[1].any():
            down, across = down[inside[0]], across[inside[1]]
            part = self.pyramid.read(
                bands,
                own,
                Span(int(down.min()), int(down.max()) + 1),
                Span(int(across.min()), int(across.max()) + 1),
            )
            taken = part[:, (down - down.min())[:, None], (across - across.min())[None]]
            cube[:, inside[0][:, None] & inside[1][None]] = taken.reshape(len(bands), -1)
        return cube

    def sample(self, bands: Sequence[int]) -> Cube:
        """Return some bands of the whole image at reduced resolution, of bounded size."""
        longest = max(self.pyramid.shape[1:])
        step = 2 ** max(math.ceil(math.log2(longest / _SAMPLE)), 0)
        rows, columns = self.pyramid.size(step)
        return self.pyramid.read(bands, step, Span(0, rows), Span(0, columns))

    def pixel_at(self, row: int, column: int) -> tuple[int, int] | None:
        """Return the pixel of this image at the centre of one of the fused raster, if any."""
        down, across = (
            int(_nearest(axis, Span(place, place + 1), 1)[0])
            for axis, place in ((self.rows, row), (self.columns, column))
        )
        return (down, across) if min(down, across) >= 0 else None

    def spectrum(self, row: int, column: int) -> NDArray[np.float32]:
        """Return all bands of one of its own pixels."""
        every = range(self.pyramid.shape[0])
        return self.pyramid.read(every, 1, Span(row, row + 1), Span(column, column + 1))[:, 0, 0]


class MSRelation(NamedTuple):
    """Gain and offset of each MS band: ``MS = gain * R X + offset``, X in units of the HS image."""

    gain: NDArray[np.float64]
    offset: NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """
    A fused raster and what is shown beside it.

    Attributes
    ----------
    name : str
        Of the fused file.
    layers : dict of str to Layer
        ``fused`` and, where known, ``hs``, ``ms`` and ``standard_error``.
    transform : Affine or None
        Of the fused raster; None where it is not georeferenced.
    crs : CRS or None
    relation : MSRelation or None
        Of the run, where its record is known.
    notes : tuple of str
        For the user, a sentence each.
    """

    name: str
    layers: dict[str, Layer]
    transform: Affine | None = None
    crs: CRS | None = None
    relation: MSRelation | None = None
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the fused raster."""
        return self.layers["fused"].pyramid.shape[1:]

    @property
    def deepest(self) -> int:
        """The level at which the fused raster is one tile; at level n a pixel has 2 ** n."""
        return max(math.ceil(math.log2(max(self.size) / TILE)), 0)

    @property
    def pixel_metres(self) -> float | None:
        """The side of a pixel in metres, where the CRS counts in metres."""
        if self.transform is None or self.crs is None or not self.crs.is_projected:
            return None
        factor: float = self.crs.linear_units_factor[1]
        return math.sqrt(abs(self.transform.determinant)) * factor

    def tile(self, layer: str, bands: Sequence[int], level: int, row: int, column: int) -> Cube:
        """
        Return some bands of a tile, NaN outside the raster.

        Raises
        ------
        LookupError
            If there is no such tile, layer or band.
        """
        image = self.layers[layer]
        if not 0 <= level <= self.deepest:
            raise LookupError(f"level {level} is not one of 0 to {self.deepest}")
        if not all(0 <= band < image.pyramid.shape[0] for band in bands):
            raise LookupError(f"a band is not one of 1 to {image.pyramid.shape[0]}")
        spans, rest = [], []
        for place, length in zip((row, column), self.size, strict=True):
            reduced = math.ceil(length / 2**level)
            span = Span(place * TILE, min((place + 1) * TILE, reduced))
            if place < 0 or span.start >= reduced:
                raise LookupError(f"tile {row}, {column} of level {level} is outside the raster")
            spans.append(span)
            rest.append(TILE - len(span))
        cube = image.read(bands, 2**level, spans[0], spans[1])
        return np.pad(cube, ((0, 0), (0, rest[0]), (0, rest[1])), constant_values=np.nan)


def _nearest(axis: Axis, span: Span, step: int) -> NDArray[np.intp]:
    """Return the coarse pixels at the centres of fine ones of a step; -1 where there is none."""
    centres = (np.arange(span.start, span.stop) + 0.5) * step
    centres = np.minimum(centres, axis.fine - 0.5)  # the last one of a step may be cut
    index = np.floor((centres - axis.origin) / axis.ratio + 1e-9).astype(np.intp)
    index[(index < 0) | (index >= axis.coarse)] = -1
    return index
