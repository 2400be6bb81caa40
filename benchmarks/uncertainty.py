"""
Calibrate the standard errors of ms-ssfnet, and compare them with true errors.

    python benchmarks/uncertainty.py --scenes CUBES --cave CUBES
    python benchmarks/uncertainty.py --scenes CUBES --settings scenes:4:rgb --as-shipped

The pairs are those of accuracy.py: each setting is a protocol, a ratio, an MS sensor and, where one
follows, the side of the middle of the cube that is used. The error of a pixel is that of its
spectrum, root mean square over the good bands.

By default the error model (hsfuse.methods.ms_ssfnet.error_model) is fitted to the pairs: each
scene is scored with the model of all other scenes, so that none is scored with a calibration, or
weights, that have seen it. The last lines are the model of all scenes, as in
ErrorModelSettings. ``--as-shipped`` scores the settings as they are, for scenes
that are not among those.

A column each: the share of the pixels whose error is below one standard error (68 % of a normal
distribution), that below 1.645 of them (the interval called 90 %), its range over five classes of
the predicted brightness, the rank correlation (Spearman) of the two over the pixels, and the factor
by which the standard errors are too small for 90 % to be below 1.645 of them.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accuracy import load, plain_method, response, simulate, survey_of, unseen
from numpy.typing import NDArray
from scipy.stats import spearmanr

from hsfuse.methods import Options
from hsfuse.methods.conditioning import with_models
from hsfuse.methods.ms_ssfnet.error_model import NORMAL_90, ErrorModelSettings
from hsfuse.methods.ms_ssfnet.fuser import ComponentFuser

SETTINGS = [
    "scenes:4:ms",
    "scenes:4:rgb",
    "cave:8:d700:256",
]
# Pixels of a pair that are compared; neighbours share errors.
PIXELS = 20_000
# Ridge of the fit, in the variance of a regressor.
RIDGE = 0.02
CLASSES = 5


@dataclass(frozen=True)
class Sample:
    """
    Pixels of a fused pair.

    Attributes
    ----------
    scene, setting : str
        Of the pair.
    regressors : ndarray of shape (regressors, pixels)
        Of the error model.
    error : ndarray of shape (pixels,)
        Logarithm of the true error in the model's unit.
    brightness : ndarray of shape (pixels,)
        As predicted.
    """

    scene: str
    setting: str
    regressors: NDArray[np.float64]
    error: NDArray[np.float64]
    brightness: NDArray[np.float64]


def main() -> None:
    """Run the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--scenes", nargs="+", default=[], type=Path, metavar="CUBE")
    parser.add_argument("--cave", nargs="+", default=[], type=Path, metavar="CUBE")
    parser.add_argument("--settings", nargs="+", default=SETTINGS)
    parser.add_argument("--fwhm", type=float, default=1.0)
    parser.add_argument("--as-shipped", action="store_true", help="fit nothing")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "Mean of empty slice|Degrees of freedom", RuntimeWarning)
    samples = []
    for setting in options.settings:
        for path in getattr(options, setting.split(":")[0]):
            found = sample(path, setting, options.fwhm)
            print(f"{path.stem}, {setting}" + (": left out" if found is None else ""), flush=True)
            samples += [] if found is None else [found]
    shipped = ErrorModelSettings()
    rows = []
    print(
        f"\n| scene | setting | below 1 | 90 % | classes of brightness | rank | factor |\n"
        f"{'| --- ' * 7}|"
    )
    for each in samples:
        others = [other for other in samples if other.scene != each.scene]
        rows.append(score(each, shipped if options.as_shipped else fit(others)))
        once, within, low, high, rank, level = rows[-1]
        print(
            f"| {each.scene} | {each.setting} | {once:.0%} | {within:.0%} | "
            f"{low:.0%} to {high:.0%} | {rank:.2f} | {math.exp(level):.2f} |"
        )
    summarise([each.setting for each in samples], np.array(rows))
    if not options.as_shipped:
        model = fit(samples)
        numbers = ", ".join(f"{number:.3f}" for number in model.coefficients)
        print(f"\nintercept = {model.intercept:.3f}\ncoefficients = ({numbers})")


def summarise(settings: Sequence[str], rows: NDArray[np.float64]) -> None:
    """Print the figures of each setting, and of all pairs."""
    print(
        f"\n| setting | pairs | 90 % | within 85 to 95 % | 80 to 97.5 % | rank |\n{'| --- ' * 6}|"
    )
    for setting in (*dict.fromkeys(settings), "all"):
        chosen = [setting in (each, "all") for each in settings]
        _, within, _, _, rank, _ = rows[chosen].T
        print(
            f"| {setting} | {sum(chosen)} | {np.median(within):.0%}, {within.min():.0%} to "
            f"{within.max():.0%} | {_share(within, within, 0.85, 0.95)} | "
            f"{_share(within, within, 0.8, 0.975)} | {np.median(rank):.2f}, {rank.min():.2f} to "
            f"{rank.max():.2f} |"
        )
    once, within, low, high, rank, level = rows.T
    print(
        f"\nmeans: below one standard error {once.mean():.0%}, the interval called 90 % "
        f"{within.mean():.0%}, rank correlation {rank.mean():.2f} (at least 0.5 in "
        f"{np.mean(rank >= 0.5):.0%})\n"
        f"every class of brightness within 85 to 95 % in {_share(low, high, 0.85, 0.95)} of the "
        f"pairs, 80 to 97.5 % in {_share(low, high, 0.8, 0.975)}\n"
        f"level off by a factor of {math.exp(np.sqrt(np.mean(level**2))):.2f}, root mean square"
    )


