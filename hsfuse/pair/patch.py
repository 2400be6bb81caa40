"""One window of a survey: HS pixels, and the MS pixels that they need."""

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
    One surveyed window.

    Attributes
    ----------
    coarse : ndarray of shape (bands, rows, columns)
        HS pixels, float32, NaN where there is no data.
    fine : ndarray of shape (MS bands, fine rows, fine columns)
        The fine pixels about them, with a halo of the PSF's reach, NaN where there is no data.
    geometry : Geometry
        Of ``coarse`` over ``fine``.
    start : tuple of int
        Row and column, in the whole scene, of the first HS pixel.
    """

    coarse: NDArray[np.float32]
    fine: NDArray[np.float32]
    geometry: Geometry
    start: tuple[int, int]

    def middle(self, psf: PSF, pixels: float) -> Patch:
        """
        Return the middle of the window: whole HS pixels, and the MS pixels that they need.

        Parameters
        ----------
        psf : PSF
            Whose reach is the halo.
        pixels : float
            MS pixels, about; a window with fewer is returned as it is.
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
        Return the window with MS pixels averaged, as long as an HS pixel spans ``ratio`` of them.

        An average that lacks a pixel has no data; pixels at the end that fill none are left out.
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
    """Return the middle share of an axis."""
    within = max(int(length * share), 1)
    start = (length - within) // 2
    return Span(start, start + within)
