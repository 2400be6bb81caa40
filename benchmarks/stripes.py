"""
Errors of single HS bands with stripes or noise after fusion, with and without denoising.

    python benchmarks/stripes.py CUBE [CUBE ...]

A pair is simulated from each cube; three bands get stripes and four get noise, of half a band's
standard deviation. Printed is the RMSE of these bands against the truth, in standard deviations
of the band: of the pair without the faults; with them and with denoising, as in `hsfuse run`; with
them and without denoising.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import numpy as np
import xarray as xr
from accuracy import GAUSSIANS, plain_method
from recovery import opened

from hsfuse.core.grid import Span
from hsfuse.fusion.plan import survey_for
from hsfuse.methods import Method, Options, Window, load_method
from hsfuse.methods.conditioning import fuse_scene
from hsfuse.pair.geometry import make_pair
from hsfuse.sensor.catalogue import sensor_from_bands
from hsfuse.synthetic.simulation import observe

RATIO, HEIGHT = 4.0, 0.5
MS = sensor_from_bands(*GAUSSIANS["ms"])


def main() -> None:
    """Print one row a cube, fault and method."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("cubes", type=Path, nargs="+")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.info("| cube | fault | method | no fault | denoised | not denoised |")
    logging.info("| --- | --- | --- | --- | --- | --- |")
    for path in options.cubes:
        made = observe(opened(path).chunk(), rgb_sensor=MS, ratio=RATIO, hs_snr=40, ms_snr=45)
        truth, scene, rgb = (raster.compute() for raster in (made.truth, made.scene, made.rgb))
        spread = np.nanstd(scene.values, axis=(1, 2))
        count = scene.sizes["band"]
        generator = np.random.default_rng(0)
        draw = generator.standard_normal(scene.shape).astype(np.float32)
        faults = {
            "stripes": (np.linspace(0.1, 0.6, 3), draw[:, :1]),
            "noise": (np.linspace(0.15, 0.7, 4), draw),
        }
        broken = scene.copy(deep=True)
        places = {}
        for fault, (shares, values) in faults.items():
            places[fault] = (shares * count).astype(int)
            for band in places[fault]:
                broken.values[band] += (HEIGHT * spread[band] * values[band]).astype(np.float32)
        for name in ("bicubic", "guided", "ms-ssfnet"):
            method = load_method(name)
            plain = plain_method(name)
            cubes = [
                fused(way, hs.chunk(), rgb.chunk())
                for way, hs in ((method, scene), (method, broken), (plain, broken))
            ]
            for fault, bands in places.items():
                errors = [
                    np.mean(np.sqrt(np.nanmean((cube - truth.values)[bands] ** 2, axis=(1, 2)))
                            / spread[bands])
                    for cube in cubes
                ]  # fmt: skip
                words = " | ".join(f"{error:.3f}" for error in errors)
                logging.info("| %s | %s | %s | %s |", path.stem, fault, name, words)


def fused(method: Method, hs: xr.DataArray, rgb: xr.DataArray) -> np.ndarray:
    """Return the fused cube of a small pair."""
    pair = make_pair(hs, rgb, rgb_sensor=MS)
    survey, _ = survey_for(pair)
    fuser = method.prepare(survey, Options())
    rows, columns = pair.geometry.fine_shape
    window = Window(
        pair.hs.values, pair.rgb.values, pair.geometry, (Span(0, rows), Span(0, columns)), (0, 0)
    )
    return fuse_scene(fuser, window)


if __name__ == "__main__":
    main()
