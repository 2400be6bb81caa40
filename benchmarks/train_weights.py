"""
Train the weights that ship and those of the benchmarks, from cubes to card.

    python benchmarks/train_weights.py any-sensor --cave CUBES --scenes CUBES -o FOLDER
    python benchmarks/train_weights.py any-sensor-b --cave CUBES --scenes CUBES -o FOLDER

Each set saw twelve CAVE scenes and one half of the remote-sensing scenes, so that each half is
scored by weights that have not seen it. `any-sensor` ships in hsfuse/nets/trained, `any-sensor-b`
is in benchmarks/weights. About an hour a set on one core; an interrupted run is resumed from its
checkpoint.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import replace
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
SENSORS = ("made", "made", "made", "sentinel-2a:B2,B3,B4,B8", "nikon-d700", "srgb")
SETS = ("any-sensor", "any-sensor-b")
# Half of the library's default: a third of its time for a component.
WIDTH = 16
TERMS = (
    "trained on scenes whose authors offer them for research and ask for a citation; the weights "
    "come under the licence of hsfuse as far as that allows"
)
CAVE = "CAVE multispectral image database (Yasuma et al. 2010, doi:10.1109/TIP.2010.2046811)"
SCENES = "AVIRIS, EnMAP, ROSIS and ABU scenes, and landscapes that `hsfuse sample` makes"


RECIPE = replace(
    RECIPES["component"], loss="absolute", steps=9000, ratio=(2.0, 16.0), batch=8, refresh=32
)


def made(folder: Path) -> list[Path]:
    """Return the truths of three made landscapes, one a sensor."""
    files = []
    for seed, sensor in enumerate(("aviris", "enmap", "prisma"), start=1):
        place = folder / f"made{seed}"
        if not (place / "truth.tif").exists():
            write_sample(
                place, hs_sensor=sensor, ratio=3, seed=seed, snr_hs=60, snr_fine=60, overwrite=True
            )
        files.append(place / "truth.tif")
    return files


def named(folder: Path, names: Sequence[str]) -> list[Path]:
    """Return the cubes of those names."""
    return [folder / f"{name}.tif" for name in names]


def cubes_of(name: str, options: argparse.Namespace) -> tuple[list[Path], list[Path]]:
    """Return what a set is trained on, and what scores its checkpoints."""
    mine, other = HALVES[::-1] if name == "any-sensor" else HALVES
    scenes = named(options.scenes, mine)
    cave = [path for path in sorted(options.cave.glob("*.tif")) if path.stem not in HELD_OUT]
    # Twice: of three kinds of cubes, what the weights are for shall be half.
    return [*scenes, *scenes, *cave, *made(options.out)], named(options.scenes, other)


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
    parser.add_argument("set", choices=list(SETS))
    parser.add_argument("--cave", type=Path, required=True, help="folder of the 31-band cubes")
    parser.add_argument("--scenes", type=Path, help="folder of the remote-sensing cubes")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for all that is made")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    cubes, held = cubes_of(options.set, options)
    out = options.out / f"{options.set}.safetensors"
    train(cubes, out, recipe=RECIPE, width=WIDTH, rgb_sensors=SENSORS, validation=held)
    finish(options.set, options)


if __name__ == "__main__":
    main()
