"""
What the network is taught: pairs simulated from cubes, and what it should answer.

Two kinds of examples. ``cube`` is the paper's: the network sees the pair and answers the
cube, so it serves one sensor and one ratio. ``component`` shows it one principal component
at a time (:mod:`hsfuse.methods.ms_ssfnet.features`) and asks for a correction, so that it
serves any sensor; sensors, ratios, blurs and noise are varied.

Everything random is drawn from (seed, number of the observation) or (seed, step), so the
examples of a step are the same whether or not the run was interrupted before it.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn.functional import avg_pool2d

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.errors import PairError
from hsfuse.learning.random_pairs import SimulatedPair, draw_pair
from hsfuse.learning.recipe import Recipe
from hsfuse.methods import Window
from hsfuse.methods.guided.selection import select_parameters
from hsfuse.methods.ms_ssfnet.estimators import Estimators
from hsfuse.methods.ms_ssfnet.features import LEADING, gather, with_signs
from hsfuse.methods.ms_ssfnet.units import Units, measure_units
from hsfuse.nets.ms_ssfnet import Architecture
from hsfuse.observe import Degrade
from hsfuse.pair.survey import Patch, brightness
from hsfuse.parallel import one_thread
from hsfuse.sensor.catalogue import Sensor

__all__ = [
    "Batch",
    "Observed",
    "draw_batch",
    "each_batch",
    "observe_components",
    "observe_example",
]


@dataclass(frozen=True)
class Observed:
    """
    One observation, from which patches are cut.

    Attributes
    ----------
    fine : Tensor of shape (channels, rows, columns)
        What the network sees of the fine grid; for components, what they share.
    own : Tensor of shape (components, channels, rows, columns) or None
        What it sees of one component.
    coarse : Tensor of shape (bands, coarse rows, coarse columns) or None
        The HS image; None for components, whose coarse side is made of the fine one.
    targets : tuple of Tensor
        Of every level, coarsest first, with a first axis of bands or components.
    weight : Tensor of shape (rows, columns)
        How much an error counts; zero where the truth has no data.
    chances : ndarray of shape (components,)
        How often each component is shown.
    """

    fine: Tensor
    own: Tensor | None
    coarse: Tensor | None
    targets: tuple[Tensor, ...]
    weight: Tensor
    chances: NDArray[np.float64]


@dataclass(frozen=True)
class Batch:
    """Examples of one step, stacked: (batch, channels, rows, columns) each."""

    coarse: Tensor
    fine: Tensor
    targets: list[Tensor]
    weights: list[Tensor]


def each_batch(
    cubes: Sequence[xr.DataArray],
    sensors: Sequence[Sensor | None],
    architecture: Architecture,
    recipe: Recipe,
    first: int,
) -> Generator[tuple[int, Batch]]:
    """
    Yield (step, batch) from step ``first`` on.

    One of ``recipe.scenes`` observations is replaced every ``recipe.refresh`` steps; the next
    one is made by another thread meanwhile. Close the generator, and what waits is not made.
    """
    observe = partial(observe_example, cubes, sensors, architecture, recipe)
    observed: dict[int, Observed] = {}
    pending: dict[int, Future[Observed]] = {}
    ahead = ThreadPoolExecutor(1)
    try:
        for step in range(first, recipe.steps):
            numbers = _numbers(recipe, step)
            later = min(step + recipe.refresh, recipe.steps - 1)
            for number in (*numbers, *_numbers(recipe, later)):
                if number not in observed and number not in pending:
                    pending[number] = ahead.submit(observe, number)
            for number in set(numbers) - set(observed):
                observed[number] = pending.pop(number).result()
            for number in set(observed) - set(numbers):
                del observed[number]
            draw = np.random.default_rng([recipe.seed, step])
            yield step, draw_batch([observed[n] for n in numbers], architecture, recipe, draw)
    finally:
        ahead.shutdown(cancel_futures=True)


def draw_batch(
    observed: Sequence[Observed],
    architecture: Architecture,
    recipe: Recipe,
    draw: np.random.Generator,
) -> Batch:
    """Return random patches of random observations: ``recipe.batch`` of ``recipe.patch``."""
    picks = draw.integers(len(observed), size=recipe.batch)
    return _stacked([_cut(observed[i], architecture, recipe, draw) for i in picks])


def _numbers(recipe: Recipe, step: int) -> list[int]:
    """Return the observations at hand at a step: one place in turn holds a newer one."""
    turn = step // recipe.refresh
    return [
        place + recipe.scenes * ((turn + recipe.scenes - 1 - place) // recipe.scenes)
        for place in range(recipe.scenes)
    ]


def _stacked(patches: Sequence[tuple[Tensor, Tensor, list[Tensor], list[Tensor]]]) -> Batch:
    coarse, fine, targets, weights = zip(*patches, strict=True)
    return Batch(
        torch.stack(coarse),
        torch.stack(fine),
        [torch.stack(level) for level in zip(*targets, strict=True)],
        [torch.stack(level) for level in zip(*weights, strict=True)],
    )


def observe_example(
    cubes: Sequence[xr.DataArray],
    sensors: Sequence[Sensor | None],
    architecture: Architecture,
    recipe: Recipe,
    number: int,
) -> Observed:
    """
    Return one observation: of which cube, where and how is drawn from its number.

    Parameters
    ----------
    cubes : sequence of DataArray
        Truths, (band, y, x), lazy: one window of one of them is read.
    sensors : sequence of Sensor or None
        Fine sensors to draw from; None for a made one.
    architecture : Architecture
        Gives the levels and, for `cube`, the ratio.
    recipe : Recipe
        Gives the ranges.
    number : int
        Which one.
    """
    with one_thread(), threadpool_limits(1):
        drawn = draw_pair(cubes, sensors, architecture, recipe, number)
        if recipe.predicts == "cube":
            return _whole(drawn, architecture)
        return _by_component(drawn, architecture, recipe)


def _whole(drawn: SimulatedPair, architecture: Architecture) -> Observed:
    """Return the paper's example: the pair, and the cube at every level."""
    (pair,) = drawn.survey.patches
    ratio = architecture.ratio
    rows, columns = (ratio * n for n in pair.geometry.coarse_shape)
    # One number for the scene: the same by which the method divides at inference.
    unit = brightness(pair.coarse)
    truth = drawn.truth[:, :rows, :columns] / unit
    valid = torch.isfinite(truth).all(dim=0)
    return Observed(
        torch.from_numpy(np.nan_to_num(pair.fine[:, :rows, :columns])) / unit,
        None,
        torch.from_numpy(np.nan_to_num(pair.coarse)) / unit,
        _levels(torch.where(valid, truth, torch.zeros_like(truth)), architecture, drawn.fwhm),
        valid.float(),
        np.ones(1),
    )


