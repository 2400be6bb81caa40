"""Estimators of the components of MS pixels, whose estimates the network corrects."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Span
from hsfuse.core.local_models import LocalModelGrid
from hsfuse.methods import Options, Window
from hsfuse.methods.cnmf.method import Cnmf, CnmfFuser
from hsfuse.methods.cnmf.settings import CnmfSettings
from hsfuse.methods.conditioning import with_models
from hsfuse.methods.guided.regression import LocalFit
from hsfuse.methods.kriging.fuser import KrigingFuser, average
from hsfuse.methods.kriging.method import Kriging, SampledScene
from hsfuse.methods.kriging.pixels import PixelMaps
from hsfuse.methods.kriging.settings import DEFAULT as KRIGING
from hsfuse.methods.kriging.settings import KrigingSettings
from hsfuse.methods.ms_ssfnet.local_fits import blend_fits, pack_fit
from hsfuse.pair.survey import Survey

__all__ = [
    "EstimateDifferences",
    "EstimatorSettings",
    "Estimates",
    "Estimators",
    "FittedWindow",
]


@dataclass(frozen=True, slots=True)
class EstimatorSettings:
    """Settings of the estimators."""

    kriging: KrigingSettings = KRIGING
    # One estimate of several: on six scenes at ratios 4 and 8, as many updates as `cnmf` has by
    # itself gain less than 0.01 dB in the mean, and take a fifth of a run.
    cnmf: CnmfSettings = CnmfSettings(updates=50, rounds=1, updates_coarse=50, updates_fine=12)  # noqa: RUF009


_DEFAULT = EstimatorSettings()


@dataclass(frozen=True)
class FittedWindow:
    """
    A window with the fits of all estimators, from which any of its MS pixels is estimated.

    Attributes
    ----------
    window : Window
        The window, with the models of `kriging`.
    pixels : PixelMaps
        Appearance and position of its MS pixels.
    observed : Tensor of shape (components, coarse rows, coarse columns)
        Components of the HS image, zero for no data.
    local_fit : LocalFit
        Local fit of `guided`.
    abundances : Tensor of shape (endmembers, coarse rows, coarse columns)
        Abundances of the HS pixels by `cnmf`.
    abundances_valid : Tensor of shape (coarse rows, coarse columns)
        HS pixels with data for `cnmf`.
    """

    window: Window
    pixels: PixelMaps
    observed: Tensor
    local_fit: LocalFit
    abundances: Tensor
    abundances_valid: Tensor


@dataclass(frozen=True)
class EstimateDifferences:
    """
    Differences of the other estimates from the initial one.

    Attributes
    ----------
    mean : Tensor of shape (components, rows, columns)
        Mean difference over the estimates.
    variance : Tensor of shape (rows, columns)
        Squared difference summed over the good bands, mean over the estimates.
    cnmf : Tensor of shape (rows, columns)
        Squared difference of `cnmf`, summed over the good bands.
    """

    mean: Tensor
    variance: Tensor
    cnmf: Tensor

    def map(self, function: Callable[[Tensor], Tensor]) -> EstimateDifferences:
        """Return the differences with a function applied to each map."""
        return EstimateDifferences(
            function(self.mean), function(self.variance), function(self.cnmf)
        )


@dataclass(frozen=True)
class Estimates:
    """
    Estimates of components, all of shape (components, rows, columns).

    Attributes
    ----------
    initial : Tensor
        Estimate of `kriging`, which the network corrects.
    residual : Tensor
        Interpolated residual of the HS image, the part of it that is no process.
    processes : tuple of Tensor
        Estimate of each process of `kriging`.
    guided, scene_wide : Tensor
        Estimate of `guided`, and that of its scene-wide regression.
    cnmf : Tensor
        Estimate of `cnmf`.
    """

    initial: Tensor
    residual: Tensor
    processes: tuple[Tensor, ...]
    guided: Tensor
    scene_wide: Tensor
    cnmf: Tensor

    @property
    def others(self) -> tuple[Tensor, ...]:
        """The estimates that are compared with the initial one."""
        return *self.processes, self.guided, self.scene_wide, self.cnmf

    def differences(self, power: Tensor) -> EstimateDifferences:
        """
        Return the differences of the other estimates from the initial one.

        Parameters
        ----------
        power : Tensor of shape (components, 1, 1)
            Sum of squares over the good bands of a unit of each component.
        """
        others = self.others
        mean, variance = torch.zeros_like(self.initial), torch.zeros_like(self.initial[0])
        for other in others:
            difference = other - self.initial
            square = (power * difference.square()).sum(dim=0)
            mean += difference / len(others)
            variance += square / len(others)
        return EstimateDifferences(mean, variance, square)  # `cnmf` is the last of the others

    def map(self, function: Callable[[Tensor], Tensor]) -> Estimates:
        """Return the estimates with a function applied to each."""
        return Estimates(
            function(self.initial),
            function(self.residual),
            tuple(map(function, self.processes)),
            function(self.guided),
            function(self.scene_wide),
            function(self.cnmf),
        )


@dataclass(frozen=True)
class Estimators:
    """
    The estimators, prepared for one pair.

    Attributes
    ----------
    kriging : KrigingFuser
        Gaussian processes; its part `guided` is an estimator of its own.
    cnmf : CnmfFuser
        Coupled unmixing.
    """

    kriging: KrigingFuser
    cnmf: CnmfFuser

    @classmethod
    def prepare(
        cls, survey: Survey, *, device: str = "cpu", settings: EstimatorSettings = _DEFAULT
    ) -> tuple[Estimators, list[SampledScene]]:
        """
        Return the estimators for a survey, and scenes on which estimates can be compared.

        Parameters
        ----------
        survey : Survey
            Survey of the pair.
        device : str
            Device of `guided` and `kriging`.
        settings : EstimatorSettings
            Settings of the methods.
        """
        method, options = Kriging(settings.kriging), Options(device=device)
        kriging, scenes = method.prepare_with_scenes(survey, options)
        return cls(kriging, Cnmf(settings.cnmf).prepare(survey, Options())), scenes

    def for_scene(self, shape: tuple[int, int]) -> Estimators:
        """Return the estimators for a scene of that many rows and columns of HS pixels."""
        return replace(self, kriging=replace(self.kriging, shape=shape))

    @property
    def local_models(self) -> LocalModelGrid:
        """See :class:`hsfuse.methods.Fuser`: the units of `kriging`, with the fit of `guided`."""
        grid = self.kriging.local_models
        pixels = grid.y.longest * grid.x.longest
        return replace(grid, size=grid.size + len(self.kriging.noise) * self._fields * pixels)

    @property
    def _fields(self) -> int:
        """Values per HS pixel and component of the local fit: coefficients and correction."""
        return 2 + len(self.kriging.guided.offset)

    @property
    def reach(self) -> tuple[float, float]:
        """Distance (y, x) in HS pixels over which estimates depend on their inputs."""
        y, x = map(max, zip(self.kriging.reach, self.cnmf.reach, strict=True))
        return y, x

    def condition(self, window: Window) -> NDArray[np.float32]:
        """
        Return the models of a unit; see :meth:`hsfuse.methods.Fuser.condition`.

        Returns
        -------
        ndarray of shape (components, values)
            The models of `kriging`, followed by the local fit of `guided`.
        """
        return np.concatenate([self.kriging.condition(window), self._packed_fit(window)], axis=1)

    def fit_scene(self, scene: SampledScene) -> FittedWindow:
        """Return the window of a scene in memory, with the fits of all estimators."""
        window, estimators = scene.window, self.for_scene(scene.window.geometry.coarse_shape)
        if len(estimators.local_models.indexes) > 1:
            return estimators.fit(with_models(estimators, window))
        models = estimators.kriging.condition_regression(scene.regression, window.start)
        packed = np.concatenate([models, estimators._packed_fit(window)], axis=1)
        return estimators.fit(replace(window, models={(0, 0): packed}))

    def _packed_fit(self, window: Window) -> NDArray[np.float32]:
        return pack_fit(self.kriging.guided.local_fit(window))

    def fit(self, window: Window) -> FittedWindow:
        """
        Return a window with the fits of all estimators.

        Parameters
        ----------
        window : Window
            Window with the models of its units.
        """
        kriging, guided = self.kriging, self.kriging.guided
        grid = kriging.local_models
        models, fits = {}, {}
        for unit, values in window.models.items():
            size = self._fields * math.prod(map(len, grid.coarse(*unit)))
            models[unit], fits[unit] = values[:, :-size], values[:, -size:]
        return FittedWindow(
            replace(window, models=models),
            kriging.pixels(window),
            guided.project(window.coarse)[0],
            blend_fits(grid, window, fits, bands=len(guided.offset), device=guided.device),
            *self.cnmf.coarse_abundances(window),
        )

    def estimate(self, fitted: FittedWindow, area: tuple[Span, Span]) -> Estimates:
        """
        Return the estimates of some MS pixels.

        Parameters
        ----------
        fitted : FittedWindow
            Window with a halo of :attr:`reach` around the pixels.
        area : tuple of Span
            Rows and columns of the MS image of the window.
        """
        kriging, window = self.kriging, fitted.window
        processes = kriging.components(replace(window, core=area), fitted.pixels)
        bands = fitted.pixels.bands[:, area[0].slice, area[1].slice]
        return Estimates(
            average(processes),
            processes[-1],
            tuple(processes[:-1]),
            *kriging.guided.apply(window.geometry, fitted.local_fit, bands, area),
            self._unmix(fitted, area).to(processes),
        )

    def _unmix(self, fitted: FittedWindow, area: tuple[Span, Span]) -> Tensor:
        """Return the estimate of `cnmf`, shape (components, rows, columns)."""
        subspace = self.kriging.guided.subspace
        good = subspace.good
        loading = torch.from_numpy((subspace.basis @ self.cnmf.loading[good]).astype(np.float32))
        mean = torch.from_numpy((subspace.basis @ subspace.mean[good]).astype(np.float32))
        abundances = self.cnmf.refined(
            fitted.window, fitted.abundances, fitted.abundances_valid, area
        )
        return torch.tensordot(loading, abundances, dims=1) - mean[:, None, None]
