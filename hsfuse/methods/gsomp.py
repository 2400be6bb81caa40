"""
`gsomp`: sparse spatio-spectral representation by generalised simultaneous orthogonal pursuit.

N. Akhtar, F. Shafait, A. Mian, "Sparse Spatio-spectral Representation for Hyperspectral Image
Super-resolution", ECCV 2014, doi:10.1007/978-3-319-10584-0_5. A dictionary of non-negative
spectra is learned from the HS pixels; R of it represents the MS pixels of a patch with few atoms
that all of them share, found by G-SOMP+ (Algorithm 1): in every iteration the atoms
that correlate most with the residuals of all pixels join the support, non-negative least squares
gives the codes of each pixel, and the search ends where the residual falls no more.

Differences from the publication: the dictionary is learned on the survey by block-coordinate
descent (:mod:`hsfuse.solvers.dictionary`), not by the SPAMS library. Patches are aligned to the
scene and windows start with one, so tiles equal the whole. The HS image serves the dictionary
alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.methods import OnePass, Options, Window
from hsfuse.methods.coupled import PairUnits
from hsfuse.pair.survey import Survey
from hsfuse.solvers.active_set import nonnegative_least_squares
from hsfuse.solvers.dictionary import learn_dictionary
from hsfuse.solvers.nonnegative import nonnegative_codes

__all__ = ["METHOD", "Gsomp", "GsompFuser", "GsompSettings", "pursue"]


@dataclass(frozen=True, slots=True)
class GsompSettings:
    """Settings of `gsomp`, by default those of the release of the authors."""

    # k; the release has 300 for noise-free CAVE, the comparison of Yokoya et al. 2017,
    # doi:10.1109/MGRS.2016.2637824, as many as HS bands. On two scenes at 30 dB 300 random spectra
    # lose up to 3 dB to 60: more of them look alike in the MS bands.
    atoms: int = 60
    selected: int = 20  # L: atoms that join the support in an iteration
    decay: float = 0.99  # gamma: the search ends where the residual falls by less
    patch: int = 8
    # Penalty of the codes from which the dictionary is learned, in lengths of the noise of a
    # spectrum, and its minimum.
    # The publication bounds their residual by a tiny eta, for images without noise: on
    # feathers 2.6 dB better than a penalty for 30 dB; at 30 dB, where atoms then fit the noise,
    # 4 to 5 dB worse on two scenes, and 9 dB with 300 atoms.
    penalty: float = 3.0
    minimum_penalty: float = 1e-3
    rounds: int = 5
    maximum_spectra: int = 2048
    # A support of every atom ends the search anyway; patches of real scenes take two to four.
    maximum_iterations: int = 15
    # Patches at a time.
    block: int = 256
    seed: int = 0


DEFAULT = GsompSettings()


@dataclass(frozen=True)
class GsompFuser(OnePass):
    """
    The dictionary of one pair.

    Attributes
    ----------
    units : PairUnits
        Units of both images, the same for all HS bands.
    response : ndarray of shape (MS bands, atoms)
        R of the dictionary.
    loading : ndarray of shape (bands, atoms)
        The dictionary in HS units with the other bands, by regression; NaN without data.
    reach : tuple of float
        Side of a patch in HS pixels.
    device : str
        Device of the computation.
    settings : GsompSettings
        Further settings of the method.
    """

    units: PairUnits
    response: NDArray[np.float32]
    loading: NDArray[np.float32]
    reach: tuple[float, float]
    device: str = "cpu"
    settings: GsompSettings = DEFAULT
    name: str = "gsomp"
    gives_standard_error: bool = False
    notes: tuple[str, ...] = ()

    @property
    def step(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.settings.patch

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return len(self.loading) + 8 * len(self.response)

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {
            "method": self.name,
            "atoms": self.response.shape[1],
            "selected": self.settings.selected,
            "patch": self.settings.patch,
        }

    def fuse_window(self, window: Window) -> NDArray[np.float32]:
        """See :class:`hsfuse.methods.OnePass`."""
        side = self.settings.patch
        fine, valid = self.units.fine(window.fine)
        _, height, width = fine.shape
        image = torch.where(valid, fine, torch.zeros_like(fine)).to(self.device)
        # Zeros beyond the image and in gaps: a pixel without residual supports no atom.
        image = torch.nn.functional.pad(image, (0, -width % side, 0, -height % side))
        down, across = image.shape[1] // side, image.shape[2] // side
        patches = image.unflatten(2, (across, side)).unflatten(1, (down, side))
        patches = patches.permute(1, 3, 2, 4, 0).flatten(2, 3).flatten(0, 1)
        cube = torch.cat([self._spectra(part) for part in patches.split(self.settings.block)])
        cube = cube.unflatten(1, (side, side)).unflatten(0, (down, across))
        whole = cube.permute(4, 0, 2, 1, 3).flatten(3, 4).flatten(1, 2)
        rows, columns = (span.slice for span in window.core)
        fused: NDArray[np.float32] = whole[:, rows, columns].cpu().numpy()
        return fused

    def _spectra(self, patches: Tensor) -> Tensor:
        """Return the fused pixels of patches, (patches, pixels, bands)."""
        response, loading = (
            torch.from_numpy(array).to(self.device) for array in (self.response, self.loading)
        )
        atom, code = pursue(response, patches, self.settings)
        spectra = torch.nn.functional.embedding_bag(
            atom.flatten(0, 1),
            loading.mT.contiguous(),
            per_sample_weights=code.flatten(0, 1),
            mode="sum",
        )
        return spectra.unflatten(0, patches.shape[:2])


def pursue(
    response: Tensor, patches: Tensor, settings: GsompSettings = DEFAULT
) -> tuple[Tensor, Tensor]:
    """
    Return the codes of all patches by G-SOMP+.

    Parameters
    ----------
    response : Tensor of shape (MS bands, atoms)
        R of the dictionary.
    patches : Tensor of shape (patches, pixels, MS bands)
        MS pixels in the units of R.
    settings : GsompSettings
        Settings of the search.

    Returns
    -------
    tuple of Tensor of shape (patches, pixels, MS bands)
        Atoms with a code, at most as many as bands, and their codes.
    """
    unit = response / torch.linalg.vector_norm(response, dim=0).clamp_min(1e-12)
    support = torch.zeros((len(patches), response.shape[1]), device=patches.device)
    residual, before = patches, torch.linalg.vector_norm(patches, dim=(1, 2))
    atom = torch.zeros(patches.shape, dtype=torch.long, device=patches.device)
    code = torch.zeros_like(patches)
    active = torch.arange(len(patches), device=patches.device)
    for _ in range(min(settings.maximum_iterations, -(-response.shape[1] // settings.selected))):
        length = torch.linalg.vector_norm(residual, dim=2, keepdim=True).clamp_min(1e-12)
        # Line 1 of the iteration.
        correlation = (residual / length).double().sum(dim=1) @ unit.double()
        # Atoms that are in the support already may be selected again, as in the publication.
        selected = correlation.topk(min(settings.selected, response.shape[1]), dim=1).indices
        support[active] = support[active].scatter(1, selected, 1.0)
        fitted = nonnegative_least_squares(response, patches[active], support[active] > 0)
        atom[active], code[active] = fitted
        residual = patches[active] - (fitted[1][..., None] * response.mT[fitted[0]]).sum(dim=2)
        after = torch.linalg.vector_norm(residual, dim=(1, 2))
        falling = after <= settings.decay * before
        active, residual, before = active[falling], residual[falling], after[falling]
        if not len(active):
            break
    return atom, code


@dataclass(frozen=True)
class Gsomp:
    """Method: a dictionary of the survey, codes patch by patch."""

    settings: GsompSettings = DEFAULT

    def prepare(self, survey: Survey, options: Options) -> GsompFuser:
        """See :class:`hsfuse.methods.Method`."""
        settings, good, device = self.settings, survey.good, options.device
        units = PairUnits.of(survey)
        raw = survey.spectra[:, :: -(-survey.spectra.shape[1] // settings.maximum_spectra)]
        spectra = units.spectra(raw).to(device)
        noise = float(np.linalg.norm(survey.noise[good])) / survey.brightness
        dictionary = learn_dictionary(
            spectra,
            min(settings.atoms, spectra.shape[1]),
            penalty=max(settings.penalty * noise, settings.minimum_penalty),
            rounds=settings.rounds,
            seed=settings.seed,
        )
        loading = units.loading(dictionary, raw, lambda: nonnegative_codes(dictionary, spectra))
        ratio = survey.ratio
        return GsompFuser(
            units,
            units.response @ dictionary.cpu().numpy(),
            loading,
            (settings.patch / ratio[0], settings.patch / ratio[1]),
            device,
            settings,
        )


METHOD = Gsomp()
