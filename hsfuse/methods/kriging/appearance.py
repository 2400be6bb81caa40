"""What a fine pixel looks like: brightness, chromaticity and texture."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.methods.kriging.kernels import SCALES
from hsfuse.pair.survey import Survey

__all__ = ["DARK", "Appearance", "column"]

# Of the scene's mean brightness: below it hue is noise.
DARK = 0.05


@dataclass(frozen=True)
class Appearance:
    """
    What a fine pixel looks like: brightness, chromaticity and texture, in scene-wide units.

    Light on a surface scales its spectrum and leaves its chromaticity: a process that is a
    brightness times a function of chromaticity knows that shade is dark in every band.

    Attributes
    ----------
    level : ndarray of shape (fine bands,)
        Value of each band that counts as brightness one: its mean over the scene.
    sigmas : tuple of tuple of float
        Of the blurs along y and x in fine pixels, one pair for each scale of texture.
    offset, scale : ndarray of shape (maps,)
        Mean and deviation of the maps over the scene.
    """

    level: NDArray[np.float64]
    sigmas: tuple[tuple[float, float], ...]
    offset: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def measure(cls, survey: Survey) -> Appearance:
        """Return the units of a surveyed scene."""
        known = [p.fine[:, np.isfinite(p.fine).all(axis=0)] for p in survey.patches]
        pixels = np.concatenate(known, axis=1).astype(np.float64)
        mean, least = pixels.mean(axis=1), 1e-6 * np.abs(pixels).max() + 1e-30
        sigmas = tuple((s * survey.ratio[0], s * survey.ratio[1]) for s in SCALES)
        count = (1 + len(mean)) + len(SCALES) * (2 + len(mean))
        raw = cls(np.maximum(mean, least), sigmas, np.zeros(count), np.ones(count))
        maps = [
            raw.maps(*raw.relative(fine))[:, torch.isfinite(fine).all(dim=0)]
            for fine in (torch.from_numpy(p.fine) for p in survey.patches)
        ]
        values = torch.cat(maps, dim=1).double()
        deviation = values.std(dim=1).clamp_min(1e-6).numpy()
        return replace(raw, offset=values.mean(dim=1).numpy(), scale=deviation)

    def relative(self, fine: Tensor) -> tuple[Tensor, Tensor]:
        """Return the bands over their levels, one where there is no data, and their mean."""
        level = column(self.level, fine)
        valid = torch.isfinite(fine).all(dim=0)
        bands = torch.where(valid, fine / level, torch.ones_like(fine)).clamp_min(0)
        return bands, bands.mean(dim=0)

    def maps(self, bands: Tensor, brightness: Tensor) -> Tensor:
        """Return log brightness and chromaticity; then, per scale, both blurred, and activity."""
        light = (brightness + DARK).log()[None]
        colour = torch.cat([light, bands / (brightness + DARK)])
        parts = [colour]
        for sigma in self.sigmas:
            blurred = _blur(colour, sigma)
            parts += [blurred, _blur((light - blurred[:1]).abs(), sigma)]
        maps = torch.cat(parts)
        return (maps - column(self.offset, maps)) / column(self.scale, maps)

    @property
    def reach(self) -> tuple[int, int]:
        """Fine pixels that the maps depend on, along y and x: two blurs."""
        widest = self.sigmas[-1]
        return 2 * _half(widest[0]), 2 * _half(widest[1])


def _half(sigma: float) -> int:
    return math.ceil(3 * sigma)


def _blur(values: Tensor, sigma: tuple[float, float]) -> Tensor:
    """Return a Gaussian blur of (channels, rows, columns); borders repeat."""
    result = values[:, None]
    for axis, width in enumerate(sigma):
        half = _half(width)
        offset = torch.arange(-half, half + 1, dtype=values.dtype, device=values.device)
        kernel = torch.exp(-0.5 * (offset / width) ** 2)
        kernel = (kernel / kernel.sum()).view((1, 1, -1, 1) if axis == 0 else (1, 1, 1, -1))
        padding = (0, 0, half, half) if axis == 0 else (half, half, 0, 0)
        result = torch.nn.functional.pad(result, padding, mode="replicate")
        result = torch.nn.functional.conv2d(result, kernel)
    return result[:, 0]


def column(values: NDArray[np.float64], like: Tensor) -> Tensor:
    """Return one value a band as a float32 tensor of shape (bands, 1, 1)."""
    return torch.from_numpy(np.asarray(values, dtype=np.float32)).to(like)[:, None, None]
