"""
Score methods on simulated pairs of cubes, side by side in one run.

    python benchmarks/accuracy.py cave ../shared/data/cave/*.tif --ratio 16
    python benchmarks/accuracy.py scenes ../shared/data/scenes/*.tif --ratio 4

Two protocols. ``cave``: noise-free, the literature's D700, values over 4095. ``scenes``: four
Sentinel-2-like Gaussian bands, HS noise at 30 dB and fine noise at 40 dB, values over the
99.9th percentile of the valid ones. Both: Gaussian PSF of FWHM 1 HS pixel, PSNR per band with
peak 1. `first` and `second` are the two fixed settings that `guided` is measured against:
local with K = 8, radius 2, three back-projections; and scene-wide quadratic with K = 8.
"""

from __future__ import annotations

import argparse
import csv
import sys
import warnings
from pathlib import Path

import numpy as np
import torch

import hsfuse
from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.metrics import psnr, sam
from hsfuse.methods import Options, Window, load_method
from hsfuse.methods.guided import Guided, Parameters
from hsfuse.observe import Degrade, respond
from hsfuse.sensor import response_matrix, sensor_from_bands
from hsfuse.survey import Patch, Survey

# Centre and FWHM of Sentinel-2A B2, B3, B4 and B8.
MS_CENTRES = np.array([492.7, 559.8, 664.6, 832.8])
MS_WIDTHS = np.array([66.0, 36.0, 31.0, 106.0])


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


def response(protocol: str, wavelength: np.ndarray) -> np.ndarray:
    """Return R of the protocol's fine sensor."""
    if protocol == "cave":
        return response_matrix(hsfuse.load_sensor("nikon-d700"), wavelength).matrix
    sensor = sensor_from_bands(MS_CENTRES, MS_WIDTHS)
    return response_matrix(sensor, wavelength).matrix


def simulate(
    cube: torch.Tensor, matrix: np.ndarray, ratio: int, protocol: str, fwhm: float
) -> tuple[torch.Tensor, Window]:
    """Return the truth cut to whole HS pixels and the window that holds the pair."""
    rows, columns = (n - n % ratio for n in cube.shape[1:])
    cube = cube[:, :rows, :columns]
    geometry = Geometry(
        Axis(rows, rows // ratio, float(ratio)), Axis(columns, columns // ratio, float(ratio))
    )
    known = torch.isfinite(cube).all(dim=0)
    coarse, share = Degrade.between(geometry, (fwhm, fwhm)).forward_masked(cube, known)
    fine = respond(torch.from_numpy(matrix.astype(np.float32)), torch.nan_to_num(cube))
    if protocol == "scenes":
        generator = torch.Generator().manual_seed(0)
        coarse = noisy(coarse, 30.0, generator)
        fine = noisy(fine, 40.0, generator)
    coarse = torch.where(share > 0.5, coarse, torch.full_like(coarse, torch.nan))
    fine = torch.where(known, fine, torch.full_like(fine, torch.nan))
    window = Window(coarse.numpy(), fine.numpy(), geometry, (Span(0, rows), Span(0, columns)))
    return torch.where(known, cube, torch.full_like(cube, torch.nan)), window


def noisy(values: torch.Tensor, decibels: float, generator: torch.Generator) -> torch.Tensor:
    """Add white noise of that signal-to-noise ratio to each band."""
    level = values.square().mean(dim=(1, 2), keepdim=True).sqrt() * 10 ** (-decibels / 20)
    return values + level * torch.randn(values.shape, generator=generator)


def main() -> None:
    """Run the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("protocol", choices=["cave", "scenes"])
    parser.add_argument("cubes", nargs="+", type=Path)
    parser.add_argument("--ratio", type=int, default=4)
    parser.add_argument("--fwhm", type=float, default=1.0)
    parser.add_argument("--weights", help="weights for ms-ssfnet")
    parser.add_argument("--rivals", action="store_true", help="also cnmf and spectralift")
    parser.add_argument("--csv", type=Path, help="also write the figures here")
    parser.add_argument("-v", "--verbose", action="store_true", help="show what guided chose")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "Mean of empty slice|Degrees of freedom", RuntimeWarning)
    first = Guided(Parameters(8, 4, 1e-2, 0.0, 3))
    second = Guided(Parameters(8, 4, 1e6, 1.0, 0))
    methods = {
        "bicubic": load_method("bicubic"),
        "first": first,
        "second": second,
        "guided": load_method("guided"),
        "ms-ssfnet": load_method("ms-ssfnet"),
    }
    if options.rivals:
        methods |= {name: load_method(name) for name in ("cnmf", "spectralift")}
    rows = []
    print(f"{'scene':28}" + "".join(f"{name:>16}" for name in methods))
    for path in options.cubes:
        cube, wavelength = load(path, options.protocol)
        matrix = response(options.protocol, wavelength)
        truth, window = simulate(cube, matrix, options.ratio, options.protocol, options.fwhm)
        survey = Survey(
            (Patch(window.coarse, window.fine, window.geometry),),
            (options.fwhm, options.fwhm),
            np.ones(len(cube), dtype=bool),
            wavelength,
            matrix,
        )
        line = f"{path.stem:28}"
        for name, method in methods.items():
            fuser = method.prepare(
                survey, Options(options.weights if name == "ms-ssfnet" else None)
            )
            if name == "ms-ssfnet" and fuser.name != name:
                line += f"{'-':>16}"
                continue
            (estimate,) = fuser.fuse([window])
            estimate[:, np.isnan(window.fine).any(axis=0)] = np.nan
            scores = psnr(truth.numpy(), estimate), sam(truth.numpy(), estimate)
            rows.append({"scene": path.stem, "method": name, "psnr": scores[0], "sam": scores[1]})
            line += f"{scores[0]:9.2f} /{scores[1]:5.2f}"
            if options.verbose and name == "guided":
                line += f" {fuser.parameters}"
        print(line, flush=True)
    line = f"{'mean':28}"
    for name in methods:
        mine = [(row["psnr"], row["sam"]) for row in rows if row["method"] == name]
        line += "{:9.2f} /{:5.2f}".format(*np.mean(mine, axis=0)) if mine else f"{'-':>16}"
    print(line)
    if options.csv:
        with options.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=["scene", "method", "psnr", "sam"])
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
