"""
`hysure`: subspace fusion with vector total variation, solved by ADMM.

M. Simoes, J. Bioucas-Dias, L. B. Almeida, J. Chanussot, "A Convex Formulation for Hyperspectral
Image Superresolution via Subspace-Based Regularization", IEEE TGRS 53(6), 2015,
doi:10.1109/TGRS.2014.2375320. With E the endmembers and U the components, ``Z = E U`` minimises
(their eq. 8)

``1/2 |X - E D(U)|² + w/2 |Y - R E U|² + t sum_pixels sqrt(sum_components |grad U|²)``,

both images in units of the scene's brightness. E are the endmembers with the largest volume of 20
runs of vertex component analysis. One iteration of ADMM (their section III-C), with penalty m:

1. ``U`` minimises ``|U - V - A|² + |grad U - G - B|²``.
2. ``V`` minimises ``1/2 |X - E D(V)|² + w/2 |Y - R E V|² + m/2 |U - V - A|²``.
3. ``G`` is the vector soft threshold of ``grad U - B`` at ``t / m``.
4. ``A = A - U + V`` and ``B = B - grad U + G``.

Differences from the publication:

- A circular blur that is sampled needs a split for each data term. Here D is exact in step 2, a
  Sylvester equation (:mod:`hsfuse.solvers.sylvester`), so that both data terms are one split.
- The total variation has borders (:mod:`hsfuse.solvers.total_variation`).
- R, gain and offset are those of the radiometry, D is that of the pair; they estimate both by a
  regression.
- A pixel without data has the value that the components of the previous iteration predict.
- The number of iterations is fixed, as in their release, so that it does not depend on a tile; the
  change in the last iteration is measured on the middle of the survey. A tile is solved with a
  halo of twice the distance that holds all but 1e-4 of the influence of an HS pixel in step 2.
  Total variation has no finite reach: what is left there is some 1e-5 of the largest value.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.endmembers import vertex_components
from hsfuse.core.grid import Span
from hsfuse.core.psf import PSF
from hsfuse.methods import OnePass, Options, Window
from hsfuse.observe import Degrade, unseen_share
from hsfuse.pair.survey import Survey
from hsfuse.solvers.sylvester import SylvesterSolver, influence
from hsfuse.solvers.total_variation import Gradient, GradientSystem, shrink, total_variation

__all__ = ["METHOD", "Hysure", "HysureFuser", "HysureSettings", "Objective"]


@dataclass(frozen=True, slots=True)
class HysureSettings:
    """Settings of `hysure`; those of the authors' release where it has them."""

    endmembers: int = 10  # p of their demonstrations with four MS bands
    runs: int = 20  # runs of vertex component analysis
    total_variation: float = 5e-4  # t, their lambda_phi
    fine_weight: float = 1.0  # w, their lambda_m
    iterations: int = 200
    # m, their mu: it changes the path, not the minimum. With their splits 0.05; with these the
    # objective after 200 iterations is lowest near 0.002 at ratios 4 and 16. PSNR is 0.6 dB higher
    # than at 0.05 in the mean of three scenes at ratio 4, and 4 dB on a CAVE scene at ratio 16.
    penalty: float = 0.002
    # Singular value of the spectra over the largest below which there is no further endmember.
    minimum_singular_value: float = 1e-5
    # Share of an HS pixel's PSF beyond the MS pixels of a window above which it is not used.
    maximum_unseen: float = 0.5
    # MS pixels of the survey on which the change in the last iteration is measured.
    measured_pixels: int = 2**13


DEFAULT = HysureSettings()


