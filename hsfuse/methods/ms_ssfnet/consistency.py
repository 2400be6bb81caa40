"""
Bring fused components in line with both inputs, as far as their noise allows.

With Z the fused components, S those of the HS image, D the HS sensor and A what the fine sensor
sees of a component, the errors of Z are taken for normal, of variance C u: C by component, u by
pixel. Then what D(Z) misses of S belongs at ``u D' (D u D' + N_S)^-1``, most of it where the
estimates disagree (a Kalman update, as optimal interpolation in Daley 1991, "Atmospheric Data
Analysis", ch. 4); and what A Z misses of the fine image at ``C A' (A C A' + N)^-1``. How far either
pays depends on how well the two sensors are known: it is tried one scale down.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Geometry
from hsfuse.core.resample import blur_reach
from hsfuse.core.subspace import Subspace
from hsfuse.observe import Degrade
from hsfuse.pair.survey import Survey

__all__ = ["CANDIDATES", "Agreement", "Observed", "agree", "fine_error", "likeliest_return"]

# Of the solution of the update for the HS image, which holds all but eigenvalues below the
# smallest: four are worth sixteen of Jacobi's, which gain 0.1 dB over four at ratio 2.
_ROUNDS, _SMALLEST = 4, 0.1


@dataclass(frozen=True)
class Agreement:
    """
    How far components are brought in line.

    Attributes
    ----------
    hs : bool
        What the HS image asks for is added.
    fine : bool
        Components are moved to what the fine image shows.
    """

    hs: bool = True
    fine: bool = True

    def sentence(self) -> str:
        """Return with what, in a few words."""
        both = ("the HS image",) * self.hs + ("the fine image",) * self.fine
        return " and ".join(both) or "none"

    def reach(self, blur: tuple[float, float]) -> tuple[float, float]:
        """Return how far a pixel's correction reaches, in HS pixels along y and x."""
        if not self.hs:
            return 0.0, 0.0
        along = [(2 * _ROUNDS - 1) * blur_reach(width) + 1 for width in blur]
        return along[0], along[1]


# The first is the rule, and what is done where nothing can be tried.
CANDIDATES = (
    Agreement(),
    Agreement(fine=False),
    Agreement(hs=False),
    Agreement(hs=False, fine=False),
)


@dataclass(frozen=True)
class Observed:
    """
    What was seen of a region, and how well.

    Attributes
    ----------
    geometry : Geometry
        Of the region's HS pixels over its fine ones.
    blur : tuple of float
        FWHM along y and x in HS pixels.
    wanted : Tensor of shape (components, coarse rows, coarse columns)
        Those of the HS image.
    used : Tensor of shape (coarse rows, coarse columns)
        HS pixels with data.
    known : Tensor of shape (rows, columns)
        Fine pixels with data.
    fine : Tensor of shape (fine bands, rows, columns)
        The fine image less what its sensor sees of the mean spectrum.
    noise : Tensor of shape (components,)
        Standard deviation of the HS image's noise.
    doubt : Tensor of shape (components,)
        Standard deviation of the errors of fused components.
    seen : Tensor of shape (fine bands, components)
        A.
    returned : Tensor of shape (components, fine bands)
        The likeliest way from what the fine image shows to components.
    """

    geometry: Geometry
    blur: tuple[float, float]
    wanted: Tensor
    used: Tensor
    known: Tensor
    fine: Tensor
    noise: Tensor
    doubt: Tensor
    seen: Tensor
    returned: Tensor


def agree(fused: Tensor, uncertainty: Tensor, observed: Observed, agreement: Agreement) -> Tensor:
    """
    Return components in line with the inputs.

    Parameters
    ----------
    fused : Tensor of shape (components, rows, columns)
        Over the region.
    uncertainty : Tensor of shape (rows, columns)
        u: variance of a pixel's errors, in units of the components' ``doubt`` squared.
    observed : Observed
        Of the region.
    agreement : Agreement
        How far to go.

    Returns
    -------
    Tensor of shape (components, rows, columns)
        Right where the region goes :meth:`Agreement.reach` farther, or ends with the scene.
    """
    result = fused
    if agreement.hs:
        result = result + _asked(fused, uncertainty, observed)
    if agreement.fine:
        missing = observed.fine - torch.tensordot(observed.seen, result, dims=1)
        missing = torch.where(observed.known, missing, 0.0)
        result = result + torch.tensordot(observed.returned, missing, dims=1)
    return result


