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

__all__ = ["CellDesign", "cross_validation", "noise_levels", "ridge_weights"]

# Shares of the PSF of an HS pixel below this are taken as zero in divisions.
_TINY = 1e-6
# Columns of a block of MS pixels whose features are degraded at once. Blocks with few rows limit D
# along y, the more expensive product, to few HS rows.
_BLOCK_COLUMNS = 32


@dataclass(frozen=True)
class CellDesign:
    """
    The HS pixels of a cell, with the MS pixels inside their PSF.

    Attributes
    ----------
    pixels : PixelMaps
        MS pixels around the cell.
    degrade : Degrade
        D, from these MS pixels to the HS pixels of the cell.
    used : Tensor of shape (coarse rows, coarse columns)
        Mask of HS pixels with data in both images.
    ratio : float
        MS pixels per HS pixel.
    settings : KrigingSettings
        Settings of the method.
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

        Relative errors have the same weight in bright and dark pixels, as in the spectral angle.
        """
        (brightness,) = self._mean(self.pixels.brightness[None])
        return 1 / (brightness[self.used] + self.settings.brightness_floor)

    def features(self, process: int, features: RandomFeatures) -> Tensor:
        """
        Return D of a process's features at the used HS pixels.

        Random features are computed at a subset of the MS pixels. The resulting change of mean
        brightness and mean coordinates is corrected, so that features that vary linearly within an
        HS pixel are exact.

        Returns
        -------
        Tensor of shape (1 + MS bands + features, HS pixels)
            The linear features come first.
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
        """D of the linear features at the used HS pixels, shape (1 + MS bands, HS pixels)."""
        return self._mean(self.pixels.linear(self.settings))[:, self.used]

    @cached_property
    def _mean_level(self) -> Tensor:
        """Mean brightness, plus its floor, of the used HS pixels, shape (HS pixels,)."""
        (level,) = self._mean(self.pixels.level[None])
        return level[self.used]

    @cached_property
    def _mean_coordinates(self) -> Tensor:
        """Brightness-weighted mean coordinates of the used HS pixels over all MS pixels."""
        level = self.pixels.level * self.pixels.valid
        mean = self.degrade.forward(self.pixels.coordinates() * level)[:, self.used]
        return mean / self.degrade.forward(level)[self.used].clamp_min(_TINY)

    def _mean(self, values: Tensor) -> Tensor:
        """Return D of values over the valid MS pixels."""
        return self.degrade.forward_masked(values, self.pixels.valid > 0)[0]


def _degraded(
    process: int, features: RandomFeatures, pixels: PixelMaps, degrade: Degrade, block: int
) -> Tensor:
    """Return D of features, (coarse rows, coarse columns, features), not normalised by share."""
    # MS pixels outside the PSF of every HS pixel of the cell are only read for texture maps.
    weighted = [slice(*_ends(weights.any(dim=0))) for weights in (degrade.rows, degrade.columns)]
    pixels = pixels.cut(*weighted)
    rows, columns = degrade.rows[:, weighted[0]], degrade.columns[:, weighted[1]]
    coordinates, level = pixels.coordinates(), features.scale * pixels.level * pixels.valid
    total = level.new_zeros((2, len(rows), len(columns), features.count // 2))
    for area in _blocks(level.shape[0], level.shape[1], block):
        down, across = rows[:, area[0]], columns[:, area[1]]
        inside = [slice(*_ends(weights.any(dim=1))) for weights in (down, across)]
        down, across = down[inside[0]], across[inside[1]]
        # Column by column: D along y, with each pixel's brightness, is one product for a column.
        weights = (down * level[area].mT[:, None]).contiguous()
        waves = features(process, coordinates[:, *area].transpose(1, 2).flatten(1))
        for wave, degraded in zip(waves, total, strict=True):
            along = torch.bmm(weights, wave.unflatten(0, (len(weights), -1)))
            part = (across @ along.flatten(1)).unflatten(1, along.shape[1:])
            degraded[inside[0], inside[1]] += part.transpose(0, 1)
    return torch.cat([*total], dim=2)


def _ends(flags: Tensor) -> tuple[int, int]:
    """Return the first true element and the one after the last, (0, 0) without any."""
    index = torch.nonzero(flags)
    return (int(index[0]), int(index[-1]) + 1) if len(index) else (0, 0)


def _blocks(rows: int, columns: int, size: int) -> Iterator[tuple[slice, slice]]:
    """Yield rectangles of at most ``size`` pixels that together cover rows and columns."""
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
        D of the features, in float64.
    observed : Tensor of shape (components, HS pixels)
        Components of the HS image, in float64.
    noise : ndarray of shape (components,)
        Variance of the noise of each component, in units of the variance of the component.
    """
    weights = observed.new_zeros((len(observed), len(design)))
    if observed.shape[1] == 0:
        return weights
    scale = _scale(observed)
    moment = design @ (observed / scale).mT
    gram = _gram(design)
    for value in np.unique(noise):
        selected = torch.from_numpy(noise == value).to(gram.device)
        ridged = gram.clone()
        ridged.diagonal().add_(float(value))
        factor = torch.linalg.cholesky(ridged)
        weights[selected] = torch.cholesky_solve(moment[:, selected], factor).mT
    return weights * scale


def cross_validation(design: Tensor, observed: Tensor, settings: KrigingSettings) -> Tensor:
    """
    Return the score of generalised cross-validation.

    Parameters
    ----------
    design, observed : Tensor
        As in :func:`ridge_weights`.
    settings : KrigingSettings
        Settings with the candidate noise variances.

    Returns
    -------
    Tensor
        Shape (noises, components): logarithm of the predicted squared error, relative to the
        smallest of the component.
    """
    count = observed.shape[1]
    target = observed / _scale(observed)
    values, vectors = torch.linalg.eigh(_gram(design))
    values = values.clamp_min(1e-9 * float(values.max()))
    # Singular vectors in the space of HS pixels; the residual outside them is noise at any ridge.
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
    Return the noise with the best score for each component, from a few distinct values.

    All components with the same noise share a factorisation. Candidates are removed one by one,
    each time the one whose removal worsens the scores, shape (noises, components), least.
    """
    candidates = list(range(len(scores)))
    while len(candidates) > settings.levels:
        losses = [
            scores[[other for other in candidates if other != index]].min(axis=0).sum()
            for index in candidates
        ]
        candidates.pop(int(np.argmin(losses)))
    best = scores[candidates].argmin(axis=0)
    return np.asarray(settings.noises)[np.asarray(candidates)[best]]


def _scale(observed: Tensor) -> Tensor:
    """Return the root mean square of each component, shape (components, 1), positive."""
    return observed.square().mean(dim=1, keepdim=True).sqrt().clamp_min(1e-30)


def _gram(design: Tensor, parts: int = 4) -> Tensor:
    """Return ``design @ design.mT``; blocks above the diagonal are copied from below."""
    chunks = design.chunk(parts)
    rows = [[a @ b.mT for b in chunks[: i + 1]] for i, a in enumerate(chunks)]
    full = [
        [rows[i][j] if j <= i else rows[j][i].mT for j in range(len(chunks))]
        for i in range(len(chunks))
    ]
    return torch.cat([torch.cat(row, dim=1) for row in full])