@dataclass(frozen=True)
class Objective:
    """
    Objective that `hysure` minimises over one window.

    Attributes
    ----------
    operator : Degrade
        D.
    coarse, fine : Tensor of shape (components, rows, columns)
        ``E'X`` and ``w (R E)'Y``, zero for no data.
    coarse_valid, fine_valid : Tensor of bool, shape (rows, columns)
        Masks of pixels with data.
    coarse_weight, fine_weight : Tensor of shape (components, components)
        ``E'E`` and ``w (R E)'R E``.
    settings : HysureSettings
        Further settings of the method.
    """

    operator: Degrade
    coarse: Tensor
    fine: Tensor
    coarse_valid: Tensor
    fine_valid: Tensor
    coarse_weight: Tensor
    fine_weight: Tensor
    settings: HysureSettings

    def value(self, components: Tensor) -> float:
        """Return the objective less the constant ``1/2 |X|² + w/2 |Y|²``."""
        terms = (
            (self.coarse_weight, self.coarse, self.coarse_valid, self.operator.forward(components)),
            (self.fine_weight, self.fine, self.fine_valid, components),
        )
        total = self.settings.total_variation * float(total_variation(components))
        for weight, matched, valid, predicted in terms:
            misfit = (predicted * (_apply_weight(weight, predicted) / 2 - matched)).sum(dim=0)
            total += float(misfit[valid].double().sum())
        return total

    def minimise(self, after: Callable[[Tensor], None] | None = None) -> Tensor:
        """
        Return the components after all iterations, shape (components, rows, columns).

        Parameters
        ----------
        after : callable, optional
            Called with the components after each iteration.
        """
        settings, penalty = self.settings, self.settings.penalty
        identity = torch.eye(len(self.fine_weight)).to(self.fine_weight)
        solver = SylvesterSolver.of(
            self.operator, self.fine_weight + penalty * identity, self.coarse_weight
        )
        system = GradientSystem.of(self.fine)
        # V + A and G + B, the targets of U and of its gradient; and B alone.
        target = torch.zeros_like(self.fine)
        multiplier = target.clone()
        field = dual = Gradient(torch.zeros_like(target), torch.zeros_like(target))
        components = target
        for _ in range(settings.iterations):
            components = system.solve(field.adjoint().add_(target))  # step 1
            coarse, fine = self._right_hand_sides(components)
            multiplier = components - multiplier  # U - A
            data = solver.solve(coarse, torch.add(fine, multiplier, alpha=penalty))  # step 2
            multiplier = data - multiplier  # step 4
            target = data.add_(multiplier)
            offset = Gradient.of(components).plus(dual, -1.0)
            sparse = shrink(offset, settings.total_variation / penalty)  # step 3
            dual = sparse.plus(offset, -1.0)  # step 4
            field = sparse.plus(dual)
            if after is not None:
                after(components)
        return components

    def _right_hand_sides(self, components: Tensor) -> tuple[Tensor, Tensor]:
        """Return the right-hand sides, predicted from the components where there is no data."""
        coarse, fine = self.coarse, self.fine
        if not bool(self.coarse_valid.all()):
            predicted = _apply_weight(self.coarse_weight, self.operator.forward(components))
            coarse = torch.where(self.coarse_valid, coarse, predicted)
        if not bool(self.fine_valid.all()):
            fine = torch.where(self.fine_valid, fine, _apply_weight(self.fine_weight, components))
        return coarse, fine


