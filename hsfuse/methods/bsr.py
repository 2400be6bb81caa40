"""
`bsr`: Bayesian sparse representation.

N. Akhtar, F. Shafait, A. Mian, "Bayesian Sparse Representation for Hyperspectral Image Super
Resolution", CVPR 2015, doi:10.1109/CVPR.2015.7298986. A pixel is ``y = Phi (z * s) + noise``: Phi a
dictionary of spectra, z which atoms the pixel uses (Bernoulli, with the probability pi of an atom
from a beta process), s their Gaussian weights.

1. Gibbs sampling draws Phi, z, s, pi and the precisions of weights and noise given the HS pixels
   (Zhou et al. 2012, doi:10.1109/TIP.2011.2160072). Atoms that no pixel uses are removed, so that
   the number of atoms is inferred.
2. With Phi fixed, R Phi represents the MS pixels: z, s and the two precisions are drawn again,
   Q times. The mean of the Q codes gives the spectra.

Differences from the publication: the dictionary is learned on the survey, and so are the precisions
of the second stage: they are drawn on MS pixels of the survey, and a tile repeats the sequence. All
pixels of a chain share its random numbers. So the code of a pixel depends on its MS bands alone,
has the distribution of the publication, and is the same bits in any tile; between pixels the errors
of the mean over Q chains are correlated, not larger.
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
from hsfuse.solvers.beta_process import (
    Chain,
    learn_dictionary_by_gibbs,
    sample_codes,
    sample_precisions,
)

__all__ = ["METHOD", "Bsr", "BsrFuser", "BsrSettings"]


@dataclass(frozen=True, slots=True)
class BsrSettings:
    """Settings of `bsr`, by default those of the release of the authors."""

    atoms: int = 50  # K at the start
    prior: float = 1e-6  # a0 to f0 of all beta and gamma priors
    usage: float = 0.005  # pi at the start
    # The release draws 50 000 dictionaries and averages them all; here the mean is that of the
    # second half of a shorter chain.
    iterations: int = 300
    # Q chains of the codes and the draws of each, of which the last counts. They take most of the
    # time: on abu_urban_1 8 chains lose 1.3 dB and 0.7 degrees, and 50 draws another 0.04 dB.
    chains: int = 32
    draws: int = 100
    # HS spectra and MS pixels of the survey from which dictionary and precisions are drawn.
    maximum_spectra: int = 2048
    maximum_pixels: int = 2048
    # MS pixels at a time, so that most of their codes stay in the cache.
    block: int = 32768
    seed: int = 0


DEFAULT = BsrSettings()


@dataclass(frozen=True)
class BsrFuser(OnePass):
    """
    The dictionary of one pair, and the precisions of the codes.

    Attributes
    ----------
    units : PairUnits
        Units of both images, the same for all HS bands.
    response : ndarray of shape (MS bands, atoms)
        R Phi.
    usage : ndarray of shape (atoms,)
        pi, the probability that a pixel uses an atom.
    precisions : ndarray of shape (chains, draws, 2)
        Precisions of weights and of noise in every draw of every chain.
    loading : ndarray of shape (bands, atoms)
        Phi in HS units with the other bands, by regression; NaN for bands without data.
    device : str
        Device of the computation.
    settings : BsrSettings
        Further settings of the method.
    """

    units: PairUnits
    response: NDArray[np.float32]
    usage: NDArray[np.float32]
    precisions: NDArray[np.float32]
    loading: NDArray[np.float32]
    device: str = "cpu"
    settings: BsrSettings = DEFAULT
    name: str = "bsr"
    step: int = 1
    gives_standard_error: bool = False
    reach: tuple[float, float] = (0.0, 0.0)
    notes: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return len(self.loading) + 2 * self.response.shape[1]

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {
            "method": self.name,
            "atoms": self.response.shape[1],
            "chains": len(self.precisions),
            "draws": self.precisions.shape[1],
        }

    def fuse_window(self, window: Window) -> NDArray[np.float32]:
        """See :class:`hsfuse.methods.OnePass`."""
        rows, columns = (span.slice for span in window.core)
        fine, valid = self.units.fine(window.fine[:, rows, columns])
        response, usage, loading = (
            torch.from_numpy(array).to(self.device)
            for array in (self.response, self.usage, self.loading)
        )
        parts = []
        for values in fine.flatten(1).to(self.device).split(self.settings.block, 1):
            codes = torch.zeros((response.shape[1], values.shape[1]), device=self.device)
            for index, precisions in enumerate(self.precisions):
                chain = Chain(response, usage, self.settings.seed + index)
                codes += sample_codes(chain, values, precisions.tolist())
            parts.append(loading @ (codes / len(self.precisions)))
        fused: NDArray[np.float32] = torch.cat(parts, 1).unflatten(1, valid.shape).cpu().numpy()
        return fused


@dataclass(frozen=True)
class Bsr:
    """Method: dictionary and precisions of the survey, codes pixel by pixel."""

    settings: BsrSettings = DEFAULT

    def prepare(self, survey: Survey, options: Options) -> BsrFuser:
        """See :class:`hsfuse.methods.Method`."""
        settings = self.settings
        units = PairUnits.of(survey)
        raw = survey.spectra[:, :: -(-survey.spectra.shape[1] // settings.maximum_spectra)]
        dictionary, usage, codes = learn_dictionary_by_gibbs(
            units.spectra(raw),
            settings.atoms,
            usage=settings.usage,
            prior=settings.prior,
            iterations=settings.iterations,
            seed=settings.seed,
        )
        response = torch.from_numpy(units.response) @ dictionary
        values = _survey_pixels(survey, units, settings.maximum_pixels)
        precisions = [
            sample_precisions(
                Chain(response, usage, settings.seed + index),
                values,
                settings.draws,
                settings.prior,
            )
            for index in range(settings.chains)
        ]
        loading = units.loading(dictionary, raw, lambda: codes)
        return BsrFuser(
            units,
            response.numpy(),
            usage.numpy(),
            np.array(precisions, np.float32),
            loading,
            options.device,
            settings,
        )


def _survey_pixels(survey: Survey, units: PairUnits, maximum: int) -> Tensor:
    """Return MS pixels with data spread over the survey, (MS bands, pixels), in units."""
    parts = []
    for patch in survey.patches:
        fine, valid = units.fine(patch.fine)
        parts.append(fine[:, valid])
    pixels = torch.cat(parts, dim=1)
    return pixels[:, :: max(pixels.shape[1] // maximum, 1)]


METHOD = Bsr()
