"""
Fused values far above the HS image, as counts over blocks.

An HS pixel is a mean over many MS pixels, so that a fused pixel may be brighter than all HS pixels.
How much brighter shows the MS image: its largest value compared with the largest one after it is
degraded by the PSF.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["BrightRange", "Excess"]

# Largest contrast of a fused band, relative to what the MS image shows. The references of nine
# simulated pairs of real scenes reach 0.98 to 1.33 of it, so that a value beyond is in error.
_MARGIN = 1.5


@dataclass(frozen=True, slots=True)
class Excess:
    """
    Number of values above the limit of their band, and the largest of them relative to its band.

    Attributes
    ----------
    count : int
        Number of values.
    contrast : float
        Distance of the largest one from the median of its band, relative to that of the largest
        HS value; 0 without one.
    value, hs_maximum : float
        The largest one by this measure, and the largest HS value of its band.
    band, row, column : int
        Index of its band, and its pixel, from 0.
    """

    count: int = 0
    contrast: float = 0.0
    value: float = 0.0
    hs_maximum: float = 0.0
    band: int = 0
    row: int = 0
    column: int = 0

    def __add__(self, other: Excess) -> Excess:
        larger = self if self.contrast >= other.contrast else other
        return replace(larger, count=self.count + other.count)


@dataclass(frozen=True)
class BrightRange:
    """
    Median and largest values of both images.

    Attributes
    ----------
    median, highest : ndarray of shape (HS bands,)
        Of the HS image; NaN for bad bands, which are not checked.
    ms_median, ms_highest, degraded : ndarray of shape (MS bands,)
        Of the MS image, and the largest value of the image degraded by the PSF.
    """

    median: NDArray[np.float64]
    highest: NDArray[np.float64]
    ms_median: NDArray[np.float64]
    ms_highest: NDArray[np.float64]
    degraded: NDArray[np.float64]

    def including(
        self,
        hs: NDArray[np.floating],
        ms: NDArray[np.floating],
        degraded: NDArray[np.floating],
    ) -> BrightRange:
        """
        Return the range with the largest values of further pixels; the medians stay.

        Parameters
        ----------
        hs : ndarray of shape (HS bands, rows, columns)
        ms : ndarray of shape (MS bands, fine rows, fine columns)
        degraded : ndarray of shape (MS bands, rows, columns)
            The MS image degraded by the PSF. NaN is no data in all three.
        """
        return replace(
            self,
            highest=np.where(np.isnan(self.median), np.nan, np.fmax(self.highest, _highest(hs))),
            ms_highest=np.fmax(self.ms_highest, _highest(ms)),
            degraded=np.fmax(self.degraded, _highest(degraded)),
        )

    @property
    def sharpening(self) -> float:
        """Contrast of the brightest MS pixels, relative to that after degradation; at least 1."""
        fine, coarse = self.ms_highest - self.ms_median, self.degraded - self.ms_median
        usable = coarse > 0
        return float(np.max(fine[usable] / coarse[usable], initial=1.0))

    def excess(self, values: NDArray[np.floating], first: tuple[int, int] = (0, 0)) -> Excess:
        """
        Return the values whose contrast is larger than the sharpening explains.

        Parameters
        ----------
        values : ndarray of shape (HS bands, rows, columns)
            Fused values, NaN for no data.
        first : tuple of int
            Row and column of the first pixel.

        Examples
        --------
        >>> one = np.ones(1)
        >>> bright = BrightRange(one, 3 * one, one, 5 * one, 3 * one)  # twice as sharp
        >>> bright.excess(np.array([[[2.0, 6.9, 7.1]]]))
        Excess(count=1, contrast=3.05, value=7.1, hs_maximum=3.0, band=0, row=0, column=2)
        """
        total, most = Excess(), _MARGIN * self.sharpening
        for band, plane in enumerate(values):
            median, span = self.median[band], self.highest[band] - self.median[band]
            if not span > 0:  # a constant or bad band
                continue
            count = int(np.count_nonzero(plane > median + most * span))
            if count:
                place = int(np.nanargmax(plane))
                value = float(plane.flat[place])
                row, column = divmod(place, plane.shape[1])
                contrast = round(float((value - median) / span), 9)
                total += Excess(
                    count,
                    contrast,
                    value,
                    float(self.highest[band]),
                    band,
                    row + first[0],
                    column + first[1],
                )
        return total


def _highest(cube: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the largest value (bands,) of a cube, NaN for bands without data."""
    return np.fmax.reduce(cube.reshape(len(cube), -1), axis=1, initial=np.nan)
