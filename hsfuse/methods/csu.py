"""
`csu`: coupled spectral unmixing.

C. Lanaras, E. Baltsavias, K. Schindler, "Hyperspectral Super-Resolution by Coupled Spectral
Unmixing", ICCV 2015, doi:10.1109/ICCV.2015.409. With H the HS image, M the MS image, S the
degradation D and R the response, the endmembers E and the abundances A of MS pixels minimise

    ||H - E A S||^2 + ||M - R E A||^2  with  0 <= E <= 1,  A >= 0,  1'A = 1'     (5)

E is started by SISAL, the abundances of the HS pixels by SUnSAL; interpolated they start A. Then
E is fitted to H with A fixed (6) and A to M with E fixed (7), in turn, each by the steps of
proximal alternating linearised minimisation (PALM; Bolte, Sabach, Teboulle 2014): a gradient step
with 1 over a bound of the curvature, then the projection on the constraints (8, 9). Each such
step lowers its sum of squares.

Differences from the publication: E is learned on the survey. A tile unmixes its HS pixels with E
and starts A from them; it then takes as many steps (9) as the survey took until convergence. So a
pixel depends on its own MS bands and the HS pixels around it, and tiles equal the whole. The unit,
one in the publication for images in 0..1, is the brightest value of both images in the survey: with
``E <= 1`` and abundances that sum to one, no brighter pixel can be represented.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.endmembers import minimum_volume_simplex
from hsfuse.methods import OnePass, Options, Window
from hsfuse.methods.coupled import (
    CoupledWindow,
    PairUnits,
    band_loading,
    coupled_windows,
    interpolate_abundances,
)
from hsfuse.observe import Interpolate
from hsfuse.pair.survey import Survey
from hsfuse.solvers.nonnegative import nonnegative_codes
from hsfuse.solvers.simplex import project_simplex

# Maximum unit, in the brightness of the HS image: an MS band that is hardly correlated with the HS
# image has a gain near zero.
_MAXIMUM_UNIT = 10.0

__all__ = ["METHOD", "Csu", "CsuFuser", "CsuSettings", "abundance_steps", "endmember_steps"]


@dataclass(frozen=True, slots=True)
class CsuSettings:
    """Settings of `csu`."""

    # p; 10 in the authors' demonstration on CAVE, 30 in the comparison of Yokoya et al. 2017,
    # doi:10.1109/MGRS.2016.2637824, on remote-sensing scenes.
    endmembers: int = 30
    # Penalty and rounds of SISAL in the authors' release.
    penalty: float = 0.006
    rounds: int = 80
    # gamma of the step sizes, below (8) and (9).
    margin: float = 1.01
    # Maximum number of steps (8) or (9), and the relative decrease of the root mean square residual
    # below which they end; values of the authors' release.
    maximum_steps: int = 100
    minimum_decrease: float = 0.01
    # Maximum number of rounds: 200 in that comparison, 1500 in the release; and the relative change
    # of the sum of both residuals below which they end, as in the release.
    maximum_rounds: int = 200
    tolerance: float = 1e-4
    # Iterations of ADMM that unmix HS pixels.
    updates_coarse: int = 200
    # MS pixels of the survey, and least ratio to which they are averaged, as in `cnmf`.
    maximum_pixels: int = 2**16
    ratio: float = 4.0
    # Pixels at a time, so that all their steps stay in the cache.
    block: int = 8192


DEFAULT = CsuSettings()


@dataclass(frozen=True)
class CsuFuser(OnePass):
    """
    The endmembers of one pair.

    Attributes
    ----------
    units : PairUnits
        Units of both images, the same for all HS bands.
    endmembers : ndarray of shape (good bands, endmembers)
        E, in units.
    loading : ndarray of shape (bands, endmembers)
        E in HS units with the other bands, by regression; NaN for bands without data.
    rounds, steps : int
        Rounds of (6) and (7) on the survey, and steps (9) in all of them.
    device : str
        Device of the computation.
    settings : CsuSettings
        Further settings of the method.
    notes : tuple of str
        Notes for the user.
    """

    units: PairUnits
    endmembers: NDArray[np.float32]
    loading: NDArray[np.float32]
    rounds: int
    steps: int
    device: str = "cpu"
    settings: CsuSettings = DEFAULT
    name: str = "csu"
    step: int = 1
    gives_standard_error: bool = False
    reach: tuple[float, float] = (2.0, 2.0)
    notes: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return 3 * self.endmembers.shape[1]

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {
            "method": self.name,
            "endmembers": self.endmembers.shape[1],
            "rounds": self.rounds,
            "steps": self.steps,
        }

    def fuse_window(self, window: Window) -> NDArray[np.float32]:
        """See :class:`hsfuse.methods.OnePass`."""
        abundances = self._abundances(window)
        loading = torch.from_numpy(self.loading).to(self.device)
        cube: NDArray[np.float32] = torch.tensordot(loading, abundances, dims=1).cpu().numpy()
        return cube

    def _abundances(self, window: Window) -> Tensor:
        """Return A over the core, shape (endmembers, core rows, core columns)."""
        settings, (rows, columns) = self.settings, window.core
        coarse, valid = (tensor.to(self.device) for tensor in self.units.coarse(window.coarse))
        endmembers = torch.from_numpy(self.endmembers).to(self.device)
        coarse_abundances = nonnegative_codes(
            endmembers, coarse.flatten(1), sum_to_one=True, iterations=settings.updates_coarse
        ).unflatten(1, valid.shape)
        interpolation = Interpolate.between(window.geometry, device=self.device).cut(window.core)
        abundances = interpolate_abundances(interpolation, coarse_abundances, valid).flatten(1)
        fine, fine_valid = self.units.fine(window.fine[:, rows.slice, columns.slice])
        response = torch.from_numpy(self.units.response).to(self.device) @ endmembers
        for part, values in zip(
            abundances.split(settings.block, 1),
            fine.flatten(1).to(self.device).split(settings.block, 1),
            strict=True,
        ):
            steps = abundance_steps(values, response, project_simplex(part), settings.margin)
            for _, updated in zip(range(self.steps), steps, strict=False):
                part.copy_(updated)
        return abundances.unflatten(1, fine_valid.shape)


@dataclass(frozen=True)
class Csu:
    """Method: coupled on the survey, unmixed tile by tile."""

    settings: CsuSettings = DEFAULT

    def prepare(self, survey: Survey, options: Options) -> CsuFuser:
        """See :class:`hsfuse.methods.Method`."""
        settings, device = self.settings, options.device
        spectra = survey.spectra[survey.good].astype(np.float64)
        unit = _brightest(survey)
        units = PairUnits.of(survey, np.full(len(spectra), unit))
        windows = coupled_windows(
            survey, units, maximum_pixels=settings.maximum_pixels, ratio=settings.ratio
        )
        corners = minimum_volume_simplex(
            spectra / unit,
            settings.endmembers,
            penalty=settings.penalty,
            rounds=settings.rounds,
        )
        coupling = _Coupling.of(windows, units, settings, device)
        endmembers, coarse_abundances, rounds, steps = coupling.solve(
            torch.from_numpy(corners.astype(np.float32)).clamp(0, 1).to(device)
        )
        notes: tuple[str, ...] = ()
        if rounds == settings.maximum_rounds:
            notes = (f"csu: the endmembers have not converged after {rounds} rounds",)
        return CsuFuser(
            units,
            endmembers.cpu().numpy(),
            band_loading(windows, coarse_abundances, units, endmembers),
            rounds,
            steps,
            device,
            settings,
            notes=notes,
        )


def _brightest(survey: Survey) -> float:
    """Return the largest value of both images in the survey, in HS units."""
    units = PairUnits.of(survey)
    values = [
        *(units.fine(patch.fine)[0] for patch in survey.patches),
        units.spectra(survey.spectra),
    ]
    return survey.brightness * min(max(float(part.max()) for part in values), _MAXIMUM_UNIT)


@dataclass(frozen=True)
class _Coupling:
    """
    The survey on which E is learned.

    Attributes
    ----------
    windows : sequence of CoupledWindow
        Surveyed windows, in units.
    coarse, fine : Tensor of shape (bands, pixels)
        H and M of all windows.
    response : Tensor of shape (MS bands, good bands)
        R.
    settings : CsuSettings
        Steps and rounds.
    """

    windows: Sequence[CoupledWindow]
    coarse: Tensor
    fine: Tensor
    response: Tensor
    settings: CsuSettings

    @classmethod
    def of(
        cls, windows: Sequence[CoupledWindow], units: PairUnits, settings: CsuSettings, device: str
    ) -> _Coupling:
        return cls(
            windows,
            torch.cat([window.coarse for window in windows], dim=1).to(device),
            torch.cat([window.fine for window in windows], dim=1).to(device),
            torch.from_numpy(units.response).to(device),
            settings,
        )

    def solve(self, endmembers: Tensor) -> tuple[Tensor, Tensor, int, int]:
        """Return E, the abundances of the HS pixels, the rounds and the steps (9) in all."""
        settings = self.settings
        coarse_abundances = nonnegative_codes(
            endmembers, self.coarse, sum_to_one=True, iterations=settings.updates_coarse
        )
        abundances = project_simplex(self._interpolated(coarse_abundances))
        total_steps, rounds, before = 0, 0, 1.0
        while rounds < settings.maximum_rounds:
            rounds += 1
            endmembers, residual, _ = self._descend(
                endmember_steps(self.coarse, endmembers, coarse_abundances, settings.margin),
                lambda iterate, right=coarse_abundances: self.coarse - iterate @ right,  # type: ignore[misc]
            )
            response = self.response @ endmembers
            abundances, other, steps = self._descend(
                abundance_steps(self.fine, response, abundances, settings.margin),
                lambda iterate, left=response: self.fine - left @ iterate,  # type: ignore[misc]
            )
            coarse_abundances = self._degraded(abundances)
            total_steps += steps
            if abs(before / max(residual + other, 1e-30) - 1) < settings.tolerance:
                break
            before = residual + other
        return endmembers, coarse_abundances, rounds, total_steps

    def _descend(
        self, steps: Iterator[Tensor], misfit: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, float, int]:
        """Return the last step, its root mean square residual and the number of steps."""
        count, before, residual = 0, float("inf"), 0.0
        for iterate in itertools.islice(steps, self.settings.maximum_steps):
            count += 1
            residual = float(misfit(iterate).square().mean().sqrt())
            if before < (1 + self.settings.minimum_decrease) * residual:
                break
            before = residual
        return iterate, residual, count

    def _interpolated(self, coarse_abundances: Tensor) -> Tensor:
        """Return abundances of HS pixels at all MS pixels."""
        counts = [int(window.used.sum()) for window in self.windows]
        parts = coarse_abundances.cpu().split(counts, dim=1)
        interpolated = [w.interpolated(part) for w, part in zip(self.windows, parts, strict=True)]
        return torch.cat(interpolated, dim=1).to(coarse_abundances)

    def _degraded(self, abundances: Tensor) -> Tensor:
        """Return A S."""
        counts = [window.fine_valid.numel() for window in self.windows]
        parts = abundances.cpu().split(counts, dim=1)
        degraded = [w.degraded(part) for w, part in zip(self.windows, parts, strict=True)]
        return torch.cat(degraded, dim=1).to(abundances)


def endmember_steps(
    coarse: Tensor, endmembers: Tensor, coarse_abundances: Tensor, margin: float
) -> Iterator[Tensor]:
    """
    Yield E after each step on (6), ``||H - E A S||^2`` over ``0 <= E <= 1``.

    Parameters
    ----------
    coarse : Tensor of shape (bands, HS pixels)
        H.
    endmembers : Tensor of shape (bands, endmembers)
        Initial E.
    coarse_abundances : Tensor of shape (endmembers, HS pixels)
        A S.
    margin : float
        gamma, above one.
    """
    gram, correlated = coarse_abundances @ coarse_abundances.mT, coarse @ coarse_abundances.mT
    rate = 1 / (margin * torch.linalg.matrix_norm(gram))  # c below (8)
    while True:
        gradient = endmembers @ gram - correlated
        endmembers = (endmembers - rate * gradient).clamp(0, 1)  # (8a), (8b)
        yield endmembers


def abundance_steps(
    fine: Tensor, response: Tensor, abundances: Tensor, margin: float
) -> Iterator[Tensor]:
    """
    Yield A after each step on (7), ``||M - R E A||^2`` over ``A >= 0`` with ``1'A = 1'``.

    Parameters
    ----------
    fine : Tensor of shape (MS bands, pixels)
        M.
    response : Tensor of shape (MS bands, endmembers)
        R E.
    abundances : Tensor of shape (endmembers, pixels)
        Initial A.
    margin : float
        gamma, above one.
    """
    rate = 1 / (margin * torch.linalg.matrix_norm(response @ response.mT))  # d below (9)
    while True:
        gradient = response.mT @ (response @ abundances - fine)
        abundances = project_simplex(abundances - rate * gradient)  # (9a), (9b)
        yield abundances


METHOD = Csu()
