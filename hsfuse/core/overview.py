"""
Overviews: images of half the size, whose pixels are means of the pixels with data they cover.

An axis of n pixels becomes one of ceil(n / 2) pixels of the same extent, as in GDAL: where n is
odd, a pixel of the overview is slightly smaller than two pixels, and overlaps three.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.grid import Span

__all__ = ["Halving", "block_means", "halve", "halved_length"]


def halved_length(length: int) -> int:
    """Return the number of pixels of an axis of half the size."""
    return (length + 1) // 2


class Halving(NamedTuple):
    """
    One axis of a part of an overview.

    Attributes
    ----------
    length : int
        Number of pixels of the whole image.
    target : Span
        Requested pixels of the overview.
    """

    length: int
    target: Span

    @property
    def source(self) -> Span:
        """The pixels of the image, a pair for each requested pixel; the last may be single."""
        return Span(2 * self.target.start, min(2 * self.target.stop, self.length))

    @property
    def margin(self) -> int:
        """Number of pixels before the pairs that overlap as well: one where the length is odd."""
        return self.length % 2

    @property
    def ratio(self) -> float:
        """Number of pixels of the image in a pixel of the overview."""
        return self.length / halved_length(self.length)

    def weights(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the weights of the pixel before each pair and of its second pixel, odd length."""
        places, count = np.arange(self.target.start, self.target.stop), halved_length(self.length)
        return (
            (places / count).astype(np.float32),
            (1 - (places + 1) / count).astype(np.float32),
        )


def halve(values: NDArray[Any], rows: Halving, columns: Halving, fill: float) -> NDArray[Any]:
    """
    Return a part of an overview.

    Parameters
    ----------
    values : ndarray of shape (bands, rows, columns)
        The pixels of the margins, then of ``rows.source`` and ``columns.source``; before the first
        pixel of the image the margin is arbitrary, with weight zero.
    rows, columns : Halving
        The two axes.
    fill : float
        Stored no-data value.

    Returns
    -------
    ndarray of shape (bands, len(rows.target), len(columns.target))
        Of the type of ``values``, integers rounded half away from zero as in GDAL; ``fill`` where
        no pixel has data.

    Examples
    --------
    >>> image = np.array([[[1, 2, 3, 0], [4, 5, 0, 0]]], np.float32)
    >>> halve(image, Halving(2, Span(0, 1)), Halving(4, Span(0, 2)), fill=0.0)
    array([[[3., 3.]]], dtype=float32)
    """
    if math.isnan(fill):  # NaN propagates to the means, which are a quarter of the values to check
        means = _means(values, rows, columns)
        if not np.isnan(means).any():
            return _rounded(means, values.dtype)
        valid = ~np.isnan(values)
    else:
        valid = values != fill
        if valid.all():
            return _rounded(_means(values, rows, columns), values.dtype)
    sums = _sum(_sum(np.where(valid, values, 0), rows, 1), columns, 2)
    shares = _sum(_sum(valid, rows, 1), columns, 2)
    empty = shares <= 0
    shares[empty] = 1
    means = _rounded(sums / shares, values.dtype)
    means[empty] = fill
    return means


def _means(values: NDArray[Any], rows: Halving, columns: Halving) -> NDArray[np.float32]:
    """Return the means where all pixels have data."""
    sums = _sum(_sum(values, rows, 1), columns, 2)
    sums *= np.float32(1 / (rows.ratio * columns.ratio))
    return sums


def _sum(values: NDArray[Any], axis: Halving, place: int) -> NDArray[np.float32]:
    """Return the weighted sums along an axis for the pixels of an overview."""
    pixels = np.moveaxis(values, place, 0).astype(np.float32, copy=False)
    pairs = pixels[axis.margin :]
    first, second = pairs[0::2], pairs[1::2]
    if not axis.margin:
        return np.moveaxis(first + second, 0, place)
    before, after = (weights[:, None, None] for weights in axis.weights())
    total = pixels[: 2 * len(first) : 2] * before
    total += first
    total[: len(second)] += second * after[: len(second)]
    return np.moveaxis(total, 0, place)


def _rounded(means: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        return means.astype(dtype, copy=False)
    return np.trunc(means + np.copysign(np.float32(0.5), means)).astype(dtype)


def block_means(plane: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """
    Return the means of blocks of pixels; those at the lower and right edges may be smaller.

    Parameters
    ----------
    plane : ndarray of shape (rows, columns)
        NaN where there is no data.
    step : int
        Side of a block in pixels.

    Examples
    --------
    >>> block_means(np.array([[1, 2, 3], [4, 5, np.nan]], np.float32), 2).tolist()
    [[3.0, 3.0]]
    """
    if step == 1:
        return plane
    rows, columns = (math.ceil(length / step) * step for length in plane.shape)
    padded = np.full((rows, columns), np.nan, np.float32)
    padded[: plane.shape[0], : plane.shape[1]] = plane
    squares = padded.reshape(rows // step, step, columns // step, step)
    valid = np.isfinite(squares)
    total = np.where(valid, squares, 0).sum(axis=(1, 3), dtype=np.float64)
    count = valid.sum(axis=(1, 3))
    means = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return means.astype(np.float32)
