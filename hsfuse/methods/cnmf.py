"""
`cnmf`: coupled non-negative matrix factorisation.

N. Yokoya, T. Yairi, A. Iwasaki, "Coupled Nonnegative Matrix Factorization Unmixing for
Hyperspectral and Multispectral Data Fusion", IEEE TGRS 50(2), 2012,
doi:10.1109/TGRS.2011.2161320. With X the HS image and Y the fine one:

1. X is unmixed into endmembers W, started by vertex component analysis, and abundances H:
   first H alone, then both.
2. Y is unmixed with R W fixed, its abundances started from those of X, interpolated.
3. X is unmixed again, started from D of the fine abundances: first W alone, then both.
   Rounds of 2 and 3 follow; the result is W times the fine abundances.

All by multiplicative updates (Lee and Seung). Steps 1 to 3 run on the survey and give the
scene's W; each tile then finds its own abundances, of X and then of Y, with W fixed. A
pixel depends on its own fine bands and the HS pixels beside it, and tiles equal the whole:
that is also why the number of updates is fixed rather than left to a tile's convergence.

The figures in the comments are means over five scenes at ratio 4 with four fine bands, HS
noise at 30 dB and fine noise at 40 dB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.endmembers import vertex_components
from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.resample import blur_reach
from hsfuse.methods import Options, Window
from hsfuse.observe import Degrade, Interpolate
from hsfuse.pair.radiometry import measure_radiometry
from hsfuse.pair.survey import Patch, Survey

__all__ = ["METHOD", "Cnmf", "CnmfFuser"]

# Ten cost 0.35 dB; 30 and 40 gain nothing and take longer.
_ENDMEMBERS = 20
# Updates on the survey. 50 cost 0.1 dB; with 200 the endmembers begin to fit the noise: 0.3 dB.
_UPDATES = 100
# The first gains 0.55 dB, the second 0.15, a third 0.07.
_ROUNDS = 2
# A tile starts from equal abundances. Of X, 100 updates cost 0.26 dB and 600 gain 0.03; of Y, 100
# cost 0.2 dB and 400 gain 0.03.
_UPDATES_OF_X, _UPDATES_OF_Y = 300, 200
# Abundances are not asked to sum to one. The row of ones that asks for it (Heinz and Chang 2001)
# gains 2.5 dB over even fields at a weight of one, costs 7 dB where water or shade lies, and
# changes nothing at weights small enough to cost nothing.

# Fine pixels of the survey that are coupled: a few seconds of one core. Scenes cut to 4000 lost
# 1.1 dB.
_MOST_PIXELS = 2**19
# Columns at a time, so that all their updates stay in the cache: half the time of all at once.
_BLOCK = 4096
# Interpolation from less than a quarter of its weights would be guesswork.
_LEAST_WEIGHT = 0.25
_TINY = 1e-9


@dataclass(frozen=True)
class CnmfFuser:
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
    seen : ndarray of shape (fine bands, endmembers)
        R W, in units of the scene's brightness.
    loading : ndarray of shape (bands, endmembers)
        W in HS units with the other bands, by regression; NaN for bands without data.
    gain, offset : ndarray of shape (fine bands,)
        Y is ``gain * seen H + offset``.
    device : str
        Where it runs.
    """

    good: NDArray[np.bool_]
    unit: NDArray[np.float32]
    endmembers: NDArray[np.float32]
    seen: NDArray[np.float32]
    loading: NDArray[np.float32]
    gain: NDArray[np.float64]
    offset: NDArray[np.float64]
    device: str = "cpu"
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
            "updates": _UPDATES,
            "rounds": _ROUNDS,
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
        rows, columns = window.core
        coarse, known = _positive(window.coarse[self.good], self.unit)
        endmembers = torch.from_numpy(self.endmembers)
        start = _equal(endmembers, known.numel())
        mixed = _abundances(coarse.flatten(1), endmembers, start, _UPDATES_OF_X)
        carry = Interpolate.between(window.geometry)
        carry = Interpolate(carry.rows[rows.slice], carry.columns[columns.slice])
        start = _carried(carry, mixed.unflatten(1, known.shape), known)

        fine = window.fine[:, rows.slice, columns.slice] - self.offset[:, None, None]
        values, _ = _positive(fine, self.gain)
        found = _abundances(
            values.flatten(1), torch.from_numpy(self.seen), start.flatten(1), _UPDATES_OF_Y
        )
        return found.unflatten(1, (len(rows), len(columns)))


