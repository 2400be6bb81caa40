"""
`dhsis`: deep hyperspectral image sharpening (Dian 2018).

R. Dian, S. Li, A. Guo, L. Fang, "Deep Hyperspectral Image Sharpening", IEEE TNNLS 29(11),
5345-5355, 2018, doi:10.1109/TNNLS.2018.2798162. Three steps, of which the first and the last
solve::

    min_Z |X - D Z|^2 + |Y - R Z|^2 + mu |Z - Z0|^2

whose normal equations are a Sylvester equation (:mod:`hsfuse.solvers.sylvester`):

1. the initial estimate, with the interpolated HS image as Z0;
2. a residual network that maps it to the cube (:mod:`hsfuse.nets.single_pathway`);
3. the refinement, with the output of the network as Z0.

The publication solves for a circular blur and a whole ratio over the whole image; here D is that of
the pair, and a window is solved with its surroundings as far as they matter (`solution_reach`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Geometry
from hsfuse.core.psf import PSF
from hsfuse.methods import OnePass, Options, Window
from hsfuse.methods.inference import (
    InputScaling,
    describe_network,
    fitting_weights,
    run_network,
    sensor_notes,
)
from hsfuse.nets.weights import Card
from hsfuse.observe import Degrade, Interpolate, respond
from hsfuse.pair.survey import Survey
from hsfuse.solvers.sylvester import SylvesterSolver, impulse_response

__all__ = [
    "METHOD",
    "Dhsis",
    "DhsisFuser",
    "DhsisSettings",
    "FusionProblem",
    "initial_estimate",
    "solution_reach",
]


@dataclass(frozen=True, slots=True)
class DhsisSettings:
    """Settings of the two quadratic problems."""

    # mu of the first and of the last step, with the pair in units of its brightness. Small enough
    # for both images to decide where they can, which without noise they do.
    initial: float = 1e-3
    refinement: float = 1e-3
    # Response of the inverse, in its largest, that is neglected beyond the halo of a window; both
    # steps and what is beyond the images of a residual leave 1e-5 of a cube.
    negligible: float = 1e-2


DEFAULT = DhsisSettings()


@dataclass(frozen=True)
class FusionProblem:
    """
    The quadratic problem of a window: both images, D and R.

    Attributes
    ----------
    coarse : Tensor of shape (bands, coarse rows, coarse columns)
        X, NaN for no data.
    fine : Tensor of shape (MS bands, rows, columns)
        Y in the units of R Z, NaN for no data.
    geometry : Geometry
        Grid of X relative to Y.
    psf : PSF
        PSF of the HS sensor.
    response : Tensor of shape (MS bands, bands)
        R.
    """

    coarse: Tensor
    fine: Tensor
    geometry: Geometry
    psf: PSF
    response: Tensor

    def solve(self, prior: Tensor, weight: float) -> Tensor:
        """
        Return the solution for a prior Z0 of shape (bands, rows, columns) and its weight mu.

        In terms of the difference V from Z0: ``V D'D + (R'R + mu) V = D'(X - D Z0) +
        R'(Y - R Z0)``; residuals of pixels without data are zero.
        """
        operator = Degrade.between(self.geometry, self.psf, device=prior.device, dtype=prior.dtype)
        gram = self.response.mT @ self.response
        solver = SylvesterSolver.of(operator, gram + weight * torch.eye(len(gram)).to(gram))
        hs = torch.nan_to_num(self.coarse - operator.forward(prior))
        ms = torch.nan_to_num(self.fine - respond(self.response, prior))
        return prior + solver.solve(hs, respond(self.response.mT.contiguous(), ms))


def initial_estimate(
    problem: FusionProblem, filled: Tensor, settings: DhsisSettings = DEFAULT
) -> Tensor:
    """
    Return the initial estimate (bands, rows, columns), the input of the network.

    Parameters
    ----------
    problem : FusionProblem
        Problem of a window.
    filled : Tensor of shape (bands, coarse rows, coarse columns)
        HS image without gaps.
    settings : DhsisSettings
        Settings with mu.
    """
    interpolation = Interpolate.between(problem.geometry, device=filled.device, dtype=filled.dtype)
    return problem.solve(interpolation.forward(filled), settings.initial)


@dataclass(frozen=True)
class DhsisFuser(OnePass):
    """
    The three steps for one pair.

    Attributes
    ----------
    card : Card
        Card of the weights, with their hash.
    scaling : InputScaling
        Scaling of the inputs.
    psf : PSF
        PSF of the HS sensor.
    response : ndarray of shape (MS bands, bands)
        R.
    reach : tuple of float
        Reach of all steps in HS pixels.
    options : Options
        Device and precision.
    settings : DhsisSettings
        Settings of the quadratic problems.
    """

    card: Card
    scaling: InputScaling
    psf: PSF
    response: NDArray[np.float32]
    reach: tuple[float, float]
    options: Options
    settings: DhsisSettings = DEFAULT
    notes: tuple[str, ...] = ()
    name: str = "dhsis"
    step: int = 1
    gives_standard_error: bool = False

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`: cubes of the solver, features of two layers."""
        a = self.card.architecture
        return 6 * a.bands + 2 * a.fine_bands + 2 * a.width

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {
            "method": self.name,
            **describe_network(self.card, self.options),
            "initial_weight": self.settings.initial,
            "refinement_weight": self.settings.refinement,
        }

    def fuse_window(self, window: Window) -> NDArray[np.float32]:
        """See :class:`hsfuse.methods.OnePass`."""
        rows, columns = window.core
        problem, filled = self._problem(window)
        initial = initial_estimate(problem, filled, self.settings)
        fine = torch.nan_to_num(problem.fine)
        learned = run_network(self.card, initial[None], fine[None], self.options)[0]
        cube = problem.solve(learned, self.settings.refinement)
        fused: NDArray[np.float32] = cube[:, rows.slice, columns.slice].cpu().numpy()
        return fused * np.float32(self.scaling.unit)

    def _problem(self, window: Window) -> tuple[FusionProblem, Tensor]:
        """Return the problem of a window, scaled, and its HS image without gaps."""
        filled = self.scaling.coarse(window.coarse)
        valid = torch.from_numpy(np.isfinite(window.coarse))
        fine = self.scaling.fine(window.fine)
        fine[~torch.from_numpy(np.isfinite(window.fine))] = torch.nan
        coarse = torch.where(valid, filled, torch.nan)
        coarse, fine, filled, response = (
            values.to(self.options.device)
            for values in (coarse, fine, filled, torch.from_numpy(self.response))
        )
        return FusionProblem(coarse, fine, window.geometry, self.psf, response), filled


