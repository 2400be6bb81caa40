"""
Errors of what hsfuse estimates from a pair whose shift, PSF, response, units and masks are known.

    python benchmarks/recovery.py CUBE [CUBE ...] --pairs 24

From each cube pairs are simulated with a shift of 0 to 3 HS pixels, a PSF of FWHM 0.8 to 2, one of
three responses, a gain and offset for each MS band, noise, a cloud in the MS image alone, and a
region without data in either. hsfuse is given the two rasters and nothing else. Printed are the
errors of its estimates, and the PSNR of `guided` beside a run with the true values.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from accuracy import GAUSSIANS
from affine import Affine

import hsfuse
from hsfuse.core.metrics import psnr
from hsfuse.core.psf import PSF
from hsfuse.fusion.lazy import lazy_result
from hsfuse.fusion.plan import Plan, plan_fusion
from hsfuse.sensor.catalogue import Sensor, response_matrix, sensor_from_bands
from hsfuse.synthetic.simulation import SimulatedRasters, observe

SENSORS = {
    **{name: sensor_from_bands(*bands) for name, bands in GAUSSIANS.items()},
    "pan": sensor_from_bands([650.0], [300.0]),
}
FARTHEST, WIDTHS = 3.0, (0.8, 2.0)  # HS pixels


class Truth(NamedTuple):
    """What a pair was made with: along y and x where there are two."""

    shift: tuple[float, float]
    fwhm: float
    sensor: str
    ratio: float


def opened(path: Path) -> xr.DataArray:
    """Return a cube in reflectance with wavelengths, without bands of filler."""
    cube = hsfuse.open_raster(path).compute()
    if not np.isfinite(cube["wavelength"].values).all():
        # The files say which range they span, not where each band lies.
        cube["wavelength"] = ("band", np.linspace(400.0, 2500.0, cube.sizes["band"]))
        cube["fwhm"] = ("band", np.full(cube.sizes["band"], 10.0))
    values = cube.values
    kept = (np.isfinite(values).mean(axis=(1, 2)) > 0.5) & (np.nanstd(values, axis=(1, 2)) > 0)
    cube = cube.isel(band=kept)
    placed = Affine(1, 0, 4e5, 0, -1, 5.8e6)
    cube["x"] = placed.c + 0.5 + np.arange(cube.sizes["x"])
    cube["y"] = placed.f - 0.5 - np.arange(cube.sizes["y"])
    unit = np.float32(np.nanquantile(cube.values, 0.999))
    cube = (cube / unit).assign_attrs(cube.attrs, georeferenced=True, source=path.name)
    return cube.rio.write_crs(32633).rio.write_transform(placed)


def draw(generator: np.random.Generator) -> Truth:
    """Return what a pair is made with."""
    shift = generator.uniform(-1, 1, 2)
    shift *= generator.uniform(0, FARTHEST) / max(np.hypot(*shift), 1e-9)
    return Truth(
        (float(shift[0]), float(shift[1])),
        float(generator.uniform(*WIDTHS)),
        str(generator.choice(list(SENSORS))),
        float(generator.choice([3.0, 4.0, 5.5])),
    )


def make(cube: xr.DataArray, truth: Truth, generator: np.random.Generator) -> SimulatedRasters:
    """Return the pair; its units, cloud and holes are drawn too."""
    seen = observe(
        cube.chunk(),
        rgb_sensor=SENSORS[truth.sensor],
        ratio=truth.ratio,
        fwhm=truth.fwhm,
        hs_snr=35,
        ms_snr=40,
        seed=int(generator.integers(1 << 30)),
    )
    scene, rgb = seen.scene.compute(), seen.rgb.compute()
    bands = rgb.sizes["band"]
    gain, offset = generator.uniform(0.5, 300, bands), generator.uniform(-0.1, 0.1, bands)
    rows, columns = rgb.shape[1:]
    top, left = (int(generator.uniform(0.1, 0.7) * length) for length in (rows, columns))
    cloud = slice(top, top + rows // 6), slice(left, left + columns // 6)
    values = rgb.values
    values[(slice(None), *cloud)] = values[(slice(None), *cloud)] * 0.3 + 0.7 * np.nanmax(values)
    values = (values + offset[:, None, None]) * gain[:, None, None]
    values[:, : rows // 12, : columns // 9] = np.nan
    holes = scene.values
    holes[:, -3:, :4] = np.nan
    rgb = rgb.copy(data=values.astype(np.float32)).drop_attrs(deep=False)
    # A file that tells nothing: neither sensor nor wavelengths.
    unknown = ("band", np.full(bands, np.nan))
    rgb = rgb.assign_coords(wavelength=unknown, fwhm=unknown)
    rgb = rgb.assign_attrs(georeferenced=True, source="rgb", sensor="")
    return SimulatedRasters(scene.chunk(), rgb.chunk(), seen.truth.compute())


def misplaced(scene: xr.DataArray, shift: tuple[float, float]) -> xr.DataArray:
    """Return the scene whose file says that it lies elsewhere."""
    stated = scene.rio.transform()
    moved = scene.assign_coords(
        y=scene["y"] - shift[0] * stated.e, x=scene["x"] - shift[1] * stated.a
    )
    return moved.rio.write_transform(stated * Affine.translation(-shift[1], -shift[0]))


def told(truth: Truth, scene: xr.DataArray) -> Sensor:
    """Return the HS sensor with its PSF, as somebody who measured it would say it."""
    sensor = sensor_from_bands(scene["wavelength"].values, scene["fwhm"].values)
    psf = PSF((truth.fwhm, truth.fwhm), "measured", "simulated")
    return replace(sensor, kind="hs", psf=psf)


def figure(plan: Plan, truth: xr.DataArray, cloud: np.ndarray) -> float:
    """Return mean PSNR in decibels over what no cloud covers."""
    fused = lazy_result(plan).compute(scheduler="synchronous")
    wanted = truth.sel(y=fused["y"], x=fused["x"], method="nearest").values
    clear = np.isfinite(fused.values).all(axis=0)
    clear &= cloud[: clear.shape[0], : clear.shape[1]]
    estimate = np.where(clear, fused.values, np.nan)
    return float(psnr(np.where(clear, wanted, np.nan), estimate, peak=1.0))


def response_errors(plan: Plan, truth: Truth) -> tuple[float, float]:
    """Return the errors of R X, after a gain and an offset, and of R, relative to their size."""
    hs = plan.pair.hs
    own = response_matrix(SENSORS[truth.sensor], hs["wavelength"].values, hs["fwhm"].values).matrix
    spectra = hs.values.reshape(hs.sizes["band"], -1)
    spectra = spectra[:, np.isfinite(spectra).all(axis=0)]
    errors = []
    for wanted, found in zip(own @ spectra, plan.radiometry.response @ spectra, strict=True):
        slope, level = np.polyfit(found, wanted, 1)
        left = wanted - slope * found - level
        errors.append(float(np.sqrt(np.mean(left**2) / np.mean(wanted**2))))
    curves = np.linalg.norm(plan.radiometry.response - own) / np.linalg.norm(own)
    return max(errors), float(curves)


def main() -> None:
    """Print one row a pair, and what of them is worst and usual."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("cubes", type=Path, nargs="+")
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--method", default="guided")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    say = logging.info
    say("| cube | made with | shift error | FWHM error | R X error | R error | told | found |")
    say("| --- | --- | --- | --- | --- | --- | --- | --- |")
    cubes = {path: opened(path) for path in options.cubes}
    rows = []
    for index in range(options.pairs):
        path = options.cubes[index % len(options.cubes)]
        generator = np.random.default_rng(index)
        truth = draw(generator)
        made = make(cubes[path], truth, generator)
        rows.append(judged(path.stem, truth, made, options.method))
        name, words, *numbers = rows[-1]
        say(
            f"| {name} | {words} | {numbers[0]:.3f} | {numbers[1]:.1%} | {numbers[2]:.2%} | "
            f"{numbers[3]:.0%} | {numbers[4]:.2f} | {numbers[5]:.2f} |"
        )
    numbers = np.array([row[2:] for row in rows])
    loss = numbers[:, 4] - numbers[:, 5]
    for name, of in (("median", np.median), ("worst", np.max)):
        shift, width, seen, curve = of(numbers[:, :4], axis=0)
        say(
            f"| **{name}** | | {shift:.3f} | {width:.1%} | {seen:.2%} | {curve:.0%} | | "
            f"{-of(loss):+.2f} dB |"
        )