@dataclass(frozen=True)
class Cnmf:
    """The method: couple on the survey, unmix everywhere."""

    def prepare(self, survey: Survey, options: Options) -> CnmfFuser:
        """See :class:`hsfuse.methods.Method`."""
        del options  # small matrices: a GPU would wait for the loop
        radiometry = measure_radiometry(survey)
        good = survey.good
        spectra = survey.spectra[good].astype(np.float64)
        # Relative errors count alike in dark and bright bands: 0.3 dB over one unit for all.
        unit = np.sqrt(np.square(spectra).mean(axis=1))
        unit = np.maximum(unit, 1e-6 * max(unit.max(), 1e-30))
        corners = vertex_components(spectra / unit[:, None], _ENDMEMBERS)
        endmembers = torch.from_numpy(np.maximum(corners, _TINY).astype(np.float32))
        response = radiometry.response[:, good] * unit / survey.brightness
        seen_through = torch.from_numpy(response.astype(np.float32))
        gain = radiometry.gain * survey.brightness
        sites = _sites(survey, unit.astype(np.float32), gain, radiometry.offset)
        endmembers, mixed = _couple(sites, endmembers, seen_through)
        return CnmfFuser(
            good,
            unit.astype(np.float32),
            endmembers.numpy(),
            (seen_through @ endmembers).numpy(),
            _loading(sites, mixed, good, endmembers.numpy() * unit[:, None]),
            gain,
            radiometry.offset,
        )


@dataclass(frozen=True)
class _Site:
    """
    A surveyed window, made ready to be unmixed.

    Attributes
    ----------
    raw : ndarray of shape (bands, pixels)
        HS pixels that hold data on both sides, as they are.
    coarse : Tensor of shape (good bands, pixels)
        The same in units, non-negative.
    fine : Tensor of shape (fine bands, fine pixels)
        Fine pixels in units, non-negative.
    used, filled : Tensor of bool
        Where the HS and the fine window hold them, (rows, columns) each.
    degrade, carry
        D, and the way back.
    """

    raw: NDArray[np.float32]
    coarse: Tensor
    fine: Tensor
    used: Tensor
    filled: Tensor
    degrade: Degrade
    carry: Interpolate

    def refine(self, mixed: Tensor, seen: Tensor) -> Tensor:
        """Return the abundances of X that those of Y, started from these, amount to."""
        whole = torch.zeros((len(mixed), self.used.numel()))
        whole[:, self.used.flatten()] = mixed
        start = _carried(self.carry, whole.unflatten(1, self.used.shape), self.used)
        found = _abundances(self.fine, seen, start.flatten(1), _UPDATES)
        again, _ = self.degrade.forward_masked(found.unflatten(1, self.filled.shape), self.filled)
        return again[:, self.used]


def _sites(
    survey: Survey,
    unit: NDArray[np.float32],
    gain: NDArray[np.float64],
    offset: NDArray[np.float64],
) -> list[_Site]:
    """Return the survey's windows that hold data on both sides, cut to what can be afforded."""
    sites = []
    for whole in survey.patches:
        patch = _middle(whole, survey.blur, _MOST_PIXELS / len(survey.patches))
        _, used = survey.degraded(patch)
        if not used.any():
            continue
        coarse, _ = _positive(patch.coarse[survey.good], unit)
        fine, filled = _positive(patch.fine - offset[:, None, None], gain)
        sites.append(
            _Site(
                patch.coarse[:, used],
                coarse[:, torch.from_numpy(used)],
                fine.flatten(1),
                torch.from_numpy(used),
                filled,
                Degrade.between(patch.geometry, survey.blur),
                Interpolate.between(patch.geometry),
            )
        )
    return sites


def _couple(sites: Sequence[_Site], endmembers: Tensor, response: Tensor) -> tuple[Tensor, Tensor]:
    """Return W and the HS abundances after the coupled factorisation."""
    image = torch.cat([site.coarse for site in sites], dim=1)
    counts = [site.coarse.shape[1] for site in sites]
    mixed = _abundances(image, endmembers, _equal(endmembers, image.shape[1]), _UPDATES)
    endmembers, mixed = _factors(image, endmembers, mixed)
    for _ in range(_ROUNDS):
        seen = response @ endmembers
        parts = zip(sites, mixed.split(counts, dim=1), strict=True)
        mixed = torch.cat([site.refine(part, seen) for site, part in parts], dim=1)
        mixed = mixed.clamp_min(_TINY)
        # The same update with both sides transposed: W is to H as H is to W.
        endmembers = _abundances(image.mT, mixed.mT, endmembers.mT, _UPDATES).mT.contiguous()
        endmembers, mixed = _factors(image, endmembers, mixed)
    return endmembers, mixed


