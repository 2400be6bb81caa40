"""Brightness, chromaticity and texture of MS pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.methods.kriging.settings import DEFAULT, KrigingSettings
from hsfuse.pair.survey import Survey

__all__ = ["Appearance", "column"]


@dataclass(frozen=True)
class Appearance:
    """
    Brightness, chromaticity and texture of MS pixels, in scene-wide units.

    Illumination scales the spectrum of a surface and does not change its chromaticity: a process
    that is brightness times a function of chromaticity is dark in every band in the shade.

    Attributes
    ----------
    level : ndarray of shape (MS bands,)
        Value of each band at brightness one: its mean over the scene.
    sigmas : tuple of tuple of float
        Standard deviations of the Gaussian blurs along y and x in fine pixels, one pair per scale
        of texture.
    offset, scale : ndarray of shape (maps,)
        Mean and standard deviation of the maps over the scene.
    dark : float
        Brightness below which chromaticity is noise.
    """

    level: NDArray[np.float64]
    sigmas: tuple[tuple[float, float], ...]
    offset: NDArray[np.float64]
    scale: NDArray[np.float64]
    dark: float = DEFAULT.dark

    @classmethod
    def measure(cls, survey: Survey, settings: KrigingSettings = DEFAULT) -> Appearance:
        """Return the scene-wide units of a survey."""
        pixels = survey.fine_pixels
        mean, minimum = pixels.mean(axis=1), 1e-6 * np.abs(pixels).max() + 1e-30
        sigmas = tuple((s * survey.ratio[0], s * survey.ratio[1]) for s in settings.scales)
        count = (1 + len(mean)) + len(sigmas) * (2 + len(mean))
        level, zero, one = np.maximum(mean, minimum), np.zeros(count), np.ones(count)
        raw = cls(level, sigmas, zero, one, settings.dark)
        maps = [
            raw.maps(*raw.relative(fine))[:, torch.isfinite(fine).all(dim=0)]
            for fine in (torch.from_numpy(p.fine) for p in survey.sample(9, settings.pixels))
        ]
        values = torch.cat(maps, dim=1).double()
        deviation = values.std(dim=1).clamp_min(1e-6).numpy()
        return replace(raw, offset=values.mean(dim=1).numpy(), scale=deviation)

    def relative(self, fine: Tensor) -> tuple[Tensor, Tensor]:
        """Return the bands in units of their levels, 1 for no data, and their mean."""
        level = column(self.level, fine)
        valid = torch.isfinite(fine).all(dim=0)
        bands = torch.where(valid, fine / level, torch.ones_like(fine)).clamp_min(0)
        return bands, bands.mean(dim=0)

    def maps(self, bands: Tensor, brightness: Tensor) -> Tensor:
        """
        Return the maps: log brightness, chromaticity and, for each scale, texture.

        Texture is the blurred log brightness, the blurred chromaticity, and the blurred absolute
        difference between log brightness and its blur.
        """
        lightness = (brightness + self.dark).log()[None]
        colour = torch.cat([lightness, bands / (brightness + self.dark)])
        parts = [colour]
        for sigma in self.sigmas:
            blurred = _blur(colour, sigma)
            parts += [blurred, _blur((lightness - blurred[:1]).abs(), sigma)]
        maps = torch.cat(parts)
        return maps.sub_(column(self.offset, maps)).div_(column(self.scale, maps))

    @property
    def reach(self) -> tuple[int, int]:
        """Reach of the maps in fine pixels along y and x: that of two successive blurs."""
        widest = self.sigmas[-1]
        return 2 * _half(widest[0]), 2 * _half(widest[1])


def _half(sigma: float) -> int:
    """Return the radius of a blur in pixels, three standard deviations."""
    return math.ceil(3 * sigma)


def _blur(values: Tensor, sigma: tuple[float, float]) -> Tensor:
    """Apply a Gaussian blur to (channels, rows, columns); borders are replicated."""
    for width in sigma:  # along y, then along x: each turn transposes
        values = _blur_rows(values, width).mT
    return values


def _blur_rows(values: Tensor, width: float) -> Tensor:
    """Apply a Gaussian blur along the rows of (channels, rows, columns)."""
    half, block = _half(width), 64
    short = -values.shape[1] % block
    padding = (0, 0, half, half + short)
    padded = torch.nn.functional.pad(values[None], padding, mode="replicate")[0]
    # Blocks of rows by a band of the blur's matrix: a matrix product is many times as fast as a
    # convolution of one channel.
    parts = padded.unfold(1, block + 2 * half, block)  # (channels, blocks, columns, ·)
    distance = torch.arange(block + 2 * half)[:, None] - half - torch.arange(block)
    band = torch.exp(-0.5 * (distance / width) ** 2) * (distance.abs() <= half)
    band = (band / band.sum(dim=0)).to(values)
    blurred = (parts @ band).mT  # (channels, blocks, block, columns)
    return blurred.flatten(1, 2)[:, : values.shape[1]]


def column(values: NDArray[np.float64], like: Tensor) -> Tensor:
    """Return one value per band as a float32 tensor of shape (bands, 1, 1)."""
    return torch.from_numpy(np.asarray(values, dtype=np.float32)).to(like)[:, None, None]
