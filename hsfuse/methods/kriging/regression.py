"""Regression on random features of a Gaussian process: features, conditioning, application."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from hsfuse.core.grid import Geometry
from hsfuse.methods.kriging.appearance import column
from hsfuse.methods.kriging.settings import Kernel, KrigingSettings

__all__ = ["apply_weights", "condition", "random_features", "scaled_coordinates"]


def scaled_coordinates(
    kernel: Kernel, maps: Tensor, bands: int, geometry: Geometry, scales: Sequence[float]
) -> Tensor:
    """
    Return the coordinates of MS pixels in a kernel's length scales.

    Parameters
    ----------
    kernel : Kernel
        The length scales.
    maps : Tensor of shape (maps, rows, columns)
        From :meth:`~hsfuse.methods.kriging.appearance.Appearance.maps`.
    bands : int
        Of the MS image.
    geometry : Geometry
        Of HS over MS pixels.
    scales : sequence of float
        Of the texture maps.

    Returns
    -------
    Tensor of shape (dimensions, rows, columns)
        Appearance, then position along y and x.
    """
    # A distance over many bands grows with the root of their number.
    many = max(1.0, math.sqrt(bands / 4))
    length = np.array([1.0, *(many,) * bands])
    parts = [maps[: 1 + bands] / column(kernel.colour * length, maps)]
    for scale in kernel.scales:
        first = (1 + bands) + scales.index(scale) * (2 + bands)
        texture = maps[first : first + 2 + bands]
        parts.append(texture / column(kernel.texture * np.append(length, 1.0), maps))
    for dimension, axis in ((0, geometry.y), (1, geometry.x)):
        position = (np.arange(axis.fine) + 0.5 - axis.origin) / axis.ratio / kernel.position
        line = torch.from_numpy(position).to(maps)
        parts.append((line[:, None] if dimension == 0 else line[None]).expand_as(maps[:1]))
    return torch.cat(parts)


def random_features(
    fine: Tensor,
    brightness: Tensor,
    coordinates: Sequence[Tensor],
    seed: int,
    settings: KrigingSettings,
) -> Iterator[Tensor]:
    """
    Yield the features of a process, some at a time, each chunk (features, rows, columns).

    A constant and the bands, then random features times brightness.

    Parameters
    ----------
    fine : Tensor of shape (MS bands, rows, columns)
        Standardised.
    brightness : Tensor of shape (rows, columns)
        In units of the scene's mean.
    coordinates : sequence of Tensor of shape (dimensions, rows, columns)
        From :func:`scaled_coordinates`, one for each kernel.
    seed : int
        Of the frequencies.
    settings : KrigingSettings
        Their number, and the prior of the linear part.
    """
    yield settings.linear_deviation * torch.cat([torch.ones_like(fine[:1]), fine])
    generator = torch.Generator().manual_seed(seed)
    level = (brightness + settings.dark) * math.sqrt(2 / settings.features)
    step = max(4, min(32, settings.chunk // (2 * brightness.numel())))
    for position in coordinates:
        # Cosine and sine of one projection: the covariance at distance zero is exact.
        count = settings.features // (2 * len(coordinates))
        frequency = torch.randn((count, len(position)), generator=generator).to(position)
        for chosen in frequency.split(step):
            angle = torch.tensordot(chosen, position, dims=1)
            yield torch.cat([angle.cos(), angle.sin_()]).mul_(level)


def apply_weights(weights: Tensor, features: Iterable[Tensor]) -> Tensor:
    """Return the sum of weighted features, shape (components, rows, columns)."""
    total, first = 0.0, 0
    for chunk in features:
        part = weights[:, first : first + len(chunk)]
        total = total + torch.tensordot(part, chunk, dims=1)
        first += len(chunk)
    return torch.as_tensor(total)


def condition(design: Tensor, observed: Tensor, settings: KrigingSettings) -> Tensor:
    """
    Return the weights of the features given the HS pixels, shape (components, features).

    Ridge regression; the noise of each component is selected by generalised cross-validation.

    Parameters
    ----------
    design : Tensor of shape (features, HS pixels)
        D of the features.
    observed : Tensor of shape (components, HS pixels)
        The HS image's components.
    settings : KrigingSettings
        The noises to select from.
    """
    count = observed.shape[1]
    if count == 0:
        return observed.new_zeros((len(observed), len(design)))
    scale = observed.square().mean(dim=1, keepdim=True).sqrt().clamp_min(1e-30)
    target = observed / scale
    small = design.shape[0] > count
    values, vectors = torch.linalg.eigh(design.mT @ design if small else design @ design.mT)
    values = values.clamp_min(1e-9 * float(values.max()))
    # Singular vectors in the space of HS pixels; their residual is noise at every ridge.
    # Thin products first: there are few components.
    projected = target @ vectors if small else (target @ design.mT) @ vectors / values.sqrt()
    residual = target.square().sum(dim=1, keepdim=True) - projected.square().sum(
        dim=1, keepdim=True
    )
    noises = torch.tensor(settings.noises, dtype=torch.float64).to(values)
    shrinkage = values / (values + noises[:, None])  # (noises, values)
    error = (1 - shrinkage).square() @ projected.square().mT + residual.clamp_min(0).mT
    freedom = (1 - settings.freedom * shrinkage.sum(dim=1) / count).clamp_min(1e-3)
    best = (error / freedom[:, None].square()).argmin(dim=0)
    shrunk = projected * shrinkage[best] / values.sqrt()
    weights = shrunk / values.sqrt() @ vectors.mT @ design.mT if small else shrunk @ vectors.mT
    return weights * scale
