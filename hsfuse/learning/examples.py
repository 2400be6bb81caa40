"""
Training examples: scenes simulated from cubes, and patches cut from them.

There are two kinds of scenes. ``cube`` is that of the paper: the network takes the pair and
predicts the cube, for one sensor and one ratio; every network of the table can be trained on it.
For ``component`` the input of `ms-ssfnet` is one principal component at a time
(:mod:`hsfuse.methods.ms_ssfnet.features`) and the target is a correction, for any sensor; sensors,
ratios, PSFs and noise vary.

All random numbers depend on (seed, number of the scene) or (seed, step), so that the examples of a
step are the same in a resumed run.
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
from torch import Tensor
from torch.nn.functional import avg_pool2d

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.core.text import image_size
from hsfuse.errors import PairError
from hsfuse.learning.random_pairs import SimulatedPair, draw_pair
from hsfuse.learning.recipe import Recipe
from hsfuse.methods import Window
from hsfuse.methods.conditioning import with_models
from hsfuse.methods.dhsis import FusionProblem, initial_estimate
from hsfuse.methods.ms_ssfnet.estimators import Estimators
from hsfuse.methods.ms_ssfnet.features import LEADING_COMPONENTS, compute_features, with_signs
from hsfuse.methods.ms_ssfnet.scales import measure_scales
from hsfuse.nets.network import Architecture, HSInput
from hsfuse.observe import Degrade, Interpolate
from hsfuse.pair.survey import brightness
from hsfuse.parallel import one_thread
from hsfuse.sensor.catalogue import Sensor

__all__ = ["Batch", "TrainingScene", "draw_batch", "iterate_batches", "simulate_scene"]


@dataclass(frozen=True)
class TrainingScene:
    """
    Network inputs and targets of a simulated pair, from which patches are cut.

    Attributes
    ----------
    fine : Tensor of shape (channels, rows, columns)
        Input on the fine grid; for components, the channels common to all components.
    per_component : Tensor of shape (components, channels, rows, columns) or None
        Channels of each component.
    coarse : Tensor of shape (bands, coarse rows, coarse columns) or None
        HS image, or the HS input on the fine grid; None for components, whose coarse input is the
        mean of the fine input.
    targets : tuple of Tensor
        Targets (bands or components, rows, columns) of every level, coarsest first.
    weight : Tensor of shape (rows, columns)
        Weight of the error in the loss; zero where the reference has no data.
    probabilities : ndarray of shape (components,)
        Probability of drawing each component.
    """

    fine: Tensor
    per_component: Tensor | None
    coarse: Tensor | None
    targets: tuple[Tensor, ...]
    weight: Tensor
    probabilities: NDArray[np.float64]


@dataclass(frozen=True)
class Batch:
    """Examples of one step, stacked; all tensors (batch, channels, rows, columns)."""

    coarse: Tensor
    fine: Tensor
    targets: list[Tensor]
    weights: list[Tensor]


def iterate_batches(
    cubes: Sequence[xr.DataArray],
    sensors: Sequence[Sensor | None],
    architecture: Architecture,
    recipe: Recipe,
    first: int,
) -> Generator[tuple[int, Batch]]:
    """
    Yield (step, batch) from step ``first`` on.

    One of ``recipe.scenes`` scenes is replaced every ``recipe.refresh`` steps; the next one is
    simulated in another thread. Closing the generator cancels pending simulations.
    """
    simulate = partial(simulate_scene, cubes, sensors, architecture, recipe)
    scenes: dict[int, TrainingScene] = {}
    pending: dict[int, Future[TrainingScene]] = {}
    ahead = ThreadPoolExecutor(1)
    try:
        for step in range(first, recipe.steps):
            numbers = _scene_numbers(recipe, step)
            later = min(step + recipe.refresh, recipe.steps - 1)
            for number in (*numbers, *_scene_numbers(recipe, later)):
                if number not in scenes and number not in pending:
                    pending[number] = ahead.submit(simulate, number)
            for number in set(numbers) - set(scenes):
                scenes[number] = pending.pop(number).result()
            for number in set(scenes) - set(numbers):
                del scenes[number]
            draw = np.random.default_rng([recipe.seed, step])
            yield step, draw_batch([scenes[n] for n in numbers], architecture, recipe, draw)
    finally:
        ahead.shutdown(cancel_futures=True)


def draw_batch(
    scenes: Sequence[TrainingScene],
    architecture: Architecture,
    recipe: Recipe,
    draw: np.random.Generator,
) -> Batch:
    """
    Return ``recipe.batch`` random patches of random scenes.

    Raises
    ------
    PairError
        If a scene is smaller than a patch of ``recipe.patch`` x ``recipe.patch`` coarse pixels.
    """
    picks = draw.integers(len(scenes), size=recipe.batch)
    return _stacked([_draw_patch(scenes[i], architecture, recipe, draw) for i in picks])


def _scene_numbers(recipe: Recipe, step: int) -> list[int]:
    """Return the numbers of the scenes in memory at a step, replaced in turn."""
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


def simulate_scene(
    cubes: Sequence[xr.DataArray],
    sensors: Sequence[Sensor | None],
    architecture: Architecture,
    recipe: Recipe,
    number: int,
) -> TrainingScene:
    """
    Simulate a scene; cube, window, sensors and noise are drawn by its number.

    Parameters
    ----------
    cubes : sequence of DataArray
        Truths, (band, y, x), lazy: one window of one of them is read.
    sensors : sequence of Sensor or None
        MS sensors to draw from; None for a random one.
    architecture : Architecture
        Architecture: levels and, for `cube`, the ratio.
    recipe : Recipe
        Ranges of the random parameters.
    number : int
        Number of the scene; with ``recipe.seed`` the random seed.

    Raises
    ------
    PairError
        If no window of the drawn cube holds enough data.
    """
    with one_thread():
        pair = draw_pair(cubes, sensors, architecture, recipe, number)
        if recipe.predicts == "cube":
            return _cube_scene(pair, architecture)
        return _component_scene(pair, architecture, recipe)


def _cube_scene(pair: SimulatedPair, architecture: Architecture) -> TrainingScene:
    """Return the scene of the paper: the pair, and the cube at every level as targets."""
    (patch,) = pair.survey.patches
    ratio = architecture.ratio
    rows, columns = (ratio * n for n in patch.geometry.coarse_shape)
    # The method divides by the same unit at inference.
    unit = brightness(patch.coarse)
    truth = pair.truth[:, :rows, :columns] / unit
    valid = torch.isfinite(truth).all(dim=0)
    return TrainingScene(
        torch.from_numpy(np.nan_to_num(patch.fine[:, :rows, :columns])) / unit,
        None,
        _hs_input(pair, unit, architecture.hs_input)[:, :rows, :columns],
        _level_targets(torch.where(valid, truth, torch.zeros_like(truth)), architecture, pair.psf),
        valid.float(),
        np.ones(1),
    )


def _hs_input(pair: SimulatedPair, unit: float, kind: HSInput) -> Tensor:
    """Return the HS input of a network, computed as at inference."""
    (patch,) = pair.survey.patches
    filled = torch.from_numpy(np.nan_to_num(patch.coarse)) / unit
    if kind == "coarse":
        return filled
    if kind == "interpolated":
        return Interpolate.between(patch.geometry).forward(filled)
    coarse, fine = (torch.from_numpy(values) / unit for values in (patch.coarse, patch.fine))
    response = torch.from_numpy(pair.survey.radiometry.response.astype(np.float32))
    problem = FusionProblem(coarse, fine, patch.geometry, pair.survey.psf, response)
    return initial_estimate(problem, filled)


def _component_scene(
    pair: SimulatedPair, architecture: Architecture, recipe: Recipe
) -> TrainingScene:
    """
    Return the features of every component, with the error of its initial estimate as target.

    Rows and columns beyond complete coarse pixels of the network are removed.
    """
    (patch,) = pair.survey.patches
    estimators, scenes = Estimators.prepare(pair.survey)
    scales = measure_scales(pair.survey, estimators, scenes)
    kriging = estimators.kriging
    rows, columns = (n - n % architecture.ratio for n in patch.geometry.fine_shape)
    core = Span(0, rows), Span(0, columns)
    window = Window(patch.coarse, patch.fine, patch.geometry, core, patch.start)
    fitted = estimators.fit(with_models(estimators, window))
    features = compute_features(fitted, core, estimators, scales)
    components, valid = kriging.guided.subspace.project(pair.truth[:, :rows, :columns].numpy())
    valid &= np.isfinite(patch.fine[:, :rows, :columns]).all(axis=0)
    prior = torch.from_numpy(scales.prior_deviation.astype(np.float32))[:, None, None]
    correction = (torch.from_numpy(components) - features.initial) / prior
    _, bright = kriging.appearance.relative(torch.from_numpy(patch.fine[:, :rows, :columns]))
    weight = torch.from_numpy(valid) / (bright + recipe.dark)
    probabilities = np.sqrt(scales.prior_deviation)
    return TrainingScene(
        features.shared,
        torch.stack(
            [features.component_channels(component) for component in range(len(components))]
        ),
        None,
        _level_targets(
            torch.where(torch.from_numpy(valid), correction, 0.0), architecture, pair.psf
        ),
        weight / weight.mean().clamp_min(1e-6),
        probabilities / probabilities.sum(),
    )


def _level_targets(values: Tensor, architecture: Architecture, psf: PSF) -> tuple[Tensor, ...]:
    """Return the target of every level: D of the values at the scale of the level (eq. 8)."""
    rows, columns = values.shape[1:]
    levels = []
    for ratio in architecture.level_ratios:
        step = architecture.ratio // ratio
        grid = Geometry(
            Axis(rows, rows // step, float(step)), Axis(columns, columns // step, float(step))
        )
        levels.append(Degrade.between(grid, psf).forward(values) if step > 1 else values)
    return tuple(levels)


def _draw_patch(
    scene: TrainingScene, architecture: Architecture, recipe: Recipe, draw: np.random.Generator
) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
    """Return a random patch: coarse and fine input, targets and weights of every level."""
    ratio = architecture.ratio
    cells = [n // ratio for n in scene.weight.shape]
    size = min(recipe.patch, *cells)
    if size < recipe.patch:
        raise PairError(
            f"a patch of {recipe.patch * ratio} pixels a side does not fit a cube of "
            f"{image_size(*scene.weight.shape)}; expected larger cubes or a smaller `--patch`"
        )
    top, left = (int(draw.integers(n - size + 1)) for n in cells)
    turns, flip = int(draw.integers(4)), bool(draw.integers(2))

    def part(values: Tensor, scale: int) -> Tensor:
        rows = slice(top * scale, (top + size) * scale)
        columns = slice(left * scale, (left + size) * scale)
        turned = torch.rot90(values[..., rows, columns], turns, (-2, -1))
        return turned.flip(-1) if flip else turned

    scales = architecture.level_ratios
    targets, fine = scene.targets, part(scene.fine, ratio)
    if scene.per_component is not None:
        which = int(draw.choice(len(scene.per_component), p=scene.probabilities))
        # The sign of a principal component is arbitrary.
        sign, others = (
            float(draw.choice([-1, 1])),
            draw.choice([-1.0, 1.0], size=LEADING_COMPONENTS),
        )
        fine = with_signs(torch.cat([fine, part(scene.per_component[which], ratio)]), sign, others)
        targets = tuple(sign * level[which : which + 1] for level in targets)
    if scene.coarse is None:
        coarse = avg_pool2d(fine, ratio)
    else:
        coarse = part(scene.coarse, 1 if architecture.hs_input == "coarse" else ratio)
    weight = part(scene.weight, ratio)[None]
    return (
        coarse,
        fine,
        [part(t, s) for t, s in zip(targets, scales, strict=True)],
        [avg_pool2d(weight, ratio // s) for s in scales],
    )
