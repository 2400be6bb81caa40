"""A pair of a benchmark as files: simulated from a cube, reduced from a real one, or as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr
from dask.utils import format_bytes

from hsfuse.assessment import ObservedPair, observe_pair
from hsfuse.batch.memory import available_memory
from hsfuse.benchmarking.cases import Case
from hsfuse.benchmarking.maps import write_truth
from hsfuse.benchmarking.settings import BenchmarkSettings
from hsfuse.core.psf import PSF
from hsfuse.errors import PlanError
from hsfuse.fusion.settings import Settings
from hsfuse.io.read import open_raster
from hsfuse.io.url import AnyPath
from hsfuse.pair.alignment import align_pair
from hsfuse.sensor.catalogue import Sensor, known_sensor, sensor_from_bands
from hsfuse.synthetic.simulation import SimulatedRasters, observe, reduce_pair, write_simulated

__all__ = ["Prepared", "prepare_case"]

# Share of the available memory that a cube may take: it is held whole to be simulated from.
_LARGEST_SHARE = 0.4
# Quantile of the values that is the largest possible one where nothing else is known: glints and
# defects lie above.
_BRIGHT = 0.999
# Share of finite values below which a band of a cube is filler.
_LEAST_DATA = 0.5


@dataclass(frozen=True)
class Prepared:
    """
    The files of a pair, and how it is fused.

    Attributes
    ----------
    folder : Path
        Where outputs may be written.
    scene, rgb : path
        HS and MS image.
    truth : Path or None
        What the output is compared with.
    ratio : float
        MS pixels per HS pixel.
    peak : float or None
        The largest possible value.
    settings : Settings
        Of the run, but for method and weights.
    observed : ObservedPair or None
        By which outputs without truth are assessed.
    """

    folder: Path
    scene: AnyPath
    rgb: AnyPath
    truth: Path | None
    ratio: float
    peak: float | None
    settings: Settings
    observed: ObservedPair | None = None


def prepare_case(case: Case, folder: Path, maps: Path | None) -> Prepared:
    """
    Return the files of a pair, those that are simulated written to a folder.

    Parameters
    ----------
    case : Case
        The pair.
    folder : Path
        Exists.
    maps : Path or None
        Folder of the planes from which pictures are drawn; None for none.

    Raises
    ------
    HsfuseError
        If a file cannot be read, or cube and sensors do not fit.
    """
    asked = case.settings
    run = Settings(
        hs_sensor=asked.hs_sensor,
        rgb_sensor=case.rgb_sensor,
        device=asked.device,
        workers=asked.workers,
    )
    if case.kind == "full resolution":
        scene, rgb = case.files
        observed = observe_pair(scene, rgb, run)
        return Prepared(folder, scene, rgb, None, case.ratio, None, run, observed)
    rasters, psf = _simulated(case) if case.kind == "simulated" else _reduced(case)
    files = write_simulated(rasters, folder, overwrite=True)
    truth = rasters.truth
    if maps is not None:
        write_truth(truth, maps, case.name)
    run = replace(run, hs_sensor=_hs_sensor(truth, psf), align=False)
    peak = _peak(truth, asked)
    return Prepared(folder, files.scene, files.rgb, files.truth, case.ratio, peak, run)


def _simulated(case: Case) -> tuple[SimulatedRasters, PSF]:
    asked = case.settings
    cube = _held(open_raster(case.files[0], sensor=asked.hs_sensor))
    rasters = observe(
        cube,
        rgb_sensor=case.rgb_sensor or "",
        ratio=case.ratio,
        hs_sensor=asked.hs_sensor,
        fwhm=asked.fwhm,
        psf=asked.psf,
        snr_hs=asked.hs_snr,
        snr_fine=asked.ms_snr,
        seed=asked.seed,
    )
    return rasters, case.psf


def _reduced(case: Case) -> tuple[SimulatedRasters, PSF]:
    asked = case.settings
    hs, fine = (
        open_raster(path, sensor=sensor)
        for path, sensor in zip(case.files, (asked.hs_sensor, case.rgb_sensor), strict=True)
    )
    pair, _ = align_pair(
        hs,
        fine,
        hs_sensor=known_sensor(asked.hs_sensor, hs.attrs.get("sensor")),
        rgb_sensor=known_sensor(case.rgb_sensor, fine.attrs.get("sensor")),
    )
    pair = replace(pair, hs=_held(pair.hs))
    return reduce_pair(pair, case.ratio), pair.psf


def _held(cube: xr.DataArray) -> xr.DataArray:
    """Return a cube in memory, without bands that hold no data or one number alone."""
    room = int(_LARGEST_SHARE * available_memory())
    if cube.nbytes > room:
        raise PlanError(
            f"{cube.attrs.get('source', 'the cube')}: takes {format_bytes(cube.nbytes)} in memory; "
            f"expected at most {format_bytes(room)} here: cut it first"
        )
    held = cube.compute(scheduler="synchronous")
    finite = np.isfinite(held.values)
    varied = np.array(
        [
            known.mean() > _LEAST_DATA and float(np.ptp(plane[known])) > 0
            for plane, known in zip(held.values, finite, strict=True)
        ]
    )
    if not varied.any():
        raise PlanError(f"{cube.attrs.get('source', 'the cube')}: no band holds data")
    return held.isel(band=np.flatnonzero(varied)).chunk({"band": -1, "y": 256, "x": 256})


def _hs_sensor(truth: xr.DataArray, psf: PSF) -> Sensor:
    """Return the simulated HS sensor: the bands of the cube, and the PSF."""
    bands = sensor_from_bands(
        truth["wavelength"].values,
        truth["fwhm"].values if "fwhm" in truth.coords else None,
        [str(name) for name in truth["band_name"].values] if "band_name" in truth.coords else None,
        kind="hs",
    )
    return replace(bands, id="simulated", title="simulated HS sensor", psf=psf)


def _peak(truth: xr.DataArray, asked: BenchmarkSettings) -> float:
    if asked.peak not in (None, "max"):
        return float(asked.peak)
    if asked.peak is None and "full_scale" in truth.attrs:
        return float(truth.attrs["full_scale"])
    values = truth.compute(scheduler="synchronous").to_numpy()
    if "good" in truth.coords:
        values = values[np.asarray(truth["good"].values, dtype=bool)]
    known = values[np.isfinite(values)]
    return float(known.max() if asked.peak == "max" else np.quantile(known, _BRIGHT))
