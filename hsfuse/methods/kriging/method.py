"""
`kriging`: area-to-point regression by Gaussian processes of appearance and place.

Each principal component of the HS image is a Gaussian process over what is known of a
fine pixel: brightness, chromaticity, texture and where it lies. HS pixels are the means that
D takes of it, so the process is conditioned on areas and asked at points (area-to-point
kriging, Kyriakidis 2004, doi:10.1111/j.1538-4632.2004.tb01135.x; with a fine image beside
it, Wang, Shi and Atkinson 2015, doi:10.1016/j.rse.2015.02.003). Its covariance is a sum of
squared exponentials, of long and of short reach, held by random features (Rahimi and Recht
2007, "Random features for large-scale kernel machines") in pairs of cosine and sine (Sutherland
and Schneider 2015, "On the error of random Fourier features"), of which D is taken like of any
image; the noise is chosen per component by generalised cross-validation (Golub, Heath and Wahba
1979, doi:10.1080/00401706.1979.10489751). Several processes are averaged: their errors differ.
What they miss of the HS image, but for its noise, is added back.

Place makes the process local, and no window sees a scene whole, so the scene is cut into
cells of HS pixels, each conditioned on itself and its surroundings and faded into its
neighbours. A cell is the same whichever window asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Geometry
from hsfuse.core.noise import signal_components
from hsfuse.core.resample import blur_reach
from hsfuse.core.subspace import Subspace
from hsfuse.methods import Options, Window
from hsfuse.methods.guided.regression import GuidedFuser, Parameters, Stages, fit
from hsfuse.methods.guided.selection import select_parameters
from hsfuse.methods.kriging.appearance import Appearance
from hsfuse.methods.kriging.cells import Cell, cells
from hsfuse.methods.kriging.cells import reach as cell_reach
from hsfuse.methods.kriging.kernels import PROCESSES
from hsfuse.methods.kriging.regression import (
    FEATURES,
    apply_weights,
    condition,
    random_features,
    scaled_coordinates,
)
from hsfuse.observe import Degrade, Interpolate
from hsfuse.pair.survey import Survey

__all__ = ["METHOD", "Kriging", "KrigingFuser", "average", "krige"]

_COMPONENTS = 24


@dataclass(frozen=True)
class KrigingFuser:
    """
    `kriging` for one pair.

    Attributes
    ----------
    guided : GuidedFuser
        Gives the subspace, the blur and the standardised fine bands.
    appearance : Appearance
        Units of the scene's fine bands.
    noise : ndarray of shape (components,)
        Standard deviation of the HS image's noise.
    shape : tuple of int
        Rows and columns of the scene in HS pixels.
    ratio : tuple of float
        Fine pixels per HS pixel along y and x.
    """

    guided: GuidedFuser
    appearance: Appearance
    noise: NDArray[np.float64]
    shape: tuple[int, int]
    ratio: tuple[float, float]
    name: str = "kriging"
    step: int = 1
    gives_standard_error: bool = False
    notes: tuple[str, ...] = ()

    @property
    def reach(self) -> tuple[float, float]:
        """See :class:`hsfuse.methods.Fuser`: across a cell, and what it is conditioned on."""
        along = [
            cell_reach(length) + 2 * blur_reach(blur) + maps / ratio + 2
            for length, blur, maps, ratio in zip(
                self.shape, self.guided.blur, self.appearance.reach, self.ratio, strict=True
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
            "processes": len(PROCESSES),
            "features": FEATURES,
        }

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """See :class:`hsfuse.methods.Fuser`."""
        return [self._fuse(window) for window in windows]

    def _fuse(self, window: Window) -> NDArray[np.float32]:
        stages = self.guided.stages(window)
        return self.guided.expand(average(self.components(window, stages))).cpu().numpy()

    def components(self, window: Window, stages: Stages) -> Tensor:
        """
        Return every process's answer over the core of the window, and what they all miss.

        Returns
        -------
        Tensor of shape (processes + 1, components, core rows, core columns)
            :func:`average` makes one answer of them.
        """
        rows, columns = (
            tuple(cells(axis, start, length, span))
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
        shape = 1 + len(PROCESSES), len(stages.wanted), *map(len, window.core)
        total = torch.zeros(shape, device=stages.fused.device)
        for row in rows:
            for column in columns:
                weight = torch.from_numpy(row.weight[:, None] * column.weight).to(total)
                part = row.part.within(window.core[0]), column.part.within(window.core[1])
                answer = self._cell(window, stages, (maps, brightness), (row, column))
                total[:, :, part[0], part[1]] += weight * answer
        return total

    def _cell(
        self,
        window: Window,
        stages: Stages,
        seen: tuple[Tensor, Tensor],
        cell: tuple[Cell, Cell],
    ) -> Tensor:
        row, column = cell
        geometry = Geometry(
            window.geometry.y.cut(row.fine, row.coarse),
            window.geometry.x.cut(column.fine, column.coarse),
        )
        around = row.fine.slice, column.fine.slice
        fine, maps, brightness = (
            values[..., around[0], around[1]] for values in (stages.fine, *seen)
        )
        used = stages.used[row.coarse.slice, column.coarse.slice]
        wanted = stages.wanted[:, row.coarse.slice, column.coarse.slice][:, used].double()
        inside = row.part.within(row.fine), column.part.within(column.fine)
        valid = torch.from_numpy(np.isfinite(window.fine[:, around[0], around[1]]).all(axis=0))
        see = _Seen(Degrade.between(geometry, self.guided.blur, device=str(fine.device)), valid)
        # Errors are judged against brightness: the angle between spectra is.
        importance = 1 / (see(brightness[None])[:, used] + 1.0).double()
        answers, fitted = [], []
        for index, kernels in enumerate(PROCESSES):
            points = [scaled_coordinates(kernel, maps, len(fine), geometry) for kernel in kernels]
            parts = (fine, brightness, points)
            design = torch.cat(
                [see(chunk)[:, used].double() for chunk in random_features(*parts, index)]
            )
            weights = condition(design * importance, wanted * importance)
            fitted.append(weights @ design)
            cut = ..., *inside
            core = fine[cut], brightness[cut], [each[cut] for each in points]
            answers.append(apply_weights(weights.to(fine), random_features(*core, index)))
        missing = wanted - torch.stack(fitted).mean(dim=0)
        answers.append(self._carried(missing, used, geometry, inside))
        return torch.stack(answers)

    def _carried(
        self, missing: Tensor, used: Tensor, geometry: Geometry, inside: tuple[slice, slice]
    ) -> Tensor:
        """Return what the processes miss on the fine grid, but for the noise's share of it."""
        power = missing.square().mean(dim=1)
        noise = torch.from_numpy(self.noise).to(power) ** 2
        signal = (1 - noise / power.clamp_min(1e-30)).clamp_min(0)
        whole = missing.new_zeros((len(missing), *used.shape))
        whole[:, used] = missing * signal[:, None]
        carry = Interpolate.between(geometry, device=str(used.device))
        return Interpolate(carry.rows[inside[0]], carry.columns[inside[1]]).forward(whole.float())


