"""
Fusion at the border of the HS image: what MS pixels beyond it are worth.

    python benchmarks/borders.py face.tif --protocol cave --ratio 16
    python benchmarks/borders.py jasper_ridge.tif --ratio 4 --methods guided kriging

Both images are simulated from a cube, and the outermost HS pixels are cut off. The error of the
rest is printed for the whole HS image, for the cut one, and for the cut one with the MS image
cut to the overlap. Everything is fused by one version on the same pixels.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from accuracy import fine_sensor, load, response, simulate
from affine import Affine

from hsfuse.core.metrics import psnr, sam
from hsfuse.fusion import plan as planning
from hsfuse.fusion.lazy import lazy_result
from hsfuse.pair import geometry


def raster(values: np.ndarray, scale: int, wavelength: np.ndarray | None) -> xr.DataArray:
    """Return bands as a lazy raster whose pixels are ``scale`` units wide."""
    bands, rows, columns = values.shape
    unknown = np.full(bands, np.nan)
    array = xr.DataArray(
        values,
        dims=("band", "y", "x"),
        coords={
            "band": np.arange(1, bands + 1),
            "wavelength": ("band", unknown if wavelength is None else wavelength),
            "fwhm": ("band", unknown),
            "good": ("band", np.ones(bands, bool)),
            "band_name": ("band", [f"B{i + 1}" for i in range(bands)]),
            "y": -(np.arange(rows) + 0.5) * scale,
            "x": (np.arange(columns) + 0.5) * scale,
        },
        attrs={"georeferenced": True, "sensor": "", "source": ""},
    )
    return (
        array.rio.write_transform(Affine.scale(scale, -scale)).rio.write_crs("EPSG:32633").chunk()
    )


def figures(fused: np.ndarray, truth: np.ndarray) -> str:
    """Return PSNR and spectral angle."""
    return f"{psnr(truth, fused):6.2f} dB {sam(truth, fused):5.2f} deg"


def main() -> None:
    """Print a row for each method."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("cube", type=Path)
    parser.add_argument("--protocol", choices=["cave", "scenes"], default="scenes")
    parser.add_argument("--ratio", type=int, default=4)
    parser.add_argument("--methods", nargs="+", default=["guided", "kriging", "ms-ssfnet"])
    options = parser.parse_args()
    cube, wavelength = load(options.cube, options.protocol)
    matrix = response(options.protocol, wavelength)
    truth, window = simulate(cube, matrix, options.ratio, options.protocol, 1.0)
    hs = raster(window.coarse, options.ratio, wavelength)
    rgb = raster(window.fine, 1, None)
    sensor = fine_sensor("d700" if options.protocol == "cave" else "ms")
    cut = hs.isel(y=slice(1, -1), x=slice(1, -1))
    inner = slice(options.ratio, -options.ratio)
    wanted = truth.numpy()[:, inner, inner]
    margin = geometry.SETTINGS.ms_margin
    print(f"{'method':<10}  {'whole':<21}  {'border cut':<21}  and MS image cut to the overlap")
    for method in options.methods:
        row = []
        for scene, beyond in ((hs, margin), (cut, margin), (cut, 0)):
            geometry.SETTINGS = replace(geometry.SETTINGS, ms_margin=beyond)
            plan = planning.plan_fusion(scene, rgb, method=method, rgb_sensor=sensor, align=False)
            fused = lazy_result(plan).compute().to_numpy()
            inside = fused if fused.shape == wanted.shape else fused[:, inner, inner]
            row.append(figures(inside, wanted))
        print(f"{method:<10}  {'  '.join(row)}", flush=True)


if __name__ == "__main__":
    main()
