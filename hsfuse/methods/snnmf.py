"""
`snnmf`: sparse non-negative matrix factorisation of both images at once.

E. Wycoff, T.-H. Chan, K. Jia, W.-K. Ma, Y. Ma, "A Non-Negative Sparse Promoting Algorithm for High
Resolution Hyperspectral Imaging", ICASSP 2013, doi:10.1109/ICASSP.2013.6637883. With X the HS
image, Y the MS image, G the degradation D and R the response, spectra W and codes H minimise

    ||X - W H G||^2 / 2 + ||Y - R W H||^2 / 2 + lambda ||H||_1   with  W, H >= 0.

The problem is convex in W and in H; both are solved in turn by the alternating direction method
of multipliers (ADMM), each with a copy of the variable that is non-negative and, of H, sparse.

Differences from the publication: the linear equations of ADMM are Sylvester equations and are
solved in closed form (:mod:`hsfuse.solvers.sylvester`). W is learned on the survey; a tile then
finds H, from zero, with the MS and HS pixels within the reach about it. A fixed number of
iterations, and the decaying influence of distant pixels through G, make tiles equal the whole to
about a thousandth of the scene's brightness.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.endmembers import vertex_components
from hsfuse.core.psf import PSF
from hsfuse.methods import OnePass, Options, Window
from hsfuse.methods.coupled import PairUnits
from hsfuse.methods.degraded_window import DegradedWindow
from hsfuse.pair.survey import Survey
from hsfuse.solvers.nonnegative import nonnegative_codes
from hsfuse.solvers.sylvester import SylvesterSolver

__all__ = ["METHOD", "Snnmf", "SnnmfFuser", "SnnmfSettings", "objective"]


@dataclass(frozen=True, slots=True)
class SnnmfSettings:
    """Settings of `snnmf`, selected here, since the publication does not state them."""

    # The number of `cnmf`.
    endmembers: int = 20
    sparsity: float = 1e-4  # lambda, for images of brightness one
    # Weight of the copies, and iterations of ADMM for H and for W in a round.
    weight: float = 0.01
    iterations: int = 60
    updates: int = 30
    # Maximum number of rounds over W and H on the survey, and the relative decrease of the
    # objective below which they end.
    rounds: int = 8
    tolerance: float = 1e-3
    # MS pixels of the survey, in its middle.
    maximum_pixels: int = 2**15
    # HS pixels about a tile.
    reach: float = 8.0


DEFAULT = SnnmfSettings()


@dataclass(frozen=True)
class SnnmfFuser(OnePass):
    """
    The spectra of one pair.

    Attributes
    ----------
    units : PairUnits
        Units of both images, the same for all HS bands.
    endmembers : ndarray of shape (good bands, endmembers)
        W, in units.
    loading : ndarray of shape (bands, endmembers)
        W in HS units with the other bands, by regression; NaN for bands without data.
    psf : PSF
        PSF of the HS sensor.
    objectives : tuple of float
        Objective on the survey after each round.
    device : str
        Device of the computation.
    settings : SnnmfSettings
        Further settings of the method.
    notes : tuple of str
        Notes for the user.
    """

    units: PairUnits
    endmembers: NDArray[np.float32]
    loading: NDArray[np.float32]
    psf: PSF
    objectives: tuple[float, ...]
    device: str = "cpu"
    settings: SnnmfSettings = DEFAULT
    name: str = "snnmf"
    step: int = 1
    gives_standard_error: bool = False
    notes: tuple[str, ...] = ()

    @property
    def reach(self) -> tuple[float, float]:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.settings.reach, self.settings.reach

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return 7 * self.endmembers.shape[1] + len(self.loading)

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {
            "method": self.name,
            "endmembers": self.endmembers.shape[1],
            "rounds": len(self.objectives),
            "iterations": self.settings.iterations,
        }

    def fuse_window(self, window: Window) -> NDArray[np.float32]:
        """See :class:`hsfuse.methods.OnePass`."""
        problem = DegradedWindow.of(window, self.units, self.psf, self.device)
        endmembers, response, loading = (
            torch.from_numpy(array).to(self.device)
            for array in (self.endmembers, self.units.response, self.loading)
        )
        codes = problem.image(_codes(problem, endmembers, response @ endmembers, self.settings))
        rows, columns = (span.slice for span in window.core)
        cube = torch.tensordot(loading, codes[:, rows, columns], dims=1)
        fused: NDArray[np.float32] = cube.cpu().numpy()
        return fused


def _codes(
    problem: DegradedWindow,
    endmembers: Tensor,
    response: Tensor,
    settings: SnnmfSettings,
    start: Tensor | None = None,
) -> Tensor:
    """Return H, shape (endmembers, pixels), for W and R W; ADMM from a start or from zero."""
    gram, fine_gram = endmembers.mT @ endmembers, response.mT @ response
    identity = torch.eye(len(gram), device=gram.device)
    # Parallel spectra leave the equation of the HS image singular but for a trace of a ridge.
    ridge = 1e-6 * float(gram.diagonal().max()) * identity
    weight = settings.weight
    solver = SylvesterSolver.of(problem.degrade, fine_gram + weight * identity, gram + ridge)
    fine = problem.fine.flatten(1)
    codes = fine.new_zeros((len(gram), fine.shape[1])) if start is None else start
    dual = torch.zeros_like(codes)
    for _ in range(settings.iterations):
        coarse = problem.filled_coarse(endmembers @ codes) if problem.has_gaps else problem.coarse
        fine = problem.filled_fine(response @ codes) if problem.has_gaps else fine
        right = weight * (codes - dual) + response.mT @ fine
        projected = (endmembers.mT @ coarse.flatten(1)).unflatten(1, coarse.shape[1:])
        free = solver.solve(projected, problem.image(right)).flatten(1)
        codes = (free + dual - settings.sparsity / weight).clamp_min_(0)
        dual += free - codes
    return codes


def _spectra(
    windows: Sequence[DegradedWindow],
    codes: Sequence[Tensor],
    response: Tensor,
    start: Tensor,
    settings: SnnmfSettings,
) -> Tensor:
    """Return W of the windows' codes: ``W A + R'R W B = C``, A = H G (H G)' and B = H H'."""
    degraded = [w.degrade.forward(w.image(c)) for w, c in zip(windows, codes, strict=True)]
    coarse_codes = torch.cat(
        [d[:, w.coarse_valid] for d, w in zip(degraded, windows, strict=True)], dim=1
    )
    coarse = torch.cat([w.coarse[:, w.coarse_valid] for w in windows], dim=1)
    fine_codes = torch.cat(
        [c[:, w.fine_valid.flatten()] for c, w in zip(codes, windows, strict=True)], dim=1
    )
    fine = torch.cat([w.fine[:, w.fine_valid] for w in windows], dim=1)
    count = max(coarse_codes.shape[1], 1)
    right = (coarse @ coarse_codes.mT + response.mT @ (fine @ fine_codes.mT)).double() / count
    first = (coarse_codes @ coarse_codes.mT).double() / count
    second = (fine_codes @ fine_codes.mT).double() / count
    weight = settings.weight * float(first.diagonal().mean().clamp_min(1e-12))
    # Bands are rotated to the eigenvectors of R'R, which makes each rotated band a separate system.
    power, rotation = torch.linalg.eigh((response.mT @ response).double())
    identity = torch.eye(len(first), dtype=first.dtype, device=first.device)
    systems = first + power.clamp_min(0)[:, None, None] * second + weight * identity
    inverse = torch.linalg.inv(systems)
    endmembers, dual = start.double(), torch.zeros_like(start, dtype=torch.double)
    for _ in range(settings.updates):
        rotated = rotation.mT @ (right + weight * (endmembers - dual))
        free = rotation @ (rotated[:, None] @ inverse)[:, 0]
        endmembers = (free + dual).clamp_min(0)
        dual = dual + free - endmembers
    return endmembers.to(start)


def objective(
    problem: DegradedWindow, endmembers: Tensor, codes: Tensor, response: Tensor, sparsity: float
) -> float:
    """
    Return the objective of a window's pixels with data.

    Parameters
    ----------
    problem : DegradedWindow
        X, Y and G.
    endmembers : Tensor of shape (bands, endmembers)
        W.
    codes : Tensor of shape (endmembers, pixels)
        H.
    response : Tensor of shape (MS bands, bands)
        R.
    sparsity : float
        lambda.
    """
    degraded = problem.degrade.forward(problem.image(codes))
    coarse = problem.coarse - torch.tensordot(endmembers, degraded, dims=1)
    fine = problem.fine.flatten(1) - (response @ endmembers) @ codes
    misfit = (
        coarse[:, problem.coarse_valid].square().sum()
        + fine[:, problem.fine_valid.flatten()].square().sum()
    )
    return float(misfit / 2 + sparsity * codes.sum())


@dataclass(frozen=True)
class Snnmf:
    """Method: factorised on the survey, codes tile by tile."""

    settings: SnnmfSettings = DEFAULT

    def prepare(self, survey: Survey, options: Options) -> SnnmfFuser:
        """See :class:`hsfuse.methods.Method`."""
        settings, good, device = self.settings, survey.good, options.device
        units = PairUnits.of(survey)
        windows = [
            DegradedWindow.of(patch, units, survey.psf, device)
            for patch in survey.sample(9, settings.maximum_pixels)
        ]
        spectra = survey.spectra[good].astype(np.float64) / survey.brightness
        corners = vertex_components(spectra, settings.endmembers)
        endmembers = torch.from_numpy(np.maximum(corners, 0).astype(np.float32)).to(device)
        response = torch.from_numpy(units.response).to(device)
        endmembers, objectives = _factorise(windows, endmembers, response, settings)
        raw = survey.spectra
        loading = units.loading(
            endmembers, raw, lambda: nonnegative_codes(endmembers, units.spectra(raw).to(device))
        )
        return SnnmfFuser(
            units, endmembers.cpu().numpy(), loading, survey.psf, objectives, device, settings
        )


def _factorise(
    windows: Sequence[DegradedWindow], endmembers: Tensor, response: Tensor, settings: SnnmfSettings
) -> tuple[Tensor, tuple[float, ...]]:
    """Return W and the objective after each round."""
    starts: list[Tensor | None] = [None] * len(windows)
    objectives: list[float] = []
    for _ in range(settings.rounds):
        integrated = response @ endmembers
        codes = [
            _codes(window, endmembers, integrated, settings, start)
            for window, start in zip(windows, starts, strict=True)
        ]
        changed = _spectra(windows, codes, response, endmembers, settings)
        value = sum(
            objective(window, changed, code, response, settings.sparsity)
            for window, code in zip(windows, codes, strict=True)
        )
        if objectives and value > (1 - settings.tolerance) * objectives[-1]:
            break
        endmembers = changed
        objectives.append(value)
        starts = [*codes]
    return endmembers, tuple(objectives)


METHOD = Snnmf()
