"""
Score methods on simulated pairs of cubes, side by side in one run.

    python benchmarks/accuracy.py cave CUBES --ratio 16 8
    python benchmarks/accuracy.py cave CUBES --ratio 16 --fine CURVES.csv --fwhm 0.8 1.8
    python benchmarks/accuracy.py scenes CUBES --ratio 4 8 --fine ms rgb --rivals

Two protocols. ``cave``: noise-free, values over 4095. ``scenes``: HS noise at 30 dB and fine
noise at 40 dB, values over the 99.9th percentile of the valid ones. Both: Gaussian PSF, PSNR per
band with peak 1, SAM in degrees. The MS sensor is ``d700`` (the literature's Nikon), ``ms``
(four Sentinel-2-like Gaussian bands), ``rgb`` (three Gaussian colours) or a CSV of
curves: wavelength in nanometres, then a column a band.

`first` and `second` (``--fixed``) are two fixed settings of `guided`: local with K = 8, radius 2,
three back-projections; and scene-wide quadratic with K = 8. `mean` is that of `cnmf` and `guided`.

Methods fuse every band, also noisy ones, whose noise in the truth no method can match; with
``--denoise`` noisy bands are reconstructed from the others, as in `hsfuse run`.

``--weights`` may be given several times; the default is the shipped weights, then those of
``benchmarks/weights``, which were trained on the other half of the scenes. A scene is scored with
the first weights whose card does not name it among the cubes they were trained on.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import hsfuse
from hsfuse.benchmarking.weights import is_unseen
from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.metrics import psnr, sam
from hsfuse.core.psf import PSF
from hsfuse.methods import METHODS, Method, Options, Window
from hsfuse.methods.conditioning import fuse_scene
from hsfuse.methods.guided.method import Guided
from hsfuse.methods.guided.regression import Parameters
from hsfuse.nets.weights import find_weights, shipped_weights
from hsfuse.observe import Degrade, respond
from hsfuse.pair.patch import Patch
from hsfuse.pair.survey import Survey
from hsfuse.sensor.catalogue import ResponseCurves, Sensor, response_matrix, sensor_from_bands

# Centre and FWHM of Sentinel-2A B2, B3, B4 and B8; and of a colour camera.
GAUSSIANS = {
    "ms": ([492.7, 559.8, 664.6, 832.8], [66.0, 36.0, 31.0, 106.0]),
    "rgb": ([460.0, 540.0, 610.0], [80.0, 80.0, 80.0]),
}
# Decibels of the HS and of the MS image's noise.
SNR = (30.0, 40.0)
# Trained on scenes that the shipped weights have not seen; they serve the benchmarks alone.
WEIGHTS = Path(__file__).parent / "weights"
FIXED = {
    "first": Guided(Parameters(8, 4, 1e-2, 0.0, 3)),
    "second": Guided(Parameters(8, 4, 1e6, 1.0, 0)),
}


def load(path: Path, protocol: str) -> tuple[torch.Tensor, np.ndarray]:
    """Return the cube in 0..1 and its wavelengths; bands and rows without data are left out."""
    raster = hsfuse.open_raster(path)
    cube = raster.compute(scheduler="synchronous").to_numpy()
    wavelength = raster["wavelength"].to_numpy().copy()
    if not np.isfinite(wavelength).all():
        # The files say which range they span, not where each band lies.
        wavelength = np.linspace(400.0, 2500.0, len(cube))
    # A band that is one number everywhere is filler: it has no error and no meaning.
    kept = (np.isfinite(cube).mean(axis=(1, 2)) > 0.5) & (np.nanstd(cube, axis=(1, 2)) > 0)
    cube, wavelength = cube[kept], wavelength[kept]
    unit = np.quantile(cube[np.isfinite(cube)], 0.999)
    if protocol == "cave":
        # The file's raw numbers go to 4095; a scale in the file has been applied already.
        unit = 4095.0 if np.nanmax(cube) > 2 else 1.0
    cube = np.where(np.isfinite(cube), np.maximum(cube, 0), np.nan) / unit
    return torch.from_numpy(cube.astype(np.float32)), wavelength


def fine_sensor(name: str) -> Sensor:
    """Return the MS sensor of that name, or of a CSV of curves."""
    if name == "d700":
        return hsfuse.load_sensor("nikon-d700")
    if name in GAUSSIANS:
        return sensor_from_bands(*GAUSSIANS[name])
    table = np.genfromtxt(name, delimiter=",", names=True)
    bands = table.dtype.names[1:]
    curves = np.stack([table[band] for band in bands])
    place = table[table.dtype.names[0]]
    centres = curves @ place / curves.sum(axis=1)
    sensor = sensor_from_bands(centres, names=bands, kind="rgb")
    return replace(sensor, curves=ResponseCurves(place, np.maximum(curves, 0)))


def response(protocol: str, wavelength: np.ndarray, fine: str | None = None) -> np.ndarray:
    """Return R of an MS sensor; the protocol's own by default."""
    name = fine or ("d700" if protocol == "cave" else "ms")
    return response_matrix(fine_sensor(name), wavelength).matrix


