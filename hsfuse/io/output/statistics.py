"""Statistics of the planes of an output, accumulated piece by piece."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsfuse.io.output.planes import Piece

__all__ = ["Statistics"]


class Statistics:
    """
    Count, sums and limits of the stored numbers of each plane, without no-data values.

    Threads may add pieces of different planes at the same time.

    Parameters
    ----------
    planes : int
        Number of planes.
    fill : float
        Stored no-data value; NaN for floats.
    """

    def __init__(self, planes: int, fill: float) -> None:
        self.fill = fill
        self.count, self.valid = np.zeros(planes, np.int64), np.zeros(planes, np.int64)
        self.total, self.square = np.zeros(planes), np.zeros(planes)
        self.low, self.high = np.full(planes, np.inf), np.full(planes, -np.inf)

    def add(self, piece: Piece, values: NDArray[Any]) -> None:
        """Add the stored numbers (planes, rows, columns) of a piece."""
        for plane, image in zip(range(piece.planes.start, piece.planes.stop), values, strict=True):
            valid = np.isfinite(image) & (image != self.fill)
            known = (image.ravel() if valid.all() else image[valid]).astype(np.float64)
            self.count[plane] += image.size
            self.valid[plane] += known.size
            if known.size:
                self.total[plane] += known.sum()
                self.square[plane] += known @ known
                self.low[plane] = min(self.low[plane], known.min())
                self.high[plane] = max(self.high[plane], known.max())

    def items(self, plane: int) -> dict[str, str]:
        """Return the GDAL statistics items of a plane; empty for one without data."""
        count = int(self.valid[plane])
        if not count:
            return {}
        mean = float(self.total[plane]) / count
        variance = max(float(self.square[plane]) / count - mean**2, 0.0)
        figures = {
            "MINIMUM": self.low[plane],
            "MAXIMUM": self.high[plane],
            "MEAN": mean,
            "STDDEV": math.sqrt(variance),
        }
        percent = 100 * count / int(self.count[plane])
        items = {f"STATISTICS_{name}": f"{value:.10g}" for name, value in figures.items()}
        return items | {"STATISTICS_VALID_PERCENT": f"{percent:.4g}"}
