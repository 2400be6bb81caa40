"""
Calibrate the standard errors of ms-ssfnet, and compare them with true errors.

    python benchmarks/uncertainty.py --scenes CUBES --cave CUBES
    python benchmarks/uncertainty.py --scenes CUBES --settings scenes:4:rgb --as-shipped

The pairs are those of accuracy.py: each setting is a protocol, a ratio, an MS sensor and, where one
follows, the side of the middle of the cube that is used. The error of a pixel is that of its
spectrum, root mean square over the good bands.

By default the error model (hsfuse.methods.ms_ssfnet.error_model) is fitted to the pairs of some
settings: each scene is scored with the model of all other scenes, so that none is scored with a
calibration, or weights, that have seen it. Further settings and synthetic scenes are scored, and
fit nothing. The last lines are the model of all scenes, as in ErrorModelSettings.
``--as-shipped`` scores the settings as they are, for scenes that are not among those.

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
import torch
from accuracy import load, plain_method, response, simulate, survey_of, unseen
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import spearmanr

from hsfuse import load_sensor
from hsfuse.methods import Options
from hsfuse.methods.conditioning import with_models
from hsfuse.methods.ms_ssfnet.error_model import NORMAL_90, ErrorModelSettings
from hsfuse.methods.ms_ssfnet.fuser import ComponentFuser
from hsfuse.synthetic.sample import make_scene

SYNTHETIC = "synthetic"
# To which the model is fitted, and which are scored alone.
FITTED = ["scenes:4:ms", "scenes:4:rgb", "cave:8:d700:256"]
FURTHER = ["scenes:8:ms", "synthetic:4:ms", "synthetic:4:rgb", "synthetic:3:ms"]
# MS pixels of a side of a synthetic scene.
SIDE = 192
# Pixels of a pair that are compared; neighbours share errors.
PIXELS = 20_000
# Of the fit: pixels of a pair, weight of a squared difference of levels relative to a variance of
# pixels, difference from which its cost is linear, quantiles between which the level is averaged,
# and ridge of slopes and logarithms of weights.
FITTED_PIXELS = 1500
LEVEL = 3.0
HUBER = 0.4
LEVEL_SHARES = (0.85, 0.95)
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
        Logarithm of the true error, in HS units.
    brightness : ndarray of shape (pixels,)
        As predicted.
    unit : float
        Unit of the error model, in HS units.
    noise : ndarray of shape (3,)
        Errors that all estimates share, of the error model, in HS units.
    """

    scene: str
    setting: str
    regressors: NDArray[np.float64]
    error: NDArray[np.float64]
    brightness: NDArray[np.float64]
    unit: float
    noise: NDArray[np.float64]


