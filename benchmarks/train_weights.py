"""
Train the weights that ship: 31 bands of 400 to 700 nm, three colour bands, ratio 16.

    python benchmarks/train_weights.py ../shared/data/cave -o hsfuse/trained/visible-r16.safetensors

Trains on all cubes but the held-out ones; `benchmarks/accuracy.py` scores the held-out ones.
About an hour on one core; an interrupted run goes on from its checkpoint.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch

from hsfuse.nets.ms_ssfnet import Architecture
from hsfuse.training import Recipe, train

HELD_OUT = ("chart_and_stuffed_toy", "fake_and_real_beers", "face", "hairs")


def main() -> None:
    """Train and write the weights with their card."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path, help="folder of the 31-band cubes")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    cubes = [path for path in sorted(options.folder.glob("*.tif")) if path.stem not in HELD_OUT]
    train(
        cubes,
        options.out,
        rgb_sensor="nikon-d700",
        architecture=Architecture(bands=31, fine_bands=3 + 31, scales=4, width=32, levels=2),
        recipe=Recipe(steps=options.steps),
        about={
            "data": {
                "name": "CAVE multispectral image database (Yasuma et al. 2010)",
                "scenes": [path.stem for path in cubes],
                "held_out": list(HELD_OUT),
            },
            "scores": {},
            "terms": "trained on CAVE, whose authors ask for a citation and offer it for research",
        },
    )


if __name__ == "__main__":
    main()
