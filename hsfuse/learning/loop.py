"""
The steps by which a network learns from examples.

A run that resumes from a checkpoint takes the same steps as one that never stopped: the
examples of a step are drawn from its number (:mod:`hsfuse.learning.examples`), and all that the
optimiser carries from one to the next is in the checkpoint (:mod:`hsfuse.learning.checkpoint`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from hsfuse.errors import HsfuseError
from hsfuse.learning.checkpoint import begin, log, restore, save
from hsfuse.learning.examples import Batch, each_batch
from hsfuse.learning.recipe import Recipe
from hsfuse.nets.ms_ssfnet import Architecture, MSSSFNet
from hsfuse.sensor.catalogue import Sensor

__all__ = [
    "batch_loss",
    "descend",
    "initialised",
    "rate_at",
    "scatter",
    "sensor_names",
    "train_network",
]

# Steps between checkpoints, and so the most that an interruption costs.
_EVERY = 200
# Mean square, in units of doubt, below which a patch asks for nothing.
_LEAST_ASKED = 0.05
# Observations of the validation cubes that score a checkpoint.
_VALIDATED = 6


def train_network(
    cubes: Sequence[xr.DataArray],
    sensors: Sequence[Sensor | None],
    architecture: Architecture,
    recipe: Recipe,
    folder: Path,
    *,
    validation: Sequence[xr.DataArray] = (),
    device: str = "cpu",
    every: int = _EVERY,
    overwrite: bool = False,
    start: Mapping[str, Tensor] | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> MSSSFNet:
    """
    Return the trained network; leave checkpoints, a log and its plot in ``folder``.

    Parameters
    ----------
    cubes : sequence of DataArray
        Truths, (band, y, x).
    sensors : sequence of Sensor or None
        Fine sensors to draw from; None for made ones.
    architecture, recipe
        What to build, and how to train it.
    folder : Path
        Gets ``recipe.json``, ``checkpoint.safetensors``, ``log.csv`` and ``log.png``; an
        existing checkpoint is resumed.
    validation : sequence of DataArray
        Truths that are only scored.
    device : str
        ``cpu`` or ``cuda``.
    every : int
        Steps between checkpoints.
    overwrite : bool
        Forget the checkpoint of another training.
    start : mapping of str to Tensor, optional
        Weights of the same architecture to begin from; heads that they lack begin as ever.
    progress : callable, optional
        Called with the finished steps, all steps and the last loss.

    Raises
    ------
    HsfuseError
        If the loss leaves the finite numbers; the last good checkpoint stays. If the folder
        holds the checkpoint of another training.
    """
    begin(folder, _facts(cubes, sensors, architecture, recipe), overwrite=overwrite)
    torch.manual_seed(recipe.seed)
    network = initialised(architecture, recipe)
    if start is not None:
        network.load_state_dict(start, strict=False)
    network = network.to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.rate)
    mean = {name: value.clone() for name, value in network.state_dict().items()}
    first = restore(folder, network, optimiser, mean)
    score = _Validation(validation, sensors, architecture, recipe)
    total = 0.0
    with closing(each_batch(cubes, sensors, architecture, recipe, first)) as batches:
        for step, batch in batches:
            for group in optimiser.param_groups:
                group["lr"] = rate_at(recipe, step)
            loss = _step(network, optimiser, batch, recipe, device)
            _check_finite(torch.tensor(loss), folder, step)
            decay = min(recipe.average, (1 + step) / (10 + step)) if recipe.average else 0.0
            for name, value in network.state_dict().items():
                mean[name].lerp_(value, 1 - decay)
            total += loss
            if progress is not None:
                progress(step + 1, recipe.steps, loss)
            if (step + 1) % every == 0 or step + 1 == recipe.steps:
                done = step % every + 1
                row = {"step": step + 1, "loss": total / done, **score(mean, device)}
                for value in mean.values():
                    _check_finite(value, folder, step)
                save(folder, network, optimiser, mean, step + 1)
                log(folder, row)
                total = 0.0
    network.load_state_dict(mean)
    return network.cpu().eval()


def _check_finite(values: Tensor, folder: Path, step: int) -> None:
    if not torch.isfinite(values).all():
        raise HsfuseError(
            f"{folder}: the loss left the finite numbers at step {step + 1}; "
            "the last good checkpoint is kept, a lower rate may help"
        )


def sensor_names(sensors: Sequence[Sensor | None]) -> list[str]:
    """Return what a recipe calls its fine sensors, bands included."""
    return [
        f"{sensor.id}:{','.join(sensor.band_names)}" if sensor else "made" for sensor in sensors
    ]


def _facts(
    cubes: Sequence[xr.DataArray],
    sensors: Sequence[Sensor | None],
    architecture: Architecture,
    recipe: Recipe,
) -> dict[str, object]:
    """Return all that decides the weights; folders may be moved, so cubes go by their names."""
    return {
        "recipe": asdict(recipe),
        "architecture": architecture.to_dict(),
        "cubes": [Path(cube.attrs.get("source", "")).name for cube in cubes],
        "rgb_sensors": sensor_names(sensors),
    }


def rate_at(recipe: Recipe, step: int) -> float:
    """Return the learning rate of a step."""
    if recipe.schedule == "constant":
        return recipe.rate
    return recipe.rate * 0.5 * (1 + float(np.cos(np.pi * step / recipe.steps)))


def scatter(network: nn.Module, recipe: Recipe) -> None:
    """Give the convolutions of a network a recipe's random weights, and biases of zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            if recipe.initial:
                nn.init.normal_(module.weight, std=recipe.initial)
            else:
                nn.init.kaiming_normal_(module.weight, a=0.25, nonlinearity="leaky_relu")
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]