def _asked(fused: Tensor, uncertainty: Tensor, observed: Observed) -> Tensor:
    """Return what the HS image asks to be added: ``u D' (D u D' + N)^-1 (S - D Z)``."""
    degrade = Degrade.between(observed.geometry, observed.blur, device=str(fused.device))
    seen, share = degrade.forward_masked(fused, observed.known)
    used = observed.used & (share > 0.5)
    missing = torch.where(used, observed.wanted - seen, 0.0)
    free = torch.where(observed.known, uncertainty, 0.0)
    noise = (observed.noise / observed.doubt.clamp_min(1e-30))[:, None, None] ** 2
    # No row of D u D' + N sums to more than this: over it, all eigenvalues are below one.
    scale = degrade.forward(free * degrade.adjoint(used.to(free))) + noise
    solved, left, step = torch.zeros_like(missing), missing, torch.zeros_like(missing)
    for momentum, size in _chebyshev(_ROUNDS, _SMALLEST):
        step = momentum * step + size * torch.where(used, left / scale.clamp_min(1e-30), 0.0)
        solved = solved + step
        left = missing - degrade.forward(free * degrade.adjoint(solved)) - noise * solved
    return free * degrade.adjoint(solved)


def _chebyshev(rounds: int, smallest: float) -> Iterator[tuple[float, float]]:
    """
    Yield the momentum and size of each step of Chebyshev's iteration for eigenvalues up to one.

    Saad 2003, "Iterative Methods for Sparse Linear Systems", algorithm 12.1. Unlike conjugate
    gradients it is the same for every pixel, and reaches no farther than its rounds.
    """
    middle, half = (1 + smallest) / 2, (1 - smallest) / 2
    before = half / middle
    yield 0.0, 1 / middle
    for _ in range(rounds - 1):
        now = 1 / (2 * middle / half - before)
        yield now * before, 2 * now / half
        before = now


def fine_error(
    survey: Survey, subspace: Subspace, level: NDArray[np.float64], seen: NDArray[np.float64]
) -> NDArray[np.float64]:
    """
    Return N: the covariance of the fine image about ``A Z``, and its pixels' noise.

    Parameters
    ----------
    survey : Survey
        Of the pair.
    subspace : Subspace
        Of its components.
    level : ndarray of shape (fine bands,)
        What the fine sensor sees of the mean spectrum.
    seen : ndarray of shape (fine bands, components)
        A.
    """
    rest = []
    for patch in survey.patches:
        shown, used = survey.degraded(patch)
        components, _ = subspace.project(patch.coarse)
        rest.append(shown[:, used] - level[:, None] - seen @ components[:, used])
    missing = np.concatenate(rest, axis=1)
    # On the HS grid the noise of fine pixels is averaged away.
    noise = np.diag(survey.fine_noise**2)
    return np.asarray(missing @ missing.T / max(missing.shape[1], 1) + noise)


def likeliest_return(
    seen: NDArray[np.float64], doubt: NDArray[np.float64], error: NDArray[np.float64]
) -> NDArray[np.float64]:
    """
    Return ``C A' (A C A' + N)^-1``, shape (components, fine bands).

    Parameters
    ----------
    seen : ndarray of shape (fine bands, components)
        A.
    doubt : ndarray of shape (components,)
        Standard deviations, the root of C's diagonal.
    error : ndarray of shape (fine bands, fine bands)
        N: covariance of the fine image about A Z.
    """
    likely = doubt[:, None] ** 2 * seen.T
    total = seen @ likely + error
    total += (1e-9 * np.trace(total) / len(total) + 1e-30) * np.eye(len(total))
    return np.asarray(np.linalg.solve(total, likely.T).T)
