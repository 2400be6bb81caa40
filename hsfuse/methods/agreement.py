"""
Bring fused components in line with both inputs, as far as their noise allows.

With Z the fused components, S those of the HS image and A what the fine sensor sees of a
component: what D(Z) misses of S, less the noise's share of it, is carried to the fine grid
and added (iterative back-projection, Irani and Peleg 1991,
doi:10.1016/1049-9652(91)90045-L); and Z is moved the likeliest way, ``C A' (A C A' + N)^-1``,
to what the fine image shows. How far either pays depends on how well the two sensors are known:
it is tried one scale down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d

from hsfuse.core.grid import Geometry
from hsfuse.core.noise import pixel_noise
from hsfuse.core.resample import blur_reach
from hsfuse.core.subspace import Subspace
from hsfuse.observe import Degrade, Interpolate
from hsfuse.survey import Survey

__all__ = ["CANDIDATES", "Agreement", "Observed", "agree", "fine_error", "likeliest_return"]

# HS pixels about one over which what is missing is compared with the noise.
_NEARBY = 2
# Cubic interpolation reaches two HS pixels.
_CUBIC = 2.0


@dataclass(frozen=True)
class Agreement:
    """
    How far components are brought in line.

    Attributes
    ----------
    rounds : int
        Of back-projection; 0 leaves the HS image out.
    spared : bool
        What is added for the HS image leaves alone what the fine image shows.
    fine : bool
        Components are moved to what the fine image shows.
    """

    rounds: int = 1
    spared: bool = False
    fine: bool = False

    def sentence(self) -> str:
        """Return what is done, in a few words."""
        hs = f"{self.rounds} round{'s' * (self.rounds > 1)} to the HS image" if self.rounds else ""
        spared = ", sparing what the fine image shows" if self.spared and not self.fine else ""
        fine = "moved to the fine image" if self.fine else ""
        return "; ".join(part for part in (hs + spared, fine) if part) or "none"

    def reach(self, blur: tuple[float, float]) -> tuple[float, float]:
        """Return how far a pixel's correction reaches, in HS pixels along y and x."""
        if not self.rounds:
            return 0.0, 0.0
        along = [self.rounds * (_CUBIC + blur_reach(width)) + _NEARBY + 1 for width in blur]
        return along[0], along[1]


# Tried in this order; of equals the first is taken.
CANDIDATES = (
    Agreement(1),
    Agreement(4),
    Agreement(0),
    Agreement(1, spared=True),
    Agreement(4, spared=True),
    Agreement(0, fine=True),
    Agreement(1, spared=True, fine=True),
    Agreement(4, spared=True, fine=True),
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
    seen: Tensor
    returned: Tensor


def agree(fused: Tensor, observed: Observed, agreement: Agreement) -> Tensor:
    """
    Return components in line with the inputs.

    Parameters
    ----------
    fused : Tensor of shape (components, rows, columns)
        Over the region.
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
    if agreement.rounds:
        added = _added(fused, observed, agreement.rounds)
        if agreement.spared:
            shown = torch.tensordot(observed.seen, added, dims=1)
            added = added - torch.tensordot(observed.returned, shown, dims=1)
        result = result + added
    if agreement.fine:
        missing = observed.fine - torch.tensordot(observed.seen, result, dims=1)
        missing = torch.where(observed.known, missing, 0.0)
        result = result + torch.tensordot(observed.returned, missing, dims=1)
    return result


def _added(fused: Tensor, observed: Observed, rounds: int) -> Tensor:
    """Return what the HS image asks to be added, but for the noise's share of it."""
    device = str(fused.device)
    degrade = Degrade.between(observed.geometry, observed.blur, device=device)
    carry = Interpolate.between(observed.geometry, device=device)
    seen, share = degrade.forward_masked(fused, observed.known)
    used = observed.used & (share > 0.5)
    missing = torch.where(used, observed.wanted - seen, 0.0)
    # A local Wiener filter: what rises above the noise hereabouts is signal.
    power, weight = (_mean_nearby(values) for values in (missing.square(), used[None].to(missing)))
    power = power / weight.clamp_min(1e-6)
    left = missing * (1 - observed.noise[:, None, None] ** 2 / power.clamp_min(1e-30)).clamp_min(0)
    rows, columns = degrade.rows @ carry.rows, degrade.columns @ carry.columns  # DU
    total = torch.zeros_like(left)
    for _ in range(rounds):
        total += left
        left = left - rows @ left @ columns.mT
    return carry.forward(total)


def _mean_nearby(values: Tensor) -> Tensor:
    size = 2 * _NEARBY + 1
    mean = avg_pool2d(values[:, None], size, 1, _NEARBY, count_include_pad=False)
    return mean[:, 0]


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
    rest, noises = [], []
    for patch in survey.patches:
        shown, used = survey.degraded(patch)
        components, _ = subspace.project(patch.coarse)
        rest.append(shown[:, used] - level[:, None] - seen @ components[:, used])
        noises.append(pixel_noise(patch.fine))
    missing = np.concatenate(rest, axis=1)
    # On the HS grid the noise of fine pixels is averaged away.
    noise = np.diag(np.square(noises).mean(axis=0))
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
