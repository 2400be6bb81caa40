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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.errors import HsfuseError
from hsfuse.methods import Options, Window
from hsfuse.methods.guided import METHOD as GUIDED
from hsfuse.nets.ms_ssfnet import Architecture, MSSSFNet
from hsfuse.observe import Degrade, respond
from hsfuse.survey import Patch, Survey, brightness

__all__ = ["Recipe", "Scene", "observe_scene", "train_network"]

_LOG = logging.getLogger(__name__)


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
    for step, batch in _batches(cubes, matrix, architecture, recipe, first):
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


@dataclass(frozen=True)
class _Batch:
    coarse: Tensor
    fine: Tensor
    targets: list[Tensor]


def _batches(
    cubes: Sequence[NDArray[np.float32]],
    response: Tensor,
    architecture: Architecture,
    recipe: Recipe,
    first: int,
) -> Iterator[tuple[int, _Batch]]:
    """Yield (step, batch); scene i is observed anew every ``refresh * len(cubes)`` steps."""
    scenes: dict[int, tuple[int, Scene]] = {}
    for step in range(first, recipe.steps):
        turn = step // recipe.refresh
        for index, cube in enumerate(cubes):
            version = (turn - index) // len(cubes)
            if index not in scenes or scenes[index][0] != version:
                scenes[index] = (version, _draw(cube, response, architecture, recipe, version))
        draw = np.random.default_rng([recipe.seed, step])
        picks = [_cut(scenes[int(draw.integers(len(cubes)))][1], architecture, recipe, draw)
                 for _ in range(recipe.batch)]
        yield step, _Batch(
            torch.stack([p.coarse for p in picks]),
            torch.stack([p.fine for p in picks]),
            [torch.stack(level) for level in zip(*(p.targets for p in picks), strict=True)],
        )


def _draw(
    cube: NDArray[np.float32],
    response: Tensor,
    architecture: Architecture,
    recipe: Recipe,
    version: int,
) -> Scene:
    draw = np.random.default_rng([recipe.seed, version + 1, int(cube.size % 9973)])
    return observe_scene(
        torch.from_numpy(np.ascontiguousarray(cube)),
        response,
        architecture,
        fwhm=float(draw.uniform(*recipe.fwhm)),
        snr=float(draw.uniform(*recipe.snr)) if draw.random() < 0.5 else None,
        predicts=recipe.predicts,
        generator=torch.Generator().manual_seed(int(draw.integers(2**31))),
    )


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


def _step(
    network: MSSSFNet, optimiser: torch.optim.Optimizer, batch: _Batch, clip: float
) -> float:
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
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimiser.step()
    return float(loss.detach())


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


def recipe_card(recipe: Recipe, architecture: Architecture) -> dict[str, object]:
    """Return both as JSON types for a weights card."""
    return {"recipe": asdict(recipe), "architecture": asdict(architecture)}
