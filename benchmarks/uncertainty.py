"""
Compare the standard errors of ms-ssfnet with its true errors.

    python benchmarks/uncertainty.py scenes CUBES --ratio 4 --weights FILE
    python benchmarks/uncertainty.py cave CUBES --ratio 8 --weights FILE

The pairs are those of accuracy.py. A column each: the median error and the median of the
standard errors in units of the cube, the share of pixels whose error is below one standard error
and below two (68 and 95 % of a normal distribution), the rank correlation of the two over the
pixels, and how much of the error model came from the pair itself.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
from accuracy import load, plain_method, response, simulate, survey_of, unseen
from scipy.stats import spearmanr

from hsfuse.methods import Options
from hsfuse.methods.conditioning import fuse_scene
from hsfuse.methods.ms_ssfnet.components import ComponentFuser


def main() -> None:
    """Run the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("protocol", choices=["cave", "scenes"])
    parser.add_argument("cubes", nargs="+", type=Path)
    parser.add_argument("--ratio", type=int, nargs="+", default=[4])
    parser.add_argument("--fwhm", type=float, default=1.0)
    parser.add_argument(
        "--weights",
        nargs="+",
        default=[],
        help="of components, for ms-ssfnet; by default those of accuracy.py",
    )
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "Mean of empty slice|Degrees of freedom", RuntimeWarning)
    names = ("error", "told", "below 1", "below 2", "rank", "trusted")
    print(f"{'scene':28}{'ratio':>6}" + "".join(f"{name:>9}" for name in names))
    rows = []
    for ratio in options.ratio:
        for path in options.cubes:
            row = measure(path, options.protocol, ratio, options.fwhm, options.weights)
            rows.append(row)
            print(f"{path.stem:28}{ratio:6d}" + line(row), flush=True)
    print(f"{'mean':34}" + line(np.mean(rows, axis=0)))
    inside = np.mean([0.55 <= row[2] <= 0.8 for row in rows])
    print(f"below 1 within 55 to 80 %: {inside:.0%} of the pairs")


def measure(
    path: Path, protocol: str, ratio: int, fwhm: float, files: list[str]
) -> tuple[float, ...]:
    """Return the figures of one pair."""
    cube, wavelength = load(path, protocol)
    matrix = response(protocol, wavelength)
    truth, window = simulate(cube, matrix, ratio, protocol, fwhm)
    survey = survey_of(window, matrix, wavelength, fwhm)
    weights = unseen(files, path.stem, survey)
    fuser = plain_method("ms-ssfnet").prepare(survey, Options(weights, uncertainty=True))
    if not (isinstance(fuser, ComponentFuser) and fuser.error_model):
        raise SystemExit(f"{path}: no weights of components fit; give some with --weights")
    values = fuse_scene(fuser, window)
    difference = values[:-1] - truth.numpy()
    error = np.sqrt(np.square(difference[survey.good], dtype=np.float64).mean(axis=0))
    known = np.isfinite(error)
    error, told = error[known], values[-1][known]
    return (
        float(np.median(error)),
        float(np.median(told)),
        float((error < told).mean()),
        float((error < 2 * told).mean()),
        float(spearmanr(error, told).statistic),
        fuser.error_model.weight,
    )


def line(row: tuple[float, ...]) -> str:
    """Return the figures as columns."""
    error, told, once, twice, rank, trusted = row
    return f"{error:9.4f}{told:9.4f}{once:9.0%}{twice:9.0%}{rank:9.2f}{trusted:9.0%}"


if __name__ == "__main__":
    sys.exit(main())
