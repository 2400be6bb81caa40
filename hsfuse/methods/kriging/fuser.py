"""Fuser of `kriging` for one pair: condition cells, and apply their models to MS pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Span
from hsfuse.core.local_models import LocalModelAxis, LocalModelGrid
from hsfuse.methods import Window
from hsfuse.methods.guided.regression import GuidedFuser
from hsfuse.methods.kriging.appearance import Appearance
from hsfuse.methods.kriging.cells import CellPart, Cells, cell_axis, cell_parts, segments
from hsfuse.methods.kriging.features import RandomFeatures
from hsfuse.methods.kriging.models import CellModel
from hsfuse.methods.kriging.pixels import PixelMaps
from hsfuse.methods.kriging.regression import CellDesign, ridge_weights
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
    def cells(self) -> tuple[Cells, Cells]:
        """
        The cells along y and x.

        Neighbouring cells share features and are conditioned together as far as a window of bounded
        size contains them; in a scene of few cells they are not, so that all workers are busy.
        """
        single = [
            cell_axis(length, radius + maps / ratio, self.settings)
            for length, radius, maps, ratio in zip(
                self.shape, self.guided.psf.reach, self.appearance.reach, self.ratio, strict=True
            )
        ]
        together = max(1, min(self.settings.together, *(axis.count // 2 for axis in single)))
        units = [Cells(axis, together).units for axis in single]
        if math.prod(self._fine_lengths(units)) > self.settings.unit_pixels:
            together = 1
        y, x = (Cells(axis, together) for axis in single)
        return y, x

    def _fine_lengths(self, units: Sequence[LocalModelAxis]) -> list[float]:
        """Return the maximum numbers of MS rows and columns of the window of a unit."""
        return [
            (axis.longest + 2 * axis.fine_reach) * ratio
            for axis, ratio in zip(units, self.ratio, strict=True)
        ]

    @property
    def local_models(self) -> LocalModelGrid:
        """See :class:`hsfuse.methods.Fuser`: the units of cells."""
        y, x = (axis.units for axis in self.cells)
        cells = math.prod(axis.together for axis in self.cells)
        residual = math.prod(axis.single.longest for axis in self.cells)
        values = cells * (len(self.settings.processes) * self._weight_count + residual)
        return LocalModelGrid(y, x, len(self.noise) * values, memory=self._conditioning([y, x]))

    @property
    def _weight_count(self) -> int:
        """Number of features of a process, linear features included."""
        return 1 + len(self.guided.offset) + self.features.count

    def _conditioning(self, units: Sequence[LocalModelAxis]) -> int:
        """Return the peak memory of conditioning a unit, in bytes."""
        maps = self.map_values * math.prod(self._fine_lengths(units))
        # D of the features on each lattice, their mean, and the mean with the linear features.
        degraded = 4 * self._weight_count * math.prod(axis.longest for axis in units)
        # Per cell in float64: design, weighted design, and normal equations with their factor.
        cell = math.prod(axis.single.longest for axis in self.cells)
        design = 2 * self._weight_count * (2 * cell + 2 * self._weight_count)
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
        """Number of values of a block: angles and features."""
        return 2 * self.features.count * self.settings.block

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
            Concatenation of one packed :class:`~hsfuse.methods.kriging.models.CellModel` per cell.
        """
        unit, observed = self.design(window)
        areas = self._areas(window)
        inside = [_mask(unit.used, area)[unit.used] for area in areas]
        target, weight = observed[:, unit.used].double(), unit.weight.double()
        weights: list[list[Tensor]] = [[] for _ in areas]
        left = [target[:, each] for each in inside]
        for process in range(len(self.settings.processes)):
            features = unit.features(process, self.features)
            for cell, each in enumerate(inside):
                design, factor = features[:, each].double(), weight[each]
                found = ridge_weights(
                    design * factor, target[:, each] * factor, self.ridge[process]
                )
                left[cell] = left[cell] - found @ design / len(self.settings.processes)
                weights[cell].append(found.float())
        models = []
        for area, solved, rest in zip(areas, weights, left, strict=True):
            residual = torch.zeros_like(observed[:, *area])
            residual[:, unit.used[area]] = self._without_noise(rest).float()
            models.append(CellModel(torch.stack(solved), residual).packed())
        return np.concatenate(models, axis=1)

    def _areas(self, window: Window) -> list[tuple[slice, slice]]:
        """Return the HS rows and columns of each cell in the window of its unit."""
        rows, columns = (
            [axis.single.coarse(cell).shifted(-start).slice for cell in axis.members(unit)]
            for axis, start, unit in zip(self.cells, window.start, self._unit(window), strict=True)
        )
        return [(row, column) for row in rows for column in columns]

    def _unit(self, window: Window) -> tuple[int, int]:
        y, x = (axis.unit_at(at) for axis, at in zip(self.cells, window.start, strict=True))
        return y, x

    def design(self, window: Window) -> tuple[CellDesign, Tensor]:
        """Return the regression design of the HS pixels of a window, and their components."""
        pixels = self.pixels(window)
        degrade = Degrade.between(window.geometry, self.guided.psf, device=self.guided.device)
        observed, valid = self.guided.project(window.coarse)
        covered = degrade.forward(pixels.valid) > self.guided.settings.least_coverage
        ratio = min(window.geometry.y.ratio, window.geometry.x.ratio)
        return CellDesign(pixels, degrade, valid & covered, ratio, self.settings), observed

    def _without_noise(self, residual: Tensor) -> Tensor:
        """Return a residual with the share of noise of each component removed."""
        power = residual.square().mean(dim=1, keepdim=True)
        noise = torch.from_numpy(self.noise).to(power)[:, None] ** 2
        return residual * (1 - noise / power.clamp_min(1e-30)).clamp_min(0)

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
            list(cell_parts(along.single, axis, start, region))
            for along, axis, start, region in zip(
                cells,
                (window.geometry.y, window.geometry.x),
                window.start,
                window.core,
                strict=True,
            )
        )
        models = self._models(window, rows, columns)
        shape = 1 + len(self.settings.processes), len(self.noise), *map(len, window.core)
        total = torch.zeros(shape, device=self.guided.device)
        for row, column in ((row, column) for row in rows for column in columns):
            cell = models[row.index, column.index]
            coarse = cells[0].single.coarse(row.index), cells[1].single.coarse(column.index)
            residual = cell.interpolate(window, coarse, (row.part, column.part))
            weight = torch.from_numpy(row.weight[:, None] * column.weight).to(residual)
            area = row.part.within(window.core[0]), column.part.within(window.core[1])
            total[-1][:, *area] += weight * residual
        for block, around in _blocks(rows, columns, self.settings.block):
            inside = block[0].within(window.core[0]), block[1].within(window.core[1])
            part = pixels.cut(block[0].slice, block[1].slice)
            total[:-1, :, *inside] = self._estimates(part, models, block, around)
        return total

    def _models(
        self, window: Window, rows: list[CellPart], columns: list[CellPart]
    ) -> dict[tuple[int, int], CellModel]:
        """Return the models of the contributing cells, by their index (row, column)."""
        y, x = self.cells
        shape = len(self.settings.processes), len(self.noise), self._weight_count
        units = {(r.index // y.together, c.index // x.together) for r in rows for c in columns}
        models = {}
        for unit in units:
            packed, first = window.models[unit], 0
            for cell in ((i, j) for i in y.members(unit[0]) for j in x.members(unit[1])):
                coarse = y.single.coarse(cell[0]), x.single.coarse(cell[1])
                last = first + shape[0] * shape[2] + math.prod(map(len, coarse))
                models[cell] = CellModel.unpacked(
                    packed[:, first:last], shape, coarse, self.guided.device
                )
                first = last
        return models

    def _estimates(
        self,
        pixels: PixelMaps,
        models: Mapping[tuple[int, int], CellModel],
        area: tuple[Span, Span],
        cells: list[tuple[CellPart, CellPart]],
    ) -> Tensor:
        """Return the estimates over a block, shape (processes, components, rows, columns)."""
        linear = pixels.linear(self.settings).flatten(1)
        coordinates = pixels.coordinates().flatten(1)
        level = self.features.scale * pixels.level.flatten()
        weights = [
            torch.from_numpy(
                np.outer(
                    row.weight[area[0].within(row.part)], column.weight[area[1].within(column.part)]
                ).ravel()
            ).to(level)
            for row, column in cells
        ]
        estimates = []
        for process in range(len(self.settings.processes)):
            waves = self.features(process, coordinates)
            total = torch.zeros((len(self.noise), len(level)), device=level.device)
            for weight, (row, column) in zip(weights, cells, strict=True):
                fixed, *random = models[row.index, column.index].parts(process, len(linear))
                summed = torch.addmm(random[0] @ waves[0].mT, random[1], waves[1].mT)
                part = torch.addcmul(fixed @ linear, summed, level)
                total += part if len(cells) == 1 else weight * part
            estimates.append(total)
        return torch.stack(estimates).unflatten(2, pixels.brightness.shape)


def _mask(like: Tensor, area: tuple[slice, slice]) -> Tensor:
    """Return a mask that is true inside an area."""
    mask = torch.zeros_like(like, dtype=torch.bool)
    mask[area] = True
    return mask


def _blocks(
    rows: list[CellPart], columns: list[CellPart], size: int
) -> Iterator[tuple[tuple[Span, Span], list[tuple[CellPart, CellPart]]]]:
    """Yield blocks of at most ``size`` pixels, and the cells that contribute to all of each."""
    side = max(1, math.isqrt(size))
    for down, above in segments(rows, side):
        for across, beside in segments(columns, size // len(down)):
            yield (down, across), [(row, column) for row in above for column in beside]


def average(estimates: Tensor) -> Tensor:
    """Return the mean of the processes of :meth:`KrigingFuser.components`, plus the residual."""
    return estimates[:-1].mean(dim=0) + estimates[-1]
