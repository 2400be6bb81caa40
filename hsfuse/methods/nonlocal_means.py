"""Similar pixels of an image and their weighted mean (non-local means)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["SimilarPixels", "find_similar_pixels"]

# Values far from those of any pixel, for pixels without data and those beyond the image.
_MISSING, _BEYOND = -1e3, 1e3
# Number of distances in memory at the same time.
_MAXIMUM_VALUES = 2**23


@dataclass(frozen=True)
class SimilarPixels:
    """
    The most similar pixels of every pixel.

    Attributes
    ----------
    index : Tensor of int, shape (pixels, neighbours)
        Indices of the similar pixels in the flattened image.
    weight : Tensor of shape (pixels, neighbours)
        Weights, which sum to one over the neighbours.
    """

    index: Tensor
    weight: Tensor

    def mean(self, image: Tensor) -> Tensor:
        """Return the weighted mean over similar pixels of (bands, pixels), in that shape."""
        rows = image.mT.contiguous()
        return torch.nn.functional.embedding_bag(
            self.index, rows, per_sample_weights=self.weight, mode="sum"
        ).mT


def find_similar_pixels(
    image: Tensor, valid: Tensor, *, count: int = 10, radius: int = 18, bandwidth: float
) -> SimilarPixels:
    """
    Return the pixels about each pixel whose 3 x 3 patches are most similar.

    Parameters
    ----------
    image : Tensor of shape (bands, rows, columns)
        Image whose patches are compared.
    valid : Tensor of bool, shape (rows, columns)
        Pixels with data; those without resemble none with data.
    count : int
        Number of similar pixels of each pixel, itself included.
    radius : int
        Radius of the square that is searched.
    bandwidth : float
        Mean square difference of patches at which the weight falls to 1/e.
    """
    _, rows, columns = image.shape
    marked = torch.where(valid, image, torch.full_like(image, _MISSING))
    edged = torch.nn.functional.pad(marked[None], (1, 1, 1, 1), mode="replicate")[0]
    wide = torch.nn.functional.pad(edged, [radius] * 4, value=_BEYOND)
    side = 2 * radius + 1
    strip = max(_MAXIMUM_VALUES // (side * side * columns), 1)
    parts = [
        _nearest(edged, wide, (start, min(start + strip, rows)), radius, count)
        for start in range(0, rows, strip)
    ]
    distance, offset = (torch.cat([part[i] for part in parts]) for i in (0, 1))
    distance[:, 0] = distance[:, 1]  # a pixel weighs as much as the most similar other one
    down, across = offset // side - radius, offset % side - radius
    row = torch.arange(rows, device=image.device).repeat_interleave(columns)[:, None] + down
    column = torch.arange(columns, device=image.device).repeat(rows)[:, None] + across
    # Neighbours may lie beyond a tiny image; their weight is zero.
    index = row.clamp(0, rows - 1) * columns + column.clamp(0, columns - 1)
    weight = torch.exp(-(distance - distance[:, :1]) / bandwidth)
    return SimilarPixels(index, weight / weight.sum(dim=1, keepdim=True))


def _nearest(
    edged: Tensor, wide: Tensor, span: tuple[int, int], radius: int, count: int
) -> tuple[Tensor, Tensor]:
    """Return the smallest distances from the pixels of some rows, sorted, and their offsets."""
    start, stop = span
    height, width = stop - start + 2, edged.shape[2]
    centre = edged[:, start : stop + 2]
    side = 2 * radius + 1
    distances = torch.empty((side * side, (stop - start) * (width - 2)), device=edged.device)
    for down in range(side):
        for across in range(side):
            shifted = wide[:, start + down : start + down + height, across : across + width]
            square = (centre - shifted).square_().mean(dim=0)
            lines = square[:-2] + square[1:-1] + square[2:]
            patch = (lines[:, :-2] + lines[:, 1:-1] + lines[:, 2:]) / 9
            distances[down * side + across] = patch.flatten()
    nearest = torch.topk(distances, min(count, len(distances)), dim=0, largest=False)
    return nearest.values.mT.contiguous(), nearest.indices.mT.contiguous()
