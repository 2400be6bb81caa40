"""
Train the weights that ship and those of the benchmarks, from cubes to card.

    python benchmarks/train_weights.py any-sensor --cave CUBES --scenes CUBES -o FOLDER
    python benchmarks/train_weights.py any-sensor-b --cave CUBES --scenes CUBES -o FOLDER

Two trainings a set, the second from what the first gave: absolute errors first, then relative
squared ones, which PSNR counts. Each set saw one half of the remote-sensing scenes, so that each
half is scored by weights that have not seen it. `any-sensor`, which ships in hsfuse/nets/trained,
began with twelve CAVE scenes; `any-sensor-b`, in benchmarks/weights, saw five. About an hour a set
on one core; an interrupted run is resumed from its checkpoint.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from hsfuse.learning.train import RECIPES, train
from hsfuse.nets.weights import Domain, find_weights, load_network, save_weights
from hsfuse.synthetic.sample import write_sample

HELD_OUT = ("chart_and_stuffed_toy", "fake_and_real_beers", "face", "hairs")
HALVES = (
    ("abu_airport_1", "abu_beach_1", "abu_urban_1", "aviris_park", "enmap_potsdam", "samson"),
    ("abu_airport_2", "abu_urban_2", "indian_pines", "jasper_ridge", "pavia_centre_crop"),
)
TEXTURES = ("balloons", "cloth", "fake_and_real_food", "feathers", "beads")
COLOURS = ("nikon-d700", "srgb", "made", "made")
MULTISPECTRAL = ("made", "made", "sentinel-2a:B2,B3,B4,B8")
TERMS = (
    "trained on scenes whose authors offer them for research and ask for a citation; the weights "
    "come under the licence of hsfuse as far as that allows"
)
CAVE = "CAVE multispectral image database (Yasuma et al. 2010, doi:10.1109/TIP.2010.2046811)"
SCENES = "AVIRIS, EnMAP, ROSIS and ABU scenes, and landscapes that `hsfuse sample` makes"


@dataclass(frozen=True)
class Stage:
    """One training: what is changed of the default recipe, and what it begins from."""

    name: str
    changes: dict[str, object]
    start: str | None = None


# Images lie where the method is told, and see by the response that it is given.
EXACT = {"shift": 0.0, "response_shift": 0.0}
BATCH = {"batch": 8, **EXACT}
COARSE = {"ratio": (3.0, 20.0), "scenes": 16, "refresh": 60, **BATCH}
FINE = {"ratio": (2.0, 16.0), **BATCH}
FIRST = Stage("visible-first", {"loss": "absolute", "steps": 4500, **COARSE})
STAGES = {
    "any-sensor": (
        FIRST,
        Stage("any-sensor", {"steps": 2300, "rate": 7e-4, "refresh": 32, **FINE}, "visible-first"),
    ),
    "any-sensor-b": (
        Stage("any-first", {"loss": "absolute", "steps": 4800, "refresh": 24, **FINE}),
        Stage("any-sensor-b", {"steps": 1800, "rate": 5e-4, "refresh": 32, **FINE}, "any-first"),
    ),
}


def made(folder: Path) -> list[Path]:
    """Return the truths of three made landscapes, one a sensor."""
    files = []
    for seed, sensor in enumerate(("aviris", "enmap", "prisma"), start=1):
        place = folder / f"made{seed}"
        if not (place / "truth.tif").exists():
            write_sample(
                place, hs_sensor=sensor, ratio=3, seed=seed, hs_snr=60, ms_snr=60, overwrite=True
            )
        files.append(place / "truth.tif")
    return files


def named(folder: Path, names: Sequence[str]) -> list[Path]:
    """Return the cubes of those names."""
    return [folder / f"{name}.tif" for name in names]


def cubes_of(stage: str, options: argparse.Namespace) -> tuple[list[Path], list[Path]]:
    """Return what a stage is trained on, and what scores its checkpoints."""
    if stage.startswith("visible"):
        cubes = [p for p in sorted(options.cave.glob("*.tif")) if p.stem not in HELD_OUT]
        return cubes, named(options.cave, HELD_OUT)
    mine, other = HALVES[::-1] if stage == "any-sensor" else HALVES
    scenes = named(options.scenes, mine)
    # Twice: of three kinds of cubes, what the weights are for shall be half.
    cubes = [*scenes, *scenes, *named(options.cave, TEXTURES), *made(options.out)]
    return cubes, named(options.scenes, other)


def finish(name: str, options: argparse.Namespace) -> None:
    """Write the final card: what the weights are for, how they score, on what terms."""
    path = options.out / f"{name}.safetensors"
    card = find_weights(path)
    domain = Domain((2.0, 34.0), (1, 16))
    data = dict(card.about["data"]) | {"name": f"{SCENES}; {CAVE}"}
    about = dict(card.about) | {"data": data, "terms": TERMS}
    network = load_network(path, card.sha256)
    save_weights(network, path, domain=domain, about=about)


def main() -> None:
    """Train one set and write its card."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("set", choices=list(STAGES))
    parser.add_argument("--cave", type=Path, required=True, help="folder of the 31-band cubes")
    parser.add_argument("--scenes", type=Path, help="folder of the remote-sensing cubes")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for all that is made")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    for stage in STAGES[options.set]:
        out = options.out / f"{stage.name}.safetensors"
        if out.exists():
            continue
        cubes, held = cubes_of(stage.name, options)
        train(
            cubes,
            out,
            recipe=replace(RECIPES["component"], **stage.changes),
            rgb_sensors=COLOURS if stage.name.startswith("visible") else MULTISPECTRAL,
            validation=held,
            start_from=options.out / f"{stage.start}.safetensors" if stage.start else None,
        )
    finish(options.set, options)


if __name__ == "__main__":
    main()