def _share(low: NDArray[np.float64], high: NDArray[np.float64], least: float, most: float) -> str:
    """Return the share of the pairs whose coverages lie within limits."""
    return f"{np.mean((low >= least) & (high <= most)):.0%}"


def sample(path: Path, setting: str, fwhm: float) -> Sample | None:
    """Return pixels of a fused pair; None where all weights have seen it, or it is too small."""
    protocol, number, fine, *side = setting.split(":")
    ratio = int(number)
    cube, wavelength = load(path, protocol)
    if side:
        first = [(length - int(side[0])) // 2 for length in cube.shape[1:]]
        rows, columns = (slice(start, start + int(side[0])) for start in first)
        cube = cube[:, rows, columns]
    if min(cube.shape[1:]) // ratio < 10:
        return None
    matrix = response(protocol, wavelength, fine)
    truth, window = simulate(cube, matrix, ratio, protocol, fwhm)
    survey = survey_of(window, matrix, wavelength, fwhm)
    weights = unseen([], path.stem, survey)
    if weights is None:
        return None
    fuser = plain_method("ms-ssfnet").prepare(survey, Options(weights, uncertainty=True))
    if not (isinstance(fuser, ComponentFuser) and fuser.error_model):
        raise SystemExit(f"{path}: no weights of components fit")
    model = fuser.error_model
    fused, maps = fuser.fuse_with_error_maps(with_models(fuser, window), model)
    difference = (fused - truth.numpy())[survey.good]
    error = np.sqrt(np.square(difference, dtype=np.float64).mean(axis=0))
    known = np.flatnonzero(np.isfinite(error).ravel() & (error.ravel() > 0))
    generator = np.random.default_rng(0)
    chosen = generator.choice(known, min(PIXELS, len(known)), replace=False)
    regressors = model.regressors(maps)
    return Sample(
        path.stem,
        setting,
        regressors.reshape(len(regressors), -1)[:, chosen],
        np.log(error.ravel()[chosen] / model.unit),
        maps.brightness.ravel()[chosen],
    )


def fit(samples: Sequence[Sample]) -> ErrorModelSettings:
    """
    Return the error model of some samples, in which every scene counts alike.

    The slopes are fitted to differences within pairs: they rank its pixels. The intercept is the
    median of the 90 % quantiles of the pairs' errors over what the slopes predict: half of the
    pairs have more than 90 % of their pixels below 1.645 standard errors. Levels of pairs are not
    fitted to more than the model's unit: with some ten scenes, coefficients of cross-validated
    error, ratio, detail, noise or others lose more on the next scene than they gain on these.
    """
    count = {s.scene: sum(other.scene == s.scene for other in samples) for s in samples}
    share = np.array([1 / count[s.scene] / len(count) for s in samples])
    regressors = len(samples[0].regressors)
    moment, product = np.zeros((regressors, regressors)), np.zeros(regressors)
    for each, weight in zip(samples, share, strict=True):
        centred = each.regressors - each.regressors.mean(axis=1, keepdims=True)
        error = each.error - each.error.mean()
        moment += weight * centred @ centred.T / error.size
        product += weight * centred @ error / error.size
    slopes = _ridge(moment, product)
    levels = np.array([np.quantile(s.error - slopes @ s.regressors, 0.9) for s in samples])
    intercept = _weighted_median(levels, share) - math.log(NORMAL_90)
    return ErrorModelSettings(intercept, tuple(float(slope) for slope in slopes))


def _ridge(moment: NDArray[np.float64], product: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the slopes of standardised regressors' ridge regression, for the regressors."""
    scale = np.sqrt(np.diag(moment)) + 1e-9
    standardised = moment / np.outer(scale, scale) + RIDGE * np.eye(len(scale))
    return np.asarray(np.linalg.solve(standardised, product / scale) / scale)


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    place = np.searchsorted(np.cumsum(weights[order]), 0.5 * weights.sum())
    return float(values[order[place]])


def score(sample: Sample, model: ErrorModelSettings) -> tuple[float, ...]:
    """Return the figures of one pair: coverages, that of classes, rank correlation, log level."""
    predicted = model.intercept + np.asarray(model.coefficients) @ sample.regressors
    within = sample.error < predicted + np.log(NORMAL_90)
    edges = np.quantile(sample.brightness, np.linspace(0, 1, CLASSES + 1))
    edges[-1] = np.inf
    classes = [
        within[(sample.brightness >= low) & (sample.brightness < high)].mean()
        for low, high in itertools.pairwise(edges)
        if low < high
    ]
    return (
        float((sample.error < predicted).mean()),
        float(within.mean()),
        float(min(classes)),
        float(max(classes)),
        float(spearmanr(sample.error, predicted).statistic),
        float(np.quantile(sample.error - predicted, 0.9)) - math.log(NORMAL_90),
    )


if __name__ == "__main__":
    sys.exit(main())
