"""Appearance and position of the MS pixels of a window, the inputs of the processes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hsfuse.core.grid import Axis, Geometry
from hsfuse.methods.kriging.appearance import Appearance
from hsfuse.methods.kriging.settings import KrigingSettings

__all__ = ["PixelMaps"]


@dataclass(frozen=True)
class PixelMaps:
    """
    Appearance and position of MS pixels.

    Attributes
    ----------
    bands : Tensor of shape (MS bands, rows, columns)
        Standardised MS bands, zero for no data.
    maps : Tensor of shape (maps, rows, columns)
        Result of :meth:`~hsfuse.methods.kriging.appearance.Appearance.maps`.
    brightness : Tensor of shape (rows, columns)
        Brightness in units of the mean over the scene.
    valid : Tensor of shape (rows, columns)
        1 for data, 0 for no data.
    y, x : Tensor of shape (rows,) and (columns,)
        Positions in HS pixels of the scene, modulo the period of the features.
    dark : float
        Floor added to the brightness.
    """

    bands: Tensor
    maps: Tensor
    brightness: Tensor
    valid: Tensor
    y: Tensor
    x: Tensor
    dark: float

    @classmethod
    def of(
        cls,
        fine: Tensor,
        bands: Tensor,
        appearance: Appearance,
        geometry: Geometry,
        start: tuple[int, int],
        settings: KrigingSettings,
    ) -> PixelMaps:
        """
        Return the maps of a window.

        Parameters
        ----------
        fine, bands : Tensor of shape (MS bands, rows, columns)
            The MS image, NaN for no data, and the standardised MS image.
        appearance : Appearance
            Scene-wide units.
        geometry : Geometry
            Grid of the HS pixels relative to the MS pixels.
        start : tuple of int
            Row and column in the scene of the first HS pixel of the window.
        settings : KrigingSettings
            Settings, of which the period of the features is used.
        """
        relative, brightness = appearance.relative(fine)
        y, x = (
            _positions(axis, first, settings.period).to(brightness)
            for axis, first in zip((geometry.y, geometry.x), start, strict=True)
        )
        maps = appearance.maps(relative, brightness)
        valid = torch.isfinite(fine).all(dim=0).to(brightness)
        return cls(bands, maps, brightness, valid, y, x, appearance.dark)

    @property
    def level(self) -> Tensor:
        """Brightness plus its floor, which scales the features, shape (rows, columns)."""
        return self.brightness + self.dark

    def cut(self, rows: slice, columns: slice) -> PixelMaps:
        """Return the maps at selected rows and columns; slices may have a step."""
        area = rows, columns
        return PixelMaps(
            self.bands[:, *area],
            self.maps[:, *area],
            self.brightness[area],
            self.valid[area],
            self.y[rows],
            self.x[columns],
            self.dark,
        )

    def coordinates(self) -> Tensor:
        """Return the coordinates of the features, maps and position, (maps + 2, rows, columns)."""
        shape = self.brightness.shape
        position = self.y[:, None].expand(shape), self.x[None].expand(shape)
        return torch.cat([self.maps, torch.stack(position)])

    def linear(self, settings: KrigingSettings) -> Tensor:
        """Return the linear features: a constant and the bands, scaled by their prior deviation."""
        return settings.linear_deviation * torch.cat([torch.ones_like(self.bands[:1]), self.bands])


def _positions(axis: Axis, start: int, period: float) -> Tensor:
    position = (np.arange(axis.fine) + 0.5 - axis.origin) / axis.ratio + start
    return torch.from_numpy(position - math.floor(start / period) * period)
