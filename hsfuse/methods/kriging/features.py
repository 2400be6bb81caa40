"""Random Fourier features of the Gaussian processes, in pairs of cosine and sine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.methods.kriging.settings import DEFAULT, Kernel, KrigingSettings

__all__ = ["RandomFeatures"]


@dataclass(frozen=True)
class RandomFeatures:
    """
    Random frequencies of all processes, the same for a whole scene.

    With cosine and sine of each projection the covariance at distance zero is exact. A feature is
    the cosine or sine times :attr:`scale` and the brightness of the pixel plus a floor: the
    process is dark in every band in the shade.

    Attributes
    ----------
    projection : ndarray of shape (processes, features / 2, maps + 2)
        Maps appearance, followed by the position along y and x in HS pixels, to angles in
        radians.
    settings : KrigingSettings
        Settings of the method.
    """

    projection: NDArray[np.float32]
    settings: KrigingSettings = DEFAULT

    @classmethod
    def draw(cls, bands: int, settings: KrigingSettings = DEFAULT) -> RandomFeatures:
        """Draw the frequencies for a number of MS bands; deterministic."""
        rows = [_frequencies(seed, bands, settings) for seed in range(len(settings.processes))]
        return cls(np.stack(rows).astype(np.float32), settings)

    @property
    def count(self) -> int:
        """Number of features of a process."""
        return 2 * self.projection.shape[1]

    @property
    def scale(self) -> float:
        """Factor that normalises the sum of squares of the features of a pixel to one."""
        return math.sqrt(1 / self.projection.shape[1])

    def __call__(self, process: int, coordinates: Tensor) -> tuple[Tensor, Tensor]:
        """
        Return the cosines and sines for pixels of brightness one.

        Parameters
        ----------
        process : int
            Which process.
        coordinates : Tensor of shape (maps + 2, pixels)
            Appearance and position of the pixels.

        Returns
        -------
        tuple of Tensor, each of shape (pixels, features / 2)
        """
        angles = coordinates.mT @ self._tensor(process, coordinates).mT
        return angles.cos(), angles.sin_()

    def rotate(self, process: int, features: Tensor, shift: Tensor) -> Tensor:
        """
        Return mean features for shifted coordinates, by rotating each pair of cosine and sine.

        Parameters
        ----------
        process : int
            Which process.
        features : Tensor of shape (pixels, features)
            Weighted means of :meth:`__call__`, the cosines first.
        shift : Tensor of shape (maps + 2, pixels)
            Shift of the mean coordinates.
        """
        rotated = torch.empty_like(features)
        block = self.settings.block  # intermediate results of more pixels would leave the cache
        for part, moved, result in zip(
            features.split(block), shift.split(block, dim=1), rotated.split(block), strict=True
        ):
            turn = self(process, moved)
            (cosine, sine), half = part.chunk(2, dim=1), part.shape[1] // 2
            torch.sub(cosine * turn[0], sine * turn[1], out=result[:, :half])
            torch.add(sine * turn[0], cosine * turn[1], out=result[:, half:])
        return rotated

    def _tensor(self, process: int, like: Tensor) -> Tensor:
        return torch.from_numpy(self.projection[process]).to(like)


def _frequencies(seed: int, bands: int, settings: KrigingSettings) -> NDArray[np.float64]:
    """Return the frequencies of a process, shape (features / 2, maps + 2)."""
    kernels = settings.processes[seed]
    generator = np.random.default_rng(seed)
    count = settings.features // (2 * len(kernels))
    parts = []
    for kernel in kernels:
        columns, lengths = _length_scales(kernel, bands, settings.scales)
        part = np.zeros((count, 1 + bands + len(settings.scales) * (2 + bands) + 2))
        part[:, columns] = generator.standard_normal((count, len(columns))) / lengths
        # Multiples of one frequency, so that positions can be reduced modulo the period, and
        # float32 resolves them on any scene.
        unit = 2 * math.pi / settings.period
        position = generator.standard_normal((count, 2)) / kernel.position
        part[:, -2:] = np.round(position / unit) * unit
        parts.append(part)
    return np.concatenate(parts)


def _length_scales(
    kernel: Kernel, bands: int, scales: Sequence[float]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the indices of the maps on which a kernel depends, and its length scale for each."""
    # A distance over many bands grows with the square root of their number.
    many = max(1.0, math.sqrt(bands / 4))
    lengths = np.array([1.0, *(many,) * bands])
    columns, values = [np.arange(1 + bands)], [kernel.colour * lengths]
    for scale in kernel.scales:
        first = (1 + bands) + scales.index(scale) * (2 + bands)
        columns.append(np.arange(first, first + 2 + bands))
        values.append(kernel.texture * np.append(lengths, 1.0))
    return np.concatenate(columns), np.concatenate(values)
