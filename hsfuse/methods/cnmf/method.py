"""
`cnmf`: coupled non-negative matrix factorisation.

N. Yokoya, T. Yairi, A. Iwasaki, "Coupled Nonnegative Matrix Factorization Unmixing for
Hyperspectral and Multispectral Data Fusion", IEEE TGRS 50(2), 2012,
doi:10.1109/TGRS.2011.2161320. With X the HS image and Y the MS image:

1. X is unmixed into endmembers W, started by vertex component analysis, and abundances H:
   first H alone, then both.
2. Y is unmixed with R W fixed, its abundances started from those of X, interpolated.
3. X is unmixed again, started from D of the abundances of Y: first W alone, then both.
   Rounds of 2 and 3 follow; the result is W times the abundances of Y.

All by multiplicative updates (Lee and Seung). Steps 1 to 3 run on the survey and give the
scene's W; each tile then finds its own abundances, of X and then of Y, with W fixed. A
pixel depends on its own MS bands and the HS pixels around it, so tiles equal the whole; for
that reason the number of updates is fixed and does not depend on a tile's convergence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.endmembers import vertex_components
from hsfuse.core.grid import Span
from hsfuse.methods import OnePass, Options, Window
from hsfuse.methods.cnmf.settings import DEFAULT, CnmfSettings
from hsfuse.methods.coupled import (
    CoupledWindow,
    PairUnits,
    band_loading,
    coupled_windows,
    interpolate_abundances,
)
from hsfuse.observe import Interpolate
from hsfuse.pair.survey import Survey

__all__ = ["METHOD", "Cnmf", "CnmfFuser"]


@dataclass(frozen=True)
class CnmfFuser(OnePass):
    """
    The endmembers of one pair.

    Attributes
    ----------
    units : PairUnits
        Units of both images; the unit of an HS band is its root mean square.
    endmembers : ndarray of shape (good bands, endmembers)
        W, in those units.
    response : ndarray of shape (MS bands, endmembers)
        R W, in units of the scene's brightness.
    loading : ndarray of shape (bands, endmembers)
        W in HS units with the other bands, by regression; NaN for bands without data.
    settings : CnmfSettings
        Further settings of the method.
    """

    units: PairUnits
    endmembers: NDArray[np.float32]
    response: NDArray[np.float32]
    loading: NDArray[np.float32]
    settings: CnmfSettings = DEFAULT
    name: str = "cnmf"
    step: int = 1
    gives_standard_error: bool = False
    reach: tuple[float, float] = (2.0, 2.0)  # cubic: 0.12 dB over linear
    notes: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return 3 * self.endmembers.shape[1]

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {
            "method": self.name,
            "endmembers": self.endmembers.shape[1],
            "updates": self.settings.updates,
            "rounds": self.settings.rounds,
        }

    def fuse_window(self, window: Window) -> NDArray[np.float32]:
        """See :class:`hsfuse.methods.OnePass`."""
        cube = torch.tensordot(torch.from_numpy(self.loading), self.abundances(window), dims=1)
        result: NDArray[np.float32] = cube.numpy()
        return result

    def abundances(self, window: Window) -> Tensor:
        """Return the abundances over the core, shape (endmembers, core rows, core columns)."""
        return self.refined(window, *self.coarse_abundances(window), window.core)

    def coarse_abundances(self, window: Window) -> tuple[Tensor, Tensor]:
        """
        Return the abundances of a window's HS pixels, and the mask of pixels with data.

        Returns
        -------
        tuple of Tensor
            Tensors of shape (endmembers, coarse rows, coarse columns) and (coarse rows, coarse
            columns).
        """
        coarse, valid = self.units.coarse(window.coarse)
        endmembers = torch.from_numpy(self.endmembers)
        start = _equal_abundances(endmembers, valid.numel())
        abundances = _abundances(
            coarse.flatten(1), endmembers, start, self.settings.updates_coarse, self.settings
        )
        return abundances.unflatten(1, valid.shape), valid

    def refined(
        self, window: Window, abundances: Tensor, valid: Tensor, area: tuple[Span, Span]
    ) -> Tensor:
        """
        Return the abundances of MS pixels, shape (endmembers, rows, columns).

        Parameters
        ----------
        window : Window
            Window of the pair.
        abundances, valid : Tensor
            Abundances and mask of :meth:`coarse_abundances`.
        area : tuple of Span
            Rows and columns of the window's MS image.
        """
        rows, columns = area
        interpolation = Interpolate.between(window.geometry).cut(area)
        start = interpolate_abundances(interpolation, abundances, valid)
        values, _ = self.units.fine(window.fine[:, rows.slice, columns.slice])
        refined = _abundances(
            values.flatten(1),
            torch.from_numpy(self.response),
            start.flatten(1),
            self.settings.updates_fine,
            self.settings,
        )
        return refined.unflatten(1, (len(rows), len(columns)))


@dataclass(frozen=True)
class Cnmf:
    """Method: coupled on the survey, unmixed tile by tile."""

    settings: CnmfSettings = DEFAULT

    def prepare(self, survey: Survey, options: Options) -> CnmfFuser:
        """See :class:`hsfuse.methods.Method`."""
        del options  # small matrices: a GPU would wait for the loop
        settings = self.settings
        spectra = survey.spectra[survey.good].astype(np.float64)
        # Relative errors count alike in dark and bright bands: 0.3 dB better than one unit.
        unit = np.sqrt(np.square(spectra).mean(axis=1))
        unit = np.maximum(unit, 1e-6 * max(unit.max(), 1e-30))
        corners = vertex_components(spectra / unit[:, None], settings.endmembers)
        endmembers = torch.from_numpy(np.maximum(corners, settings.tiny).astype(np.float32))
        units = PairUnits.of(survey, unit)
        response = torch.from_numpy(units.response)
        windows = coupled_windows(
            survey, units, maximum_pixels=settings.maximum_pixels, ratio=settings.ratio
        )
        endmembers, abundances = _couple(windows, endmembers, response, settings)
        return CnmfFuser(
            units,
            endmembers.numpy(),
            (response @ endmembers).numpy(),
            band_loading(windows, abundances, units, endmembers),
            settings,
        )


def _couple(
    windows: Sequence[CoupledWindow],
    endmembers: Tensor,
    response: Tensor,
    settings: CnmfSettings,
) -> tuple[Tensor, Tensor]:
    """Return W and the HS abundances after the coupled factorisation."""
    image = torch.cat([window.coarse for window in windows], dim=1)
    counts = [window.coarse.shape[1] for window in windows]
    updates = settings.updates
    start = _equal_abundances(endmembers, image.shape[1])
    abundances = _abundances(image, endmembers, start, updates, settings)
    endmembers, abundances = _update_factors(image, endmembers, abundances, settings)
    for _ in range(settings.rounds):
        integrated = response @ endmembers
        parts = zip(windows, abundances.split(counts, dim=1), strict=True)
        abundances = torch.cat(
            [
                _refined_coarse_abundances(window, part, integrated, settings)
                for window, part in parts
            ],
            dim=1,
        )
        abundances = abundances.clamp_min(settings.tiny)
        # The same update with both sides transposed: W is to H as H is to W.
        endmembers = _abundances(image.mT, abundances.mT, endmembers.mT, updates, settings)
        endmembers, abundances = _update_factors(
            image, endmembers.mT.contiguous(), abundances, settings
        )
    return endmembers, abundances


def _refined_coarse_abundances(
    window: CoupledWindow, abundances: Tensor, response: Tensor, settings: CnmfSettings
) -> Tensor:
    """Return D of the abundances of Y that are started from these of X."""
    start = window.interpolated(abundances)
    return window.degraded(_abundances(window.fine, response, start, settings.updates, settings))


def _abundances(
    image: Tensor, endmembers: Tensor, start: Tensor, updates: int, settings: CnmfSettings
) -> Tensor:
    """Return non-negative H of ``image = endmembers H`` after some updates of a start."""
    abundances = start.clamp_min(settings.tiny)
    narrow = 2 * len(endmembers) < endmembers.shape[1]  # then two thin products are cheaper
    gram = endmembers.mT @ endmembers
    for part, values in zip(
        abundances.split(settings.block, 1), image.split(settings.block, 1), strict=True
    ):
        correlated = endmembers.mT @ values
        updated = part.contiguous()
        for _ in range(updates):
            predicted = endmembers.mT @ (endmembers @ updated) if narrow else gram @ updated
            updated = updated.mul_(correlated / predicted.add_(settings.tiny))
        part.copy_(updated)
    return abundances


def _update_factors(
    image: Tensor, endmembers: Tensor, abundances: Tensor, settings: CnmfSettings
) -> tuple[Tensor, Tensor]:
    """
    Return both factors after alternating updates.

    Products with an image of many bands are those with its leading singular vectors, twice as
    many as endmembers: the others are noise.
    """
    tiny, count = settings.tiny, min(len(image), 2 * endmembers.shape[1])
    vectors = torch.linalg.eigh((image @ image.mT).double())[1][:, -count:].to(image)
    reduced = vectors.mT @ image
    for _ in range(settings.updates):
        gain = (vectors @ (reduced @ abundances.mT)).clamp_min(tiny)
        endmembers = endmembers * gain / (endmembers @ (abundances @ abundances.mT) + tiny)
        gain = ((endmembers.mT @ vectors) @ reduced).clamp_min(tiny)
        abundances = abundances * gain / (endmembers.mT @ endmembers @ abundances + tiny)
    return endmembers, abundances


def _equal_abundances(endmembers: Tensor, pixels: int) -> Tensor:
    """Return equal abundances."""
    return torch.full((endmembers.shape[1], pixels), 1 / endmembers.shape[1])


METHOD = Cnmf()