def _abundances(image: Tensor, endmembers: Tensor, start: Tensor, updates: int) -> Tensor:
    """Return non-negative H of ``image = endmembers H`` after some updates of a start."""
    found = start.clamp_min(_TINY)
    narrow = 2 * len(endmembers) < endmembers.shape[1]  # then two thin products are cheaper
    gram = endmembers.mT @ endmembers
    for part, values in zip(found.split(_BLOCK, 1), image.split(_BLOCK, 1), strict=True):
        wanted = endmembers.mT @ values
        mixed = part.contiguous()
        for _ in range(updates):
            told = endmembers.mT @ (endmembers @ mixed) if narrow else gram @ mixed
            mixed = mixed.mul_(wanted / told.add_(_TINY))
        part.copy_(mixed)
    return found


def _factors(image: Tensor, endmembers: Tensor, mixed: Tensor) -> tuple[Tensor, Tensor]:
    """Return both factors after alternating updates."""
    for _ in range(_UPDATES):
        endmembers = endmembers * (image @ mixed.mT) / (endmembers @ (mixed @ mixed.mT) + _TINY)
        mixed = mixed * (endmembers.mT @ image) / (endmembers.mT @ endmembers @ mixed + _TINY)
    return endmembers, mixed


def _equal(endmembers: Tensor, pixels: int) -> Tensor:
    """Return abundances that know nothing."""
    return torch.full((endmembers.shape[1], pixels), 1 / endmembers.shape[1])


def _positive(values: NDArray[np.floating], unit: NDArray[np.floating]) -> tuple[Tensor, Tensor]:
    """Return an image in units that can be factorised, and where all bands hold data."""
    scaled = torch.from_numpy((values / unit[:, None, None]).astype(np.float32))
    known = torch.isfinite(scaled).all(dim=0)
    return torch.nan_to_num(scaled, 0.0, 0.0, 0.0).clamp_min(_TINY), known


def _carried(carry: Interpolate, mixed: Tensor, known: Tensor) -> Tensor:
    """Return HS abundances on the fine grid from known pixels alone, equal where there are none."""
    weight = carry.forward(known.float())
    spread = carry.forward(torch.where(known, mixed, torch.zeros(())))
    equal = torch.full((), 1 / len(mixed))
    return torch.where(weight > _LEAST_WEIGHT, spread / weight.clamp_min(_LEAST_WEIGHT), equal)


def _middle(patch: Patch, blur: tuple[float, float], pixels: float) -> Patch:
    """Return the middle of a patch: about so many fine pixels, and a halo of the blur's reach."""
    geometry = patch.geometry
    share = min(1.0, (pixels / patch.fine[0].size) ** 0.5)
    if share == 1:
        return patch
    rows, columns = (_inner(axis, share) for axis in (geometry.y, geometry.x))
    halo = [blur_reach(width) for width in blur]
    fine_rows, fine_columns = (
        geometry.y.fine_span(rows, halo[0]),
        geometry.x.fine_span(columns, halo[1]),
    )
    return Patch(
        patch.coarse[:, rows.slice, columns.slice],
        patch.fine[:, fine_rows.slice, fine_columns.slice],
        Geometry(geometry.y.cut(fine_rows, rows), geometry.x.cut(fine_columns, columns)),
        (patch.start[0] + rows.start, patch.start[1] + columns.start),
    )


def _inner(axis: Axis, share: float) -> Span:
    """Return the middle share of an axis in HS pixels."""
    length = max(int(axis.coarse * share), 1)
    start = (axis.coarse - length) // 2
    return Span(start, start + length)


def _loading(
    sites: Sequence[_Site],
    mixed: Tensor,
    good: NDArray[np.bool_],
    endmembers: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Return W with every band: those that were not unmixed follow by least squares."""
    loading = np.full((len(good), endmembers.shape[1]), np.nan, np.float32)
    loading[good] = endmembers
    spectra, design = np.concatenate([site.raw for site in sites], axis=1), mixed.numpy()
    for band in np.flatnonzero(~good):
        known = np.isfinite(spectra[band])
        if known.any():
            loading[band] = np.linalg.lstsq(design[:, known].T, spectra[band, known], rcond=None)[0]
    return loading


METHOD = Cnmf()
