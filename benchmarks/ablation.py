"""
What each choice in training is worth: one row a choice, all on the same observations.

    python benchmarks/ablation.py component CUBES --held-out CUBES --steps 600
    python benchmarks/ablation.py paper CUBES --held-out CUBES --steps 600

``component``: the default recipe and network with one thing changed at a time; the score is the
weighted absolute error on held-out observations, as a share of that of the start which the network
corrects. ``paper``: the paper's network, which sees the pair and predicts the cube at ratio 8, and
a plain residual network of the same depth and width that sees the interpolated HS image stacked
on the fine one (SSF-ResNet's way: one pathway); the score is PSNR with peak 1 on held-out patches.

Short trainings rank choices; they do not show what a long one reaches.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import hsfuse
from hsfuse.learning.examples import Batch, TrainingScene, draw_batch, simulate_scene
from hsfuse.learning.loop import batch_loss, build_network, initialise, learning_rate, optimise
from hsfuse.learning.recipe import RECIPES, Recipe
from hsfuse.methods.ms_ssfnet.features import CHANNELS
from hsfuse.nets.ms_ssfnet import Architecture
from hsfuse.sensor.catalogue import load_sensor

COMPONENT = Architecture(1, CHANNELS, 3, 32, 2, CHANNELS)
PAPER = Architecture(31, 3, 3, 32, 2)


class SinglePathway(nn.Module):
    """A residual network of one pathway: as many 3 x 3 convolutions as MS-SSFNet has."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = a = architecture
        self.up = nn.Upsample(scale_factor=a.ratio, mode="bicubic")
        self.first = nn.Conv2d(a.bands + a.fine_bands, a.width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(a.width, a.width, 3, padding=1),
                nn.PReLU(a.width),
                nn.Conv2d(a.width, a.width, 3, padding=1),
            )
            for _ in range(2 * a.scales + 1)
        )
        self.head = nn.Conv2d(a.width, a.bands, 3, padding=1)

    def all_levels(self, coarse: Tensor, fine: Tensor) -> list[Tensor]:
        """Return the cube, as the only level."""
        feature = self.first(torch.cat([self.up(coarse), fine], dim=1))
        for block in self.blocks:
            feature = feature + block(feature)
        return [self.head(feature)]


