"""
`guided`: regression on the fine bands, scene-wide and local, in the scene's own subspace.

No training and no knowledge of the fine sensor. With ``S`` the HS image in its
leading principal components and ``f(Y)`` the fine bands, their products and one:

1. Scene-wide: ``P = W f(Y)``, the least-squares fit of ``D(W f(Y))`` to ``S``, a mix of a
   linear and a quadratic one.
2. Local: about each HS pixel, what is left, ``S - D(P)``, is regressed on ``D([1, Y])``
   under a Gaussian window, with a ridge toward zero, that is toward the scene-wide fit. The
   coefficients are interpolated to the fine grid and applied to ``[1, Y]``.
3. What is still missing, ``E = S - D(Z)``, is added back n times (iterative back-projection,
   Irani and Peleg 1991, doi:10.1016/1049-9652(91)90045-L). With U the interpolation, n
   rounds are one: ``U (I + (I - DU) + … + (I - DU)^(n-1)) E``, and the sum acts on the small
   coarse grid alone.

How many components, how wide a window and so on differ from scene to scene: they are
chosen on the pair itself, one scale down, where the HS image is the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

from hsfuse.methods import Options
from hsfuse.methods.guided.regression import GuidedFuser, Parameters, fit
from hsfuse.methods.guided.selection import select_parameters
from hsfuse.pair.survey import Survey

__all__ = ["METHOD", "Guided"]


@dataclass(frozen=True)
class Guided:
    """The method: scene-wide fit, then a trial one scale down to choose :class:`Parameters`."""

    parameters: Parameters | None = None

    def prepare(self, survey: Survey, options: Options) -> GuidedFuser:
        """See :class:`hsfuse.methods.Method`."""
        parameters = self.parameters or select_parameters(survey)
        return fit(survey, parameters, device=options.device)


METHOD = Guided()
