"""A window of a survey: HS pixels, and the MS pixels inside their PSF."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.psf import PSF

__all__ = ["Patch"]


@dataclass(frozen=True)
class Patch:
    """
    A surveyed window of a pair.

    Attributes
    ----------
    coarse : ndarray of shape (bands, rows, columns)
        HS pixels, float32, NaN for no data.
    fine : ndarray of shape (MS bands, fine rows, fine columns)
        MS pixels of the same area with a halo of the reach of the PSF, NaN for no data.
    geometry : Geometry
        Grid of ``coarse`` relative to ``fine``.
    start : tuple of int
        Row and column of the first HS pixel in the whole scene.
    """

    coarse: NDArray[np.float32]
    fine: NDArray[np.float32]
    geometry: Geometry
    start: tuple[int, int]

    def middle(self, psf: PSF, pixels: float) -> Patch:
        """
        Return the central part of the window: whole HS pixels, and the MS pixels inside their PSF.

        Parameters
        ----------
        psf : PSF
            PSF, whose reach is the halo.
        pixels : float
            Approximate number of MS pixels; a smaller window is returned unchanged.
        """
        geometry = self.geometry
        share = min(1.0, (pixels / self.fine[0].size) ** 0.5)
        if share == 1:
            return self
        rows, columns = (_middle(axis.coarse, share) for axis in (geometry.y, geometry.x))
        fine_rows = geometry.y.fine_span(rows, psf.reach[0])
        fine_columns = geometry.x.fine_span(columns, psf.reach[1])
        return Patch(
            self.coarse[:, rows.slice, columns.slice],
            self.fine[:, fine_rows.slice, fine_columns.slice],
            Geometry(geometry.y.cut(fine_rows, rows), geometry.x.cut(fine_columns, columns)),
            (self.start[0] + rows.start, self.start[1] + columns.start),
        )

    def averaged(self, ratio: float) -> Patch:
        """
        Return the window with averaged blocks of MS pixels; the ratio is at least ``ratio``.

        A block with missing pixels gives NaN; incomplete blocks at the end are omitted.
        """
        factors = [max(1, int(a.ratio // ratio)) for a in (self.geometry.y, self.geometry.x)]
        if factors == [1, 1]:
            return self
        axes = [
            Axis(axis.fine // n, axis.coarse, axis.ratio / n, axis.origin / n)
            for axis, n in zip((self.geometry.y, self.geometry.x), factors, strict=True)
        ]
        (rows, down), (columns, across) = zip((a.fine for a in axes), factors, strict=True)
        blocks = self.fine[:, : rows * down, : columns * across].reshape(
            -1, rows, down, columns, across
        )
        fine = blocks.mean(axis=(2, 4), dtype=np.float64).astype(np.float32)
        return Patch(self.coarse, fine, Geometry(axes[0], axes[1]), self.start)


def _middle(length: int, share: float) -> Span:
    """Return the central share of an axis."""
    within = max(int(length * share), 1)
    start = (length - within) // 2
    return Span(start, start + within)
