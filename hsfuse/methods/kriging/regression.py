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

    @property
    def linear_count(self) -> int:
        """Number of linear features: a constant and the MS bands."""
        return 1 + len(self.pixels.bands)

    def features(self, process: int, features: RandomFeatures) -> Tensor:
        """
        Return D of a process's features at the used HS pixels.

        Random features are computed at a subset of the MS pixels. The resulting change of mean
        brightness and mean coordinates is corrected, so that features that vary linearly within an
        HS pixel are exact.

        Returns
        -------
        Tensor of shape (HS pixels, 1 + MS bands + features)
            The linear features come first.
        """
        lattices = self.settings.lattices(process, self.ratio)
        total = self.degrade.rows.new_zeros((*self.used.shape, 2, features.count // 2))
        share, coordinates = torch.zeros(()), torch.zeros(())
        for step, first in lattices:
            area = slice(first[0], None, step), slice(first[1], None, step)
            thin = self.pixels.cut(*area)
            degrade = Degrade(self.degrade.rows[:, area[0]], self.degrade.columns[:, area[1]])
            _add_degraded(total, process, features, thin, degrade, self.settings.block)
            level = thin.level * thin.valid
            share = share + degrade.forward(level)[self.used]
            if len(lattices) > 1:
                moved = degrade.forward(thin.coordinates() * level)
                coordinates = coordinates + moved[:, self.used]
        share = share.clamp_min(_TINY)
        random = total[self.used].flatten(1)
        if len(lattices) > 1:
            random = features.rotate(process, random, self._mean_coordinates - coordinates / share)
        random = random.mul_((self._mean_level / share)[:, None])
        return torch.cat([self._linear.mT, random], dim=1)

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


def _add_degraded(
    total: Tensor,
    process: int,
    features: RandomFeatures,
    pixels: PixelMaps,
    degrade: Degrade,
    block: int,
) -> None:
    """Add D of features to (coarse rows, coarse columns, 2, features / 2), not over its share."""
    # MS pixels outside the PSF of every HS pixel of the cell are only read for texture maps.
    weighted = [slice(*_ends(weights.any(dim=0))) for weights in (degrade.rows, degrade.columns)]
    pixels = pixels.cut(*weighted)
    rows, columns = degrade.rows[:, weighted[0]], degrade.columns[:, weighted[1]]
    # Column by column: D along y, with each pixel's brightness, is one product for a column.
    coordinates = pixels.coordinates().transpose(1, 2).contiguous()
    level = features.scale * pixels.level * pixels.valid
    for area in _blocks(level.shape[0], level.shape[1], block):
        down, across = rows[:, area[0]], columns[:, area[1]]
        inside = [slice(*_ends(weights.any(dim=1))) for weights in (down, across)]
        down, across = down[inside[0]], across[inside[1]]
        weights = (down * level[area].mT[:, None]).contiguous()
        waves = features(process, coordinates[:, area[1], area[0]].flatten(1))
        for index, wave in enumerate(waves):
            along = torch.bmm(weights, wave.unflatten(0, (len(weights), -1)))
            part = (across @ along.flatten(1)).unflatten(1, along.shape[1:])
            total[inside[0], inside[1], index] += part.transpose(0, 1)


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


def ridge_weights(
    design: Tensor,
    observed: Tensor,
    noise: NDArray[np.float64],
    settings: KrigingSettings,
    linear: int = 0,
) -> Tensor:
    """
    Return the weights of features given HS pixels, shape (components, features).

    Parameters
    ----------
    design : Tensor of shape (HS pixels, features)
        D of the features, in float64.
    observed : Tensor of shape (components, HS pixels)
        Components of the HS image, in float64.
    noise : ndarray of shape (components,)
        Variance of the noise of each component, in units of the variance of the component.
    settings : KrigingSettings
        Settings with the noise from which on products and factors are computed in float32.
    linear : int
        Number of linear features, which come first. They are larger than the others by their
        prior deviation and the number of HS pixels, so that their products need float64.
    """
    weights = observed.new_zeros((len(observed), design.shape[1]))
    if not len(design):
        return weights
    scale = _scale(observed)
    moment = design.mT @ (observed / scale).mT
    if noise.min() >= settings.single_product_noise:
        gram = _mixed_gram(design, linear)
    else:
        gram = _gram(design)
    for value in np.unique(noise):
        selected = torch.from_numpy(noise == value).to(gram.device)
        single = value >= settings.single_factor_noise
        ridged = gram.to(torch.float32 if single else torch.float64, copy=True)
        ridged.diagonal().add_(float(value))
        factor = torch.linalg.cholesky(ridged)
        solution = torch.cholesky_solve(moment[:, selected].to(factor), factor)
        weights[selected] = solution.mT.to(weights)
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
    projected = (target @ design) @ vectors / values.sqrt()
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
    """Return ``design.mT @ design`` on and below the diagonal; above it are zeros."""
    count = design.shape[1]
    gram, size = design.new_zeros((count, count)), -(-count // parts)
    for start in range(0, count, size):
        stop = min(start + size, count)
        gram[start:stop, :stop] = design[:, start:stop].mT @ design[:, :stop]
    return gram


def _mixed_gram(design: Tensor, linear: int) -> Tensor:
    """Return :func:`_gram` in float64, from products in float32 of all but the linear features."""
    gram = design.new_zeros((design.shape[1], design.shape[1]))
    gram[:, :linear] = design.mT @ design[:, :linear]
    gram[linear:, linear:] = _gram(design[:, linear:].float())
    return gram