def _by_component(drawn: SimulatedPair, architecture: Architecture, recipe: Recipe) -> Observed:
    """Return the evidence of every component and what the start misses of the truth."""
    (patch,) = drawn.survey.patches
    estimators = Estimators.prepare(drawn.survey, select_parameters(drawn.survey))
    return observe_components(
        drawn.truth,
        patch,
        estimators,
        measure_units(drawn.survey, estimators),
        architecture=architecture,
        dark=recipe.dark,
        fwhm=drawn.fwhm,
    )


def observe_components(
    truth: Tensor,
    patch: Patch,
    estimators: Estimators,
    units: Units,
    *,
    architecture: Architecture,
    dark: float,
    fwhm: float,
) -> Observed:
    """
    Return the evidence of every component of a pair, and what the start misses of its truth.

    Parameters
    ----------
    truth : Tensor of shape (bands, rows, columns)
        On the fine grid of the patch, NaN where there is no data.
    patch : Patch
        The pair.
    estimators, units
        Of the scene that the patch is of.
    architecture : Architecture
        Gives the levels; what is over whole coarse pixels of the network is cut off.
    dark : float
        As in :class:`Recipe`.
    fwhm : float
        Of the blur, in HS pixels, through which the coarser levels see the truth.
    """
    kriging = estimators.kriging
    rows, columns = (n - n % architecture.ratio for n in patch.geometry.fine_shape)
    core = Span(0, rows), Span(0, columns)
    window = Window(patch.coarse, patch.fine, patch.geometry, core, patch.start)
    evidence = gather(window, estimators, units)
    wanted, valid = kriging.guided.subspace.project(truth[:, :rows, :columns].numpy())
    valid &= np.isfinite(patch.fine[:, :rows, :columns]).all(axis=0)
    doubt = torch.from_numpy(units.doubt.astype(np.float32))[:, None, None]
    missing = (torch.from_numpy(wanted) - evidence.start) / doubt
    _, bright = kriging.appearance.relative(torch.from_numpy(patch.fine[:, :rows, :columns]))
    weight = torch.from_numpy(valid) / (bright + dark)
    chances = np.sqrt(units.doubt)
    return Observed(
        evidence.shared,
        evidence.own,
        None,
        _levels(torch.where(torch.from_numpy(valid), missing, 0.0), architecture, fwhm),
        weight / weight.mean().clamp_min(1e-6),
        chances / chances.sum(),
    )


