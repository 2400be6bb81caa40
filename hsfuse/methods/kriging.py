"""
`kriging`: area-to-point regression by Gaussian processes of appearance and place.

Each principal component of the HS image is a Gaussian process over what is known of a
fine pixel: brightness, chromaticity, texture and where it lies. HS pixels are the means that
D takes of it, so the process is conditioned on areas and asked at points (area-to-point
kriging, Kyriakidis 2004, doi:10.1111/j.1538-4632.2004.tb01135.x; with a fine image beside
it, Wang, Shi and Atkinson 2015, doi:10.1016/j.rse.2015.02.003). Its covariance is a sum of
squared exponentials, of long and of short reach, held by random features (Rahimi and Recht
2007, "Random features for large-scale kernel machines") in pairs of cosine and sine (Sutherland
and Schneider 2015, "On the error of random Fourier features"), of which D is taken like of any
image; the noise is chosen per component by generalised cross-validation (Golub, Heath and Wahba
1979, doi:10.1080/00401706.1979.10489751). Several processes are averaged: their errors differ.
What they miss of the HS image, but for its noise, is added back.

Place makes the process local, and no window sees a scene whole, so the scene is cut into
cells of HS pixels, each conditioned on itself and its surroundings and faded into its
neighbours. A cell is the same whichever window asks for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.noise import signal_components
from hsfuse.core.resample import blur_reach
from hsfuse.core.subspace import Subspace
from hsfuse.methods import Options, Window
from hsfuse.methods.guided import GuidedFuser, Parameters, Stages, fit
from hsfuse.methods.trial import choose
from hsfuse.observe import Degrade, Interpolate
from hsfuse.pair.survey import Survey

__all__ = ["PROCESSES", "METHOD", "Appearance", "Kernel", "Kriging", "KrigingFuser", "krige"]


@dataclass(frozen=True, slots=True)
class Kernel:
    """
    Length scales of a squared-exponential covariance.

    Attributes
    ----------
    colour : float
        In standard deviations of chromaticity and of log brightness.
    place : float
        In HS pixels.
    texture : float
        In standard deviations of the maps at ``scales``.
    scales : tuple of float
        Deviations of Gaussian blurs, in HS pixels, at which texture is told; may be none.
    """

    colour: float
    place: float
    texture: float = 1.0
    scales: tuple[float, ...] = ()


# A process is a sum of kernels. Averaged, these did best of some forty on eleven remote-sensing
# scenes at ratios 4 and 8 and six CAVE scenes at ratio 16, where sums gain 0.1 to 0.3 dB over
# single kernels. The fourth process gains under 0.05 dB, and 0.1 degrees at ratio 8.
PROCESSES = (
    (Kernel(1.0, 16.0), Kernel(4.0, 3.0, 3.0, (0.6,))),
    (Kernel(4.0, 1.5), Kernel(2.0, 4.0)),
    (Kernel(4.0, 3.0, 4.0, (0.3, 1.0)),),
    (Kernel(1.0, 16.0), Kernel(2.0, 6.0, 2.0, (0.3, 1.0))),
)
# Of all kernels, in the order of an appearance's maps.
_SCALES = tuple(
    sorted({scale for kernels in PROCESSES for kernel in kernels for scale in kernel.scales})
)
# Of a process. 512 lose 0.03 to 0.05 dB, 1152 gain as much at 1.5 times the cost.
_FEATURES = 768
# Values of a constant and of each band may lie anywhere: their prior is this many deviations.
_LINEAR = 3.0
_CELL, _HALO, _RAMP = 32, 8, 4  # HS pixels
_COMPONENTS = 24
# Values of features alive at once.
_CHUNK = 2**24
_NOISES = 10.0 ** np.arange(-5, 1.6, 0.5)
# Of the scene's mean brightness: below it hue is noise.
_DARK = 0.05


@dataclass(frozen=True)
class Appearance:
    """
    What a fine pixel looks like: brightness, chromaticity and texture, in scene-wide units.

    Light on a surface scales its spectrum and leaves its chromaticity: a process that is a
    brightness times a function of chromaticity knows that shade is dark in every band.

    Attributes
    ----------
    level : ndarray of shape (fine bands,)
        Value of each band that counts as brightness one: its mean over the scene.
    sigmas : tuple of tuple of float
        Of the blurs along y and x in fine pixels, one pair for each scale of texture.
    offset, scale : ndarray of shape (maps,)
        Mean and deviation of the maps over the scene.
    """

    level: NDArray[np.float64]
    sigmas: tuple[tuple[float, float], ...]
    offset: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def measure(cls, survey: Survey) -> Appearance:
        """Return the units of a surveyed scene."""
        known = [p.fine[:, np.isfinite(p.fine).all(axis=0)] for p in survey.patches]
        pixels = np.concatenate(known, axis=1).astype(np.float64)
        mean, least = pixels.mean(axis=1), 1e-6 * np.abs(pixels).max() + 1e-30
        sigmas = tuple((s * survey.ratio[0], s * survey.ratio[1]) for s in _SCALES)
        count = (1 + len(mean)) + len(_SCALES) * (2 + len(mean))
        raw = cls(np.maximum(mean, least), sigmas, np.zeros(count), np.ones(count))
        maps = [
            raw.maps(*raw.relative(fine))[:, torch.isfinite(fine).all(dim=0)]
            for fine in (torch.from_numpy(p.fine) for p in survey.patches)
        ]
        values = torch.cat(maps, dim=1).double()
        deviation = values.std(dim=1).clamp_min(1e-6).numpy()
        return replace(raw, offset=values.mean(dim=1).numpy(), scale=deviation)

    def relative(self, fine: Tensor) -> tuple[Tensor, Tensor]:
        """Return the bands over their levels, one where there is no data, and their mean."""
        level = _column(self.level, fine)
        valid = torch.isfinite(fine).all(dim=0)
        bands = torch.where(valid, fine / level, torch.ones_like(fine)).clamp_min(0)
        return bands, bands.mean(dim=0)

    def maps(self, bands: Tensor, brightness: Tensor) -> Tensor:
        """Return log brightness and chromaticity; then, per scale, both blurred, and activity."""
        light = (brightness + _DARK).log()[None]
        colour = torch.cat([light, bands / (brightness + _DARK)])
        parts = [colour]
        for sigma in self.sigmas:
            blurred = _blur(colour, sigma)
            parts += [blurred, _blur((light - blurred[:1]).abs(), sigma)]
        maps = torch.cat(parts)
        return (maps - _column(self.offset, maps)) / _column(self.scale, maps)

    @property
    def reach(self) -> tuple[int, int]:
        """Fine pixels that the maps depend on, along y and x: two blurs."""
        widest = self.sigmas[-1]
        return 2 * _half(widest[0]), 2 * _half(widest[1])


@dataclass(frozen=True)
class KrigingFuser:
    """
    `kriging` for one pair.

    Attributes
    ----------
    guided : GuidedFuser
        Gives the subspace, the blur and the standardised fine bands.
    appearance : Appearance
        Units of the scene's fine bands.
    noise : ndarray of shape (components,)
        Standard deviation of the HS image's noise.
    shape : tuple of int
        Rows and columns of the scene in HS pixels.
    ratio : tuple of float
        Fine pixels per HS pixel along y and x.
    """

    guided: GuidedFuser
    appearance: Appearance
    noise: NDArray[np.float64]
    shape: tuple[int, int]
    ratio: tuple[float, float]
    name: str = "kriging"
    step: int = 1
    sure: bool = False
    notes: tuple[str, ...] = ()

    @property
    def reach(self) -> tuple[float, float]:
        """See :class:`hsfuse.methods.Fuser`: across a cell, and what it is conditioned on."""
        along = [
            _longest(length) + _HALO + _RAMP + 2 * blur_reach(blur) + maps / ratio + 2
            for length, blur, maps, ratio in zip(
                self.shape, self.guided.blur, self.appearance.reach, self.ratio, strict=True
            )
        ]
        return along[0], along[1]

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`: estimates, and features of a cell at once."""
        maps = len(self.appearance.offset)
        return self.guided.channels + 6 * self.guided.parameters.components + 2 * maps + 16

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {
            "method": self.name,
            "components": self.guided.parameters.components,
            "processes": len(PROCESSES),
            "features": _FEATURES,
        }

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """See :class:`hsfuse.methods.Fuser`."""
        return [self._fuse(window) for window in windows]

    def _fuse(self, window: Window) -> NDArray[np.float32]:
        stages = self.guided.stages(window)
        return self.guided.expand(average(self.components(window, stages))).cpu().numpy()

    def components(self, window: Window, stages: Stages) -> Tensor:
        """
        Return every process's answer over the core of the window, and what they all miss.

        Returns
        -------
        Tensor of shape (processes + 1, components, core rows, core columns)
            :func:`average` makes one answer of them.
        """
        rows, columns = (
            tuple(_cells(axis, start, length, span))
            for axis, start, length, span in zip(
                (window.geometry.y, window.geometry.x),
                window.start,
                self.shape,
                window.core,
                strict=True,
            )
        )
        bands, brightness = self.appearance.relative(
            torch.from_numpy(window.fine).to(stages.fine.device)
        )
        maps = self.appearance.maps(bands, brightness)
        shape = 1 + len(PROCESSES), len(stages.wanted), *map(len, window.core)
        total = torch.zeros(shape, device=stages.fused.device)
        for row in rows:
            for column in columns:
                weight = torch.from_numpy(row.weight[:, None] * column.weight).to(total)
                part = row.part.within(window.core[0]), column.part.within(window.core[1])
                answer = self._cell(window, stages, (maps, brightness), (row, column))
                total[:, :, part[0], part[1]] += weight * answer
        return total

    def _cell(
        self,
        window: Window,
        stages: Stages,
        seen: tuple[Tensor, Tensor],
        cell: tuple[_Cell, _Cell],
    ) -> Tensor:
        row, column = cell
        geometry = Geometry(
            window.geometry.y.cut(row.fine, row.coarse),
            window.geometry.x.cut(column.fine, column.coarse),
        )
        around = row.fine.slice, column.fine.slice
        fine, maps, brightness = (
            values[..., around[0], around[1]] for values in (stages.fine, *seen)
        )
        used = stages.used[row.coarse.slice, column.coarse.slice]
        wanted = stages.wanted[:, row.coarse.slice, column.coarse.slice][:, used].double()
        inside = row.part.within(row.fine), column.part.within(column.fine)
        valid = torch.from_numpy(np.isfinite(window.fine[:, around[0], around[1]]).all(axis=0))
        see = _Seen(Degrade.between(geometry, self.guided.blur, device=str(fine.device)), valid)
        # Errors are judged against brightness: the angle between spectra is.
        importance = 1 / (see(brightness[None])[:, used] + 1.0).double()
        answers, fitted = [], []
        for index, kernels in enumerate(PROCESSES):
            points = [_points(kernel, maps, len(fine), geometry) for kernel in kernels]
            parts = (fine, brightness, points)
            design = torch.cat([see(chunk)[:, used].double() for chunk in _features(*parts, index)])
            weights = _condition(design * importance, wanted * importance)
            fitted.append(weights @ design)
            cut = ..., *inside
            core = fine[cut], brightness[cut], [each[cut] for each in points]
            answers.append(_applied(weights.to(fine), _features(*core, index)))
        missing = wanted - torch.stack(fitted).mean(dim=0)
        answers.append(self._carried(missing, used, geometry, inside))
        return torch.stack(answers)

    def _carried(
        self, missing: Tensor, used: Tensor, geometry: Geometry, inside: tuple[slice, slice]
    ) -> Tensor:
        """Return what the processes miss on the fine grid, but for the noise's share of it."""
        power = missing.square().mean(dim=1)
        noise = torch.from_numpy(self.noise).to(power) ** 2
        signal = (1 - noise / power.clamp_min(1e-30)).clamp_min(0)
        whole = missing.new_zeros((len(missing), *used.shape))
        whole[:, used] = missing * signal[:, None]
        carry = Interpolate.between(geometry, device=str(used.device))
        return Interpolate(carry.rows[inside[0]], carry.columns[inside[1]]).forward(whole.float())


