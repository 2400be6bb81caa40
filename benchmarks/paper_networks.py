"""
The networks of the paper's Table 1 and its two claims, trained on the same pairs in small slices.

    python benchmarks/paper_networks.py CAVE -o FOLDER --series kaiming --slice 500
    python benchmarks/paper_networks.py CAVE -o FOLDER --series kaiming --table
    python benchmarks/paper_networks.py CAVE -o FOLDER --series kaiming --export benchmarks/weights

Every row is a network of 60 000 to 77 000 weights, trained on the same simulated pairs of twelve
CAVE scenes: ratio 16, Nikon D700, PSF with an FWHM of one HS pixel, no noise. After every slice of
steps each row is scored on four held-out scenes of 512 x 512 pixels by its own method, as in
`accuracy.py cave --ratio 16`. All rows have the same number of steps at any time, so that the table
can be read whenever the script is stopped; the same command resumes it.

``--series paper`` is the recipe as published: initial weights of standard deviation 0.001, squared
error, Adam with a constant rate (1e-4; the paper does not state it). ``--series kaiming`` differs
by Kaiming initialisation, a rate of 1e-3 that decays to zero from step 5000 to 6000, absolute
error, clipped gradients and the running mean of the weights; it learns in fewer steps. The paper's
batches of 16 patches of 8 x 8 HS pixels are more than one core can do in a night: ``--batch`` and
``--patch`` make steps smaller, of all rows alike.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from accuracy import load, response, simulate, survey_of
from train_weights import CAVE, HELD_OUT, TERMS

from hsfuse.core.metrics import psnr, sam
from hsfuse.learning.recipe import RECIPES, Recipe
from hsfuse.learning.train import train
from hsfuse.methods import METHODS, Options
from hsfuse.methods.conditioning import fuse_scene
from hsfuse.nets.weights import find_weights, load_network, save_weights

RATIO = 16


@dataclass(frozen=True)
class Row:
    """A network that is trained: what it is called in the table, its sizes, and its rate if set."""

    title: str
    network: str
    sizes: dict[str, int] = field(default_factory=dict)
    rate: float | None = None


ROWS = {
    "ms-ssfnet": Row("MS-SSFNet, two levels", "ms-ssfnet", {"width": 16, "levels": 2}),
    "ms-ssfnet-1": Row("MS-SSFNet, one level", "ms-ssfnet", {"width": 16, "levels": 1}),
    # As many convolutions from input to output as MS-SSFNet from the MS image: 20.
    "one-pathway": Row("one pathway of that depth", "ssf-resnet", {"width": 20, "depth": 9}),
    "ssf-resnet": Row("SSF-ResNet, five blocks", "ssf-resnet", {"width": 24, "depth": 5}),
    "spectral-resnet": Row("Spectral-ResNet", "spectral-resnet", {"width": 24, "depth": 5}),
    "ssf-cnn": Row("SSF-CNN", "ssf-cnn", {"width": 24}),
    # At a rate of 1e-3 the features of its last layers become zero within 500 steps.
    "dhsis": Row("DHSIS", "dhsis", {"width": 20, "depth": 20}, rate=3e-4),
}
SERIES = {
    "kaiming": replace(
        RECIPES["paper"],
        steps=6000,
        initial=0.0,
        rate=1e-3,
        schedule="cosine",
        decay_from=5000,
        loss="absolute",
        clip=1.0,
        average=0.99,
    ),
    # Steps of a recipe are part of its checkpoint: a number that no night reaches.
    "paper": replace(RECIPES["paper"], steps=100_000),
}
COLUMNS = ("row", "step", "hours", "scene", "psnr", "sam")


@dataclass(frozen=True)
class Folder:
    """Where a series keeps its weights, checkpoints and scores."""

    path: Path

    def weights(self, row: str) -> Path:
        """Return the weights of a row."""
        return self.path / f"{row}.safetensors"

    @property
    def table(self) -> Path:
        """Every score: a line a row, step and scene."""
        return self.path / "scores.csv"

    def scores(self) -> list[dict[str, str]]:
        """Return all lines of the table."""
        if not self.table.exists():
            return []
        with self.table.open(newline="") as file:
            return list(csv.DictReader(file))

    def add(self, lines: Sequence[dict[str, object]]) -> None:
        """Add lines to the table."""
        new = not self.table.exists()
        with self.table.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=COLUMNS)
            if new:
                writer.writeheader()
            writer.writerows(lines)

    def reached(self, row: str) -> tuple[int, float]:
        """Return the steps that a row has been scored at last, and its hours of training."""
        own = [line for line in self.scores() if line["row"] == row]
        return (int(own[-1]["step"]), float(own[-1]["hours"])) if own else (0, 0.0)


def score(row: Row, weights: Path, cubes: Sequence[Path]) -> list[dict[str, object]]:
    """Return PSNR and SAM of a row's method on every scene."""
    lines: list[dict[str, object]] = []
    for path in cubes:
        cube, wavelength = load(path, "cave")
        matrix = response("cave", wavelength)
        truth, window = simulate(cube, matrix, RATIO, "cave", 1.0)
        survey = survey_of(window, matrix, wavelength)
        fuser = METHODS[row.network].load_plain().prepare(survey, Options(str(weights)))
        fused = fuse_scene(fuser, window)
        lines.append(
            {
                "scene": path.stem,
                "psnr": round(psnr(truth.numpy(), fused), 3),
                "sam": round(sam(truth.numpy(), fused), 3),
            }
        )
    return lines