@dataclass(frozen=True)
class HysureFuser(OnePass):
    """
    The endmembers of one pair.

    Attributes
    ----------
    good : ndarray of bool, shape (bands,)
        HS bands of the endmembers.
    endmembers : ndarray of shape (good bands, endmembers)
        E, in units of the scene's brightness.
    response : ndarray of shape (MS bands, endmembers)
        R E.
    loading : ndarray of shape (bands, endmembers)
        E in HS units with the other bands, by regression; NaN for bands without data.
    gain, offset : ndarray of shape (MS bands,)
        Y is ``gain * R E U + offset`` in HS units.
    unit : float
        The scene's brightness.
    psf : PSF
        PSF of the HS sensor.
    device : str
        Device of the computation.
    settings : HysureSettings
        Further settings of the method.
    influence : int
        HS pixels over which an HS pixel has influence.
    change : float
        Relative change of the cube in the last iteration, on the middle of the survey.
    """

    good: NDArray[np.bool_]
    endmembers: NDArray[np.float64]
    response: NDArray[np.float64]
    loading: NDArray[np.float32]
    gain: NDArray[np.float64]
    offset: NDArray[np.float64]
    unit: float
    psf: PSF
    device: str = "cpu"
    settings: HysureSettings = DEFAULT
    influence: int = 0
    change: float = 0.0
    name: str = "hysure"
    step: int = 1
    gives_standard_error: bool = False
    notes: tuple[str, ...] = ()

    @property
    def reach(self) -> tuple[float, float]:
        """See :class:`hsfuse.methods.Fuser`: twice the influence, since step 2 is repeated."""
        y, x = self.psf.reach
        return 2 + 2 * self.influence + y, 2 + 2 * self.influence + x

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        # Four fields of ADMM, their temporaries and the complex transform: 30 measured.
        return 32 * self.endmembers.shape[1] + len(self.gain)

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {
            "method": self.name,
            "endmembers": self.endmembers.shape[1],
            "total_variation": self.settings.total_variation,
            "iterations": self.settings.iterations,
            "relative_change_in_last_iteration": float(f"{self.change:.2g}"),
        }

    def fuse_window(self, window: Window) -> NDArray[np.float32]:
        """See :class:`hsfuse.methods.OnePass`."""
        rows, columns = (span.slice for span in window.core)
        components = self.objective(window).minimise()[:, rows, columns].cpu()
        return np.tensordot(self.loading, components.numpy(), axes=1)

    @property
    def _usable(self) -> NDArray[np.bool_]:
        """Mask of MS bands with a positive gain; the others do not follow R Z."""
        return np.asarray(self.gain > 0)

    @property
    def weights(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """``E'E`` and ``w (R E)'R E``."""
        response = self.response[self._usable]
        return (
            self.endmembers.T @ self.endmembers,
            self.settings.fine_weight * response.T @ response,
        )

    def objective(self, window: Window) -> Objective:
        """Return the objective of a window."""
        settings = self.settings
        usable = self._usable
        response = self.response[usable]
        scale, offset = (
            values[usable, None, None].astype(np.float32)
            for values in (self.gain * self.unit, self.offset)
        )
        coarse = window.coarse[self.good] / np.float32(self.unit)
        fine = (window.fine[usable] - offset) / scale
        operator = Degrade.between(window.geometry, self.psf, device=self.device)
        share = torch.ones(window.geometry.coarse_shape)
        inside = unseen_share(window.geometry, self.psf, share) < settings.maximum_unseen
        matched = [
            torch.from_numpy(np.tensordot(matrix.T.astype(np.float32), image, axes=1))
            for matrix, image in (
                (self.endmembers, coarse),
                (settings.fine_weight * response, fine),
            )
        ]
        coarse_valid, fine_valid = (tensor.isfinite().all(dim=0) for tensor in matched)
        coarse_matched, fine_matched = (t.nan_to_num_().to(self.device) for t in matched)
        coarse_weight, fine_weight = (torch.from_numpy(weight) for weight in self.weights)
        return Objective(
            operator,
            coarse_matched,
            fine_matched,
            (coarse_valid & inside).to(self.device),
            fine_valid.to(self.device),
            coarse_weight,
            fine_weight,
            settings,
        )


@dataclass(frozen=True)
class Hysure:
    """Method: endmembers from the survey, ADMM for each tile."""

    settings: HysureSettings = DEFAULT

    def prepare(self, survey: Survey, options: Options) -> HysureFuser:
        """See :class:`hsfuse.methods.Method`."""
        radiometry, good, unit = survey.radiometry, survey.good, survey.brightness
        spectra = survey.spectra.astype(np.float64) / unit
        endmembers, components = _endmembers(spectra[good], self.settings)
        fuser = HysureFuser(
            good,
            endmembers,
            radiometry.response[:, good] @ endmembers,
            _loading(spectra, components, good, endmembers) * np.float32(unit),
            radiometry.gain,
            radiometry.offset,
            unit,
            survey.psf,
            options.device,
            self.settings,
        )
        coarse, fine = fuser.weights
        fine = fine + self.settings.penalty * np.eye(len(fine))
        return replace(
            fuser,
            influence=influence((coarse, fine), survey.psf, survey.ratio),
            change=_last_change(fuser, survey),
        )


def _endmembers(
    spectra: NDArray[np.float64], settings: HysureSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return E with the largest volume of some runs, and the components of the spectra."""
    values, vectors = np.linalg.eigh(spectra @ spectra.T)
    rank = int((values > settings.minimum_singular_value**2 * values.max()).sum())
    count = max(1, min(settings.endmembers, rank, spectra.shape[1]))
    vectors = vectors[:, ::-1][:, :count]
    reduced = vectors.T @ spectra
    runs = (vertex_components(reduced, count, seed=seed) for seed in range(settings.runs))
    corners = max(runs, key=lambda run: abs(float(np.linalg.det(run))))
    components: NDArray[np.float64] = np.asarray(np.linalg.solve(corners, reduced), np.float64)
    return vectors @ corners, components


def _loading(
    spectra: NDArray[np.float64],
    components: NDArray[np.float64],
    good: NDArray[np.bool_],
    endmembers: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Return E with every band; those that are not good by least squares."""
    loading = np.full((len(good), endmembers.shape[1]), np.nan, np.float32)
    loading[good] = endmembers
    for band in np.flatnonzero(~good):
        valid = np.isfinite(spectra[band])
        if valid.any():
            fitted = np.linalg.lstsq(components[:, valid].T, spectra[band, valid], rcond=None)
            loading[band] = fitted[0]
    return loading


def _last_change(fuser: HysureFuser, survey: Survey) -> float:
    """Return the norm of the change of the cube in the last iteration over that of the cube."""
    (patch,) = survey.sample(1, fuser.settings.measured_pixels)
    rows, columns = patch.geometry.fine_shape
    core = Span(0, rows), Span(0, columns)
    window = Window(patch.coarse, patch.fine, patch.geometry, core, (0, 0))
    objective = fuser.objective(window)
    last: deque[Tensor] = deque(maxlen=2)
    objective.minimise(last.append)
    if len(last) < 2:
        return 1.0
    squares = [
        float((components * _apply_weight(objective.coarse_weight, components)).sum())
        for components in (last[1] - last[0], last[1])
    ]
    return math.sqrt(max(squares[0], 0.0) / max(squares[1], 1e-30))


def _apply_weight(weight: Tensor, components: Tensor) -> Tensor:
    return torch.tensordot(weight.to(components), components, dims=1)


METHOD = Hysure()
