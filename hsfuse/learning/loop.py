"""
The training loop: batches, loss, optimiser steps, validation and checkpoints.

A resumed run takes the same steps as an uninterrupted one: the examples of a step depend on its
number (:mod:`hsfuse.learning.examples`), and the checkpoint includes the state of the optimiser
(:mod:`hsfuse.learning.checkpoint`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from hsfuse.errors import HsfuseError
from hsfuse.learning.checkpoint import begin, log, restore, save, warn
from hsfuse.learning.examples import Batch, iterate_batches
from hsfuse.learning.recipe import Recipe
from hsfuse.nets.network import Architecture, Network
from hsfuse.nets.table import build
from hsfuse.sensor.catalogue import Sensor

__all__ = [
    "batch_loss",
    "optimise",
    "build_network",
    "learning_rate",
    "initialise",
    "sensor_names",
    "train_network",
]


@dataclass(frozen=True, slots=True)
class _Settings:
    """
    Settings common to all recipes.

    Attributes
    ----------
    checkpoint_interval : int
        Steps between checkpoints.
    relative_floor : float
        Constant added to the mean square of the target of a patch in the denominator of the
        relative loss, in squared units of the scene, so that a patch without error does not
        dominate.
    validation_scenes : int
        Number of scenes simulated from the validation cubes; their mean loss varies by a few per
        cent.
    """

    checkpoint_interval: int = 200
    relative_floor: float = 0.05
    validation_scenes: int = 6


_SETTINGS = _Settings()


def train_network(
    cubes: Sequence[xr.DataArray],
    sensors: Sequence[Sensor | None],
    architecture: Architecture,
    recipe: Recipe,
    folder: Path,
    *,
    validation: Sequence[xr.DataArray] = (),
    device: str = "cpu",
    every: int = _SETTINGS.checkpoint_interval,
    overwrite: bool = False,
    start: Mapping[str, Tensor] | None = None,
    until: int | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> Network:
    """
    Train a network; checkpoints, a log and its plot are written to ``folder``.

    Parameters
    ----------
    cubes : sequence of DataArray
        Truths, (band, y, x).
    sensors : sequence of Sensor or None
        MS sensors to draw from; None for random ones.
    architecture, recipe
        Architecture of the network, and settings of the training.
    folder : Path
        Folder of ``recipe.json``, ``checkpoint.safetensors``, ``log.csv`` and ``log.png``; an
        existing checkpoint is resumed.
    validation : sequence of DataArray
        Truths for validation, not used for training.
    device : str
        ``cpu`` or ``cuda``.
    every : int
        Steps between checkpoints.
    overwrite : bool
        Delete the checkpoint of another training.
    start : mapping of str to Tensor, optional
        Initial weights of the same architecture; missing output layers are initialised.
    until : int, optional
        Step after which the training pauses with a checkpoint, to be resumed later; by default the
        last step of the recipe.
    progress : callable, optional
        Called with the number of finished steps, the number of all steps and the last loss.

    Raises
    ------
    HsfuseError
        If the loss or a weight becomes NaN or infinite; the last checkpoint is not replaced.
    WeightsError
        If the folder has the checkpoint of another training, or a damaged one.
    """
    begin(folder, _training_metadata(cubes, sensors, architecture, recipe), overwrite=overwrite)
    torch.manual_seed(recipe.seed)
    network = build_network(architecture, recipe)
    if start is not None:
        network.load_state_dict(start, strict=False)
    network = network.to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.rate)
    mean = {name: value.clone() for name, value in network.state_dict().items()}
    first = restore(folder, network, optimiser, mean)
    score = _Validation(validation, sensors, architecture, recipe)
    last = recipe.steps if until is None else min(until, recipe.steps)
    losses: list[float] = []
    with closing(iterate_batches(cubes, sensors, architecture, recipe, first)) as batches:
        for step, batch in islice(batches, max(last - first, 0)):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(recipe, step)
            loss = _step(network, optimiser, batch, recipe, device)
            _check_finite(torch.tensor(loss), folder, step)
            decay = min(recipe.average, (1 + step) / (10 + step)) if recipe.average else 0.0
            for name, value in network.state_dict().items():
                mean[name].lerp_(value, 1 - decay)
            losses.append(loss)
            if progress is not None:
                progress(step + 1, recipe.steps, loss)
            if (step + 1) % every == 0 or step + 1 == last:
                row = {"step": step + 1, "loss": sum(losses) / len(losses), **score(mean, device)}
                for value in mean.values():
                    _check_finite(value, folder, step)
                save(folder, network, optimiser, mean, step + 1)
                log(folder, row)
                warn(folder, _dead(network, batch, recipe, device))
                losses.clear()
    network.load_state_dict(mean)
    return network.cpu().eval()


def _dead(network: Network, batch: Batch, recipe: Recipe, device: str) -> str:
    """
    Return a warning where the output of a network does not depend on its input.

    After too large steps no unit of a layer may respond any more, and no gradient reaches it.
    """
    found: list[Tensor] = []
    hook = network.heads()[0].register_forward_hook(lambda _, __, output: found.append(output))
    images = batch.coarse.to(device), batch.fine.to(device)
    with torch.inference_mode():
        for pair in (images, (torch.zeros_like(images[0]), torch.zeros_like(images[1]))):
            network(*pair)
    hook.remove()
    if not torch.equal(*found):
        return ""
    result = "the initial estimate" if network.residual else "the same image"
    if recipe.predicts == "component":
        result = "no correction"
    return (
        f"the network no longer responds to its input and gives {result} for any pair; train again "
        f"with a `--rate` below {recipe.rate:g}"
    )


def _check_finite(values: Tensor, folder: Path, step: int) -> None:
    if not torch.isfinite(values).all():
        raise HsfuseError(
            f"{folder}: the loss became NaN or infinite at step {step + 1}; "
            "the last checkpoint is kept, a lower learning rate may help"
        )


def sensor_names(sensors: Sequence[Sensor | None]) -> list[str]:
    """Return the names of MS sensors with their bands; ``made`` for a random sensor."""
    return [
        f"{sensor.id}:{','.join(sensor.band_names)}" if sensor else "made" for sensor in sensors
    ]


def _training_metadata(
    cubes: Sequence[xr.DataArray],
    sensors: Sequence[Sensor | None],
    architecture: Architecture,
    recipe: Recipe,
) -> dict[str, object]:
    """Return all that determines the weights; cubes by file name, independent of their folder."""
    return {
        "recipe": asdict(recipe),
        "architecture": architecture.to_dict(),
        "cubes": [Path(cube.attrs.get("source", "")).name for cube in cubes],
        "rgb_sensors": sensor_names(sensors),
    }


def learning_rate(recipe: Recipe, step: int) -> float:
    """Return the learning rate at a step."""
    if recipe.schedule == "constant" or step < recipe.decay_from:
        return recipe.rate
    share = (step - recipe.decay_from) / (recipe.steps - recipe.decay_from)
    return recipe.rate * 0.5 * (1 + float(np.cos(np.pi * share)))


def initialise(network: nn.Module, recipe: Recipe) -> None:
    """Initialise convolutions with the random weights of the recipe, and biases with zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            if recipe.initial:
                nn.init.normal_(module.weight, std=recipe.initial)
            else:
                nn.init.kaiming_normal_(module.weight, a=0.25, nonlinearity="leaky_relu")
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]


