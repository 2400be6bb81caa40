"""
What the network is taught: pairs simulated from cubes, and what it should answer.

Everything random is drawn from (seed, step), so the examples of a step are the same
whether or not the run was interrupted before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.methods import Options, Window
from hsfuse.methods.guided import METHOD as GUIDED
from hsfuse.nets.ms_ssfnet import Architecture
from hsfuse.observe import Degrade, respond
from hsfuse.survey import Patch, Survey, brightness

__all__ = ["Batch", "Recipe", "Scene", "each_batch", "observe_scene"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """
    How a network is trained.

    Attributes
    ----------
    predicts : str
        ``correction``: the network sees the guided cube beside the fine bands and its output
        is added to it; ``cube``: it sees the pair alone, as in the paper.
    steps, batch, patch : int
        Optimiser steps, patches a step, coarse pixels a patch side.
    rate : float
        Adam's learning rate at the start; it falls to zero along a half cosine.
    clip : float
        Largest norm of the gradient.
    average : float
        Decay of the running mean of the weights that is exported; 0 for none.
    fwhm : tuple of float
        Range of the point spread function's width in coarse pixels.
    snr : tuple of float
        Range of the coarse image's signal-to-noise ratio in decibels; the fine image has 10
        more. Half of the scenes are free of noise.
    illuminant : float
        Strength of a smooth random gain along the spectrum, in units of log: other lights on
        the same scenes, so that a dozen scenes do not become a dozen spectra learned by heart.
    zoom : float
        Scenes are made up to this many times smaller.
    refresh : int
        Steps between new observations of a scene.
    seed : int
        Of everything that is random.
    """

    predicts: str = "correction"
    steps: int = 5000
    batch: int = 8
    patch: int = 8
    rate: float = 1e-3
    clip: float = 1.0
    average: float = 0.995
    fwhm: tuple[float, float] = (0.8, 1.6)
    snr: tuple[float, float] = (30.0, 50.0)
    illuminant: float = 0.3
    zoom: float = 2.0
    refresh: int = 40
    seed: int = 0


@dataclass(frozen=True)
class Scene:
    """
    One observed cube, in units of its own brightness.

    Attributes
    ----------
    coarse : Tensor of shape (bands, h, w)
    fine : Tensor of shape (channels, rows, columns)
        What the network sees on the fine grid.
    base : Tensor of shape (bands, rows, columns)
        What its output is added to: the guided cube, or zeros.
    targets : tuple of Tensor
        Truth minus base at every level, coarsest first (eq. 8).
    """

    coarse: Tensor
    fine: Tensor
    base: Tensor
    targets: tuple[Tensor, ...]


def observe_scene(
    cube: Tensor,
    response: Tensor,
    architecture: Architecture,
    *,
    fwhm: float,
    snr: float | None,
    predicts: str,
    generator: torch.Generator,
) -> Scene:
    """
    Return what the network sees of a cube, and what it should answer.

    Parameters
    ----------
    cube : Tensor of shape (bands, rows, columns)
        Truth; cut to whole coarse pixels.
    response : Tensor of shape (fine bands, bands)
        R.
    architecture : Architecture
        Gives the ratio and the levels.
    fwhm : float
        Blur in coarse pixels.
    snr : float or None
        Of the coarse image in decibels.
    predicts : str
        As in :class:`Recipe`.
    generator : torch.Generator
        For the noise.
    """
    ratio = architecture.ratio
    rows, columns = (n - n % ratio for n in cube.shape[1:])
    cube = cube[:, :rows, :columns]
    geometry = _aligned(rows, columns, ratio)
    coarse = Degrade.between(geometry, (fwhm, fwhm)).forward(cube)
    fine = respond(response, cube)
    if snr is not None:
        coarse = _noisy(coarse, snr, generator)
        fine = _noisy(fine, snr + 10, generator)

    # One number for the scene: the same by which the method divides at inference.
    unit = brightness(coarse.numpy())
    cube, coarse, fine = cube / unit, coarse / unit, fine / unit
    base = torch.zeros_like(cube)
    if predicts == "correction":
        base = _guided(coarse, fine, geometry, fwhm)
        fine = torch.cat([fine, base])
    missing = cube - base
    targets = []
    for scale in architecture.level_scales:
        step = 2 ** (architecture.scales - scale)
        level = _aligned(rows, columns, step)
        targets.append(
            Degrade.between(level, (fwhm, fwhm)).forward(missing) if step > 1 else missing
        )
    return Scene(coarse, fine, base, tuple(targets))


@dataclass(frozen=True)
class Batch:
    """Examples of one step, stacked: (batch, channels, rows, columns) each."""

    coarse: Tensor
    fine: Tensor
    targets: list[Tensor]


def each_batch(
    cubes: Sequence[NDArray[np.float32]],
    response: Tensor,
    architecture: Architecture,
    recipe: Recipe,
    first: int,
) -> Iterator[tuple[int, Batch]]:
    """Yield (step, batch); scene i is observed anew every ``refresh * len(cubes)`` steps."""
    scenes: dict[int, tuple[int, Scene]] = {}
    for step in range(first, recipe.steps):
        turn = step // recipe.refresh
        for index, cube in enumerate(cubes):
            version = (turn - index) // len(cubes)
            if index not in scenes or scenes[index][0] != version:
                scenes[index] = (version, _draw(cube, response, architecture, recipe, version))
        draw = np.random.default_rng([recipe.seed, step])
        picks = [
            _cut(scenes[int(draw.integers(len(cubes)))][1], architecture, recipe, draw)
            for _ in range(recipe.batch)
        ]
        yield (
            step,
            Batch(
                torch.stack([p.coarse for p in picks]),
                torch.stack([p.fine for p in picks]),
                [torch.stack(level) for level in zip(*(p.targets for p in picks), strict=True)],
            ),
        )


def _draw(
    cube: NDArray[np.float32],
    response: Tensor,
    architecture: Architecture,
    recipe: Recipe,
    version: int,
) -> Scene:
    draw = np.random.default_rng([recipe.seed, version + 1, int(cube.size % 9973)])
    varied = _varied(torch.from_numpy(np.ascontiguousarray(cube)), recipe, architecture, draw)
    return observe_scene(
        varied,
        response,
        architecture,
        fwhm=float(draw.uniform(*recipe.fwhm)),
        snr=float(draw.uniform(*recipe.snr)) if draw.random() < 0.5 else None,
        predicts=recipe.predicts,
        generator=torch.Generator().manual_seed(int(draw.integers(2**31))),
    )


def _varied(
    cube: Tensor, recipe: Recipe, architecture: Architecture, draw: np.random.Generator
) -> Tensor:
    """Return the cube under another light and at another scale."""
    place = np.linspace(0, np.pi, len(cube))
    curve = sum(draw.normal() * np.cos(k * place + draw.uniform(0, np.pi)) for k in (1, 2, 3))
    gain = np.exp(recipe.illuminant * curve).astype(np.float32)
    cube = cube * torch.from_numpy(gain)[:, None, None]
    # A patch has to fit, and guided's trial wants some pixels.
    least = max(recipe.patch, 16) * architecture.ratio
    factor = min(float(draw.uniform(1, recipe.zoom)), min(cube.shape[1:]) / least)
    if factor <= 1:
        return cube
    rows, columns = (int(n / factor) for n in cube.shape[1:])
    shrunk = Geometry(Axis(cube.shape[1], rows, factor), Axis(cube.shape[2], columns, factor))
    return Degrade.between(shrunk, (0.0, 0.0)).forward(cube)


def _cut(
    scene: Scene, architecture: Architecture, recipe: Recipe, draw: np.random.Generator
) -> Scene:
    """Return a random patch of a scene, flipped and turned at random."""
    size, ratio = recipe.patch, architecture.ratio
    top = int(draw.integers(scene.coarse.shape[1] - size + 1))
    left = int(draw.integers(scene.coarse.shape[2] - size + 1))
    turns, flip = int(draw.integers(4)), bool(draw.integers(2))

    def part(values: Tensor, scale: int) -> Tensor:
        rows = slice(top * scale, (top + size) * scale)
        columns = slice(left * scale, (left + size) * scale)
        turned = torch.rot90(values[:, rows, columns], turns, (1, 2))
        return turned.flip(2) if flip else turned

    scales = [2**s for s in architecture.level_scales]
    return Scene(
        part(scene.coarse, 1),
        part(scene.fine, ratio),
        part(scene.base, ratio),
        tuple(part(t, s) for t, s in zip(scene.targets, scales, strict=True)),
    )


def _aligned(rows: int, columns: int, ratio: int) -> Geometry:
    return Geometry(
        Axis(rows, rows // ratio, float(ratio)), Axis(columns, columns // ratio, float(ratio))
    )


def _noisy(values: Tensor, snr: float, generator: torch.Generator) -> Tensor:
    level = values.square().mean(dim=(1, 2), keepdim=True).sqrt() * 10 ** (-snr / 20)
    return values + level * torch.randn(values.shape, generator=generator)


def _guided(coarse: Tensor, fine: Tensor, geometry: Geometry, fwhm: float) -> Tensor:
    bands = len(coarse)
    patch = Patch(coarse.numpy(), fine.numpy(), geometry)
    survey = Survey((patch,), (fwhm, fwhm), np.ones(bands, bool), np.full(bands, np.nan))
    rows, columns = geometry.fine_shape
    window = Window(patch.coarse, patch.fine, geometry, (Span(0, rows), Span(0, columns)))
    (cube,) = GUIDED.prepare(survey, Options()).fuse([window])
    return torch.from_numpy(cube)
