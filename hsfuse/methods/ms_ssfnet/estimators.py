"""The methods whose estimates the network corrects, prepared for one pair."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Axis, Span
from hsfuse.core.local_models import LocalModelAxis, LocalModelGrid
from hsfuse.methods import Options, Window
from hsfuse.methods.cnmf.method import Cnmf, CnmfFuser
from hsfuse.methods.guided.regression import LocalFit
from hsfuse.methods.guided.settings import Parameters
from hsfuse.methods.kriging.cells import CellPart, cell_parts
from hsfuse.methods.kriging.fuser import KrigingFuser, average
from hsfuse.methods.kriging.method import fit_kriging
from hsfuse.methods.kriging.pixels import PixelMaps
from hsfuse.methods.ms_ssfnet.settings import DEFAULT, ComponentSettings
from hsfuse.pair.survey import Survey

__all__ = ["Estimates", "Estimators", "FittedWindow"]


@dataclass(frozen=True)
class FittedWindow:
    """
    A window and all that its estimates need beside the MS pixels themselves.

    Attributes
    ----------
    window : Window
        With the models of its cells.
    pixels : PixelMaps
        As `kriging` sees them.
    observed : Tensor of shape (components, coarse rows, coarse columns)
        Components of the HS image, zero where it has no data.
    local_fit : LocalFit
        Of `guided`.
    abundances, unmixed : Tensor
        Of the HS pixels, and which of these hold data.
    """

    window: Window
    pixels: PixelMaps
    observed: Tensor
    local_fit: LocalFit
    abundances: Tensor
    unmixed: Tensor


@dataclass(frozen=True)
class Estimates:
    """
    Estimates of components, each of shape (components, rows, columns).

    Attributes
    ----------
    initial, residual : Tensor
        That of `kriging`, which the network corrects; and the interpolated residual of the HS
        image that `kriging` adds to its processes.
    others : tuple of Tensor
        Each process, `guided`, its scene-wide part and `cnmf`.
    """

    initial: Tensor
    residual: Tensor
    others: tuple[Tensor, ...]


@dataclass(frozen=True)
class Estimators:
    """The methods, prepared for one pair; `guided` is part of `kriging`."""

    kriging: KrigingFuser
    cnmf: CnmfFuser

    @classmethod
    def prepare(
        cls,
        survey: Survey,
        parameters: Parameters,
        *,
        device: str = "cpu",
        settings: ComponentSettings = DEFAULT,
    ) -> Estimators:
        """Return the methods for a survey; the parameters are those of `guided`."""
        kriging = fit_kriging(survey, parameters, settings=settings.kriging, device=device)
        return cls(kriging, Cnmf(settings.cnmf).prepare(survey, Options()))

    def of_scene(self, shape: tuple[int, int]) -> Estimators:
        """Return the same for a part of the scene as one of its own, by its HS pixels."""
        return replace(self, kriging=replace(self.kriging, shape=shape))

    @property
    def local_models(self) -> LocalModelGrid:
        """The cells of `kriging`; `guided` is fitted to them as well."""
        grid = self.kriging.local_models
        fitted = self._fields * grid.y.longest * grid.x.longest
        return replace(grid, size=grid.size + len(self.kriging.noise) * fitted)

    @property
    def reach(self) -> tuple[float, float]:
        """HS pixels along y and x that estimates depend on, where the cells are conditioned."""
        along = [
            max(one, other) for one, other in zip(self.kriging.reach, self.cnmf.reach, strict=True)
        ]
        return along[0], along[1]

    def condition(self, window: Window) -> NDArray[np.float32]:
        """
        Return the models of a cell, those of `kriging` and of `guided`, (components, .).

        Parameters
        ----------
        window : Window
            As :meth:`hsfuse.methods.Fuser.condition`.
        """
        fit = self.kriging.guided.local_fit(window)
        fields = torch.cat([fit.coefficients, fit.correction[None]]).transpose(0, 1).flatten(1)
        return np.concatenate([self.kriging.condition(window), fields.cpu().numpy()], axis=1)

    def fit(self, window: Window) -> FittedWindow:
        """Return a window with what its estimates need; its models are those of its cells."""
        grid = self.kriging.local_models
        sizes = {u: self._fields * math.prod(map(len, grid.coarse(*u))) for u in window.models}
        own = {unit: array[:, : -sizes[unit]] for unit, array in window.models.items()}
        fields = {unit: array[:, -sizes[unit] :] for unit, array in window.models.items()}
        return FittedWindow(
            replace(window, models=own),
            self.kriging.pixels(window),
            self.kriging.guided.project(window.coarse)[0],
            self._local_fit(window, fields),
            *self.cnmf.coarse_abundances(window),
        )

    @property
    def _fields(self) -> int:
        """Numbers that `guided` has of an HS pixel, for each component."""
        return 2 + len(self.kriging.guided.offset)

    def _local_fit(
        self, window: Window, fields: Mapping[tuple[int, int], NDArray[np.float32]]
    ) -> LocalFit:
        """Return the local fit over a window, blended between the cells as `kriging` is."""
        grid, bands = self.local_models, 1 + len(self.kriging.guided.offset)
        components = len(self.kriging.noise)
        total = np.zeros((components, bands + 1, *window.geometry.coarse_shape), np.float32)
        rows, columns = (
            _coarse_parts(cells, start, length)
            for cells, start, length in zip(
                (grid.y, grid.x), window.start, window.geometry.coarse_shape, strict=True
            )
        )
        for row in rows:
            for column in columns:
                unit = row.index, column.index
                if unit not in fields:  # of HS pixels beyond the window's MS pixels alone
                    continue
                cell = grid.coarse(*unit)
                values = fields[unit].reshape(components, bands + 1, len(cell[0]), len(cell[1]))
                inside = (
                    row.part.shifted(window.start[0]).within(cell[0]),
                    column.part.shifted(window.start[1]).within(cell[1]),
                )
                weight = np.outer(row.weight, column.weight).astype(np.float32)
                total[..., row.part.slice, column.part.slice] += weight * values[..., *inside]
        tensor = torch.from_numpy(total).to(self.kriging.guided.device).transpose(0, 1)
        return LocalFit(tensor[:-1], tensor[-1])

    def estimate(self, fitted: FittedWindow, area: tuple[Span, Span]) -> Estimates:
        """Return every estimate of the components in some rows and columns of a window."""
        kriging, window = self.kriging, fitted.window
        processes = kriging.components(replace(window, core=area), fitted.pixels)
        bands = fitted.pixels.bands[:, area[0].slice, area[1].slice]
        guided = kriging.guided.apply(window.geometry, fitted.local_fit, bands, area)
        unmixed = self._unmixed(fitted, area).to(processes)
        others = (*processes[:-1], *guided, unmixed)
        return Estimates(average(processes), processes[-1], others)

    def _unmixed(self, fitted: FittedWindow, area: tuple[Span, Span]) -> Tensor:
        """Return the estimate of `cnmf`, shape (components, rows, columns)."""
        subspace = self.kriging.guided.subspace
        good = subspace.good
        loading = torch.from_numpy((subspace.basis @ self.cnmf.loading[good]).astype(np.float32))
        mean = torch.from_numpy((subspace.basis @ subspace.mean[good]).astype(np.float32))
        abundances = self.cnmf.refined(fitted.window, fitted.abundances, fitted.unmixed, area)
        return torch.tensordot(loading, abundances, dims=1) - mean[:, None, None]


def _coarse_parts(cells: LocalModelAxis, start: int, length: int) -> list[CellPart]:
    """Return what each cell contributes to the HS pixels of a window, along one axis."""
    return list(cell_parts(cells, Axis(length, length, 1.0), start, Span(0, length)))