def average(answers: Tensor) -> Tensor:
    """Return one answer of :meth:`KrigingFuser.components`: the processes' mean, completed."""
    return answers[:-1].mean(dim=0) + answers[-1]


class _Seen:
    """D over valid fine pixels: what lies outside the data counts for nothing."""

    def __init__(self, degrade: Degrade, valid: Tensor) -> None:
        self.degrade, self.valid = degrade, valid.to(degrade.rows.device)
        self.share = degrade.forward(self.valid.to(degrade.rows)).clamp_min(1e-6)

    def __call__(self, values: Tensor) -> Tensor:
        return self.degrade.forward(values * self.valid) / self.share


@dataclass(frozen=True)
class _Cell:
    """
    A cell along one axis, as a window sees it.

    ``coarse`` and ``fine`` are the window's pixels it is conditioned on, ``part`` those of the
    region to which it contributes, with ``weight`` each.
    """

    coarse: Span
    fine: Span
    part: Span
    weight: NDArray[np.float64]


def _count(length: int) -> int:
    return 1 if length <= _CELL + 2 * _HALO else math.ceil(length / _CELL)


def _longest(length: int) -> int:
    return math.ceil(length / _count(length))


def _cells(axis: Axis, start: int, length: int, region: Span) -> Iterator[_Cell]:
    """Yield the cells that have a weight in the region; ``start``: the window's first HS pixel."""
    count = _count(length)
    place = (np.arange(region.start, region.stop) + 0.5 - axis.origin) / axis.ratio + start
    edges = np.arange(count + 1) * length / count
    # Beyond the scene's ends the outermost cells go on.
    edges[0], edges[-1] = -np.inf, np.inf
    for low, high in pairwise(edges):
        rise = np.clip((place - low) / (2 * _RAMP) + 0.5, 0, 1) if np.isfinite(low) else 1.0
        fall = np.clip((high - place) / (2 * _RAMP) + 0.5, 0, 1) if np.isfinite(high) else 1.0
        weight = np.minimum(rise, fall) * np.ones(len(place))
        inside = np.flatnonzero(weight > 0)
        if not inside.size:
            continue
        first = max(math.floor(low) - _HALO, 0) if np.isfinite(low) else 0
        last = min(math.ceil(high) + _HALO, length) if np.isfinite(high) else length
        coarse = Span(max(first - start, 0), min(last - start, axis.coarse))
        part = Span(region.start + int(inside[0]), region.start + int(inside[-1]) + 1)
        around = axis.fine_span(coarse, 2.0)
        fine = Span(min(around.start, part.start), max(around.stop, part.stop))
        yield _Cell(coarse, fine, part, weight[inside[0] : inside[-1] + 1])


