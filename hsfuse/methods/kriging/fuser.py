"""
Fuser of `kriging` for one pair.

It conditions cells (:mod:`~hsfuse.methods.kriging.conditioning`), and applies their models to MS
pixels (:mod:`~hsfuse.methods.kriging.application`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.local_models import LocalModelGrid
from hsfuse.methods import Window
from hsfuse.methods.guided.regression import GuidedFuser
from hsfuse.methods.kriging.appearance import Appearance
from hsfuse.methods.kriging.application import (
    blend_residuals,
    divide_into_blocks,
    estimate_block,
)
from hsfuse.methods.kriging.cells import CellGrid, CellPart, cell_parts, divide_scene
from hsfuse.methods.kriging.conditioning import CellRegression, condition_cells
from hsfuse.methods.kriging.features import RandomFeatures
from hsfuse.methods.kriging.models import CellModel, pack_models, unpack_models
from hsfuse.methods.kriging.pixels import PixelMaps
from hsfuse.methods.kriging.regression import CellDesign
from hsfuse.methods.kriging.settings import DEFAULT, KrigingSettings
from hsfuse.observe import Degrade

__all__ = ["KrigingFuser", "average"]


@dataclass(frozen=True)
class KrigingFuser:
    """
    Fuser of `kriging` for one pair.

    Attributes
    ----------
    guided : GuidedFuser
        Source of the subspace, the PSF and the standardised MS bands.
    appearance : Appearance
        Scene-wide units of brightness, chromaticity and texture.
    features : RandomFeatures
        Random features of all processes.
    noise : ndarray of shape (components,)
        Standard deviation of the noise of the HS image.
    ridge : ndarray of shape (processes, components)
        Selected variance of the noise, in units of the variance of the component.
    shape : tuple of int
        Rows and columns of the scene in HS pixels.
    ratio : tuple of float
        Fine pixels per HS pixel along y and x.
    settings : KrigingSettings
        Settings of the method.
    """

    guided: GuidedFuser
    appearance: Appearance
    features: RandomFeatures
    noise: NDArray[np.float64]
    ridge: NDArray[np.float64]
    shape: tuple[int, int]
    ratio: tuple[float, float]
    settings: KrigingSettings = DEFAULT
    name: str = "kriging"
    step: int = 1
    gives_standard_error: bool = False
    notes: tuple[str, ...] = ()

    @property
    def reach(self) -> tuple[float, float]:
        """See :class:`hsfuse.methods.Fuser`: that of the texture maps, as cells are conditioned."""
        along = [
            maps / ratio + 1 for maps, ratio in zip(self.appearance.reach, self.ratio, strict=True)
        ]
        return along[0], along[1]

    @property
    def cells(self) -> CellGrid:
        """The cells of the scene."""
        reach = [
            radius + maps / ratio
            for radius, maps, ratio in zip(
                self.guided.psf.reach, self.appearance.reach, self.ratio, strict=True
            )
        ]
        return divide_scene(self.shape, self.ratio, reach, self.settings)

    @property
    def local_models(self) -> LocalModelGrid:
        """See :class:`hsfuse.methods.Fuser`: the units of cells."""
        cells = self.cells
        count = cells.y.together * cells.x.together
        pixels = cells.y.single.longest * cells.x.single.longest
        values = count * (len(self.settings.processes) * self._weight_count + pixels)
        memory = self._conditioning_memory(cells)
        return LocalModelGrid(cells.y.units, cells.x.units, len(self.noise) * values, memory=memory)

    @property
    def _weight_count(self) -> int:
        """Number of features of a process, linear features included."""
        return 1 + len(self.guided.offset) + self.features.count

    def _conditioning_memory(self, cells: CellGrid) -> int:
        """Return the peak memory of conditioning a unit, in bytes."""
        maps = self.map_values * cells.unit_pixels(self.ratio)
        # D of the features on each lattice, their mean, and the mean with the linear features.
        pixels = cells.y.units.longest * cells.x.units.longest
        degraded = 4 * self._weight_count * pixels
        # Per cell in float64: design, weighted design, and normal equations with their factor.
        pixels = cells.y.single.longest * cells.x.single.longest
        design = 2 * self._weight_count * (2 * pixels + 2 * self._weight_count)
        return int(4 * (maps + degraded + design))

    def memory(self, window: tuple[int, int], core: tuple[int, int]) -> int:
        """See :class:`hsfuse.methods.Fuser`: maps, estimates, and the features of a block."""
        values = self.map_values * math.prod(window) + self.estimate_values * math.prod(core)
        return 4 * (values + self._block_values)

    @property
    def map_values(self) -> int:
        """Values per MS pixel of the maps, the bands and the intermediate results of blurs."""
        return len(self.appearance.offset) + 5 * len(self.guided.offset)

    @property
    def estimate_values(self) -> int:
        """Values per MS pixel of the estimates: processes, residual and average."""
        return (len(self.settings.processes) + 3) * len(self.noise)

    @property
    def _block_values(self) -> int:
        """Number of values of a block: coordinates, and angles and features of a chunk."""
        coordinates = self.features.projection.shape[2] * self.settings.block
        return coordinates + 2 * self.features.count * self.settings.chunk

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {
            "method": self.name,
            "components": self.guided.parameters.components,
            "processes": len(self.settings.processes),
            "features": self.settings.features,
        }

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """See :class:`hsfuse.methods.Fuser`."""
        return [
            self.guided.expand(average(self.components(window))).cpu().numpy() for window in windows
        ]

    def condition(self, window: Window) -> NDArray[np.float32]:
        """
        Return the models of the cells of a unit; see :class:`hsfuse.methods.Fuser`.

        Returns
        -------
        ndarray
            From :func:`~hsfuse.methods.kriging.models.pack_models`.
        """
        return self.condition_regression(self.regression(window), window.start)

    def condition_regression(
        self, regression: CellRegression, start: tuple[int, int]
    ) -> NDArray[np.float32]:
        """
        Return the models of the cells of a unit from its regression; see :meth:`condition`.

        Parameters
        ----------
        regression : CellRegression
            Result of :meth:`regression`, also by a fuser with another ``ridge``.
        start : tuple of int
            Row and column in the scene of the first HS pixel of the window.
        """
        areas = self.cells.areas(start)
        return pack_models(condition_cells(regression, areas, ridge=self.ridge, noise=self.noise))

    def regression(self, window: Window) -> CellRegression:
        """Return the regression of the HS pixels of a window on the features."""
        return CellRegression.of(*self.design(window), self.features)

    def design(self, window: Window) -> tuple[CellDesign, Tensor]:
        """Return the regression design of the HS pixels of a window, and their components."""
        pixels = self.pixels(window)
        degrade = Degrade.between(window.geometry, self.guided.psf, device=self.guided.device)
        observed, valid = self.guided.project(window.coarse)
        covered = degrade.forward(pixels.valid) > self.guided.settings.minimum_coverage
        ratio = min(window.geometry.y.ratio, window.geometry.x.ratio)
        return CellDesign(pixels, degrade, valid & covered, ratio, self.settings), observed

    def pixels(self, window: Window) -> PixelMaps:
        """Return the appearance and position of the MS pixels of a window."""
        bands, _ = self.guided.standardised(window.fine)
        fine = torch.from_numpy(window.fine).to(bands)
        return PixelMaps.of(
            fine, bands, self.appearance, window.geometry, window.start, self.settings
        )

    def components(self, window: Window, pixels: PixelMaps | None = None) -> Tensor:
        """
        Return the estimate of each process over the core of the window, and their residual.

        Parameters
        ----------
        window : Window
            Window with the models of its cells.
        pixels : PixelMaps, optional
            Maps of the window, if already computed.

        Returns
        -------
        Tensor of shape (processes + 1, components, core rows, core columns)
            Combined by :func:`average`.
        """
        pixels, cells = pixels or self.pixels(window), self.cells
        rows, columns = (
            list(cell_parts(along.single, axis, start, core))
            for along, axis, start, core in zip(
                (cells.y, cells.x),
                (window.geometry.y, window.geometry.x),
                window.start,
                window.core,
                strict=True,
            )
        )
        models = self._unpack(window, cells, rows, columns)
        shape = 1 + len(self.settings.processes), len(self.noise), *map(len, window.core)
        estimates = torch.zeros(shape, device=self.guided.device)
        estimates[-1] = blend_residuals(rows, columns, window, cells, models)
        for block in divide_into_blocks(rows, columns, self.settings.block):
            down, across = (
                span.within(core) for span, core in zip(block.area, window.core, strict=True)
            )
            estimates[:-1, :, down, across] = estimate_block(block, pixels, models, self.features)
        return estimates

    def _unpack(
        self, window: Window, cells: CellGrid, rows: list[CellPart], columns: list[CellPart]
    ) -> dict[tuple[int, int], CellModel]:
        """Return the models of the units of the contributing cells, by row and column of cells."""
        shape = len(self.settings.processes), len(self.noise), self._weight_count
        models: dict[tuple[int, int], CellModel] = {}
        for unit in {
            cells.unit_of((row.index, column.index)) for row in rows for column in columns
        }:
            members = cells.members(unit)
            areas = [cells.coarse(cell) for cell in members]
            unpacked = unpack_models(window.models[unit], shape, areas, self.guided.device)
            models.update(zip(members, unpacked, strict=True))
        return models


def average(estimates: Tensor) -> Tensor:
    """Return the mean of the processes of :meth:`KrigingFuser.components`, plus the residual."""
    return estimates[:-1].mean(dim=0) + estimates[-1]
