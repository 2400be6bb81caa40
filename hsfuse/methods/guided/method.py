"""
`guided`: scene-wide and local regression on the MS bands, in the subspace of the scene.

It needs no training and no knowledge of the MS sensor. With ``S`` the HS image in its leading
principal components and ``f(Y)`` the MS bands, their products and one:

1. Scene-wide: ``P = W f(Y)``, the least-squares fit of ``D(W f(Y))`` to ``S``, a mix of a
   linear and a quadratic one.
2. Local: around each HS pixel, the residual ``S - D(P)`` is regressed on ``D([1, Y])`` in a
   Gaussian window, with a ridge toward zero, that is toward the scene-wide fit. The
   coefficients are interpolated to the fine grid and applied to ``[1, Y]``.
3. The remaining residual, ``E = S - D(Z)``, is added back n times (iterative back-projection,
   Irani and Peleg 1991, doi:10.1016/1049-9652(91)90045-L). With U the interpolation, n
   rounds are one: ``U (I + (I - DU) + … + (I - DU)^(n-1)) E``, and the sum acts on the small
   coarse grid alone.

The number of components, the width of the window and other parameters depend on the scene: they
are selected on the pair at reduced resolution, where the HS image is the reference.
"""

from __future__ import annotations

from dataclasses import dataclass

from hsfuse.methods import Options
from hsfuse.methods.guided.regression import GuidedFuser, fit
from hsfuse.methods.guided.selection import select_parameters
from hsfuse.methods.guided.settings import DEFAULT, GuidedSettings, Parameters
from hsfuse.pair.survey import Survey

__all__ = ["METHOD", "Guided"]


@dataclass(frozen=True)
class Guided:
    """Method: parameters selected on the pair unless they are given, then the fit."""

    parameters: Parameters | None = None
    settings: GuidedSettings = DEFAULT

    def prepare(self, survey: Survey, options: Options) -> GuidedFuser:
        """See :class:`hsfuse.methods.Method`."""
        parameters = self.parameters or select_parameters(survey, self.settings)
        return fit(survey, parameters, settings=self.settings, device=options.device)


METHOD = Guided()