def _levels(values: Tensor, architecture: Architecture, fwhm: float) -> tuple[Tensor, ...]:
    """Return what every level should answer: the values seen through D at its scale (eq. 8)."""
    rows, columns = values.shape[1:]
    levels = []
    for scale in architecture.level_scales:
        step = 2 ** (architecture.scales - scale)
        grid = Geometry(
            Axis(rows, rows // step, float(step)), Axis(columns, columns // step, float(step))
        )
        seen = Degrade.between(grid, (fwhm, fwhm)).forward(values) if step > 1 else values
        levels.append(seen)
    return tuple(levels)


def _cut(
    observed: Observed, architecture: Architecture, recipe: Recipe, draw: np.random.Generator
) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
    """Return a random patch: coarse and fine input, targets and weights of every level."""
    ratio = architecture.ratio
    cells = [n // ratio for n in observed.weight.shape]
    size = min(recipe.patch, *cells)
    if size < recipe.patch:
        raise PairError(
            f"a patch of {recipe.patch * ratio} pixels a side does not fit a cube of "
            f"{observed.weight.shape[0]} x {observed.weight.shape[1]}; larger cubes or a "
            "smaller patch would be accepted"
        )
    top, left = (int(draw.integers(n - size + 1)) for n in cells)
    turns, flip = int(draw.integers(4)), bool(draw.integers(2))

    def part(values: Tensor, scale: int) -> Tensor:
        rows = slice(top * scale, (top + size) * scale)
        columns = slice(left * scale, (left + size) * scale)
        turned = torch.rot90(values[..., rows, columns], turns, (-2, -1))
        return turned.flip(-1) if flip else turned

    scales = [2**s for s in architecture.level_scales]
    targets, fine = observed.targets, part(observed.fine, ratio)
    if observed.own is not None:
        which = int(draw.choice(len(observed.own), p=observed.chances))
        # The sign of a principal component is arbitrary.
        sign, others = float(draw.choice([-1, 1])), draw.choice([-1.0, 1.0], size=LEADING)
        fine = with_signs(torch.cat([fine, part(observed.own[which], ratio)]), sign, others)
        targets = tuple(sign * level[which : which + 1] for level in targets)
    coarse = avg_pool2d(fine, ratio) if observed.coarse is None else part(observed.coarse, 1)
    weight = part(observed.weight, ratio)[None]
    return (
        coarse,
        fine,
        [part(t, s) for t, s in zip(targets, scales, strict=True)],
        [avg_pool2d(weight, ratio // s) for s in scales],
    )
