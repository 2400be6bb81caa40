"""
`nnsr`: non-negative structured sparse representation.

W. Dong, F. Fu, G. Shi, X. Cao, J. Wu, G. Li, X. Li, "Hyperspectral Image Super-Resolution via
Non-Negative Structured Sparse Representation", IEEE TIP 25(5), 2016, doi:10.1109/TIP.2016.2542360.
With X the HS image, Y the MS image, H the degradation D and P the response:

1. A dictionary D of spectra is learned from X (Algorithm 1; :mod:`hsfuse.solvers.dictionary`).
2. The codes A of MS pixels minimise (Algorithm 2)

       ||Y - P D A||^2 + ||X - D A H||^2 + eta1 ||D A - U||^2 + eta2 ||A||_1  with  A >= 0,

   where a column of U is the mean of the estimated spectra of the pixels whose patches in Y
   are most similar, by non-local weights.

By the alternating direction method of multipliers (ADMM) with ``Z = D A`` and ``S = A``, a weight
mu that grows by a factor, and U updated in every iteration. The result is Z.

Differences from the publication: D is learned on the survey. A tile is solved with the MS and HS
pixels within the reach about it; through H and U a pixel depends on all others, by less and less,
so that a tile differs from the same part of the whole by a few thousandths of the scene's
brightness at most. The equation of Z is solved exactly (:mod:`hsfuse.solvers.sylvester`), not by
conjugate gradients. The back-projection at the end of the authors' release, which fits the noise of
both images, is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.psf import PSF
from hsfuse.methods import OnePass, Options, Window
from hsfuse.methods.coupled import PairUnits, regress_bands
from hsfuse.methods.degraded_window import DegradedWindow
from hsfuse.methods.nonlocal_means import find_similar_pixels
from hsfuse.pair.survey import Survey
from hsfuse.solvers.dictionary import learn_dictionary
from hsfuse.solvers.nonnegative import nonnegative_codes
from hsfuse.solvers.sylvester import SingularVectors, SylvesterSolver

__all__ = ["METHOD", "Nnsr", "NnsrFuser", "NnsrSettings"]


@dataclass(frozen=True, slots=True)
class NnsrSettings:
    """Settings of `nnsr`, by default those of the release of the authors."""

    atoms: int = 80
    penalty: float = 1e-3  # lambda of the dictionary
    rounds: int = 10
    # Values of the release for ratio 8 and uniform blur; at 16 and other ratios it has 0.8e-4 and
    # 1e-4.
    structure: float = 0.015  # eta1
    sparsity: float = 1e-4  # eta2
    weight: float = 2e-4  # mu, and the factor by which it grows
    growth: float = 1.1
    iterations: int = 26
    # Similar pixels, search radius, and bandwidth of the weights: 90 where white is 255.
    similar: int = 10
    radius: int = 18
    bandwidth: float = 90 / 255**2
    # Spectra from which the dictionary is learned: all of a CAVE scene at ratio 8.
    maximum_spectra: int = 4096
    # HS pixels about a tile.
    reach: float = 8.0
    # MS pixels at a time, so that their codes stay in the cache.
    block: int = 2048
    seed: int = 0


DEFAULT = NnsrSettings()


@dataclass(frozen=True)
class NnsrFuser(OnePass):
    """
    The dictionary of one pair.

    Attributes
    ----------
    units : PairUnits
        Units of both images, the same for all HS bands.
    dictionary : ndarray of shape (good bands, atoms)
        D, in units.
    other_loading : ndarray of shape (other bands, atoms)
        HS bands that are not good, in HS units, by regression on codes.
    psf : PSF
        PSF of the HS sensor.
    device : str
        Device of the computation.
    settings : NnsrSettings
        Further settings of the method.
    """

    units: PairUnits
    dictionary: NDArray[np.float32]
    other_loading: NDArray[np.float32]
    psf: PSF
    device: str = "cpu"
    settings: NnsrSettings = DEFAULT
    name: str = "nnsr"
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
        bands, atoms = self.dictionary.shape
        return 2 * atoms + 9 * bands + 3 * self.settings.similar

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {
            "method": self.name,
            "atoms": self.dictionary.shape[1],
            "iterations": self.settings.iterations,
        }

    def fuse_window(self, window: Window) -> NDArray[np.float32]:
        """See :class:`hsfuse.methods.OnePass`."""
        problem = DegradedWindow.of(window, self.units, self.psf, self.device)
        cube, codes = _Solver.of(
            problem, self.dictionary, self.units.response, self.settings
        ).solve()
        rows, columns = (span.slice for span in window.core)
        cube = cube.unflatten(1, problem.fine.shape[1:])[:, rows, columns]
        codes = codes.unflatten(1, problem.fine.shape[1:])[:, rows, columns]
        other_loading = torch.from_numpy(self.other_loading).to(self.device)
        good = self.units.good
        fused = np.empty((len(good), *cube.shape[1:]), np.float32)
        fused[good] = cube.cpu().numpy() * self.units.unit[:, None, None]
        fused[~good] = torch.tensordot(other_loading, codes, dims=1).cpu().numpy()
        return fused


@dataclass
class _State:
    """
    Variables of Algorithm 2, each of shape (..., MS pixels).

    Attributes
    ----------
    fine : Tensor
        Y, with gaps filled by P D A.
    cube, mean, dual_cube : Tensor
        Z, U and V1 / 2.
    sparse, dual : Tensor
        S and V2 / 2.
    reconstruction, predicted : Tensor
        D A and P D A.
    """

    fine: Tensor
    cube: Tensor
    mean: Tensor
    dual_cube: Tensor
    sparse: Tensor
    dual: Tensor
    reconstruction: Tensor
    predicted: Tensor

    @classmethod
    def start(cls, fine: Tensor, bands: int, atoms: int) -> _State:
        """Return zeros for an MS image (MS bands, pixels)."""
        counts = (bands, bands, bands, atoms, atoms, bands, len(fine))
        return cls(fine, *(fine.new_zeros((count, fine.shape[1])) for count in counts))

    def part(self, pixels: slice) -> _State:
        """Return views of some pixels."""
        return _State(*(getattr(self, one.name)[:, pixels] for one in fields(self)))


@dataclass(frozen=True)
class _Solver:
    """
    Algorithm 2 for one window.

    Attributes
    ----------
    problem : DegradedWindow
        X, Y and H.
    dictionary : Tensor of shape (bands, atoms)
        D.
    response : Tensor of shape (MS bands, atoms)
        P D.
    settings : NnsrSettings
        Weights.
    """

    problem: DegradedWindow
    dictionary: Tensor
    response: Tensor
    settings: NnsrSettings

    @classmethod
    def of(
        cls,
        problem: DegradedWindow,
        dictionary: NDArray[np.float32],
        response: NDArray[np.float32],
        settings: NnsrSettings,
    ) -> _Solver:
        atoms = torch.from_numpy(dictionary).to(problem.fine.device)
        return cls(problem, atoms, torch.from_numpy(response).to(atoms) @ atoms, settings)

    def solve(self) -> tuple[Tensor, Tensor]:
        """Return Z and S, each of shape (..., MS pixels)."""
        settings, problem = self.settings, self.problem
        similar = find_similar_pixels(
            problem.fine,
            problem.fine_valid,
            count=settings.similar,
            radius=settings.radius,
            bandwidth=settings.bandwidth,
        )
        vectors, weight = SingularVectors.of(problem.degrade), settings.weight
        state = _State.start(problem.fine.flatten(1), len(self.dictionary), len(self.dictionary.mT))
        for _ in range(settings.iterations):
            self._update_codes(state, weight)
            solver = SylvesterSolver(vectors, None, torch.full_like(state.cube[:, 0], weight))
            right = torch.add(state.dual_cube, state.reconstruction, alpha=weight)
            state.cube = solver.solve(
                problem.filled_coarse(state.reconstruction), problem.image(right)
            ).flatten(1)
            state.dual_cube.add_(state.reconstruction - state.cube, alpha=weight / 2)
            state.mean = similar.mean(state.cube)
            state.fine = problem.filled_fine(state.predicted)
            weight *= settings.growth
        return state.cube, state.sparse

    def _update_codes(self, state: _State, weight: float) -> None:
        """
        Update A and what follows from it, some pixels at a time.

        A are the solutions of normal equations, pixel by pixel, with the right-hand sides
        ``D'(eta1 U + mu Z - V1 / 2) + (P D)' Y + mu S + V2 / 2``.
        """
        settings, inverse = self.settings, self._inverse(weight)
        for start in range(0, state.cube.shape[1], settings.block):
            part = state.part(slice(start, start + settings.block))
            target = (settings.structure * part.mean).add_(part.cube, alpha=weight)
            target -= part.dual_cube
            right = torch.add(part.dual, part.sparse, alpha=weight)
            right.addmm_(self.dictionary.mT, target).addmm_(self.response.mT, part.fine)
            codes = inverse @ right
            part.reconstruction.copy_(self.dictionary @ codes)
            part.predicted.copy_(self.response @ codes)
            shrunk = torch.sub(codes, part.dual, alpha=1 / weight)
            part.sparse.copy_(shrunk.sub_(settings.sparsity / 2 / weight).clamp_min_(0))
            part.dual.add_(part.sparse - codes, alpha=weight / 2)

    def _inverse(self, weight: float) -> Tensor:
        """Return the inverse of the normal equations of A for a weight mu."""
        gram = self.dictionary.mT @ self.dictionary
        normal = (
            self.response.mT @ self.response
            + (self.settings.structure + weight) * gram
            + weight * torch.eye(len(gram), device=gram.device)
        )
        return torch.linalg.inv(normal.double()).to(gram)


@dataclass(frozen=True)
class Nnsr:
    """Method: a dictionary of the survey, codes tile by tile."""

    settings: NnsrSettings = DEFAULT

    def prepare(self, survey: Survey, options: Options) -> NnsrFuser:
        """See :class:`hsfuse.methods.Method`."""
        settings, good, device = self.settings, survey.good, options.device
        units = PairUnits.of(survey)
        raw = survey.spectra[:, :: max(survey.spectra.shape[1] // settings.maximum_spectra, 1)]
        spectra = units.spectra(raw).to(device)
        dictionary = learn_dictionary(
            spectra,
            settings.atoms,
            penalty=settings.penalty,
            rounds=settings.rounds,
            seed=settings.seed,
        )
        codes = nonnegative_codes(dictionary, spectra, penalty=settings.penalty)
        return NnsrFuser(
            units,
            dictionary.cpu().numpy(),
            regress_bands(raw[~good], codes.cpu().numpy()),
            survey.psf,
            device,
            settings,
        )


METHOD = Nnsr()
