"""
`fuse`: the Bayesian estimate with a Gaussian prior, by a Sylvester equation in closed form.

Q. Wei, N. Dobigeon, J.-Y. Tourneret, "Fast Fusion of Multi-Band Images Based on Solving a
Sylvester Equation", IEEE TIP 24(11), 2015, doi:10.1109/TIP.2015.2458572. In a subspace of the
scene the components U minimise (their eq. 13, with a Gaussian prior as their section III-A)
``|X - m - H D(U)|²_N + |Y - l - L U|²_M + |U - U(X)|²_S``, norms weighted by the inverse of

- N and M, the noise variances of the HS and MS bands;
- S, the prior covariance of a pixel about U(X), the interpolated HS image.

The normal equations are a Sylvester equation, solved in closed form
(:mod:`hsfuse.solvers.sylvester`) for the correction of the prior mean: ``U - U(X)`` has the two
residuals of that mean as right-hand sides. Nothing is iterated.

Differences from the publication:

- D has borders and any real ratio, where theirs is circular with a whole one.
- N, M and S are estimated from the pair; theirs are known or fixed. The subspace has as many
  components as rise above the noise, where they use HySime, which also separates signal from noise.
- A pixel without data has a residual of zero, as if it equalled the prior mean.
- A tile is solved with a halo that includes all but 1e-4 of the influence of an HS pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Span
from hsfuse.core.psf import PSF
from hsfuse.core.subspace import Subspace
from hsfuse.methods import OnePass, Options, Window
from hsfuse.methods.bicubic import interpolate
from hsfuse.methods.component_model import ComponentModel
from hsfuse.observe import Degrade
from hsfuse.pair.survey import Survey
from hsfuse.solvers.sylvester import SylvesterSolver, influence

__all__ = ["METHOD", "Fuse", "FuseFuser", "FuseSettings"]


@dataclass(frozen=True, slots=True)
class FuseSettings:
    """
    Settings of `fuse`.

    The figures in the comments are means over five scenes at ratio 4 with four MS bands, HS noise
    at 30 dB and MS noise at 40 dB.
    """

    # Maximum number; 15 in the authors' release. On two CAVE scenes without noise 25 gain 0.1 dB.
    components: int = 30
    # Prior covariance, in covariances of the difference of two neighbouring HS pixels. 1 loses
    # 0.2 dB; 4 and more leave the MS image too much weight where its noise is underestimated.
    spread: float = 2.0
    # Smallest prior variance, in mean variances of a component: S has to have an inverse.
    minimum_variance: float = 1e-6


DEFAULT = FuseSettings()


@dataclass(frozen=True)
class FuseFuser(OnePass):
    """
    The model of one pair.

    Attributes
    ----------
    model : ComponentModel
        H, L, N and M.
    precision : ndarray of shape (components, components)
        The inverse of S.
    psf : PSF
        PSF of the HS sensor.
    influence : int
        HS pixels over which an HS pixel has influence.
    device : str
        Device of the computation.
    settings : FuseSettings
        Further settings of the method.
    """

    model: ComponentModel
    precision: NDArray[np.float64]
    psf: PSF
    influence: int
    device: str = "cpu"
    settings: FuseSettings = DEFAULT
    name: str = "fuse"
    step: int = 1
    gives_standard_error: bool = False
    notes: tuple[str, ...] = ()

    @property
    def reach(self) -> tuple[float, float]:
        """See :class:`hsfuse.methods.Fuser`: interpolation, PSF and the inverse of the system."""
        return tuple(2 + self.influence + reach for reach in self.psf.reach)  # type: ignore[return-value]

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return 6 * self.model.count + 2 * len(self.model.fine_level)

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {
            "method": self.name,
            "components": self.model.count,
            "prior_spread": self.settings.spread,
            "influence_hs_pixels": self.influence,
        }

    def fuse_window(self, window: Window) -> NDArray[np.float32]:
        """See :class:`hsfuse.methods.OnePass`."""
        rows, columns = (span.slice for span in window.core)
        components = self.components(window)[:, rows, columns]
        return self.model.subspace.expand(components.cpu().numpy())

    def components(self, window: Window) -> Tensor:
        """Return U over the whole window, shape (components, rows, columns)."""
        model = self.model
        mean = self._prior_mean(window)
        operator = Degrade.between(window.geometry, self.psf, device=self.device)
        coarse_weight, fine_weight = (
            torch.from_numpy(weight) for weight in (model.coarse_weight, model.fine_weight)
        )
        coarse = model.coarse_residual(window, operator.forward(mean), self.psf)
        fine = model.fine_residual(window, mean)
        precision = torch.from_numpy(self.precision)
        solver = SylvesterSolver.of(operator, fine_weight + precision, coarse_weight)
        return solver.solve(coarse, fine).add_(mean)

    def _prior_mean(self, window: Window) -> Tensor:
        """Return the interpolated components (components, rows, columns) of the HS image."""
        geometry = window.geometry
        whole = replace(window, core=(Span(0, geometry.y.fine), Span(0, geometry.x.fine)))
        components, valid = self.model.subspace.project(window.coarse)
        observed = np.where(valid, components, np.float32(np.nan))
        return interpolate(whole, observed, self.device)


@dataclass(frozen=True)
class Fuse:
    """Method: subspace, noise and prior from the survey, one linear system for each tile."""

    settings: FuseSettings = DEFAULT

    def prepare(self, survey: Survey, options: Options) -> FuseFuser:
        """See :class:`hsfuse.methods.Method`."""
        settings = self.settings
        model = ComponentModel.fit(survey, settings.components)
        variance = settings.spread * _difference_covariance(model.subspace, survey)
        ridge = settings.minimum_variance * max(np.trace(variance) / len(variance), 1e-30)
        precision = np.linalg.inv(variance + ridge * np.eye(len(variance)))
        return FuseFuser(
            model,
            precision,
            survey.psf,
            influence(
                (model.coarse_weight, model.fine_weight + precision), survey.psf, survey.ratio
            ),
            options.device,
            settings,
        )


# Indexes of (bands, rows, columns): all but the last and all but the first row, and column.
_NEIGHBOURS = ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:, :, :-1], np.s_[:, :, 1:]))


def _difference_covariance(subspace: Subspace, survey: Survey) -> NDArray[np.float64]:
    """Return the covariance of the differences of the components of neighbouring HS pixels."""
    total, count = np.zeros((len(subspace.basis), len(subspace.basis))), 0
    for image in survey.images:
        components, valid = subspace.project(image)
        for first, second in _NEIGHBOURS:
            both = (valid[None][first] & valid[None][second])[0]
            step = (components[second] - components[first])[:, both].astype(np.float64)
            total, count = total + step @ step.T, count + step.shape[1]
    return total / max(count, 1)


METHOD = Fuse()
