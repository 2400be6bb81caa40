"""
Score ms-ssfnet without and with adaptation to the scene, beside guided.

    python benchmarks/adapt.py scenes CUBES --weights WEIGHTS --ratio 4 --minutes 1

Pairs are simulated as in accuracy.py; PSNR in dB / spectral angle in degrees, against a truth
that adaptation has not seen. Weights have to be of components, and new to the cubes. The last
columns are what adaptation itself can see: its loss on the held-out part of the trial.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from accuracy import load, response, simulate, survey_of

from hsfuse.core.metrics import psnr, sam
from hsfuse.learning.adapt import adapt_to
from hsfuse.methods import Fuser, Options, Window, load_method
from hsfuse.methods.ms_ssfnet.components import ComponentFuser


def score(fuser: Fuser, truth: torch.Tensor, window: Window) -> tuple[float, float]:
    """Return PSNR and spectral angle of a fuser's cube."""
    (estimate,) = fuser.fuse([window])
    estimate[:, np.isnan(window.fine).any(axis=0)] = np.nan
    return psnr(truth.numpy(), estimate), sam(truth.numpy(), estimate)


def compare(path: Path, options: argparse.Namespace, folder: Path) -> list[tuple[float, float]]:
    """Print one scene's line and return its scores."""
    cube, wavelength = load(path, options.protocol)
    matrix = response(options.protocol, wavelength)
    truth, window = simulate(cube, matrix, options.ratio, options.protocol, options.fwhm)
    survey = survey_of(window, matrix, wavelength, options.fwhm)
    network = load_method("ms-ssfnet")
    before = network.prepare(survey, Options(options.weights))
    if not isinstance(before, ComponentFuser):
        sys.exit(f"{options.weights}: weights of components are wanted")
    place = folder / f"{path.stem}.safetensors"
    card = adapt_to(survey, before, place, options.minutes, steps=options.steps)
    after = network.prepare(survey, Options(str(place)))
    fusers = load_method("guided").prepare(survey, Options()), before, after
    scores = [score(fuser, truth, window) for fuser in fusers]
    recipe, loss = card.about["recipe"], card.about["scores"]
    told = " -> ".join(f"{loss[key]:.3f}" for key in ("held_out_before", "held_out_after"))
    cells = [f"{decibels:.2f} / {angle:.2f}" for decibels, angle in scores]
    steps = f"{recipe['kept_step']} of {recipe['steps']}"
    print(f"| {path.stem} | {' | '.join(cells)} | {told} | {steps} |", flush=True)
    if options.verbose:
        print("\n".join(f"  {note}" for fuser in (before, after) for note in fuser.notes))
    return scores


def main() -> None:
    """Run the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("protocol", choices=["cave", "scenes"])
    parser.add_argument("cubes", nargs="+", type=Path)
    parser.add_argument("--weights", required=True, help="of components")
    parser.add_argument("--ratio", type=int, default=4)
    parser.add_argument("--fwhm", type=float, default=1.0)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--steps", type=int, help="so many steps instead of minutes")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the notes of the runs")
    options = parser.parse_args()
    minutes = f"{options.minutes:g} min" if options.steps is None else f"{options.steps} steps"
    print(f"| scene | guided | ms-ssfnet | adapted {minutes} | held-out loss | kept step |")
    print("| --- " * 6 + "|")
    with tempfile.TemporaryDirectory() as folder:
        scores = [compare(path, options, Path(folder)) for path in options.cubes]
    means = np.mean(scores, axis=0)
    cells = [f"{decibels:.2f} / {angle:.2f}" for decibels, angle in means]
    print(f"| mean | {' | '.join(cells)} | | |")


if __name__ == "__main__":
    main()
