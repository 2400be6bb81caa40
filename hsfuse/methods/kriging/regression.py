"""Regression on random features of a Gaussian process: features, conditioning, application."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from hsfuse.core.grid import Geometry
from hsfuse.methods.kriging.appearance import DARK, column
from hsfuse.methods.kriging.kernels import SCALES, Kernel

__all__ = ["FEATURES", "apply_weights", "condition", "random_features", "scaled_coordinates"]

# Of a process. 512 lose 0.03 to 0.05 dB, 1152 gain as much at 1.5 times the cost.
FEATURES = 768
# Values of a constant and of each band may lie anywhere: their prior is this many deviations.
_LINEAR = 3.0
# Values of features alive at once.
_CHUNK = 2**24
_NOISES = 10.0 ** np.arange(-5, 1.6, 0.5)


def scaled_coordinates(kernel: Kernel, maps: Tensor, bands: int, geometry: Geometry) -> Tensor:
    """Return where each fine pixel lies, in length scales, shape (dimensions, rows, columns)."""
    # A distance over many bands grows with the root of their number.
    many = max(1.0, math.sqrt(bands / 4))
    length = np.array([1.0, *(many,) * bands])
    parts = [maps[: 1 + bands] / column(kernel.colour * length, maps)]
    for scale in kernel.scales:
        first = (1 + bands) + SCALES.index(scale) * (2 + bands)
        texture = maps[first : first + 2 + bands]
        parts.append(texture / column(kernel.texture * np.append(length, 1.0), maps))
    for dimension, axis in ((0, geometry.y), (1, geometry.x)):
        place = (np.arange(axis.fine) + 0.5 - axis.origin) / axis.ratio / kernel.place
        line = torch.from_numpy(place).to(maps)
        parts.append((line[:, None] if dimension == 0 else line[None]).expand_as(maps[:1]))
    return torch.cat(parts)


def random_features(
    fine: Tensor, brightness: Tensor, points: Sequence[Tensor], seed: int
) -> Iterator[Tensor]:
    """Yield a constant and the bands, then random features times brightness, some at a time."""
    yield _LINEAR * torch.cat([torch.ones_like(fine[:1]), fine])
    generator = torch.Generator().manual_seed(seed)
    level = (brightness + DARK) * math.sqrt(2 / FEATURES)
    step = max(4, min(32, _CHUNK // (2 * brightness.numel())))
    for place in points:
        # Two features for the price of one projection, and exact at no distance.
        count = FEATURES // (2 * len(points))
        frequency = torch.randn((count, len(place)), generator=generator).to(place)
        for chosen in frequency.split(step):
            angle = torch.tensordot(chosen, place, dims=1)
            yield torch.cat([angle.cos(), angle.sin_()]).mul_(level)


def apply_weights(weights: Tensor, features: Iterator[Tensor]) -> Tensor:
    """Return the sum of weighted features, shape (components, rows, columns)."""
    total, first = 0.0, 0
    for chunk in features:
        part = weights[:, first : first + len(chunk)]
        total = total + torch.tensordot(part, chunk, dims=1)
        first += len(chunk)
    return torch.as_tensor(total)


def condition(design: Tensor, wanted: Tensor) -> Tensor:
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
