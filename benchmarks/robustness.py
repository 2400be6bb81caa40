"""
Where ms-ssfnet loses against the methods that it is made of.

    python benchmarks/robustness.py CUBES --groups calm small dark
    python benchmarks/robustness.py CUBES --groups psf response --ratio 4 8 --fine ms rgb

Pairs are simulated from cubes with sensors that are not hsfuse's own
(`benchmarks/simulated_sensors.py`: by default a Gaussian sampled at pixel centres, mirrored at the
edges), with the noise of ``scenes`` in `benchmarks/accuracy.py` or none (``--protocol cave``).
hsfuse is given a Gaussian PSF of one HS pixel and the nominal response, or with ``--estimate`` the
PSF that it estimates from the pair. Groups:

- whole: the scenes as they are;
- calm: the calmest window of a cube, as a pair of its own and as a part of the whole scene: the
  lowest median of local variance over mean (water, bare ground);
- dark: the darkest tenth of the pixels;
- small: crops of 12 to 40 HS pixels a side, square and oblong;
- psf: other widths, diffraction, detector and optics, motion along y, a turned ellipse, ground
  beyond the edge of the MS image;
- response: MS bands 5 nm off, or 10 % wider, than hsfuse is given.

Each row has PSNR in dB / SAM in degrees, and in the last column what ms-ssfnet differs by from the
better of guided and kriging in each. Wanted: within 0.05 dB and 0.05 degrees everywhere. Each
scene is scored with weights that were not trained on it, as in `benchmarks/accuracy.py`.
"""

from __future__ import annotations

import argparse
import csv
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from accuracy import SNR, estimates, fine_sensor, load, noisy, survey_of, unseen
from scipy.ndimage import uniform_filter
from simulated_sensors import altered, degrade, weights

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.metrics import psnr, sam
from hsfuse.methods import Window
from hsfuse.pair.alignment.measurement import measure_alignment
from hsfuse.sensor.catalogue import response_matrix

# The methods that ms-ssfnet is compared with.
PARTS = ("guided", "kriging")
LIMIT = 0.05  # dB and degrees
SIDES = ((12, 12), (12, 24), (20, 12), (24, 24), (16, 40), (40, 40))  # HS pixels of small pairs
CALM_SIDES = (10, 24)  # HS pixels a side of a calm window, at least and at most
CALM_RADIUS = 2  # pixels about one in which its variance is local
BEYOND = 2  # HS pixels of ground beyond the MS image
PSFS = (
    "5 % wider",
    "5 % narrower",
    "airy",
    "box and gaussian",
    "motion of two pixels",
    "turned ellipse",
)
# Shift in nanometres and widening of the MS bands.
RESPONSES = {"5 nm longer": (5.0, 1.0), "5 nm shorter": (-5.0, 1.0), "10 % wider": (0.0, 1.1)}


class Area(NamedTuple):
    """Rows and columns of a cube."""

    top: int
    left: int
    rows: int
    columns: int

    def of(self, values: np.ndarray) -> np.ndarray:
        """Return the part of an array of shape (..., rows, columns)."""
        rows = slice(self.top, self.top + self.rows)
        return values[..., rows, slice(self.left, self.left + self.columns)]


@dataclass(frozen=True)
class Setting:
    """
    How a pair is simulated and scored.

    Attributes
    ----------
    label : str
        What sets it apart in its group.
    area : Area
        Of the cube, whole HS pixels.
    ratio : int
        MS pixels per HS pixel.
    psf : str
        Of `simulated_sensors.PSFS`.
    response : tuple of float
        Shift in nanometres and widening of the MS bands.
    beyond : int
        HS pixels at the edge of the area whose ground no image shows.
    scored : Area or str
        Pixels of the pair that are scored.
    """

    label: str
    area: Area
    ratio: int
    psf: str = "gaussian"
    response: tuple[float, float] = (0.0, 1.0)
    beyond: int = 0
    scored: Area | Literal["all", "darkest tenth"] = "all"

    @property
    def pair(self) -> Setting:
        """The same for every setting with this pair."""
        return replace(self, label="", scored="all")