def average(answers: Tensor) -> Tensor:
    """Return one answer of :meth:`KrigingFuser.components`: the processes' mean, completed."""
    return answers[:-1].mean(dim=0) + answers[-1]


class _Seen:
    """D over valid fine pixels: what lies outside the data counts for nothing."""

    def __init__(self, degrade: Degrade, valid: Tensor) -> None:
        self.degrade, self.valid = degrade, valid.to(degrade.rows.device)
        self.share = degrade.forward(self.valid.to(degrade.rows)).clamp_min(1e-6)

    def __call__(self, values: Tensor) -> Tensor:
        return self.degrade.forward(values * self.valid) / self.share


@dataclass(frozen=True)
class Kriging:
    """The method: the subspace of `guided`, the processes conditioned as windows come."""

    def prepare(self, survey: Survey, options: Options) -> KrigingFuser:
        """See :class:`hsfuse.methods.Method`."""
        return krige(survey, select_parameters(survey), device=options.device)


def krige(
    survey: Survey,
    parameters: Parameters,
    *,
    subspace: Subspace | None = None,
    device: str = "cpu",
) -> KrigingFuser:
    """
    Return the fuser for a survey.

    Parameters and subspace are those of :func:`hsfuse.methods.guided.regression.fit`.

    `guided` keeps few components, for its noise grows with their number; here the noise is
    chosen per component, and all that rise above it are kept.
    """
    within = survey.spectra[survey.good].astype(np.float64)
    noise = survey.noise[survey.good]
    count = max(parameters.components, min(_COMPONENTS, signal_components(within, noise)))
    guided = fit(survey, replace(parameters, components=count), subspace=subspace, device=device)
    return KrigingFuser(
        guided,
        Appearance.measure(survey),
        np.sqrt(guided.subspace.basis**2 @ noise**2),
        survey.coarse_shape,
        survey.ratio,
    )


METHOD = Kriging()