def initialised(architecture: Architecture, recipe: Recipe) -> MSSSFNet:
    """Return a network with the random weights that a recipe begins with."""
    network = MSSSFNet(architecture)
    scatter(network, recipe)
    if recipe.predicts == "component" and not recipe.initial:
        # A correction of zero is the start itself: training begins from it, not below it.
        for head in [network.head, *network.auxiliary.values()]:
            nn.init.zeros_(head.weight)  # type: ignore[arg-type]
    result: MSSSFNet = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return result


def batch_loss(network: MSSSFNet, batch: Batch, recipe: Recipe, device: str) -> Tensor:
    """Return the mean weighted error over a batch, summed over levels (eq. 10)."""
    # bfloat16 pays where the hardware multiplies it; elsewhere it is emulated.
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
        terms.append(_size(error, target.to(device), weight.to(device), recipe))
    return torch.stack(terms).sum()


def _size(error: Tensor, target: Tensor, weight: Tensor, recipe: Recipe) -> Tensor:
    """Return what an error counts, one number."""
    if recipe.loss == "absolute":
        return (error.abs() * weight).mean()
    squared = (error.square() * weight).mean(dim=(1, 2, 3))
    if recipe.loss == "squared":
        return squared.mean()
    # What share of a patch's own error is left: hard patches do not drown the others.
    asked = (target.square() * weight).mean(dim=(1, 2, 3))
    return (squared / (asked + _LEAST_ASKED)).mean()


def _step(
    network: MSSSFNet, optimiser: torch.optim.Optimizer, batch: Batch, recipe: Recipe, device: str
) -> float:
    network.train()
    return descend(network, optimiser, batch_loss(network, batch, recipe, device), recipe.clip)


def descend(
    network: MSSSFNet, optimiser: torch.optim.Optimizer, loss: Tensor, clip: float
) -> float:
    """Take a step down a loss, its gradient's norm clipped where ``clip`` is not zero."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    if clip:
        nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimiser.step()
    return float(loss.detach())


class _Validation:
    """Scores the averaged weights on the same patches of unseen cubes, every time."""

    def __init__(
        self,
        cubes: Sequence[xr.DataArray],
        sensors: Sequence[Sensor | None],
        architecture: Architecture,
        recipe: Recipe,
    ) -> None:
        self.network = MSSSFNet(architecture)
        self.recipe = recipe
        self.batches: list[Batch] = []
        if cubes:
            once = replace(recipe, scenes=_VALIDATED, steps=_VALIDATED)
            each = each_batch(cubes, sensors, architecture, once, 0)
            self.batches = [batch for _, batch in each]

    def __call__(self, mean: Mapping[str, Tensor], device: str) -> dict[str, float]:
        """Return the loss, and that of the start alone where a correction is predicted."""
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
                    float(_size(t, t, w, self.recipe))
                    for t, w in zip(b.targets, b.weights, strict=True)
                )
                for b in self.batches
            ]
            scores["start"] = float(np.mean(zero))
        return scores