def main() -> None:
    """Run the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--scenes", nargs="+", default=[], type=Path, metavar="CUBE")
    parser.add_argument("--cave", nargs="+", default=[], type=Path, metavar="CUBE")
    parser.add_argument(
        "--synthetic", nargs="+", default=[Path("0"), Path("1")], type=Path, metavar="SEED"
    )
    parser.add_argument("--settings", nargs="+", default=FITTED + FURTHER)
    parser.add_argument("--fwhm", type=float, default=1.0)
    parser.add_argument("--as-shipped", action="store_true", help="fit nothing")
    options = parser.parse_args()
    if not options.as_shipped and not set(options.settings) & set(FITTED):
        parser.error(f"no model can be fitted without {' or '.join(FITTED)}; see --as-shipped")
    warnings.filterwarnings("ignore", "Mean of empty slice|Degrees of freedom", RuntimeWarning)
    samples = []
    for setting in options.settings:
        for path in getattr(options, setting.split(":")[0]):
            found = sample(path, setting, options.fwhm)
            print(f"{path.stem}, {setting}" + (": left out" if found is None else ""), flush=True)
            samples += [] if found is None else [found]
    shipped, fitted = ErrorModelSettings(), [s for s in samples if s.setting in FITTED]
    models: dict[str, ErrorModelSettings] = {}
    rows = []
    print(
        f"\n| scene | setting | below 1 | 90 % | classes of brightness | rank | factor |\n"
        f"{'| --- ' * 7}|"
    )
    for each in samples:
        if each.scene not in models:
            others = [other for other in fitted if other.scene != each.scene]
            models[each.scene] = shipped if options.as_shipped else fit(others)
        rows.append(score(each, models[each.scene]))
        once, within, low, high, rank, level = rows[-1]
        print(
            f"| {each.scene} | {each.setting} | {once:.0%} | {within:.0%} | "
            f"{low:.0%} to {high:.0%} | {rank:.2f} | {math.exp(level):.2f} |"
        )
    summarise([each.setting for each in samples], np.array(rows))
    if not options.as_shipped:
        model = fit(fitted)
        for name in ("coefficients", "noise_weights"):
            print(name, "=", tuple(round(number, 3) for number in getattr(model, name)))
        print(f"intercept = {model.intercept:.3f}")


def summarise(settings: Sequence[str], rows: NDArray[np.float64]) -> None:
    """Print the figures of each setting, of those that are fitted, and of all that are measured."""
    measured = [each for each in dict.fromkeys(settings) if not each.startswith(SYNTHETIC)]
    groups = {each: [each] for each in dict.fromkeys(settings)}
    groups |= {"fitted settings": FITTED, "all but synthetic": measured}
    print(
        f"\n| setting | pairs | 90 % | within 85 to 95 % | 80 to 97.5 % | mean deviation | "
        f"each class 80 to 97.5 % | rank | at least 0.5 | level off by |\n{'| --- ' * 10}|"
    )
    for name, group in groups.items():
        chosen = [setting in group for setting in settings]
        if not any(chosen):
            continue
        _, within, low, high, rank, level = rows[chosen].T
        print(
            f"| {name} | {sum(chosen)} | {np.median(within):.0%}, {within.min():.0%} to "
            f"{within.max():.0%} | {_share(within, within, 0.85, 0.95)} | "
            f"{_share(within, within, 0.8, 0.975)} | {np.abs(within - 0.9).mean():.1%} | "
            f"{_share(low, high, 0.8, 0.975)} | {np.median(rank):.2f}, {rank.min():.2f} to "
            f"{rank.max():.2f} | {np.mean(rank >= 0.5):.0%} | "
            f"{math.exp(np.sqrt(np.mean(level**2))):.2f} |"
        )


def _share(low: NDArray[np.float64], high: NDArray[np.float64], least: float, most: float) -> str:
    """Return the share of the pairs whose coverages lie within limits."""
    return f"{np.mean((low >= least) & (high <= most)):.0%}"


def landscape(seed: int) -> tuple[torch.Tensor, NDArray[np.float64]]:
    """Return a synthetic scene without noise, as `accuracy.load` does, and its wavelengths."""
    wavelength = np.array(load_sensor("enmap").wavelength)[::2]
    cube = make_scene(SIDE, SIDE, wavelength, seed=seed)
    return torch.from_numpy(cube / np.quantile(cube, 0.999)).float(), wavelength


def sample(scene: Path, setting: str, fwhm: float) -> Sample | None:
    """Return pixels of a fused pair; None where all weights have seen it, or it is too small."""
    protocol, number, fine, *side = setting.split(":")
    ratio = int(number)
    if protocol == SYNTHETIC:
        cube, wavelength = landscape(int(scene.name))
        protocol = "scenes"
    else:
        cube, wavelength = load(scene, protocol)
    if side:
        first = [(length - int(side[0])) // 2 for length in cube.shape[1:]]
        rows, columns = (slice(start, start + int(side[0])) for start in first)
        cube = cube[:, rows, columns]
    if min(cube.shape[1:]) // ratio < 10:
        return None
    matrix = response(protocol, wavelength, fine)
    truth, window = simulate(cube, matrix, ratio, protocol, fwhm)
    survey = survey_of(window, matrix, wavelength, fwhm)
    weights = unseen([], scene.stem, survey)
    if weights is None:
        return None
    fuser = plain_method("ms-ssfnet").prepare(survey, Options(weights, uncertainty=True))
    if not (isinstance(fuser, ComponentFuser) and fuser.error_model):
        raise SystemExit(f"{scene}: no weights of components fit")
    model = fuser.error_model
    fused, maps = fuser.fuse_with_error_maps(with_models(fuser, window), model)
    difference = (fused - truth.numpy())[survey.good]
    error = np.sqrt(np.square(difference, dtype=np.float64).mean(axis=0))
    known = np.flatnonzero(np.isfinite(error).ravel() & (error.ravel() > 0))
    generator = np.random.default_rng(0)
    chosen = generator.choice(known, min(PIXELS, len(known)), replace=False)
    regressors = model.regressors(maps)
    return Sample(
        f"{SYNTHETIC} {scene}" if setting.startswith(SYNTHETIC) else scene.stem,
        setting,
        regressors.reshape(len(regressors), -1)[:, chosen],
        np.log(error.ravel()[chosen]),
        maps.brightness.ravel()[chosen],
        model.unit,
        model.noise,
    )


def fit(samples: Sequence[Sample]) -> ErrorModelSettings:
    """
    Return the error model of some samples, in which every scene counts alike.

    Slopes and weights minimise :meth:`Calibration.loss`. The intercept is the median of the 90 %
    quantiles of error over standard error of the pairs: half of them have more than 90 % of their
    pixels below 1.645 standard errors.
    """
    calibration = Calibration.of(samples)
    slopes, noises = len(samples[0].regressors), len(samples[0].noise)
    start = np.concatenate([np.full(slopes, 0.2), np.zeros(noises + 1)])
    found = minimize(calibration.loss, start, jac=True, method="L-BFGS-B").x[:-1]
    levels = np.quantile(calibration.residual(found)[0], 0.9, axis=1)
    intercept = _weighted_median(levels, calibration.share) - math.log(NORMAL_90)
    ms, reference, hs = (float(weight) for weight in np.exp(found[slopes:] + intercept))
    return ErrorModelSettings(intercept, tuple(map(float, found[:slopes])), (ms, reference, hs))


@dataclass(frozen=True)
class Calibration:
    """
    Pairs to which the error model is fitted, with the same number of pixels of each.

    Attributes
    ----------
    regressors : ndarray of shape (regressors, pairs, pixels)
        Of the error model.
    error : ndarray of shape (pairs, pixels)
        Logarithm of the true error, in HS units.
    scales : ndarray of shape (1 + noises, pairs, 1)
        Logarithms of unit and noises, in HS units.
    share : ndarray of shape (pairs,)
        Weight of each pair, with a sum of one.
    """

    regressors: NDArray[np.float64]
    error: NDArray[np.float64]
    scales: NDArray[np.float64]
    share: NDArray[np.float64]

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Calibration:
        """Return those of samples; the pairs of a scene share the weight of one."""
        pixels = min(FITTED_PIXELS, *(s.error.size for s in samples))
        count = {s.scene: sum(other.scene == s.scene for other in samples) for s in samples}
        scales = np.stack([[s.unit, *s.noise] for s in samples], axis=1)
        return cls(
            np.stack([s.regressors[:, :pixels] for s in samples], axis=1),
            np.stack([s.error[:pixels] for s in samples]),
            np.log(np.maximum(scales, 1e-12))[:, :, None],
            np.array([1 / count[s.scene] / len(count) for s in samples]),
        )

    def residual(
        self, parameters: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """
        Return the logarithm of error over standard error without intercept, and what changes it.

        Parameters
        ----------
        parameters : ndarray
            Slopes, and logarithms of the weights of the noises.

        Returns
        -------
        tuple of ndarray
            The logarithm, (pairs, pixels), and its derivatives, (parameters, pairs, pixels).
        """
        slopes, weights = np.split(parameters, [len(self.regressors)])
        own = self.scales[:1] + np.tensordot(slopes, self.regressors, axes=1)
        shared = np.broadcast_to(
            self.scales[1:] + weights[:, None, None], (len(weights), *self.error.shape)
        )
        variances = 2 * np.concatenate([own, shared])
        total = logsumexp(variances, axis=0)
        parts = np.exp(variances - total)
        derivative = np.concatenate([self.regressors * parts[0], parts[1:]])
        return self.error - 0.5 * total, -derivative

    def loss(self, parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """
        Return the loss of slopes, logarithms of weights and level, and its gradient.

        The variance of the logarithm of error over standard error within pairs, which ranks their
        pixels, and the squared differences of the levels of pairs, beyond a limit their size, so
        that no single pair determines the weights. The level is the mean of the logarithms
        around its 90 % quantile, whose gradient is smoother than that of the quantile.
        """
        residual, derivative = self.residual(parameters[:-1])
        centred = residual - residual.mean(axis=1, keepdims=True)
        low, high = (round(share * residual.shape[1]) for share in LEVEL_SHARES)
        order = np.argpartition(residual, (low, high), axis=1)[:, low:high]
        level = np.take_along_axis(residual, order, axis=1).mean(axis=1) - parameters[-1]
        slope = LEVEL * self.share * 2 * np.clip(level, -HUBER, HUBER)
        squares = np.where(np.abs(level) < HUBER, level**2, HUBER * (2 * np.abs(level) - HUBER))
        value = self.share @ (np.square(centred).mean(axis=1) + LEVEL * squares)
        gradient = 2 * (derivative * centred).mean(axis=2) @ self.share
        changes = np.take_along_axis(derivative, order[None], axis=2).mean(axis=2)
        gradient += changes @ slope + 2 * RIDGE * parameters[:-1]
        value += RIDGE * np.square(parameters[:-1]).sum()
        return float(value), np.append(gradient, -slope.sum())


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    place = np.searchsorted(np.cumsum(weights[order]), 0.5 * weights.sum())
    return float(values[order[place]])


def score(sample: Sample, model: ErrorModelSettings) -> tuple[float, ...]:
    """Return the figures of one pair: coverages, that of classes, rank correlation, log level."""
    predicted = model.log_error(sample.regressors, sample.unit, sample.noise)
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
