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

import math
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
from hsfuse.observe import Degrade, Interpolate
from hsfuse.pair.survey import Survey

__all__ = ["METHOD", "Cnmf", "CnmfFuser"]


@dataclass(frozen=True)
class CnmfFuser(OnePass):
    """
    The endmembers of one pair.

    Attributes
    ----------
    good : ndarray of bool, shape (bands,)
        HS bands that were unmixed.
    unit : ndarray of shape (good bands,)
        Root mean square of each.
    endmembers : ndarray of shape (good bands, endmembers)
        W, in those units.
    response : ndarray of shape (MS bands, endmembers)
        R W, in units of the scene's brightness.
    loading : ndarray of shape (bands, endmembers)
        W in HS units with the other bands, by regression; NaN for bands without data.
    gain, offset : ndarray of shape (MS bands,)
        Y is ``gain * response H + offset``.
    settings : CnmfSettings
        The other numbers.
    """

    good: NDArray[np.bool_]
    unit: NDArray[np.float32]
    endmembers: NDArray[np.float32]
    response: NDArray[np.float32]
    loading: NDArray[np.float32]
    gain: NDArray[np.float64]
    offset: NDArray[np.float64]
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

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """See :class:`hsfuse.methods.Fuser`."""
        return [self._fuse(window) for window in windows]

    def _fuse(self, window: Window) -> NDArray[np.float32]:
        cube = torch.tensordot(torch.from_numpy(self.loading), self.abundances(window), dims=1)
        result: NDArray[np.float32] = cube.numpy()
        return result

    def abundances(self, window: Window) -> Tensor:
        """Return the abundances over the core, shape (endmembers, core rows, core columns)."""
        return self.refined(window, *self.coarse_abundances(window), window.core)

    def coarse_abundances(self, window: Window) -> tuple[Tensor, Tensor]:
        """
        Return the abundances of a window's HS pixels, and which of these hold data.

        Returns
        -------
        tuple of Tensor
            Of shape (endmembers, coarse rows, coarse columns), and (coarse rows, coarse columns).
        """
        coarse, known = _positive(window.coarse[self.good], self.unit, self.settings)
        endmembers = torch.from_numpy(self.endmembers)
        start = _equal(endmembers, known.numel())
        mixed = _abundances(
            coarse.flatten(1), endmembers, start, self.settings.updates_coarse, self.settings
        )
        return mixed.unflatten(1, known.shape), known

    def refined(
        self, window: Window, mixed: Tensor, known: Tensor, area: tuple[Span, Span]
    ) -> Tensor:
        """
        Return the abundances of MS pixels, shape (endmembers, rows, columns).

        Parameters
        ----------
        window : Window
            The pair.
        mixed, known : Tensor
            From :meth:`coarse_abundances`.
        area : tuple of Span
            Rows and columns of the window's MS image.
        """
        rows, columns = area
        interpolation = Interpolate.between(window.geometry).cut(area)
        start = _interpolated(interpolation, mixed, known, self.settings)
        fine = window.fine[:, rows.slice, columns.slice] - self.offset[:, None, None]
        values, _ = _positive(fine, self.gain, self.settings)
        found = _abundances(
            values.flatten(1),
            torch.from_numpy(self.response),
            start.flatten(1),
            self.settings.updates_fine,
            self.settings,
        )
        return found.unflatten(1, (len(rows), len(columns)))


