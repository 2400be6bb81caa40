"""
Two real images on one grid: degrade the HS image, fuse it with the other, score against itself.

    python benchmarks/degraded_pair.py hyperion_30m.tif ali_30m.tif --ratio 3

The HS image is the truth and both sensors are real; only the blur is made. The response is
estimated from the pair unless both files state their bands.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from affine import Affine

import hsfuse
from hsfuse.core.grid import Axis, Geometry
from hsfuse.core.metrics import score
from hsfuse.observe import Degrade


def degraded(raster: xr.DataArray, ratio: int, fwhm: float) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the raster seen ``ratio`` times coarser, and itself cut to whole coarse pixels."""
    rows, columns = (raster.sizes[axis] // ratio for axis in ("y", "x"))
    cut = raster.isel(y=slice(0, rows * ratio), x=slice(0, columns * ratio)).compute()
    geometry = Geometry(
        Axis(rows * ratio, rows, float(ratio)), Axis(columns * ratio, columns, float(ratio))
    )
    values = torch.from_numpy(cut.to_numpy())
    seen = Degrade.between(geometry, (fwhm, fwhm)).forward(values).numpy()
    coords = {n: cut.coords[n] for n in ("band", "wavelength", "fwhm", "good", "band_name")}
    coarse = xr.DataArray(seen, dims=("band", "y", "x"), coords=coords, attrs=dict(cut.attrs))
    coarse.attrs["source"] = f"{cut.attrs['source']} / {ratio}"
    if cut.attrs.get("georeferenced"):
        placed = cut.rio.transform() * Affine.scale(ratio)
        coarse = coarse.rio.write_crs(cut.rio.crs).rio.write_transform(placed)
    return coarse.chunk(), cut


def main() -> None:
    """Print a line for each method."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("hs", type=Path)
    parser.add_argument("fine", type=Path)
    parser.add_argument("--ratio", type=int, default=3)
    parser.add_argument("--fwhm", type=float, default=1.0)
    options = parser.parse_args()
    coarse, truth = degraded(hsfuse.open_raster(options.hs), options.ratio, options.fwhm)
    fine = hsfuse.open_raster(options.fine)
    fine = fine.isel(y=slice(0, truth.sizes["y"]), x=slice(0, truth.sizes["x"]))
    peak = float(np.quantile(truth.to_numpy(), 0.999))
    print(f"peak {peak:.4g} (99.9th percentile of the truth), ratio {options.ratio}")
    print(f"{'method':12}{'PSNR dB':>9}{'SAM °':>8}{'ERGAS':>8}{'SSIM':>8}")
    for method in ("bicubic", "guided"):
        fused = hsfuse.fuse(coarse, fine, method=method).compute()
        figures = score(truth.to_numpy(), fused.to_numpy(), ratio=options.ratio, peak=peak)
        print(
            f"{method:12}{figures.psnr:9.2f}{figures.sam:8.2f}{figures.ergas:8.2f}"
            f"{figures.ssim:8.4f}"
        )


if __name__ == "__main__":
    main()
