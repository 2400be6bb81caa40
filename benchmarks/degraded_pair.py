"""
A real pair at reduced resolution: degrade both images, fuse, compare with the HS image itself.

    python benchmarks/degraded_pair.py hyperion_30m.tif ali_30m.tif --ratio 3 2 3x2
    python benchmarks/degraded_pair.py enmap.bsq aerial.bsq --ratio 4 8.333

The HS image is the truth and both sensors are real; only the PSF is simulated. The MS image is
first degraded to the HS grid (Wald's protocol). R is estimated from the pair.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import xarray as xr

import hsfuse
from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.metrics import psnr, sam
from hsfuse.core.psf import PSF
from hsfuse.methods import METHODS, Options, Window, load_method
from hsfuse.methods.conditioning import fuse_scene
from hsfuse.observe import Degrade
from hsfuse.pair.geometry import make_pair
from hsfuse.pair.patch import Patch
from hsfuse.pair.sampling import survey_pair
from hsfuse.pair.survey import Survey


def on_one_grid(hs: xr.DataArray, fine: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """Return the HS image, and the MS image degraded by the PSF, on the HS grid."""
    if hs.shape[1:] == fine.shape[1:]:
        return hs.compute().to_numpy(), fine.compute().to_numpy()
    survey = survey_pair(make_pair(hs, fine))
    if len(survey.patches) != 1:
        raise SystemExit("the scene is too large to be held whole; cut it first")
    (patch,) = survey.patches
    seen, used = survey.degraded(patch)
    return patch.coarse, np.where(used, seen, np.nan).astype(np.float32)


def ratios(text: str) -> tuple[float, float]:
    """Return the ratios along y and x of ``3`` or ``3x2``."""
    down, _, across = text.partition("x")
    return float(down), float(across or down)


def degraded(
    truth: np.ndarray, ratio: tuple[float, float], fwhm: float
) -> tuple[np.ndarray, Geometry]:
    """Return the image seen ``ratio`` times coarser along y and x, and the grids."""
    axes = [Axis(n, int(n / r + 1e-6), r) for n, r in zip(truth.shape[1:], ratio, strict=True)]
    geometry = Geometry(axes[0], axes[1])
    known = torch.from_numpy(np.isfinite(truth))
    values = torch.where(known, torch.from_numpy(truth), 0.0)
    operator = Degrade.between(geometry, PSF((fwhm, fwhm)))
    share = operator.forward(known.float())
    seen = operator.forward(values) / share.clamp_min(1e-6)
    return torch.where(share > 0.5, seen, torch.nan).numpy(), geometry


def main() -> None:
    """Print a table for each ratio."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("hs", type=Path)
    parser.add_argument("fine", type=Path)
    parser.add_argument("--ratio", nargs="+", default=["3"], help="as 3, or 3x2 along y and x")
    parser.add_argument("--fwhm", type=float, default=1.0)
    parser.add_argument("--weights", help="for ms-ssfnet")
    parser.add_argument(
        "--methods", nargs="+", default=["bicubic", "guided", "cnmf", "kriging", "ms-ssfnet"]
    )
    options = parser.parse_args()
    hs, fine = hsfuse.open_raster(options.hs), hsfuse.open_raster(options.fine)
    whole, seen = on_one_grid(hs, fine)
    wavelength = hs["wavelength"].to_numpy()
    for ratio in options.ratio:
        coarse, geometry = degraded(whole, ratios(ratio), options.fwhm)
        patch = Patch(coarse, seen, geometry, (0, 0))
        marked = np.asarray(hs["good"].values, dtype=bool)
        survey = Survey((patch,), PSF((options.fwhm,) * 2), marked, wavelength)
        good = survey.good
        peak = float(np.nanquantile(whole[good], 0.999))
        print(f"\n{options.hs.stem}, ratio {ratio}, peak {peak:.4g}, {int(good.sum())} bands\n")
        print("| method | PSNR dB | SAM ° |\n| --- | --- | --- |")
        core = Span(0, whole.shape[1]), Span(0, whole.shape[2])
        hole = np.isnan(seen).any(axis=0)
        for name in options.methods:
            weights = options.weights if METHODS[name].takes_weights else None
            fuser = load_method(name).prepare(survey, Options(weights))
            cube = fuse_scene(fuser, Window(coarse, seen, geometry, core, (0, 0)))
            cube = np.where(hole, np.nan, cube)
            figures = psnr(whole[good], cube[good], peak=peak), sam(whole[good], cube[good])
            print(f"| {name} | {figures[0]:.2f} | {figures[1]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