def solution_reach(
    psf: PSF, ratio: tuple[float, float], weight: float, settings: DhsisSettings = DEFAULT
) -> float:
    """
    Return the distance in HS pixels over which the solution depends on the residual of a pixel.

    ``V = D'(D D' + b)^-1 r`` for the smallest b, which is mu: beyond this distance the response of
    the inverse to one HS pixel is below a share of its largest value.

    Parameters
    ----------
    psf : PSF
        PSF of the HS sensor.
    ratio : tuple of float
        MS pixels per HS pixel.
    weight : float
        mu.
    settings : DhsisSettings
        Settings with the share.
    """
    response = impulse_response(weight, psf, ratio)
    significant = np.argwhere(response > settings.negligible * response.max())
    inverse = int(np.abs(significant - len(response) // 2).max())
    return inverse + 2 * max(psf.reach) + 1


@dataclass(frozen=True)
class Dhsis:
    """Method: weights that fit the pair, or an error."""

    settings: DhsisSettings = DEFAULT

    def prepare(self, survey: Survey, options: Options) -> DhsisFuser:
        """
        See :class:`hsfuse.methods.Method`.

        Raises
        ------
        WeightsError
            If no weights of this network that fit the pair are given.
        """
        card = fitting_weights("dhsis", survey, options)
        weights = {self.settings.initial, self.settings.refinement}
        solved = {w: solution_reach(survey.psf, survey.ratio, w, self.settings) for w in weights}
        both = solved[self.settings.initial] + solved[self.settings.refinement] + 2.0
        reach = tuple(card.architecture.reach / ratio + both for ratio in survey.ratio)
        return DhsisFuser(
            card,
            InputScaling.of(survey),
            survey.psf,
            survey.radiometry.response.astype(np.float32),
            (reach[0], reach[1]),
            options,
            self.settings,
            sensor_notes(card),
        )


METHOD = Dhsis()