def learn(
    network: nn.Module, recipe: Recipe, pool: Sequence[TrainingScene], architecture: Architecture
) -> nn.Module:
    """Return the network after the recipe's steps on a pool of observations; its running mean."""
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.rate)
    mean = {name: value.clone() for name, value in network.state_dict().items()}
    for step in range(recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(recipe, step)
        draw = np.random.default_rng([recipe.seed, step])
        batch = draw_batch(pool, architecture, recipe, draw)
        optimise(network, optimiser, matched(network, batch, recipe), recipe.clip)
        decay = min(recipe.average, (1 + step) / (10 + step)) if recipe.average else 0.0
        for name, value in network.state_dict().items():
            mean[name].lerp_(value, 1 - decay)
    network.load_state_dict(mean)
    return network.eval()


def matched(network: nn.Module, batch: Batch, recipe: Recipe) -> Tensor:
    """Return the loss over the levels that the network has: all, or the last alone."""
    count = 1 if isinstance(network, SinglePathway) else len(network.architecture.level_scales)
    last = Batch(batch.coarse, batch.fine, batch.targets[-count:], batch.weights[-count:])
    return batch_loss(network, last, recipe, "cpu")


def batches(
    pool: Sequence[TrainingScene], architecture: Architecture, recipe: Recipe
) -> list[Batch]:
    """Return what every row is scored on."""
    draw = np.random.default_rng(recipe.seed + 1)
    return [draw_batch(pool, architecture, recipe, draw) for _ in range(16)]


def left(network: nn.Module, held: Sequence[Batch]) -> tuple[float, float]:
    """Return what share of the start's error is left, absolute and squared."""
    error, start = np.zeros(2), np.zeros(2)
    with torch.inference_mode():
        for batch in held:
            target, weight = batch.targets[-1], batch.weights[-1]
            answer = network.all_levels(batch.coarse, batch.fine)[-1]
            for values, sums in ((answer - target, error), (target, start)):
                sums += [
                    float((values.abs() * weight).mean()),
                    float((values.square() * weight).mean()),
                ]
    share = error / start
    return float(share[0]), float(share[1])


def decibels(network: nn.Module, held: Sequence[Batch]) -> float:
    """Return the mean PSNR of the last level, in decibels with peak 1."""
    with torch.inference_mode():
        errors = [
            (network.all_levels(b.coarse, b.fine)[-1] - b.targets[-1])
            .square()
            .mean(dim=(2, 3))
            .clamp_min(1e-12)
            for b in held
        ]
    return float(torch.cat([-10 * error.log10() for error in errors]).mean())


def observations(
    paths: Sequence[Path], count: int, recipe: Recipe, architecture: Architecture, first: int
) -> list[TrainingScene]:
    """Return observations of cubes, made once for all rows."""
    cubes = [hsfuse.open_raster(path) for path in paths]
    sensors = [load_sensor("nikon-d700")] if recipe.predicts == "cube" else [None]
    return [
        simulate_scene(cubes, sensors, architecture, recipe, first + number)
        for number in range(count)
    ]


def component_rows(options: argparse.Namespace) -> None:
    """Print a row for each change of the default recipe."""
    base = replace(RECIPES["component"], steps=options.steps, ratio=(3.0, 12.0))
    pool = observations(options.cubes, options.pool, base, COMPONENT, 0)
    held = batches(
        observations(options.held_out, options.pool // 2, base, COMPONENT, 10_000), COMPONENT, base
    )
    rows: dict[str, tuple[Recipe, Architecture]] = {
        "default": (base, COMPONENT),
        "absolute error": (replace(base, loss="absolute"), COMPONENT),
        "squared error": (replace(base, loss="squared"), COMPONENT),
        "initial weights of deviation 0.001": (replace(base, initial=1e-3), COMPONENT),
        "rate 3e-3": (replace(base, rate=3e-3), COMPONENT),
        "rate 3e-4": (replace(base, rate=3e-4), COMPONENT),
        "constant rate": (replace(base, schedule="constant"), COMPONENT),
        "no running mean": (replace(base, average=0.0), COMPONENT),
        "width 16": (base, replace(COMPONENT, width=16)),
        "width 48": (base, replace(COMPONENT, width=48)),
        "one level": (base, replace(COMPONENT, levels=1)),
        "three levels": (base, replace(COMPONENT, levels=3)),
    }
    print("| choice | absolute error left | squared | minutes |\n| --- | --- | --- | --- |")
    for name, (recipe, architecture) in rows.items():
        if options.rows and name not in options.rows:
            continue
        start = time.perf_counter()
        torch.manual_seed(0)
        network = learn(
            build_network(architecture, recipe), recipe, leveled(pool, architecture), architecture
        )
        shares = left(network, held)
        spent = (time.perf_counter() - start) / 60
        print(f"| {name} | {shares[0]:.1%} | {shares[1]:.1%} | {spent:.1f} |", flush=True)


def leveled(pool: Sequence[TrainingScene], architecture: Architecture) -> list[TrainingScene]:
    """Return observations with the targets of an architecture's levels, block means."""
    result = []
    for each in pool:
        whole = each.targets[-1]
        steps = [2 ** (architecture.scales - scale) for scale in architecture.level_scales]
        targets = [nn.functional.avg_pool2d(whole[None], step)[0] for step in steps]
        result.append(replace(each, targets=tuple(targets)))
    return result


def built(name: str, recipe: Recipe) -> nn.Module:
    """Return one of the networks that are compared, with the recipe's initial weights."""
    torch.manual_seed(0)
    if name != "one pathway":
        return build_network(replace(PAPER, levels=2 if "two levels" in name else 1), recipe)
    network = SinglePathway(PAPER)
    initialise(network, recipe)
    return network


def paper_rows(options: argparse.Namespace) -> None:
    """Print a row for each network under the paper's recipe."""
    recipes = {
        "paper's recipe": replace(RECIPES["paper"], steps=options.steps, batch=8),
        "Kaiming, 1e-3, absolute error": replace(
            RECIPES["component"], predicts="cube", steps=options.steps, batch=8, clean=1.0
        ),
    }
    names = ("one pathway", "two pathways, one level", "two pathways, two levels")
    print("| recipe | network | PSNR dB | minutes |\n| --- | --- | --- | --- |")
    for title, recipe in recipes.items():
        pool = observations(options.cubes, options.pool, recipe, PAPER, 0)
        held = batches(
            observations(options.held_out, options.pool // 2, recipe, PAPER, 10_000), PAPER, recipe
        )
        for name in names:
            start = time.perf_counter()
            network = built(name, recipe)
            learn(network, recipe, pool, PAPER)
            spent = (time.perf_counter() - start) / 60
            print(f"| {title} | {name} | {decibels(network, held):.2f} | {spent:.1f} |", flush=True)


def main() -> None:
    """Run one of the two tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("table", choices=["component", "paper"])
    parser.add_argument("cubes", nargs="+", type=Path)
    parser.add_argument("--held-out", nargs="+", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--pool", type=int, default=32, help="observations to learn from")
    parser.add_argument("--rows", nargs="+", help="these choices alone")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    (component_rows if options.table == "component" else paper_rows)(options)


if __name__ == "__main__":
    main()
