"""
What each choice in training is worth: one row a choice, all on the same observations.

    python benchmarks/ablation.py CUBES --held-out CUBES --steps 600

The default recipe and network with one thing changed at a time; the score is the weighted absolute
error on held-out observations, as a share of that of the start which the network corrects. The
networks of the paper are compared by `paper_networks.py`.

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
from torch import nn

import hsfuse
from hsfuse.learning.examples import Batch, TrainingScene, draw_batch, simulate_scene
from hsfuse.learning.loop import batch_loss, build_network, learning_rate, optimise
from hsfuse.learning.recipe import RECIPES, Recipe
from hsfuse.methods.ms_ssfnet.features import CHANNELS
from hsfuse.nets.ms_ssfnet import Architecture
from hsfuse.nets.network import Network

COMPONENT = Architecture(1, CHANNELS, 3, 32, 2, CHANNELS)


def learn(
    network: Network, recipe: Recipe, pool: Sequence[TrainingScene], architecture: Architecture
) -> Network:
    """Return the network after the recipe's steps on a pool of observations; its running mean."""
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.rate)
    mean = {name: value.clone() for name, value in network.state_dict().items()}
    for step in range(recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(recipe, step)
        draw = np.random.default_rng([recipe.seed, step])
        batch = draw_batch(pool, architecture, recipe, draw)
        optimise(network, optimiser, batch_loss(network, batch, recipe, "cpu"), recipe.clip)
        decay = min(recipe.average, (1 + step) / (10 + step)) if recipe.average else 0.0
        for name, value in network.state_dict().items():
            mean[name].lerp_(value, 1 - decay)
    network.load_state_dict(mean)
    return network.eval()


def batches(
    pool: Sequence[TrainingScene], architecture: Architecture, recipe: Recipe
) -> list[Batch]:
    """Return what every row is scored on."""
    draw = np.random.default_rng(recipe.seed + 1)
    return [draw_batch(pool, architecture, recipe, draw) for _ in range(16)]


def left(network: Network, held: Sequence[Batch]) -> tuple[float, float]:
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


def observations(
    paths: Sequence[Path], count: int, recipe: Recipe, architecture: Architecture, first: int
) -> list[TrainingScene]:
    """Return observations of cubes, made once for all rows."""
    cubes = [hsfuse.open_raster(path) for path in paths]
    return [
        simulate_scene(cubes, [None], architecture, recipe, first + number)
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


def main() -> None:
    """Run the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("cubes", nargs="+", type=Path)
    parser.add_argument("--held-out", nargs="+", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--pool", type=int, default=32, help="observations to learn from")
    parser.add_argument("--rows", nargs="+", help="these choices alone")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    component_rows(options)


if __name__ == "__main__":
    main()