def judged(name: str, truth: Truth, made: SimulatedRasters, method: str) -> tuple[object, ...]:
    """Return the figures of one pair."""
    finite = made.rgb.isel(band=0).values
    cloud = ~np.isfinite(finite)
    clear = made.truth.isel(band=slice(None)).values
    # What the MS image shows and the truth does not is the cloud that was put there.
    line = np.polyfit(clear.mean(axis=0)[~cloud], finite[~cloud], 1)
    left = np.abs(np.polyval(line, clear.mean(axis=0)) - finite)
    cloud = np.isfinite(left) & (left < 6 * np.nanmedian(left))
    found = plan_fusion(misplaced(made.scene, truth.shift), made.rgb, method=method)
    right = plan_fusion(
        made.scene,
        made.rgb,
        method=method,
        hs_sensor=told(truth, made.scene),
        rgb_sensor=SENSORS[truth.sensor],
        align=False,
    )
    if found.alignment is None:
        shift = width = float("nan")
    else:
        shift = float(np.abs(np.subtract(found.alignment.shift, truth.shift)).max())
        width = float(np.abs(np.array(found.alignment.psf.fwhm) / truth.fwhm - 1).max())
    words = (
        f"{truth.shift[0]:+.2f} {truth.shift[1]:+.2f}, FWHM {truth.fwhm:.2f}, {truth.sensor}, "
        f"ratio {truth.ratio:g}"
    )
    return (
        name,
        words,
        shift,
        width,
        *response_errors(found, truth),
        figure(right, made.truth, cloud),
        figure(found, made.truth, cloud),
    )


if __name__ == "__main__":
    main()