def advance(
    name: str, recipe: Recipe, cubes: Sequence[Path], until: int, folder: Folder
) -> dict[str, object]:
    """Train a row to a step; return the step and the hours that it has taken in all."""
    row, (_, hours) = ROWS[name], folder.reached(name)
    start = time.perf_counter()
    train(
        cubes,
        folder.weights(name),
        recipe=recipe if row.rate is None else replace(recipe, rate=row.rate),
        network=row.network,
        rgb_sensors=["nikon-d700"],
        about={"terms": TERMS},
        device="cpu",
        overwrite=folder.weights(name).exists(),
        until=until,
        **row.sizes,  # type: ignore[arg-type]
    )
    return {
        "row": name,
        "step": until,
        "hours": round(hours + (time.perf_counter() - start) / 3600, 4),
    }


def means(folder: Folder) -> dict[tuple[str, int], tuple[float, float, float]]:
    """Return the mean PSNR and SAM over the scenes, and the hours, of every row and step."""
    grouped: dict[tuple[str, int], list[dict[str, str]]] = {}
    for line in folder.scores():
        grouped.setdefault((line["row"], int(line["step"])), []).append(line)
    return {
        key: (
            float(np.mean([float(line["psnr"]) for line in lines])),
            float(np.mean([float(line["sam"]) for line in lines])),
            float(lines[-1]["hours"]),
        )
        for key, lines in grouped.items()
    }


def report(folder: Folder) -> str:
    """Return the table at the last step that all rows have, and the curves of PSNR and SAM."""
    found = means(folder)
    rows = [name for name in ROWS if any(key[0] == name for key in found)]
    steps = [{step for row, step in found if row == name} for name in rows]
    common = sorted(set.intersection(*steps)) if steps else []
    if not common:
        return "no step that all rows have reached"
    last = common[-1]
    lines = [
        f"After {last} steps, mean of {len(HELD_OUT)} held-out scenes\n",
        "| network | weights | PSNR dB | SAM degrees | hours |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in rows:
        db, angle, hours = found[name, last]
        lines.append(
            f"| {ROWS[name].title} | {weight_count(folder, name)} | {db:.2f} | {angle:.2f} "
            f"| {hours:.2f} |"
        )
    shown = common[:: -(-len(common) // 10)]
    shown = sorted({*shown, last})
    for title, index in (("PSNR", 0), ("SAM", 1)):
        lines += ["", f"{title} over steps\n", f"| network | {' | '.join(map(str, shown))} |"]
        lines.append("| --- " * (len(shown) + 1) + "|")
        for name in rows:
            cells = " | ".join(f"{found[name, step][index]:.2f}" for step in shown)
            lines.append(f"| {ROWS[name].title} | {cells} |")
    return "\n".join(lines)


def export(folder: Folder, out: Path) -> None:
    """Write the last weights of every row of Table 1, with their scores, to benchmarks/weights."""
    found = means(folder)
    for name in (name for name, row in ROWS.items() if name == row.network):
        step, _ = folder.reached(name)
        if step == 0:
            continue
        db, angle, _ = found[name, step]
        card = find_weights(folder.weights(name))
        data = dict(card.about["data"]) | {"name": CAVE, "held_out": list(HELD_OUT)}  # type: ignore[call-overload]
        scores = {"held_out_psnr": round(db, 2), "held_out_sam": round(angle, 2)}
        save_weights(
            load_network(card.path, card.sha256),
            out / f"cave-16-{name}.safetensors",
            domain=card.domain,
            about=dict(card.about) | {"data": data, "scores": scores},
        )


def weight_count(folder: Folder, name: str) -> int:
    """Return how many numbers a row's weights file holds."""
    from safetensors.torch import load_file

    return sum(value.numel() for value in load_file(folder.weights(name)).values())


def main() -> None:
    """Train all rows slice by slice, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("cave", type=Path, help=f"folder of the 31-band cubes ({CAVE})")
    parser.add_argument("-o", "--out", type=Path, required=True, help="gets a folder a series")
    parser.add_argument("--series", choices=list(SERIES), default="kaiming")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--until", type=int, default=6000, help="last step")
    parser.add_argument("--slice", type=int, default=100, help="steps between two scores")
    parser.add_argument("--batch", type=int, default=2, help="patches a step")
    parser.add_argument("--patch", type=int, default=6, help="HS pixels a side of a patch")
    parser.add_argument("--table", action="store_true", help="print the table and stop")
    parser.add_argument("--export", type=Path, help="write the weights to this folder and stop")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folder = Folder(options.out / options.series)
    if options.table:
        print(report(folder))
        return
    if options.export:
        export(folder, options.export)
        return
    folder.path.mkdir(parents=True, exist_ok=True)
    paths = sorted(options.cave.glob("*.tif"))
    held = [path for path in paths if path.stem in HELD_OUT]
    cubes = [path for path in paths if path.stem not in HELD_OUT]
    recipe = replace(SERIES[options.series], batch=options.batch, patch=options.patch, scenes=8)
    last = min(options.until, recipe.steps)
    for step in range(options.slice, last + 1, options.slice):
        for name in options.rows:
            if folder.reached(name)[0] >= step:
                continue
            facts = advance(name, recipe, cubes, step, folder)
            lines = [facts | line for line in score(ROWS[name], folder.weights(name), held)]
            folder.add(lines)
            db, angle = (
                float(np.mean([float(str(line[k])) for line in lines])) for k in ("psnr", "sam")
            )
            print(f"{name} {step} {db:.2f} dB {angle:.2f} deg {facts['hours']} h", flush=True)


if __name__ == "__main__":
    main()