def build_network(architecture: Architecture, recipe: Recipe) -> Network:
    """Return a network with the initial weights of a recipe."""
    network = build(architecture)
    initialise(network, recipe)
    if (recipe.predicts == "component" or network.residual) and not recipe.initial:
        # Zero output layers: training starts from the initial estimate.
        for head in network.heads():
            nn.init.zeros_(head.weight)
    result: Network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return result


def batch_loss(network: Network, batch: Batch, recipe: Recipe, device: str) -> Tensor:
    """Return the mean weighted error over a batch, summed over levels (eq. 10)."""
    # CPUs without bfloat16 instructions emulate it, slower than float32.
    with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
        outputs = network.all_levels(
            *(
                values.to(device).contiguous(memory_format=torch.channels_last)
                for values in (batch.coarse, batch.fine)
            )
        )
    terms = []
    for output, target, weight in zip(outputs, batch.targets, batch.weights, strict=True):
        error = output.float() - target.to(device)
        terms.append(_reduce(error, target.to(device), weight.to(device), recipe))
    return torch.stack(terms).sum()


def _reduce(error: Tensor, target: Tensor, weight: Tensor, recipe: Recipe) -> Tensor:
    """Return the weighted mean error of a batch by the loss of the recipe, a scalar."""
    if recipe.loss == "absolute":
        return (error.abs() * weight).mean()
    squared = (error.square() * weight).mean(dim=(1, 2, 3))
    if recipe.loss == "squared":
        return squared.mean()
    # Relative to the initial error, so that difficult patches do not dominate the mean.
    start = (target.square() * weight).mean(dim=(1, 2, 3))
    return (squared / (start + _SETTINGS.relative_floor)).mean()


def _step(
    network: Network, optimiser: torch.optim.Optimizer, batch: Batch, recipe: Recipe, device: str
) -> float:
    network.train()
    return optimise(network, optimiser, batch_loss(network, batch, recipe, device), recipe.clip)


def optimise(
    network: Network, optimiser: torch.optim.Optimizer, loss: Tensor, clip: float
) -> float:
    """Take an optimiser step with gradient clipping to norm ``clip`` (0: none); return the loss."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    if clip:
        nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimiser.step()
    return float(loss.detach())


class _Validation:
    """Validation of the averaged weights on fixed patches of the validation cubes."""

    def __init__(
        self,
        cubes: Sequence[xr.DataArray],
        sensors: Sequence[Sensor | None],
        architecture: Architecture,
        recipe: Recipe,
    ) -> None:
        self.network = build(architecture)
        self.recipe = recipe
        self.batches: list[Batch] = []
        if cubes:
            count = _SETTINGS.validation_scenes
            once = replace(recipe, scenes=count, steps=count)
            batches = iterate_batches(cubes, sensors, architecture, once, 0)
            self.batches = [batch for _, batch in batches]

    def __call__(self, mean: Mapping[str, Tensor], device: str) -> dict[str, float]:
        """Return the loss, and that of a zero correction where a correction is predicted."""
        if not self.batches:
            return {}
        network = self.network.to(device).eval()
        network.load_state_dict(mean)
        with torch.inference_mode():
            losses = [float(batch_loss(network, b, self.recipe, device)) for b in self.batches]
        scores = {"validation": float(np.mean(losses))}
        if self.recipe.predicts == "component":
            zero = [
                sum(
                    float(_reduce(t, t, w, self.recipe))
                    for t, w in zip(b.targets, b.weights, strict=True)
                )
                for b in self.batches
            ]
            scores["start"] = float(np.mean(zero))
        return scores