def simulate(
    cube: torch.Tensor,
    matrix: np.ndarray,
    ratio: int,
    protocol: str,
    fwhm: float,
    snr: tuple[float, float] = SNR,
) -> tuple[torch.Tensor, Window]:
    """Return the truth cut to whole HS pixels and the window that holds the pair."""
    rows, columns = (n - n % ratio for n in cube.shape[1:])
    cube = cube[:, :rows, :columns]
    geometry = Geometry(
        Axis(rows, rows // ratio, float(ratio)), Axis(columns, columns // ratio, float(ratio))
    )
    known = torch.isfinite(cube).all(dim=0)
    coarse, share = Degrade.between(geometry, PSF((fwhm, fwhm))).forward_masked(cube, known)
    fine = respond(torch.from_numpy(matrix.astype(np.float32)), torch.nan_to_num(cube))
    if protocol == "scenes":
        generator = torch.Generator().manual_seed(0)
        coarse = noisy(coarse, snr[0], generator)
        fine = noisy(fine, snr[1], generator)
    coarse = torch.where(share > 0.5, coarse, torch.full_like(coarse, torch.nan))
    fine = torch.where(known, fine, torch.full_like(fine, torch.nan))
    window = Window(
        coarse.numpy(), fine.numpy(), geometry, (Span(0, rows), Span(0, columns)), (0, 0)
    )
    return torch.where(known, cube, torch.full_like(cube, torch.nan)), window


def noisy(values: torch.Tensor, decibels: float, generator: torch.Generator) -> torch.Tensor:
    """Add white noise of that signal-to-noise ratio to each band."""
    level = values.square().mean(dim=(1, 2), keepdim=True).sqrt() * 10 ** (-decibels / 20)
    return values + level * torch.randn(values.shape, generator=generator)


def survey_of(
    window: Window, matrix: np.ndarray, wavelength: np.ndarray, fwhm: float = 1.0
) -> Survey:
    """Return the survey of a pair that is one window."""
    patch = Patch(window.coarse, window.fine, window.geometry, window.start)
    good = np.ones(len(window.coarse), dtype=bool)
    return Survey((patch,), PSF((fwhm, fwhm)), good, wavelength, matrix)


def unseen(files: list[str], scene: str, survey: Survey, network: str = "ms-ssfnet") -> str | None:
    """Return a network's first weights that fit and were not trained on the scene, or None."""
    fine = len(survey.patches[0].fine)
    others = [find_weights(file) for file in sorted(WEIGHTS.glob("*.safetensors"))]
    for card in [find_weights(file) for file in files] or [*shipped_weights(), *others]:
        if card.architecture.network != network or not is_unseen(card, scene):
            continue
        if card.domain.misfit(survey.wavelength, survey.good, fine, survey.ratio) is None:
            return card.path
    return None


def plain_method(name: str) -> Method:
    """Return a method without denoising of bands: the noise of the truth is scored with them."""
    return METHODS[name].load_plain()


def estimates(
    methods: list[str],
    survey: Survey,
    window: Window,
    weights: str | None,
    *,
    denoise: bool = False,
    networks: Mapping[str, str | None] | None = None,
) -> Iterator[tuple[str, np.ndarray | None]]:
    """
    Yield each method's name and cube, None where it does not fit the pair.

    ``weights`` are those of `ms-ssfnet`, ``networks`` those of the methods that need some.
    """
    files = {"ms-ssfnet": weights, **(networks or {})}
    found: dict[str, np.ndarray] = {}
    hole = np.isnan(window.fine).any(axis=0)
    for name in methods:
        if name == "mean":
            yield name, (found["guided"] + found["cnmf"]) / 2
            continue
        if name in files and files[name] is None:
            yield name, None
            continue
        as_run = METHODS[name].load() if denoise and name in METHODS else None
        method = as_run or FIXED.get(name) or plain_method(name)
        fuser = method.prepare(survey, Options(files.get(name)))
        cube = fuse_scene(fuser, window)
        found[name] = np.where(hole, np.nan, cube)
        yield name, found[name]


def table(options: argparse.Namespace, setting: tuple[int, str, float]) -> list[dict[str, object]]:
    """Print one table and return its rows."""
    ratio, fine, fwhm = setting
    print(f"\n{options.protocol}, ratio {ratio}, {Path(fine).stem}, FWHM {fwhm:g} HS pixels\n")
    print(f"| scene | {' | '.join(options.methods)} |")
    print("| --- " * (1 + len(options.methods)) + "|")
    rows: list[dict[str, object]] = []
    for path in options.cubes:
        cube, wavelength = load(path, options.protocol)
        matrix = response(options.protocol, wavelength, fine)
        truth, window = simulate(cube, matrix, ratio, options.protocol, fwhm, options.snr)
        survey = survey_of(window, matrix, wavelength, fwhm)
        cells = []
        weights = unseen(options.weights, path.stem, survey)
        networks = {
            name: unseen(options.weights, path.stem, survey, name)
            for name in options.methods
            if name in METHODS and METHODS[name].needs_weights
        }
        for name, cube_of in estimates(
            options.methods, survey, window, weights, denoise=options.denoise, networks=networks
        ):
            scores = (
                (np.nan, np.nan)
                if cube_of is None
                else (psnr(truth.numpy(), cube_of), sam(truth.numpy(), cube_of))
            )
            cells.append("-" if cube_of is None else f"{scores[0]:.2f} / {scores[1]:.2f}")
            rows.append(
                {
                    "protocol": options.protocol,
                    "ratio": ratio,
                    "fine": Path(fine).stem,
                    "fwhm": fwhm,
                    "scene": path.stem,
                    "method": name,
                    "psnr": scores[0],
                    "sam": scores[1],
                }
            )
        print(f"| {path.stem} | {' | '.join(cells)} |", flush=True)
    means = []
    for name in options.methods:
        mine = np.array([(row["psnr"], row["sam"]) for row in rows if row["method"] == name])
        mean = mine[np.isfinite(mine[:, 0])].mean(axis=0) if np.isfinite(mine).any() else None
        means.append("-" if mean is None else f"{mean[0]:.2f} / {mean[1]:.2f}")
    print(f"| mean | {' | '.join(means)} |", flush=True)
    return rows


def main() -> None:
    """Run the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("protocol", choices=["cave", "scenes"])
    parser.add_argument("cubes", nargs="+", type=Path)
    parser.add_argument("--ratio", type=int, nargs="+", default=[4])
    parser.add_argument("--fwhm", type=float, nargs="+", default=[1.0])
    parser.add_argument("--fine", nargs="+", help="MS sensors: d700, ms, rgb or CSV files")
    parser.add_argument("--snr", type=float, nargs=2, default=SNR, help="of `scenes`: HS, fine")
    parser.add_argument(
        "--weights",
        action="append",
        default=[],
        help="of the networks; by default the shipped ones and benchmarks/weights",
    )
    parser.add_argument("--fixed", action="store_true", help="also two settings of guided")
    parser.add_argument("--rivals", action="store_true", help="also cnmf, spectralift and mean")
    parser.add_argument("--methods", nargs="+", help="these alone")
    parser.add_argument("--denoise", action="store_true", help="noisy bands as in `hsfuse run`")
    parser.add_argument("--csv", type=Path, help="also add the figures to this file")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "Mean of empty slice|Degrees of freedom", RuntimeWarning)
    options.methods = options.methods or [
        "bicubic",
        *(FIXED if options.fixed else ()),
        "guided",
        *(("cnmf", "spectralift", "mean") if options.rivals else ()),
        "kriging",
        "ms-ssfnet",
    ]
    fines = options.fine or (["d700"] if options.protocol == "cave" else ["ms"])
    rows = []
    for setting in itertools.product(options.ratio, fines, options.fwhm):
        rows += table(options, setting)
    if options.csv:
        new = not options.csv.exists()
        with options.csv.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            if new:
                writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
