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
1979, doi:10.1080/00401706.1979.10489751). Several processes are averaged: their errors differ.
Their residual on the HS image, less the share of noise, is interpolated and added.

Position makes the process local, and no window covers a large scene, so the scene is divided
into cells of HS pixels, each conditioned on itself and its surroundings and blended with its
neighbours. A cell is the same whichever window needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Geometry
from hsfuse.core.noise import signal_components
from hsfuse.core.subspace import Subspace
from hsfuse.methods import OnePass, Options, Window
from hsfuse.methods.guided.regression import GuidedFuser, Stages, fit
from hsfuse.methods.guided.selection import select_parameters
from hsfuse.methods.guided.settings import Parameters
from hsfuse.methods.kriging.appearance import Appearance
from hsfuse.methods.kriging.cells import Cell, cells
from hsfuse.methods.kriging.cells import reach as cell_reach
from hsfuse.methods.kriging.regression import (
    apply_weights,
    condition,
    random_features,
    scaled_coordinates,
)
from hsfuse.methods.kriging.settings import DEFAULT, KrigingSettings
from hsfuse.observe import Degrade, Interpolate
from hsfuse.pair.survey import Survey

__all__ = ["METHOD", "Kriging", "KrigingFuser", "average", "fit_kriging"]


@dataclass(frozen=True)
class KrigingFuser(OnePass):
    """
    `kriging` for one pair.

    Attributes
    ----------
    guided : GuidedFuser
        Gives the subspace, the PSF and the standardised MS bands.
    appearance : Appearance
        Scene-wide units of the MS bands.
    noise : ndarray of shape (components,)
        Standard deviation of the HS image's noise.
    shape : tuple of int
        Rows and columns of the scene in HS pixels.
    ratio : tuple of float
        Fine pixels per HS pixel along y and x.
    settings : KrigingSettings
        The other numbers.
    """

    guided: GuidedFuser
    appearance: Appearance
    noise: NDArray[np.float64]
    shape: tuple[int, int]
    ratio: tuple[float, float]
    settings: KrigingSettings = DEFAULT
    name: str = "kriging"
    step: int = 1
    gives_standard_error: bool = False
    notes: tuple[str, ...] = ()

    @property
    def reach(self) -> tuple[float, float]:
        """See :class:`hsfuse.methods.Fuser`: across a cell and the pixels it is conditioned on."""
        along = [
            cell_reach(length, self.settings) + 2 * radius + maps / ratio + 2
            for length, radius, maps, ratio in zip(
                self.shape, self.guided.psf.reach, self.appearance.reach, self.ratio, strict=True
            )
        ]
        return along[0], along[1]

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`: estimates, and features of a cell at once."""
        maps = len(self.appearance.offset)
        return self.guided.channels + 6 * self.guided.parameters.components + 2 * maps + 16

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
        return [self._fuse(window) for window in windows]

    def _fuse(self, window: Window) -> NDArray[np.float32]:
        stages = self.guided.stages(window)
        return self.guided.expand(average(self.components(window, stages))).cpu().numpy()

    def components(self, window: Window, stages: Stages) -> Tensor:
        """
        Return the estimate of each process over the core of the window, and their residual.

        Returns
        -------
        Tensor of shape (processes + 1, components, core rows, core columns)
            :func:`average` combines them.
        """
        rows, columns = (
            tuple(cells(axis, start, length, span, self.settings))
            for axis, start, length, span in zip(
                (window.geometry.y, window.geometry.x),
                window.start,
                self.shape,
                window.core,
                strict=True,
            )
        )
        bands, brightness = self.appearance.relative(
            torch.from_numpy(window.fine).to(stages.fine.device)
        )
        maps = self.appearance.maps(bands, brightness)
        shape = 1 + len(self.settings.processes), len(stages.observed), *map(len, window.core)
        total = torch.zeros(shape, device=stages.fused.device)
        for row in rows:
            for column in columns:
                weight = torch.from_numpy(row.weight[:, None] * column.weight).to(total)
                part = row.part.within(window.core[0]), column.part.within(window.core[1])
                estimate = self._cell(window, stages, (maps, brightness), (row, column))
                total[:, :, part[0], part[1]] += weight * estimate
        return total

    def _cell(
        self,
        window: Window,
        stages: Stages,
        appearance: tuple[Tensor, Tensor],
        cell: tuple[Cell, Cell],
    ) -> Tensor:
        row, column = cell
        geometry = Geometry(
            window.geometry.y.cut(row.fine, row.coarse),
            window.geometry.x.cut(column.fine, column.coarse),
        )
        around = row.fine.slice, column.fine.slice
        fine, maps, brightness = (
            values[..., around[0], around[1]] for values in (stages.fine, *appearance)
        )
        used = stages.used[row.coarse.slice, column.coarse.slice]
        observed = stages.observed[:, row.coarse.slice, column.coarse.slice][:, used].double()
        inside = row.part.within(row.fine), column.part.within(column.fine)
        valid = torch.from_numpy(np.isfinite(window.fine[:, around[0], around[1]]).all(axis=0))
        degrade = _MaskedDegrade(
            Degrade.between(geometry, self.guided.psf, device=str(fine.device)), valid
        )
        # Relative errors count alike in bright and dark pixels, as in the angle between spectra.
        floor = self.settings.brightness_floor
        weight = 1 / (degrade(brightness[None])[:, used] + floor).double()
        estimates, fitted = [], []
        for index, kernels in enumerate(self.settings.processes):
            coordinates = [
                scaled_coordinates(kernel, maps, len(fine), geometry, self.settings.scales)
                for kernel in kernels
            ]
            features: Iterable[Tensor] = random_features(
                fine, brightness, coordinates, index, self.settings
            )
            held = self.settings.features * brightness.numel() <= self.settings.held
            features = list(features) if held else features
            design = torch.cat([degrade(chunk)[:, used].double() for chunk in features])
            weights = condition(design * weight, observed * weight, self.settings)
            fitted.append(weights @ design)
            cut = ..., *inside
            if held:
                features = (chunk[cut] for chunk in features)
            else:
                core = fine[cut], brightness[cut], [each[cut] for each in coordinates]
                features = random_features(*core, index, self.settings)
            estimates.append(apply_weights(weights.to(fine), features))
        residual = observed - torch.stack(fitted).mean(dim=0)
        estimates.append(self._interpolate(residual, used, geometry, inside))
        return torch.stack(estimates)

    def _interpolate(
        self, residual: Tensor, used: Tensor, geometry: Geometry, inside: tuple[slice, slice]
    ) -> Tensor:
        """Return the residual on the fine grid, less the share of noise in each component."""
        power = residual.square().mean(dim=1)
        noise = torch.from_numpy(self.noise).to(power) ** 2
        signal = (1 - noise / power.clamp_min(1e-30)).clamp_min(0)
        whole = residual.new_zeros((len(residual), *used.shape))
        whole[:, used] = residual * signal[:, None]
        carry = Interpolate.between(geometry, device=str(used.device))
        return Interpolate(carry.rows[inside[0]], carry.columns[inside[1]]).forward(whole.float())


def average(estimates: Tensor) -> Tensor:
    """Return the mean of the processes of :meth:`KrigingFuser.components`, plus the residual."""
    return estimates[:-1].mean(dim=0) + estimates[-1]


class _MaskedDegrade:
    """D over valid MS pixels: the others have no weight."""

    def __init__(self, degrade: Degrade, valid: Tensor) -> None:
        self.degrade, self.valid = degrade, valid.to(degrade.rows.device)
        self.share = degrade.forward(self.valid.to(degrade.rows)).clamp_min(1e-6)

    def __call__(self, values: Tensor) -> Tensor:
        return self.degrade.forward(values * self.valid) / self.share


@dataclass(frozen=True)
class Kriging:
    """The method: the subspace of `guided`; processes are conditioned for each window."""

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
    return KrigingFuser(
        guided,
        Appearance.measure(survey, settings),
        np.sqrt(guided.subspace.basis**2 @ noise**2),
        survey.coarse_shape,
        survey.ratio,
        settings,
    )


METHOD = Kriging()
