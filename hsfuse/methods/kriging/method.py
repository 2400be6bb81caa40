"""
`kriging`: area-to-point regression by Gaussian processes of appearance and position.

Each principal component of the HS image is a Gaussian process over brightness, chromaticity,
texture and position of an MS pixel. HS pixels are its weighted means by D, so the process is
conditioned on areas and predicted at points (area-to-point kriging, Kyriakidis 2004,
doi:10.1111/j.1538-4632.2004.tb01135.x; with an MS image as covariate, Wang, Shi and Atkinson
2015, doi:10.1016/j.rse.2015.02.003). Its covariance is a sum of squared exponentials with long
and short length scales, approximated by random features (Rahimi and Recht
2007, "Random features for large-scale kernel machines") in pairs of cosine and sine (Sutherland
and Schneider 2015, "On the error of random Fourier features"), which D degrades like any
image; the noise is selected per component by generalised cross-validation (Golub, Heath and Wahba
1979, doi:10.1080/00401706.1979.10489751) on some cells.
Several processes are averaged: their errors differ. Their residual on the HS image, less the share
of noise, is interpolated and added.

Position makes the process local, and no window covers a large scene, so the scene is divided
into cells of HS pixels, each conditioned on itself and its surroundings and blended with its
neighbours. A cell is conditioned once, in the first pass, and applied to MS pixels one by one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Span
from hsfuse.core.local_models import LocalModelAxis, LocalModelGrid
from hsfuse.core.noise import signal_components
from hsfuse.core.subspace import Subspace
from hsfuse.methods import Options, Window
from hsfuse.methods.conditioning import middle_window
from hsfuse.methods.guided.regression import GuidedFuser, fit
from hsfuse.methods.guided.selection import select_parameters
from hsfuse.methods.guided.settings import Parameters
from hsfuse.methods.kriging.appearance import Appearance
from hsfuse.methods.kriging.cells import CellPart, cell_axis, cell_parts, segments
from hsfuse.methods.kriging.features import RandomFeatures
from hsfuse.methods.kriging.models import CellModel
from hsfuse.methods.kriging.pixels import PixelMaps
from hsfuse.methods.kriging.regression import (
    CellDesign,
    cross_validation,
    noise_levels,
    ridge_weights,
)
from hsfuse.methods.kriging.settings import DEFAULT, KrigingSettings
from hsfuse.observe import Degrade
from hsfuse.pair.survey import Survey

__all__ = ["METHOD", "Kriging", "KrigingFuser", "average", "fit_kriging"]


@dataclass(frozen=True)
class KrigingFuser:
    """
    `kriging` for one pair.

    Attributes
    ----------
    guided : GuidedFuser
        Gives the subspace, the PSF and the standardised MS bands.
    appearance : Appearance
        Scene-wide units of the MS bands.
    features : RandomFeatures
        Of all processes.
    noise : ndarray of shape (components,)
        Standard deviation of the HS image's noise.
    ridge : ndarray of shape (processes, components)
        Variance of the noise that is selected for each, in that of a component.
    shape : tuple of int
        Rows and columns of the scene in HS pixels.
    ratio : tuple of float
        Fine pixels per HS pixel along y and x.
    settings : KrigingSettings
        The other numbers.
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
        """See :class:`hsfuse.methods.Fuser`: texture maps; the cells are conditioned before."""
        along = [
            maps / ratio + 1 for maps, ratio in zip(self.appearance.reach, self.ratio, strict=True)
        ]
        return along[0], along[1]

    @property
    def local_models(self) -> LocalModelGrid:
        """See :class:`hsfuse.methods.Fuser`: the cells."""
        along = [
            cell_axis(length, radius + maps / ratio, self.settings)
            for length, radius, maps, ratio in zip(
                self.shape, self.guided.psf.reach, self.appearance.reach, self.ratio, strict=True
            )
        ]
        largest = [axis.longest for axis in along]
        processes, components = len(self.settings.processes), len(self.noise)
        values = processes * self._weight_count + math.prod(largest)
        return LocalModelGrid(
            along[0], along[1], components * values, memory=self._conditioning(along, largest)
        )

    @property
    def _weight_count(self) -> int:
        """Features of a process, the linear part included."""
        return 1 + len(self.guided.offset) + self.features.count

    def _conditioning(self, along: list[LocalModelAxis], largest: list[int]) -> int:
        """Return the bytes at the peak of conditioning a cell of so many HS rows and columns."""
        rows, columns = (
            (length + 2 * axis.fine_reach) * ratio
            for length, axis, ratio in zip(largest, along, self.ratio, strict=True)
        )
        half_degraded = self._weight_count * rows * largest[1]
        # In float64: the design, weighted and not, and the normal equations with their factor.
        design = 2 * self._weight_count * (2 * math.prod(largest) + 2 * self._weight_count)
        return int(4 * (self.map_values * rows * columns + half_degraded + design))

    def memory(self, window: tuple[int, int], core: tuple[int, int]) -> int:
        """See :class:`hsfuse.methods.Fuser`: maps, estimates, and the features of a block."""
        values = self.map_values * math.prod(window) + self.estimate_values * math.prod(core)
        return 4 * (values + self._block_values)

    @property
    def map_values(self) -> int:
        """Values of an MS pixel's maps, with the bands and what is blurred at once."""
        return len(self.appearance.offset) + 5 * len(self.guided.offset)

    @property
    def estimate_values(self) -> int:
        """Values of an MS pixel's estimates: processes, their residual, and their average."""
        return (len(self.settings.processes) + 3) * len(self.noise)

    @property
    def _block_values(self) -> int:
        """Values of a block: angles and features."""
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
        Return the models of a cell; see :class:`hsfuse.methods.Fuser`.

        Returns
        -------
        ndarray
            A packed :class:`~hsfuse.methods.kriging.models.CellModel`.
        """
        cell, observed = self.design(window)
        target, weight = observed[:, cell.used].double(), cell.weight.double()
        weights, fitted = [], torch.zeros_like(target)
        for process in range(len(self.settings.processes)):
            design = cell.features(process, self.features).double()
            found = ridge_weights(design * weight, target * weight, self.ridge[process])
            fitted += found @ design / len(self.settings.processes)
            weights.append(found.float())
        residual = torch.zeros_like(observed)
        residual[:, cell.used] = self._without_noise(target - fitted).float()
        return CellModel(torch.stack(weights), residual).packed()

    def design(self, window: Window) -> tuple[CellDesign, Tensor]:
        """Return the regression of a window's HS pixels on MS pixels, and their components."""
        pixels = self.pixels(window)
        degrade = Degrade.between(window.geometry, self.guided.psf, device=self.guided.device)
        observed, valid = self.guided.project(window.coarse)
        covered = degrade.forward(pixels.valid) > self.guided.settings.least_coverage
        ratio = min(window.geometry.y.ratio, window.geometry.x.ratio)
        return CellDesign(pixels, degrade, valid & covered, ratio, self.settings), observed

    def _without_noise(self, residual: Tensor) -> Tensor:
        """Return a residual less the share of noise in each component."""
        power = residual.square().mean(dim=1, keepdim=True)
        noise = torch.from_numpy(self.noise).to(power)[:, None] ** 2
        return residual * (1 - noise / power.clamp_min(1e-30)).clamp_min(0)

    def pixels(self, window: Window) -> PixelMaps:
        """Return the MS pixels of a window as the processes see them."""
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
            With the models of its cells.
        pixels : PixelMaps, optional
            Of the window, where they are computed already.

        Returns
        -------
        Tensor of shape (processes + 1, components, core rows, core columns)
            :func:`average` combines them.
        """
        pixels, grid = pixels or self.pixels(window), self.local_models
        rows, columns = (
            list(cell_parts(cells, axis, start, region))
            for cells, axis, start, region in zip(
                (grid.y, grid.x),
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
            coarse = grid.coarse(row.index, column.index)
            residual = cell.interpolate(window, coarse, (row.part, column.part))
            weight = torch.from_numpy(row.weight[:, None] * column.weight).to(residual)
            area = row.part.within(window.core[0]), column.part.within(window.core[1])
            total[-1][:, *area] += weight * residual
        for block, cells in _blocks(rows, columns, self.settings.block):
            inside = block[0].within(window.core[0]), block[1].within(window.core[1])
            part = pixels.cut(block[0].slice, block[1].slice)
            total[:-1, :, *inside] = self._estimates(part, models, block, cells)
        return total

    def _models(
        self, window: Window, rows: list[CellPart], columns: list[CellPart]
    ) -> dict[tuple[int, int], CellModel]:
        """Return the models of the cells that contribute."""
        shape = len(self.settings.processes), len(self.noise), self._weight_count
        grid = self.local_models
        return {
            (row.index, column.index): CellModel.unpacked(
                window.models[row.index, column.index],
                shape,
                grid.coarse(row.index, column.index),
                self.guided.device,
            )
            for row in rows
            for column in columns
        }

    def _estimates(
        self,
        pixels: PixelMaps,
        models: Mapping[tuple[int, int], CellModel],
        area: tuple[Span, Span],
        cells: list[tuple[CellPart, CellPart]],
    ) -> Tensor:
        """Return the estimate of each process over a block, (processes, components, ., .)."""
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


def _blocks(
    rows: list[CellPart], columns: list[CellPart], size: int
) -> Iterator[tuple[tuple[Span, Span], list[tuple[CellPart, CellPart]]]]:
    """Yield blocks of at most ``size`` pixels, and the cells that contribute all over them."""
    side = max(1, math.isqrt(size))
    for down, above in segments(rows, side):
        for across, beside in segments(columns, size // len(down)):
            yield (down, across), [(row, column) for row in above for column in beside]


def average(estimates: Tensor) -> Tensor:
    """Return the mean of the processes of :meth:`KrigingFuser.components`, plus the residual."""
    return estimates[:-1].mean(dim=0) + estimates[-1]


@dataclass(frozen=True)
class Kriging:
    """The method: the subspace of `guided`; processes are conditioned for each cell."""

    settings: KrigingSettings = DEFAULT

    def prepare(self, survey: Survey, options: Options) -> KrigingFuser:
        """See :class:`hsfuse.methods.Method`."""
        parameters = select_parameters(survey, self.settings.guided)
        return fit_kriging(survey, parameters, settings=self.settings, device=options.device)


def fit_kriging(
    survey: Survey,
    parameters: Parameters,
    *,
    subspace: Subspace | None = None,
    settings: KrigingSettings = DEFAULT,
    device: str = "cpu",
) -> KrigingFuser:
    """
    Return the fuser for a survey.

    Parameters and subspace are those of :func:`hsfuse.methods.guided.regression.fit`.

    `guided` fuses few components, since its noise grows with their number; here the noise is
    selected per component, and all that rise above it are fused.
    """
    within = survey.spectra[survey.good].astype(np.float64)
    noise = survey.noise[survey.good]
    count = max(parameters.components, min(settings.components, signal_components(within, noise)))
    guided = fit(
        survey,
        replace(parameters, components=count),
        subspace=subspace,
        settings=settings.guided,
        device=device,
    )
    fuser = KrigingFuser(
        guided,
        Appearance.measure(survey, settings),
        RandomFeatures.draw(len(guided.offset), settings),
        np.sqrt(guided.subspace.basis**2 @ noise**2),
        np.empty(0),
        survey.coarse_shape,
        survey.ratio,
        settings,
    )
    return replace(fuser, ridge=_selected_ridge(survey, fuser))


def _selected_ridge(survey: Survey, fuser: KrigingFuser) -> NDArray[np.float64]:
    """Return the noise of each process and component by cross-validation on a few cells."""
    settings = fuser.settings
    every = -(-len(survey.patches) // settings.trials)
    scores: list[list[Tensor]] = [[] for _ in settings.processes]
    for patch in survey.patches[::every]:
        cell, observed = fuser.design(middle_window(patch, settings.trial_side))
        target, weight = observed[:, cell.used].double(), cell.weight.double()
        if not len(weight):
            continue
        for process, score in enumerate(scores):
            design = cell.features(process, fuser.features).double()
            score.append(cross_validation(design * weight, target * weight, settings))
    if not scores[0]:
        return np.ones((len(scores), len(fuser.noise)))
    means = (torch.stack(score).mean(dim=0).cpu().numpy() for score in scores)
    return np.stack([noise_levels(mean, settings) for mean in means])


METHOD = Kriging()
