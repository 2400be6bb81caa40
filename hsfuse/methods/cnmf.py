"""
`cnmf`: coupled non-negative matrix factorisation.

N. Yokoya, T. Yairi, A. Iwasaki, "Coupled Nonnegative Matrix Factorization Unmixing for
Hyperspectral and Multispectral Data Fusion", IEEE TGRS 50(2), 2012,
doi:10.1109/TGRS.2011.2161320. The HS image is unmixed into endmembers W and abundances, the
fine image into R W and abundances of its own; the two are coupled through D and R in
turn, and the result is W times the fine abundances. Multiplicative updates (Lee and Seung),
endmembers started by vertex component analysis, abundances pulled to a sum of one.

The coupled factorisation runs on the survey and gives the scene's W. Each tile then finds
its fine abundances with W fixed, from the interpolated HS abundances: a pixel depends on
its own fine bands and the HS pixels beside it, and tiles equal the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.endmembers import vertex_components
from hsfuse.core.noise import band_noise, signal_components
from hsfuse.methods import Options, Window
from hsfuse.observe import Degrade, Interpolate
from hsfuse.radiometry import Radiometry, measure_radiometry
from hsfuse.survey import Patch, Survey

__all__ = ["METHOD", "Cnmf", "CnmfFuser"]

_INNER, _OUTER = 100, 3  # updates of one factor, rounds of coupling
_FEWEST, _MOST = 6, 30  # endmembers
# Of the sum of abundances against one band, in units of the scene's brightness.
_SUM_WEIGHT = 0.3
_TINY = 1e-9


@dataclass(frozen=True)
class CnmfFuser:
    """
    The endmembers of one pair.

    Attributes
    ----------
    good : ndarray of bool, shape (bands,)
        HS bands that were unmixed.
    endmembers : ndarray of shape (good bands, endmembers)
        W, in units of ``unit``.
    seen : ndarray of shape (fine bands, endmembers)
        R W, as the fine image has it.
    loading : ndarray of shape (bands, endmembers)
        W with the other bands, by regression; NaN for bands without data.
    gain, offset : ndarray of shape (fine bands,)
        ``Y = gain * R Z + offset``.
    unit : float
        The scene's brightness.
    device : str
        Where it runs.
    """

    good: NDArray[np.bool_]
    endmembers: NDArray[np.float32]
    seen: NDArray[np.float32]
    loading: NDArray[np.float32]
    gain: NDArray[np.float64]
    offset: NDArray[np.float64]
    unit: float
    device: str = "cpu"
    name: str = "cnmf"
    step: int = 1
    reach: tuple[float, float] = (1.0, 1.0)
    notes: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return 4 * self.endmembers.shape[1]

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {
            "method": self.name,
            "endmembers": self.endmembers.shape[1],
            "updates": _INNER,
            "rounds": _OUTER,
        }

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """See :class:`hsfuse.methods.Fuser`."""
        return [self._fuse(window) for window in windows]

    def _fuse(self, window: Window) -> NDArray[np.float32]:
        rows, columns = window.core
        coarse, known = _positive(torch.from_numpy(window.coarse[self.good]) / self.unit)
        endmembers = torch.from_numpy(self.endmembers)
        start = torch.full((endmembers.shape[1], coarse[0].numel()), 1 / endmembers.shape[1])
        mixed = _abundances(coarse.flatten(1), endmembers, start)
        mixed = torch.where(known.flatten(), mixed, start).unflatten(1, known.shape)
        carry = Interpolate.between(window.geometry, linear=True)
        carry = Interpolate(carry.rows[rows.slice], carry.columns[columns.slice])
        start = carry.forward(mixed).flatten(1)

        fine = window.fine[:, rows.slice, columns.slice]
        level = (fine - self.offset[:, None, None]) / self.gain[:, None, None] / self.unit
        values, _ = _positive(torch.from_numpy(level.astype(np.float32)))
        found = _abundances(values.flatten(1), torch.from_numpy(self.seen), start)
        cube = torch.from_numpy(self.loading) @ found * self.unit
        result: NDArray[np.float32] = cube.unflatten(1, (len(rows), len(columns))).numpy()
        return result


@dataclass(frozen=True)
class Cnmf:
    """The method: couple on the survey, unmix everywhere."""

    def prepare(self, survey: Survey, options: Options) -> CnmfFuser:
        """See :class:`hsfuse.methods.Method`."""
        del options  # small matrices: a GPU would wait for the loop
        radiometry = measure_radiometry(survey)
        unit, good = survey.brightness, survey.good
        spectra = survey.spectra / unit
        within = spectra[good].astype(np.float64)
        rank = signal_components(within, band_noise(within))
        count = min(max(rank, _FEWEST), _MOST)
        endmembers = np.maximum(vertex_components(within, count), _TINY).astype(np.float32)
        patch = max(survey.patches, key=lambda p: int(survey.valid(p).sum()))
        response = torch.from_numpy(radiometry.response[:, good].astype(np.float32))
        coupled, seen = _couple(survey, patch, radiometry, torch.from_numpy(endmembers), response)
        return CnmfFuser(
            good,
            coupled.numpy(),
            seen.numpy(),
            _loading(spectra, good, coupled),
            radiometry.gain,
            radiometry.offset,
            unit,
        )


def _couple(
    survey: Survey, patch: Patch, radiometry: Radiometry, endmembers: Tensor, response: Tensor
) -> tuple[Tensor, Tensor]:
    """Return W and R W after the coupled factorisation of one surveyed window."""
    unit = survey.brightness
    coarse, known = _positive(torch.from_numpy(patch.coarse[survey.good]) / unit)
    level = (patch.fine - radiometry.offset[:, None, None]) / radiometry.gain[:, None, None]
    fine, filled = _positive(torch.from_numpy((level / unit).astype(np.float32)))
    degrade = Degrade.between(patch.geometry, survey.blur)
    carry = Interpolate.between(patch.geometry, linear=True)
    image, seen = coarse.flatten(1)[:, known.flatten()], response @ endmembers
    mixed = torch.full((endmembers.shape[1], image.shape[1]), 1 / endmembers.shape[1])
    for turn in range(_OUTER):
        mixed = _abundances(image, endmembers, mixed)
        if turn:  # the first round keeps the corners as they are: abundances alone
            endmembers, mixed = _factors(image, endmembers, mixed)
        seen = response @ endmembers
        whole = torch.full((endmembers.shape[1], known.numel()), 1 / endmembers.shape[1])
        whole[:, known.flatten()] = mixed
        start = carry.forward(whole.unflatten(1, known.shape)).flatten(1)
        spread = _abundances(fine.flatten(1), seen, start)
        again, _ = degrade.forward_masked(spread.unflatten(1, filled.shape), filled)
        mixed = again.flatten(1)[:, known.flatten()].clamp_min(_TINY)
    return endmembers, seen


def _positive(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return values that can be factorised, and where all bands hold data."""
    known = torch.isfinite(values).all(dim=0)
    return torch.nan_to_num(values).clamp_min(_TINY), known


