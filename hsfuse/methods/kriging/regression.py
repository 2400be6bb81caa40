"""Regression of HS pixels on random features: degraded features, noise, weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.methods.kriging.features import RandomFeatures
from hsfuse.methods.kriging.pixels import PixelMaps
from hsfuse.methods.kriging.settings import KrigingSettings
from hsfuse.observe import Degrade

__all__ = ["CellDesign", "cross_validation", "noise_levels", "ridge_factors", "ridge_weights"]

# A share of an HS pixel's PSF below which there is nothing to divide by.
_TINY = 1e-6
# Of a block of MS pixels whose features are degraded at once. Blocks of few rows take D along y,
# the dearer product, to few HS rows.
_BLOCK_COLUMNS = 32


@dataclass(frozen=True)
class CellDesign:
    """
    The HS pixels of a cell, and what MS pixels they see.

    Attributes
    ----------
    pixels : PixelMaps
        MS pixels about the cell.
    degrade : Degrade
        From these to the HS pixels of the cell.
    used : Tensor of shape (coarse rows, coarse columns)
        HS pixels with data on both sides.
    ratio : float
        MS pixels per HS pixel.
    settings : KrigingSettings
        The other numbers.
    """

    pixels: PixelMaps
    degrade: Degrade
    used: Tensor
    ratio: float
    settings: KrigingSettings

    @property
    def weight(self) -> Tensor:
        """
        Weight of each used HS pixel, shape (HS pixels,).

        Relative errors count alike in bright and dark pixels, as in the angle between spectra.
        """
        (brightness,) = self._mean(self.pixels.brightness[None])
        return 1 / (brightness[self.used] + self.settings.brightness_floor)

    def features(self, process: int, features: RandomFeatures) -> Tensor:
        """
        Return D of a process's features at the used HS pixels.

        Random features are computed on some of the MS pixels; what this changes of the mean
        brightness and of the mean coordinates is corrected, so that features that vary linearly
        over an HS pixel are exact.

        Returns
        -------
        Tensor of shape (1 + MS bands + features, HS pixels)
            The linear part first.
        """
        lattices = self.settings.lattices(process, self.ratio)
        random = [self._on_lattice(process, features, *each) for each in lattices]
        return torch.cat([self._linear, torch.stack(random).mean(dim=0).mT])

    def _on_lattice(
        self, process: int, features: RandomFeatures, step: int, first: tuple[int, int]
    ) -> Tensor:
        """
        Return D of the random features, from every ``step``-th MS pixel along either axis.

        Returns
        -------
        Tensor of shape (HS pixels, features)
        """
        lattice = slice(first[0], None, step), slice(first[1], None, step)
        thin = self.pixels.cut(*lattice)
        degrade = Degrade(self.degrade.rows[:, lattice[0]], self.degrade.columns[:, lattice[1]])
        level = thin.level * thin.valid
        share = degrade.forward(level)[self.used].clamp_min(_TINY)
        random = _degraded(process, features, thin, degrade, self.settings.block)[self.used]
        if step > 1:
            coordinates = degrade.forward(thin.coordinates() * level)[:, self.used] / share
            random = features.rotate(process, random, self._mean_coordinates - coordinates)
        return random * (self._mean_level / share)[:, None]

    @cached_property
    def _linear(self) -> Tensor:
        """D of the linear features at the used HS pixels, (1 + MS bands, HS pixels)."""
        return self._mean(self.pixels.linear(self.settings))[:, self.used]

    @cached_property
    def _mean_level(self) -> Tensor:
        """Mean brightness of the used HS pixels, with its floor, (HS pixels,)."""
        (level,) = self._mean(self.pixels.level[None])
        return level[self.used]

    @cached_property
    def _mean_coordinates(self) -> Tensor:
        """Mean coordinates of the used HS pixels over all MS pixels, weighted by brightness."""
        level = self.pixels.level * self.pixels.valid
        mean = self.degrade.forward(self.pixels.coordinates() * level)[:, self.used]
        return mean / self.degrade.forward(level)[self.used].clamp_min(_TINY)

    def _mean(self, values: Tensor) -> Tensor:
        """Return D over the valid MS pixels."""
        return self.degrade.forward_masked(values, self.pixels.valid > 0)[0]


def _degraded(
    process: int, features: RandomFeatures, pixels: PixelMaps, degrade: Degrade, block: int
) -> Tensor:
    """Return D of features, (coarse rows, coarse columns, features), not over its own share."""
    # MS pixels that no HS pixel of the cell sees: they are read for the texture of the others.
    seen = [slice(*_ends(weights.any(dim=0))) for weights in (degrade.rows, degrade.columns)]
    pixels = pixels.cut(*seen)
    rows, columns = degrade.rows[:, seen[0]], degrade.columns[:, seen[1]]
    coordinates, level = pixels.coordinates(), features.scale * pixels.level * pixels.valid
    total = level.new_zeros((2, len(rows), len(columns), features.count // 2))
    for area in _blocks(level.shape[0], level.shape[1], block):
        down, across = rows[:, area[0]], columns[:, area[1]]
        inside = [slice(*_ends(weights.any(dim=1))) for weights in (down, across)]
        down, across = down[inside[0]], across[inside[1]]
        # Column by column: D along y, with each pixel's brightness, is one product for a column.
        weights = (down * level[area].mT[:, None]).contiguous()
        waves = features(process, coordinates[:, *area].transpose(1, 2).flatten(1))
        for wave, each in zip(waves, total, strict=True):
            along = torch.bmm(weights, wave.unflatten(0, (len(weights), -1)))
            part = (across @ along.flatten(1)).unflatten(1, along.shape[1:])
            each[inside[0], inside[1]] += part.transpose(0, 1)
    return torch.cat([*total], dim=2)


def _ends(flags: Tensor) -> tuple[int, int]:
    index = torch.nonzero(flags)
    return (int(index[0]), int(index[-1]) + 1) if len(index) else (0, 0)


def _blocks(rows: int, columns: int, size: int) -> Iterator[tuple[slice, slice]]:
    """Yield rectangles of at most ``size`` pixels that cover rows and columns."""
    if not rows * columns:
        return
    width = min(columns, _BLOCK_COLUMNS)
    height = max(1, size // width)
    for row in range(0, rows, height):
        for column in range(0, columns, width):
            yield slice(row, min(row + height, rows)), slice(column, min(column + width, columns))


def ridge_weights(design: Tensor, observed: Tensor, noise: NDArray[np.float64]) -> Tensor:
    """
    Return the weights of features given HS pixels, shape (components, features).

    Parameters
    ----------
    design : Tensor of shape (features, HS pixels)
        D of the features, float64.
    observed : Tensor of shape (components, HS pixels)
        The HS image's components, float64.
    noise : ndarray of shape (components,)
        Variance of each component's noise, in that of the component.
    """
    weights = observed.new_zeros((len(observed), len(design)))
    if observed.shape[1] == 0:
        return weights
    scale = _scale(observed)
    moment = design @ (observed / scale).mT
    for chosen, factor in ridge_factors(design, noise):
        weights[chosen] = torch.cholesky_solve(moment[:, chosen], factor).mT
    return weights * scale


def ridge_factors(design: Tensor, noise: NDArray[np.float64]) -> Iterator[tuple[Tensor, Tensor]]:
    """
    Yield the components of each noise, and the Cholesky factor of their normal equations.

    Parameters
    ----------
    design : Tensor of shape (features, HS pixels)
        float64.
    noise : ndarray of shape (components,)
        Ridge of each component.

    Yields
    ------
    tuple of Tensor
        A mask of shape (components,), and the factor, (features, features).
    """
    gram = _gram(design)
    for value in np.unique(noise):
        factor = gram.clone()
        factor.diagonal().add_(float(value))
        yield torch.from_numpy(noise == value).to(gram.device), torch.linalg.cholesky(factor)


def cross_validation(design: Tensor, observed: Tensor, settings: KrigingSettings) -> Tensor:
    """
    Return the score of generalised cross-validation, shape (noises, components).

    Parameters
    ----------
    design, observed : Tensor
        As :func:`ridge_weights`.
    settings : KrigingSettings
        The noises to select from.

    Returns
    -------
    Tensor
        Logarithm of the predicted squared error over the smallest.
    """
    count = observed.shape[1]
    target = observed / _scale(observed)
    values, vectors = torch.linalg.eigh(_gram(design))
    values = values.clamp_min(1e-9 * float(values.max()))
    # Singular vectors in the space of HS pixels; their residual is noise at every ridge.
    projected = (target @ design.mT) @ vectors / values.sqrt()
    residual = target.square().sum(dim=1, keepdim=True) - projected.square().sum(
        dim=1, keepdim=True
    )
    noises = torch.tensor(settings.noises, dtype=torch.float64).to(values)
    shrinkage = values / (values + noises[:, None])  # (noises, values)
    error = (1 - shrinkage).square() @ projected.square().mT + residual.clamp_min(0).mT
    freedom = (1 - settings.freedom * shrinkage.sum(dim=1) / count).clamp_min(1e-3)
    score = error / freedom[:, None].square()
    return (score / score.amin(dim=0).clamp_min(1e-30)).log()


def noise_levels(scores: NDArray[np.float64], settings: KrigingSettings) -> NDArray[np.float64]:
    """
    Return the noise with the best score of each component, of a few different ones.

    A factorisation serves all components of one noise. Those are left out one after the other
    without which the scores, shape (noises, components), are least worse.
    """
    held = list(range(len(scores)))
    while len(held) > settings.levels:
        losses = [scores[[k for k in held if k != each]].min(axis=0).sum() for each in held]
        held.pop(int(np.argmin(losses)))
    best = scores[held].argmin(axis=0)
    return np.asarray(settings.noises)[np.asarray(held)[best]]


def _scale(observed: Tensor) -> Tensor:
    return observed.square().mean(dim=1, keepdim=True).sqrt().clamp_min(1e-30)


def _gram(design: Tensor, parts: int = 4) -> Tensor:
    """Return ``design @ design.mT``; blocks above the diagonal are copies."""
    chunks = design.chunk(parts)
    rows = [[a @ b.mT for b in chunks[: i + 1]] for i, a in enumerate(chunks)]
    full = [
        [rows[i][j] if j <= i else rows[j][i].mT for j in range(len(chunks))]
        for i in range(len(chunks))
    ]
    return torch.cat([torch.cat(row, dim=1) for row in full])
