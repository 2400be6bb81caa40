"""
Training of MS-SSFNet on simulated pairs.

High-resolution cubes are observed by :mod:`hsfuse.observe` through two sensors, with
the blur and the noise varied; the network learns the way back. Everything random is
drawn from (seed, step), so a run that resumes from a checkpoint takes the same steps
as one that never stopped.
"""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hsfuse.errors import HsfuseError, PairError
from hsfuse.examples import Batch, Recipe, each_batch
from hsfuse.io.read import open_raster
from hsfuse.nets.ms_ssfnet import Architecture, MSSSFNet
from hsfuse.sensor import pick_sensor, response_matrix
from hsfuse.weights import Card, save_weights

__all__ = ["Recipe", "train", "train_network"]

_LOG = logging.getLogger(__name__)


def train(
    cubes: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    rgb_sensor: str,
    architecture: Architecture,
    recipe: Recipe,
    about: Mapping[str, object],
    tolerance: float = 5.0,
) -> Card:
    """
    Train a network on pairs simulated from cubes, and write its weights and card.

    Parameters
    ----------
    cubes : sequence of path
        High-resolution rasters with the same wavelengths.
    out : path
        Ends in ``.safetensors``; checkpoints and the log lie in ``<out>.training`` beside it,
        from which an interrupted run goes on.
    rgb_sensor : str
        The fine sensor, a name or a file.
    architecture : Architecture
        Of the network; ``fine_bands`` counts the fine bands and, for a recipe that predicts
        a correction, the bands of the guided cube.
    recipe : Recipe
        How to train.
    about : mapping
        ``data``, ``scores`` and ``terms`` for the card.
    tolerance : float
        How far a pair's wavelengths may be from the cubes', in nanometres.

    Raises
    ------
    PairError
        If the cubes' bands differ, or are not those of the architecture.
    """
    rasters = [open_raster(path) for path in cubes]
    wavelength = rasters[0]["wavelength"].to_numpy()
    for raster in rasters:
        own = raster["wavelength"].to_numpy()
        if own.shape != (architecture.bands,) or not np.allclose(own, wavelength):
            raise PairError(
                f"{raster.attrs['source']}: has {own.size} bands, {own.min():.0f} to "
                f"{own.max():.0f} nm; the {architecture.bands} bands of "
                f"{rasters[0].attrs['source']} would be accepted"
            )
    matrix = response_matrix(pick_sensor(rgb_sensor), wavelength).matrix
    arrays = [raster.compute(scheduler="synchronous").to_numpy() for raster in rasters]
    out = Path(out)
    network = train_network(arrays, matrix, architecture, recipe, out.with_suffix(".training"))
    return save_weights(
        network,
        out,
        fine_bands=len(matrix),
        wavelength=tuple(wavelength.tolist()),
        tolerance=tolerance,
        about={"recipe": asdict(recipe), "rgb_sensor": rgb_sensor, **about},
    )


def train_network(
    cubes: Sequence[NDArray[np.float32]],
    response: NDArray[np.float64],
    architecture: Architecture,
    recipe: Recipe,
    folder: Path,
    *,
    validate: Callable[[MSSSFNet], dict[str, float]] | None = None,
    every: int = 250,
) -> MSSSFNet:
    """
    Return the trained network; leave checkpoints and a log in ``folder``.

    Parameters
    ----------
    cubes : sequence of ndarray of shape (bands, rows, columns)
        Truths.
    response : ndarray of shape (fine bands, bands)
        R of the fine sensor.
    architecture : Architecture
        What to build.
    recipe : Recipe
        How to train it.
    folder : Path
        Gets ``checkpoint.safetensors`` and ``log.csv``; an existing checkpoint is resumed.
    validate : callable, optional
        Scores of a network, logged with every checkpoint.
    every : int
        Steps between checkpoints.

    Raises
    ------
    HsfuseError
        If the loss leaves the finite numbers; the last good checkpoint stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    network = _initialised(architecture, recipe)
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.rate)
    mean = {name: value.clone() for name, value in network.state_dict().items()}
    first = _restore(folder, network, optimiser, mean)
    matrix = torch.from_numpy(response.astype(np.float32))
    total = 0.0
    for step, batch in each_batch(cubes, matrix, architecture, recipe, first):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * 0.5 * (1 + np.cos(np.pi * step / recipe.steps))
        loss = _step(network, optimiser, batch, recipe.clip)
        if not np.isfinite(loss):
            raise HsfuseError(
                f"{folder}: the loss left the finite numbers at step {step}; "
                "the last good checkpoint is kept, a lower rate may help"
            )
        decay = min(recipe.average, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            mean[name].lerp_(value, 1 - decay)
        total += loss
        if (step + 1) % every == 0 or step + 1 == recipe.steps:
            averaged = MSSSFNet(architecture)
            averaged.load_state_dict(mean)
            scores = validate(averaged.eval()) if validate else {}
            _checkpoint(folder, network, optimiser, mean, step + 1)
            _log(folder, {"step": step + 1, "loss": total / every, **scores})
            total = 0.0
    network.load_state_dict(mean)
    return network.eval()


def _initialised(architecture: Architecture, recipe: Recipe) -> MSSSFNet:
    network = MSSSFNet(architecture)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight, a=0.25, nonlinearity="leaky_relu")
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    if recipe.predicts == "correction":
        # A correction of zero is the guided cube: training starts from it, not below it.
        for head in [network.head, *network.auxiliary.values()]:
            nn.init.zeros_(head.weight)  # type: ignore[arg-type]
    result: MSSSFNet = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return result


def _step(network: MSSSFNet, optimiser: torch.optim.Optimizer, batch: Batch, clip: float) -> float:
    network.train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = network.all_levels(
            batch.coarse.contiguous(memory_format=torch.channels_last),
            batch.fine.contiguous(memory_format=torch.channels_last),
        )
    loss = torch.stack(
        [(o.float() - t).abs().mean() for o, t in zip(outputs, batch.targets, strict=True)]
    ).sum()
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimiser.step()
    return float(loss.detach())


def _checkpoint(
    folder: Path,
    network: MSSSFNet,
    optimiser: torch.optim.Optimizer,
    mean: dict[str, Tensor],
    step: int,
) -> None:
    state = {f"network.{k}": v.contiguous() for k, v in network.state_dict().items()}
    state |= {f"mean.{k}": v.contiguous() for k, v in mean.items()}
    for index, values in optimiser.state_dict()["state"].items():
        state |= {f"adam.{index}.{k}": v.contiguous() for k, v in values.items()}
    state["step"] = torch.tensor(step)
    partial = folder / "checkpoint.partial"
    save_file(state, partial)
    partial.replace(folder / "checkpoint.safetensors")


def _restore(
    folder: Path, network: MSSSFNet, optimiser: torch.optim.Optimizer, mean: dict[str, Tensor]
) -> int:
    path = folder / "checkpoint.safetensors"
    if not path.exists():
        return 0
    state = load_file(path)

    def under(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}

    network.load_state_dict(under("network."))
    mean.update(under("mean."))
    saved = optimiser.state_dict()
    adam: dict[int, dict[str, Tensor]] = {}
    for key, value in under("adam.").items():
        index, name = key.split(".")
        adam.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({**saved, "state": adam})
    _LOG.info("resumed %s at step %d", path, int(state["step"]))
    return int(state["step"])


def _log(folder: Path, row: dict[str, float]) -> None:
    path = folder / "log.csv"
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)