@dataclass(frozen=True)
class Cnmf:
    """The method: coupled on the survey, unmixed tile by tile."""

    settings: CnmfSettings = DEFAULT

    def prepare(self, survey: Survey, options: Options) -> CnmfFuser:
        """See :class:`hsfuse.methods.Method`."""
        del options  # small matrices: a GPU would wait for the loop
        radiometry = survey.radiometry
        good = survey.good
        spectra = survey.spectra[good].astype(np.float64)
        # Relative errors count alike in dark and bright bands: 0.3 dB better than one unit.
        unit = np.sqrt(np.square(spectra).mean(axis=1))
        unit = np.maximum(unit, 1e-6 * max(unit.max(), 1e-30))
        corners = vertex_components(spectra / unit[:, None], self.settings.endmembers)
        endmembers = torch.from_numpy(np.maximum(corners, self.settings.tiny).astype(np.float32))
        response = radiometry.response[:, good] * unit / survey.brightness
        integrated = torch.from_numpy(response.astype(np.float32))
        gain = radiometry.gain * survey.brightness
        settings = self.settings
        coupled = _coupled(survey, unit.astype(np.float32), gain, radiometry.offset, settings)
        endmembers, mixed = _couple(coupled, endmembers, integrated, settings)
        return CnmfFuser(
            good,
            unit.astype(np.float32),
            endmembers.numpy(),
            (integrated @ endmembers).numpy(),
            _loading(coupled, mixed, good, endmembers.numpy() * unit[:, None]),
            gain,
            radiometry.offset,
            settings,
        )


@dataclass(frozen=True)
class _CoupledWindow:
    """
    A surveyed window, scaled for unmixing.

    Attributes
    ----------
    raw : ndarray of shape (bands, pixels)
        HS pixels with data in both images, in HS units.
    coarse : Tensor of shape (good bands, pixels)
        The same in units, non-negative.
    fine : Tensor of shape (MS bands, fine pixels)
        MS pixels in units, non-negative.
    used, filled : Tensor of bool, shape (rows, columns) of HS and of MS pixels
        Where they are.
    degrade, interpolation
        D and the interpolation to the fine grid.
    settings : CnmfSettings
        Numbers of updates.
    """

    raw: NDArray[np.float32]
    coarse: Tensor
    fine: Tensor
    used: Tensor
    filled: Tensor
    degrade: Degrade
    interpolation: Interpolate
    settings: CnmfSettings

    def refine(self, mixed: Tensor, response: Tensor) -> Tensor:
        """Return D of the abundances of Y that are started from these of X."""
        whole = torch.zeros((len(mixed), self.used.numel()))
        whole[:, self.used.flatten()] = mixed
        whole = whole.unflatten(1, self.used.shape)
        start = _interpolated(self.interpolation, whole, self.used, self.settings).flatten(1)
        found = _abundances(self.fine, response, start, self.settings.updates, self.settings)
        again, _ = self.degrade.forward_masked(found.unflatten(1, self.filled.shape), self.filled)
        return again[:, self.used]


def _coupled(
    survey: Survey,
    unit: NDArray[np.float32],
    gain: NDArray[np.float64],
    offset: NDArray[np.float64],
    settings: CnmfSettings,
) -> list[_CoupledWindow]:
    """Return the survey's windows with data in both images, reduced to the largest total size."""
    coupled = []
    pixels = sum(patch.fine[0].size for patch in survey.patches)
    factor = math.ceil(math.sqrt(pixels / settings.most_pixels))
    ratio = max(min(survey.ratio) / factor, settings.ratio)
    for whole in survey.patches:
        patch = whole.averaged(ratio) if factor > 1 else whole
        patch = patch.middle(survey.psf, settings.most_pixels / len(survey.patches))
        _, used = survey.degraded(patch)
        if not used.any():
            continue
        coarse, _ = _positive(patch.coarse[survey.good], unit, settings)
        fine, filled = _positive(patch.fine - offset[:, None, None], gain, settings)
        coupled.append(
            _CoupledWindow(
                patch.coarse[:, used],
                coarse[:, torch.from_numpy(used)],
                fine.flatten(1),
                torch.from_numpy(used),
                filled,
                Degrade.between(patch.geometry, survey.psf),
                Interpolate.between(patch.geometry),
                settings,
            )
        )
    return coupled