@dataclass(frozen=True)
class Scene:
    """A cube, its MS sensor, and what the methods made of its pairs."""

    name: str
    cube: np.ndarray
    wavelength: np.ndarray
    fine: str
    options: argparse.Namespace
    results: dict[Setting, dict[str, np.ndarray]] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.cube.shape[1], self.cube.shape[2]

    def whole(self, ratio: int) -> Area:
        """Return the whole HS pixels of the cube."""
        return Area(0, 0, *(length - length % ratio for length in self.shape))

    def middle(self, rows: int, columns: int) -> Area:
        """Return the middle of the cube."""
        return Area((self.shape[0] - rows) // 2, (self.shape[1] - columns) // 2, rows, columns)

    def simulate(self, setting: Setting) -> tuple[np.ndarray, Window]:
        """Return the truth of a pair, and the pair."""
        ratio, cube = setting.ratio, setting.area.of(self.cube)
        coarse = degrade(cube, weights(setting.psf, ratio), ratio)
        inner = slice(setting.beyond, coarse.shape[1] - setting.beyond)
        across = slice(setting.beyond, coarse.shape[2] - setting.beyond)
        coarse = coarse[:, inner, across]
        cut = setting.beyond * ratio
        cube = cube[:, cut : cube.shape[1] - cut, cut : cube.shape[2] - cut]
        sensor = altered(fine_sensor(self.fine), *setting.response)
        fine = np.tensordot(response_matrix(sensor, self.wavelength).matrix, cube, axes=1)
        if self.options.protocol == "scenes":
            generator = torch.Generator().manual_seed(0)
            coarse, fine = (
                with_noise(image, decibels, generator)
                for image, decibels in zip((coarse, fine), SNR, strict=True)
            )
        (rows, columns), (down, right) = cube.shape[1:], coarse.shape[1:]
        geometry = Geometry(Axis(rows, down, float(ratio)), Axis(columns, right, float(ratio)))
        core = Span(0, rows), Span(0, columns)
        return cube, Window(coarse, fine.astype(np.float32), geometry, core, (0, 0))

    def fused(self, setting: Setting) -> dict[str, np.ndarray]:
        """Return the truth of a setting's pair and what each method made of it."""
        pair = setting.pair
        if pair not in self.results:
            truth, window = self.simulate(pair)
            matrix = response_matrix(fine_sensor(self.fine), self.wavelength).matrix
            survey = survey_of(window, matrix, self.wavelength)
            found = measure_alignment(survey) if self.options.estimate else None
            if found is not None and found.reliable:
                survey = replace(survey, psf=found.psf)
            files = unseen(self.options.weights, self.name, survey)
            made = estimates(self.options.methods, survey, window, files)
            cubes = {name: cube for name, cube in made if cube is not None}
            self.results[pair] = {"truth": truth, **cubes}
        return self.results[pair]


def with_noise(image: np.ndarray, decibels: float, generator: torch.Generator) -> np.ndarray:
    """Return an image with noise; pixels without data have none."""
    known = np.isfinite(image)
    values = torch.from_numpy(np.where(known, image, 0).astype(np.float32))
    return np.where(known, noisy(values, decibels, generator).numpy(), np.float32(np.nan))


def calmest(cube: np.ndarray, side: int) -> Area:
    """Return the window with the lowest median of local variance over mean, all bands summed."""
    known = np.isfinite(cube).all(axis=0)
    size = 2 * CALM_RADIUS + 1
    mean, square = (
        uniform_filter(np.where(known, each, 0).astype(np.float64), (0, size, size))
        for each in (cube, np.square(cube, dtype=np.float64))
    )
    inside = uniform_filter(known.astype(np.float64), size) > 1 - 1e-6
    variance = (square - mean**2).clip(0).sum(axis=0) / np.maximum(mean.sum(axis=0), 1e-9)
    variance[~inside] = np.inf
    best, found = np.inf, Area(0, 0, side, side)
    step = max(side // 8, 1)
    for top in range(0, cube.shape[1] - side + 1, step):
        for left in range(0, cube.shape[2] - side + 1, step):
            area = Area(top, left, side, side)
            level = float(np.median(area.of(variance)))
            if level < best:
                best, found = level, area
    return found


def whole(scene: Scene, ratio: int) -> Iterator[Setting]:
    yield Setting("whole", scene.whole(ratio), ratio)


def calm(scene: Scene, ratio: int) -> Iterator[Setting]:
    side = min(CALM_SIDES[1], min(scene.shape) // (2 * ratio))
    if side < CALM_SIDES[0]:
        return
    area = calmest(scene.cube, side * ratio)
    place = f"{side} x {side} at {area.top}, {area.left}"
    yield Setting(f"calm pair, {place}", area, ratio)
    yield Setting(f"calm part, {place}", scene.whole(ratio), ratio, scored=area)


def dark(scene: Scene, ratio: int) -> Iterator[Setting]:
    yield Setting("darkest tenth", scene.whole(ratio), ratio, scored="darkest tenth")


def small(scene: Scene, ratio: int) -> Iterator[Setting]:
    for side in SIDES:
        rows, columns = (length * ratio for length in side)
        if rows <= scene.shape[0] and columns <= scene.shape[1]:
            yield Setting(f"{side[0]} x {side[1]}", scene.middle(rows, columns), ratio)


def psf(scene: Scene, ratio: int) -> Iterator[Setting]:
    area = scene.whole(ratio)
    for name in PSFS:
        yield Setting(name, area, ratio, name)
    yield Setting("ground beyond", area, ratio, beyond=BEYOND)


def response(scene: Scene, ratio: int) -> Iterator[Setting]:
    for label, change in RESPONSES.items():
        yield Setting(label, scene.whole(ratio), ratio, response=change)


GROUPS: dict[str, Callable[[Scene, int], Iterator[Setting]]] = {
    "whole": whole,
    "calm": calm,
    "dark": dark,
    "small": small,
    "psf": psf,
    "response": response,
}


def scored(setting: Setting, truth: np.ndarray) -> np.ndarray:
    """Return the truth where it is scored, NaN elsewhere."""
    if setting.scored == "all":
        return truth
    mask = np.zeros(truth.shape[1:], dtype=bool)
    if setting.scored == "darkest tenth":
        brightness = truth.mean(axis=0)
        mask = brightness <= np.nanquantile(brightness, 0.1)
    else:
        setting.scored.of(mask)[...] = True
    return np.where(mask, truth, np.nan)


def figures(scene: Scene, setting: Setting) -> dict[str, tuple[float, float]]:
    """Return PSNR and SAM of each method."""
    cubes = dict(scene.fused(setting))
    truth = scored(setting, cubes.pop("truth"))
    return {name: (psnr(truth, cube), sam(truth, cube)) for name, cube in cubes.items()}


def margin(found: dict[str, tuple[float, float]]) -> tuple[float, float]:
    """Return what ms-ssfnet has more of than the better of its parts, in dB and degrees."""
    own, parts = found["ms-ssfnet"], [found[name] for name in PARTS]
    return own[0] - max(part[0] for part in parts), own[1] - min(part[1] for part in parts)


class Row(NamedTuple):
    """One line of a table."""

    group: str
    scene: str
    ratio: int
    fine: str
    case: str
    figures: dict[str, tuple[float, float]]

    @property
    def margin(self) -> tuple[float, float]:
        """See :func:`margin`."""
        return margin(self.figures)

    @property
    def text(self) -> str:
        """The line in Markdown; what is worse than wanted is bold."""
        cells = [f"{p:.2f} / {angle:.2f}" for p, angle in self.figures.values()]
        more, angle = self.margin
        signed = [f"{more:+.2f}", f"{angle:+.2f}"]
        bold = more < -LIMIT, angle > LIMIT
        signed = [
            f"**{each}**" if worse else each for each, worse in zip(signed, bold, strict=True)
        ]
        case = f"{self.group}: {self.case}" if self.group != self.case else self.group
        columns = [self.scene, case, str(self.ratio), self.fine, *cells, " / ".join(signed)]
        return f"| {' | '.join(columns)} |"


def summary(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of a table with the mean and the worst of each group."""
    yield "| group | pairs | mean difference | worst dB | worst degrees | beyond 0.05 |"
    yield "| --- | --- | --- | --- | --- | --- |"
    groups = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    for group, members in groups.items():
        margins = np.array([row.margin for row in members])
        low, high = members[int(margins[:, 0].argmin())], members[int(margins[:, 1].argmax())]
        worst = [
            f"{row.margin[i]:+.2f} ({row.scene}, {row.case}, {row.ratio}, {row.fine})"
            for i, row in enumerate((low, high))
        ]
        beyond = int(((margins[:, 0] < -LIMIT) | (margins[:, 1] > LIMIT)).sum())
        mean = "{:+.2f} / {:+.2f}".format(*margins.mean(axis=0))
        yield f"| {group} | {len(members)} | {mean} | {' | '.join(worst)} | {beyond} |"


def write(rows: list[Row], path: Path) -> None:
    """Write a line for each pair and method."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["group", "scene", "ratio", "fine", "case", "method", "psnr", "sam"])
        for row in rows:
            writer.writerows([*row[:5], name, *values] for name, values in row.figures.items())


def main() -> None:
    """Print a table of all pairs, and one of the groups."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cubes", nargs="+", type=Path)
    parser.add_argument("--groups", nargs="+", choices=list(GROUPS), default=list(GROUPS))
    parser.add_argument("--protocol", choices=["scenes", "cave"], default="scenes")
    parser.add_argument("--ratio", nargs="+", type=int, default=[4])
    parser.add_argument("--fine", nargs="+", help="MS sensors: d700, ms, rgb or CSV files")
    parser.add_argument("--estimate", action="store_true", help="estimate the PSF of each pair")
    parser.add_argument("--crop", type=int, help="take the middle of a cube, pixels a side")
    parser.add_argument("--methods", nargs="+", default=["cnmf"], help="beside those compared")
    parser.add_argument("--weights", action="append", default=[], help="as of accuracy.py")
    parser.add_argument("--csv", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "Mean of empty slice|Degrees of freedom", RuntimeWarning)
    compared = (*PARTS, "ms-ssfnet")
    options.methods = [*(m for m in options.methods if m not in compared), *compared]
    print(f"| scene | case | ratio | MS | {' | '.join(options.methods)} | difference |")
    print("| --- " * (5 + len(options.methods)) + "|")
    rows = []
    for path in options.cubes:
        cube, wavelength = load(path, options.protocol)
        for fine in options.fine or ["d700" if options.protocol == "cave" else "ms"]:
            scene = Scene(path.stem, cropped(cube.numpy(), options.crop), wavelength, fine, options)
            for row in rows_of(scene, options):
                rows.append(row)
                print(row.text, flush=True)
    print("", *summary(rows), sep="\n")
    if options.csv:
        write(rows, options.csv)


def rows_of(scene: Scene, options: argparse.Namespace) -> Iterator[Row]:
    """Yield the lines of a scene."""
    for ratio in options.ratio:
        for group in options.groups:
            for setting in GROUPS[group](scene, ratio):
                found = figures(scene, setting)
                if "ms-ssfnet" in found:
                    fine = Path(scene.fine).stem
                    yield Row(group, scene.name, ratio, fine, setting.label, found)


def cropped(cube: np.ndarray, side: int | None) -> np.ndarray:
    """Return the middle of a cube."""
    if side is None:
        return cube
    rows, columns = (max((length - side) // 2, 0) for length in cube.shape[1:])
    return cube[:, rows : rows + side, columns : columns + side]


if __name__ == "__main__":
    sys.exit(main())
