"""Preparation of the files of a case: simulated from a cube, reduced from a pair, or unchanged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr

from hsfuse.assessment import ObservedPair, observe_pair
from hsfuse.batch.memory import available_memory
from hsfuse.benchmarking.cases import Case
from hsfuse.benchmarking.maps import write_truth
from hsfuse.benchmarking.settings import BenchmarkSettings
from hsfuse.core.psf import PSF
from hsfuse.core.text import byte_size
from hsfuse.errors import PlanError
from hsfuse.fusion.settings import Settings
from hsfuse.io.files.url import AnyPath
from hsfuse.io.read import open_raster
from hsfuse.pair.alignment import align_pair
from hsfuse.sensor.catalogue import Sensor, known_sensor, sensor_from_bands
from hsfuse.synthetic.simulated_files import write_simulated
from hsfuse.synthetic.simulation import SimulatedRasters, observe, reduce_pair

__all__ = ["PreparedCase", "prepare_case"]

# Largest share of the available memory for a cube, which is held in memory for the simulation.
_LARGEST_SHARE = 0.4
# Quantile of the values used as the peak where it is unknown; glints and defects are above it.
_BRIGHT = 0.999
# Smallest share of finite values of a band; other bands of a cube are removed.
_MINIMUM_DATA = 0.5


@dataclass(frozen=True)
class PreparedCase:
    """
    The files of a case, and the settings of its runs.

    Attributes
    ----------
    folder : Path
        Folder for outputs.
    scene, rgb : path
        HS and MS image.
    truth : Path or None
        Truth with which the output is compared.
    ratio : float
        MS pixels per HS pixel.
    peak : float or None
        Largest possible value.
    settings : Settings
        Settings of the run, except method and weights.
    observed : ObservedPair or None
        Pair with D and R for the assessment of outputs without truth.
    """

    folder: Path
    scene: AnyPath
    rgb: AnyPath
    truth: Path | None
    ratio: float
    peak: float | None
    settings: Settings
    observed: ObservedPair | None = None


def prepare_case(case: Case, folder: Path, maps: Path | None) -> PreparedCase:
    """
    Prepare the files of a case; simulated files are written to a folder.

    Parameters
    ----------
    case : Case
        The pair.
    folder : Path
        Existing folder.
    maps : Path or None
        Folder of the maps for pictures; None for no maps.

    Raises
    ------
    HsfuseError
        If a file cannot be read, or the sensors do not fit the cube.
    """
    settings = case.settings
    run = Settings(
        hs_sensor=settings.hs_sensor,
        rgb_sensor=case.rgb_sensor,
        device=settings.device,
        workers=settings.workers,
    )
    if case.kind == "full resolution":
        scene, rgb = case.files
        observed = observe_pair(scene, rgb, run)
        return PreparedCase(folder, scene, rgb, None, case.ratio, None, run, observed)
    rasters, psf = _simulated(case) if case.kind == "simulated" else _reduced(case)
    files = write_simulated(rasters, folder, overwrite=True)
    truth = rasters.truth
    if maps is not None:
        write_truth(truth, maps, case.name)
    run = replace(run, hs_sensor=_hs_sensor(truth, psf), align=False)
    peak = _peak(truth, settings)
    return PreparedCase(folder, files.scene, files.rgb, files.truth, case.ratio, peak, run)


def _simulated(case: Case) -> tuple[SimulatedRasters, PSF]:
    settings = case.settings
    cube = _load(open_raster(case.files[0], sensor=settings.hs_sensor))
    rasters = observe(
        cube,
        rgb_sensor=case.rgb_sensor or "",
        ratio=case.ratio,
        hs_sensor=settings.hs_sensor,
        fwhm=settings.fwhm,
        psf=settings.psf,
        hs_snr=settings.hs_snr,
        ms_snr=settings.ms_snr,
        seed=settings.seed,
    )
    return rasters, case.psf


def _reduced(case: Case) -> tuple[SimulatedRasters, PSF]:
    settings = case.settings
    hs, fine = (
        open_raster(path, sensor=sensor)
        for path, sensor in zip(case.files, (settings.hs_sensor, case.rgb_sensor), strict=True)
    )
    pair, _ = align_pair(
        hs,
        fine,
        hs_sensor=known_sensor(settings.hs_sensor, hs.attrs.get("sensor")),
        rgb_sensor=known_sensor(case.rgb_sensor, fine.attrs.get("sensor")),
    )
    pair = replace(pair, hs=_load(pair.hs))
    return reduce_pair(pair, case.ratio), pair.psf


def _load(cube: xr.DataArray) -> xr.DataArray:
    """Load a cube, without bands that have no data or a constant value."""
    room = int(_LARGEST_SHARE * available_memory())
    if cube.nbytes > room:
        raise PlanError(
            f"{cube.attrs.get('source', 'the cube')}: takes {byte_size(cube.nbytes)} in memory; "
            f"expected at most {byte_size(room)} here: cut it first"
        )
    loaded = cube.compute(scheduler="synchronous")
    finite = np.isfinite(loaded.values)
    varied = np.array(
        [
            valid.mean() > _MINIMUM_DATA and float(np.ptp(plane[valid])) > 0
            for plane, valid in zip(loaded.values, finite, strict=True)
        ]
    )
    if not varied.any():
        raise PlanError(f"{cube.attrs.get('source', 'the cube')}: no band holds data")
    return loaded.isel(band=np.flatnonzero(varied)).chunk({"band": -1, "y": 256, "x": 256})


def _hs_sensor(truth: xr.DataArray, psf: PSF) -> Sensor:
    """Return the simulated HS sensor, with the bands of the cube and the PSF."""
    bands = sensor_from_bands(
        truth["wavelength"].values,
        truth["fwhm"].values if "fwhm" in truth.coords else None,
        [str(name) for name in truth["band_name"].values] if "band_name" in truth.coords else None,
        kind="hs",
    )
    return replace(bands, id="simulated", title="simulated HS sensor", psf=psf)


def _peak(truth: xr.DataArray, settings: BenchmarkSettings) -> float:
    if settings.peak not in (None, "max"):
        return float(settings.peak)
    if settings.peak is None and "full_scale" in truth.attrs:
        return float(truth.attrs["full_scale"])
    values = truth.compute(scheduler="synchronous").to_numpy()
    if "good" in truth.coords:
        values = values[np.asarray(truth["good"].values, dtype=bool)]
    finite = values[np.isfinite(values)]
    return float(finite.max() if settings.peak == "max" else np.quantile(finite, _BRIGHT))