def _points(kernel: Kernel, maps: Tensor, bands: int, geometry: Geometry) -> Tensor:
    """Return where each fine pixel lies, in length scales, shape (dimensions, rows, columns)."""
    # A distance over many bands grows with the root of their number.
    many = max(1.0, math.sqrt(bands / 4))
    length = np.array([1.0, *(many,) * bands])
    parts = [maps[: 1 + bands] / _column(kernel.colour * length, maps)]
    for scale in kernel.scales:
        first = (1 + bands) + _SCALES.index(scale) * (2 + bands)
        texture = maps[first : first + 2 + bands]
        parts.append(texture / _column(kernel.texture * np.append(length, 1.0), maps))
    for dimension, axis in ((0, geometry.y), (1, geometry.x)):
        place = (np.arange(axis.fine) + 0.5 - axis.origin) / axis.ratio / kernel.place
        line = torch.from_numpy(place).to(maps)
        parts.append((line[:, None] if dimension == 0 else line[None]).expand_as(maps[:1]))
    return torch.cat(parts)


def _features(
    fine: Tensor, brightness: Tensor, points: Sequence[Tensor], seed: int
) -> Iterator[Tensor]:
    """Yield a constant and the bands, then random features times brightness, some at a time."""
    yield _LINEAR * torch.cat([torch.ones_like(fine[:1]), fine])
    generator = torch.Generator().manual_seed(seed)
    level = (brightness + _DARK) * math.sqrt(2 / _FEATURES)
    step = max(4, min(32, _CHUNK // (2 * brightness.numel())))
    for place in points:
        # Two features for the price of one projection, and exact at no distance.
        count = _FEATURES // (2 * len(points))
        frequency = torch.randn((count, len(place)), generator=generator).to(place)
        for chosen in frequency.split(step):
            angle = torch.tensordot(chosen, place, dims=1)
            yield torch.cat([angle.cos(), angle.sin_()]).mul_(level)


def _applied(weights: Tensor, features: Iterator[Tensor]) -> Tensor:
    """Return the sum of weighted features, shape (components, rows, columns)."""
    total, first = 0.0, 0
    for chunk in features:
        part = weights[:, first : first + len(chunk)]
        total = total + torch.tensordot(part, chunk, dims=1)
        first += len(chunk)
    return torch.as_tensor(total)


def _condition(design: Tensor, wanted: Tensor) -> Tensor:
    """
    Return the features' weights given areas, shape (components, features).

    Parameters
    ----------
    design : Tensor of shape (features, areas)
        D of the features.
    wanted : Tensor of shape (components, areas)
        The HS image's components.
    """
    count = wanted.shape[1]
    if count == 0:
        return wanted.new_zeros((len(wanted), len(design)))
    scale = wanted.square().mean(dim=1, keepdim=True).sqrt().clamp_min(1e-30)
    target = wanted / scale
    small = design.shape[0] > count
    values, vectors = torch.linalg.eigh(design.mT @ design if small else design @ design.mT)
    values = values.clamp_min(1e-9 * float(values.max()))
    # Singular vectors on the areas' side; what they leave of the target is noise to all.
    projected = target @ (vectors if small else design.mT @ vectors / values.sqrt())
    left = target.square().sum(dim=1, keepdim=True) - projected.square().sum(dim=1, keepdim=True)
    noises = torch.from_numpy(_NOISES).to(values)
    kept = values / (values + noises[:, None])  # (noises, values)
    error = (1 - kept).square() @ projected.square().mT + left.clamp_min(0).mT
    # A factor over one guards against the too small noises that cross-validation likes at times.
    freedom = (1 - 1.2 * kept.sum(dim=1) / count).clamp_min(1e-3)
    best = (error / freedom[:, None].square()).argmin(dim=0)
    shrunk = projected * kept[best] / values.sqrt()
    weights = shrunk @ ((design @ vectors / values.sqrt()).mT if small else vectors.mT)
    return weights * scale


def _half(sigma: float) -> int:
    return math.ceil(3 * sigma)


def _blur(values: Tensor, sigma: tuple[float, float]) -> Tensor:
    """Return a Gaussian blur of (channels, rows, columns); borders repeat."""
    result = values[:, None]
    for axis, width in enumerate(sigma):
        half = _half(width)
        offset = torch.arange(-half, half + 1, dtype=values.dtype, device=values.device)
        kernel = torch.exp(-0.5 * (offset / width) ** 2)
        kernel = (kernel / kernel.sum()).view((1, 1, -1, 1) if axis == 0 else (1, 1, 1, -1))
        padding = (0, 0, half, half) if axis == 0 else (half, half, 0, 0)
        result = torch.nn.functional.pad(result, padding, mode="replicate")
        result = torch.nn.functional.conv2d(result, kernel)
    return result[:, 0]


def _column(values: NDArray[np.float64], like: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32)).to(like)[:, None, None]


@dataclass(frozen=True)
class Kriging:
    """The method: the subspace of `guided`, the processes conditioned as windows come."""

    def prepare(self, survey: Survey, options: Options) -> KrigingFuser:
        """See :class:`hsfuse.methods.Method`."""
        return krige(survey, choose(survey), device=options.device)


def krige(
    survey: Survey,
    parameters: Parameters,
    *,
    subspace: Subspace | None = None,
    device: str = "cpu",
) -> KrigingFuser:
    """
    Return the fuser for a survey; parameters and subspace as in :func:`hsfuse.methods.guided.fit`.

    `guided` keeps few components, for its noise grows with their number; here the noise is
    chosen per component, and all that rise above it are kept.
    """
    within = survey.spectra[survey.good].astype(np.float64)
    noise = survey.noise[survey.good]
    count = max(parameters.components, min(_COMPONENTS, signal_components(within, noise)))
    guided = fit(survey, replace(parameters, components=count), subspace=subspace, device=device)
    return KrigingFuser(
        guided,
        Appearance.measure(survey),
        np.sqrt(guided.subspace.basis**2 @ noise**2),
        survey.coarse_shape,
        survey.ratio,
    )


METHOD = Kriging()
