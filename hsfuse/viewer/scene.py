"""
The scene of a viewer: a fused raster, and further images on its grid.

All images are displayed on the pixel grid of the fused raster. Nothing is reprojected, so that
rotated grids and rasters without a CRS need no special case, and a pixel remains a square of one
value.
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
from hsfuse.io.input.labels import raster_band_names
from hsfuse.io.levels import Pyramid

__all__ = ["TILE", "BandFacts", "Layer", "MSRelation", "Scene"]

#: Side of a tile in pixels.
TILE = 256
# Maximum pixels of the longer side of the sample for percentiles.
_SAMPLE = 512

Cube = NDArray[np.float32]


class BandFacts(NamedTuple):
    """Wavelength and FWHM in nanometres (NaN if unknown), quality flag and name of each band."""

    wavelength: NDArray[np.float64]
    fwhm: NDArray[np.float64]
    good: NDArray[np.bool_]
    names: tuple[str, ...]

    @classmethod
    def of(cls, raster: xr.DataArray) -> BandFacts:
        """Return the facts of the bands of a raster from :func:`hsfuse.open_raster`."""
        return cls(
            raster["wavelength"].values.astype(np.float64),
            raster["fwhm"].values.astype(np.float64),
            raster["good"].values.astype(bool),
            raster_band_names(raster),
        )


@dataclass(frozen=True)
class Layer:
    """
    An image on the grid of the fused raster.

    Attributes
    ----------
    label : str
        Name of the layer for the user.
    pyramid : Pyramid
    rows, columns : Axis
        Position of its pixels, as coarse pixels, relative to those of the fused raster.
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
        Return bands in a window of the fused raster, by nearest neighbour.

        Parameters
        ----------
        bands : sequence of int
            Indices from 0.
        step : int
            Size of a pixel of the result in pixels of the fused raster, a power of two.
        rows, columns : Span
            Window in pixels of the result.

        Returns
        -------
        ndarray of shape (bands, rows, columns)
            Values, NaN where there is no data.
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
        """Return bands of the whole image at reduced resolution, of bounded size."""
        longest = max(self.pyramid.shape[1:])
        step = 2 ** max(math.ceil(math.log2(longest / _SAMPLE)), 0)
        rows, columns = self.pyramid.size(step)
        return self.pyramid.read(bands, step, Span(0, rows), Span(0, columns))

    def pixel_at(self, row: int, column: int) -> tuple[int, int] | None:
        """Return the pixel of this image at the centre of a fused pixel; None if outside."""
        down, across = (
            int(_nearest(axis, Span(place, place + 1), 1)[0])
            for axis, place in ((self.rows, row), (self.columns, column))
        )
        return (down, across) if min(down, across) >= 0 else None

    def spectrum(self, row: int, column: int) -> NDArray[np.float32]:
        """Return the spectrum, shape (bands,), of a pixel of this image."""
        every = range(self.pyramid.shape[0])
        return self.pyramid.read(every, 1, Span(row, row + 1), Span(column, column + 1))[:, 0, 0]


class MSRelation(NamedTuple):
    """Gain and offset of each MS band: ``MS = gain * R X + offset``, X in units of the HS image."""

    gain: NDArray[np.float64]
    offset: NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """
    A fused raster and the layers displayed with it.

    Attributes
    ----------
    name : str
        Name of the fused file.
    layers : dict of str to Layer
        ``fused`` and, where known, ``hs``, ``ms`` and ``standard_error``.
    transform : Affine or None
        Transform of the fused raster; None if it is not georeferenced.
    crs : CRS or None
    relation : MSRelation or None
        Gain and offset of the run, if its record is known.
    notes : tuple of str
        Notes for the user, one sentence each.
    """

    name: str
    layers: dict[str, Layer]
    transform: Affine | None = None
    crs: CRS | None = None
    relation: MSRelation | None = None
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Numbers of rows and columns of the fused raster."""
        return self.layers["fused"].pyramid.shape[1:]

    @property
    def deepest(self) -> int:
        """Level at which the fused raster is one tile; a pixel of level n covers 2 ** n pixels."""
        return max(math.ceil(math.log2(max(self.size) / TILE)), 0)

    @property
    def pixel_metres(self) -> float | None:
        """Side of a pixel in metres; None if the CRS has another unit."""
        if self.transform is None or self.crs is None or not self.crs.is_projected:
            return None
        factor: float = self.crs.linear_units_factor[1]
        return math.sqrt(abs(self.transform.determinant)) * factor

    def tile(self, layer: str, bands: Sequence[int], level: int, row: int, column: int) -> Cube:
        """
        Return bands of a tile, shape (bands, rows, columns), NaN outside the raster.

        Raises
        ------
        LookupError
            If the tile, layer or band does not exist.
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
    """Return the coarse pixel at the centre of each group of ``step`` fine pixels; -1 if none."""
    centres = (np.arange(span.start, span.stop) + 0.5) * step
    centres = np.minimum(centres, axis.fine - 0.5)  # the last group may be incomplete
    index = np.floor((centres - axis.origin) / axis.ratio + 1e-9).astype(np.intp)
    index[(index < 0) | (index >= axis.coarse)] = -1
    return index