def _couple(
    windows: Sequence[_CoupledWindow],
    endmembers: Tensor,
    response: Tensor,
    settings: CnmfSettings,
) -> tuple[Tensor, Tensor]:
    """Return W and the HS abundances after the coupled factorisation."""
    image = torch.cat([window.coarse for window in windows], dim=1)
    counts = [window.coarse.shape[1] for window in windows]
    updates = settings.updates
    start = _equal(endmembers, image.shape[1])
    mixed = _abundances(image, endmembers, start, updates, settings)
    endmembers, mixed = _factors(image, endmembers, mixed, settings)
    for _ in range(settings.rounds):
        integrated = response @ endmembers
        parts = zip(windows, mixed.split(counts, dim=1), strict=True)
        mixed = torch.cat([window.refine(part, integrated) for window, part in parts], dim=1)
        mixed = mixed.clamp_min(settings.tiny)
        # The same update with both sides transposed: W is to H as H is to W.
        endmembers = _abundances(image.mT, mixed.mT, endmembers.mT, updates, settings)
        endmembers, mixed = _factors(image, endmembers.mT.contiguous(), mixed, settings)
    return endmembers, mixed


def _abundances(
    image: Tensor, endmembers: Tensor, start: Tensor, updates: int, settings: CnmfSettings
) -> Tensor:
    """Return non-negative H of ``image = endmembers H`` after some updates of a start."""
    found = start.clamp_min(settings.tiny)
    narrow = 2 * len(endmembers) < endmembers.shape[1]  # then two thin products are cheaper
    gram = endmembers.mT @ endmembers
    for part, values in zip(
        found.split(settings.block, 1), image.split(settings.block, 1), strict=True
    ):
        correlated = endmembers.mT @ values
        mixed = part.contiguous()
        for _ in range(updates):
            predicted = endmembers.mT @ (endmembers @ mixed) if narrow else gram @ mixed
            mixed = mixed.mul_(correlated / predicted.add_(settings.tiny))
        part.copy_(mixed)
    return found


def _factors(
    image: Tensor, endmembers: Tensor, mixed: Tensor, settings: CnmfSettings
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
        gain = (vectors @ (reduced @ mixed.mT)).clamp_min(tiny)
        endmembers = endmembers * gain / (endmembers @ (mixed @ mixed.mT) + tiny)
        gain = ((endmembers.mT @ vectors) @ reduced).clamp_min(tiny)
        mixed = mixed * gain / (endmembers.mT @ endmembers @ mixed + tiny)
    return endmembers, mixed


def _equal(endmembers: Tensor, pixels: int) -> Tensor:
    """Return equal abundances."""
    return torch.full((endmembers.shape[1], pixels), 1 / endmembers.shape[1])


def _positive(
    values: NDArray[np.floating], unit: NDArray[np.floating], settings: CnmfSettings
) -> tuple[Tensor, Tensor]:
    """Return an image in units, non-negative, and where all bands have data."""
    scaled = torch.from_numpy((values / unit[:, None, None]).astype(np.float32))
    known = torch.isfinite(scaled).all(dim=0)
    return torch.nan_to_num(scaled, 0.0, 0.0, 0.0).clamp_min(settings.tiny), known


def _interpolated(
    interpolation: Interpolate, mixed: Tensor, known: Tensor, settings: CnmfSettings
) -> Tensor:
    """Return HS abundances on the fine grid from valid pixels, equal where there are none."""
    weight = interpolation.forward(known.float())
    spread = interpolation.forward(torch.where(known, mixed, torch.zeros(())))
    equal = torch.full((), 1 / len(mixed))
    least = settings.least_weight
    return torch.where(weight > least, spread / weight.clamp_min(least), equal)


def _loading(
    windows: Sequence[_CoupledWindow],
    mixed: Tensor,
    good: NDArray[np.bool_],
    endmembers: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Return W with every band; those that were not unmixed by least squares."""
    loading = np.full((len(good), endmembers.shape[1]), np.nan, np.float32)
    loading[good] = endmembers
    spectra, design = np.concatenate([window.raw for window in windows], axis=1), mixed.numpy()
    for band in np.flatnonzero(~good):
        known = np.isfinite(spectra[band])
        if known.any():
            loading[band] = np.linalg.lstsq(design[:, known].T, spectra[band, known], rcond=None)[0]
    return loading


METHOD = Cnmf()