def _abundances(image: Tensor, endmembers: Tensor, start: Tensor) -> Tensor:
    """Return H of ``image = endmembers H``, non-negative, its columns pulled to a sum of one."""
    # A row of ones asks for the sum (Heinz and Chang 2001). Its weight is the same everywhere.
    above = torch.cat([endmembers, torch.full((1, endmembers.shape[1]), _SUM_WEIGHT)])
    wanted = above.mT @ torch.cat([image, torch.full((1, image.shape[1]), _SUM_WEIGHT)])
    gram = above.mT @ above
    mixed = start.clamp_min(_TINY)
    for _ in range(_INNER):
        mixed = mixed * wanted / (gram @ mixed + _TINY)
    return mixed


def _factors(image: Tensor, endmembers: Tensor, mixed: Tensor) -> tuple[Tensor, Tensor]:
    """Return both factors after alternating updates."""
    for _ in range(_INNER):
        endmembers = endmembers * (image @ mixed.mT) / (endmembers @ (mixed @ mixed.mT) + _TINY)
        mixed = mixed * (endmembers.mT @ image) / (endmembers.mT @ endmembers @ mixed + _TINY)
    return endmembers, mixed


def _loading(
    spectra: NDArray[np.float32], good: NDArray[np.bool_], endmembers: Tensor
) -> NDArray[np.float32]:
    """Return W with every band: those that were not unmixed follow by least squares."""
    image = torch.from_numpy(np.maximum(spectra[good], _TINY))
    start = torch.full((endmembers.shape[1], image.shape[1]), 1 / endmembers.shape[1])
    mixed = _abundances(image, endmembers, start).numpy()
    loading = np.full((len(good), endmembers.shape[1]), np.nan, np.float32)
    loading[good] = endmembers.numpy()
    for band in np.flatnonzero(~good):
        known = np.isfinite(spectra[band])
        if known.any():
            loading[band] = np.linalg.lstsq(mixed[:, known].T, spectra[band, known], rcond=None)[0]
    return loading


METHOD = Cnmf()
