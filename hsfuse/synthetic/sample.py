"""
Sample pairs: a small synthetic pair, georeferenced, with its reference.

A synthetic landscape (:mod:`hsfuse.synthetic.landscape`) in the bands of a real hyperspectral
sensor is observed by two real sensors (:mod:`hsfuse.synthetic.simulation`). The default sensors
have open data: EnMAP at 30 m, and the four 10 m bands of Sentinel-2. As in real pairs, the two
grids are not aligned.
"""

from __future__ import annotations

import math
import os

import numpy as np
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from affine import Affine

from hsfuse.errors import PairError, SensorError
from hsfuse.sensor.catalogue import Sensor, pick_sensor
from hsfuse.synthetic.landscape import make_scene
from hsfuse.synthetic.simulated_files import SimulatedFiles, check_simulated, write_simulated
from hsfuse.synthetic.simulation import SimulatedRasters, observe

__all__ = ["make_sample", "make_scene", "write_sample"]

HS_SENSOR = "enmap"
RGB_SENSOR = "sentinel-2a:B2,B3,B4,B8"
CRS = "EPSG:32633"
_CORNER = (392_400.0, 5_790_600.0)  # easting and northing in metres; the landscape is synthetic
_OFFSET = (0.4, 0.7)  # MS pixels between the corners of the two grids, down and right
_SCALE = 1e-4  # reflectance of a stored step


def make_sample(
    *,
    hs_sensor: str | os.PathLike[str] | Sensor = HS_SENSOR,
    rgb_sensor: str | os.PathLike[str] | Sensor = RGB_SENSOR,
    size: tuple[int, int] = (120, 120),
    ratio: float | None = None,
    hs_snr: float | None = 40.0,
    ms_snr: float | None = 45.0,
    seed: int = 0,
) -> SimulatedRasters:
    """
    Return a synthetic pair and its reference.

    Parameters
    ----------
    hs_sensor : str, path or Sensor
        Sensor of the HS image: bands of the HS image and the reference, PSF and pixel size.
    rgb_sensor : str, path or Sensor
        Sensor of the MS image; ``"sentinel-2a:B2,B3,B4,B8"`` selects bands of a sensor.
    size : tuple of int
        Rows and columns of the HS image.
    ratio : float, optional
        MS pixels per HS pixel; by default the ratio of the ground sampling distances of the
        sensors, or 8 where one of them is unknown.
    hs_snr, ms_snr : float, optional
        Signal-to-noise ratios in decibels; None for no noise.
    seed : int
        Random seed of landscape and noise; the same seed gives the same values.

    Returns
    -------
    SimulatedRasters
        Rasters in reflectance, EPSG:32633, north up.

    Raises
    ------
    PairError
        If the size or the ratio is out of range.
    SensorError
        If a sensor is unknown, or ``hs_sensor`` does not cover ``rgb_sensor``.
    """
    coarse, fine = pick_sensor(hs_sensor), pick_sensor(rgb_sensor)
    if min(size) < 1:
        raise PairError(f"size must be at least 1 row and 1 column, got {size}")
    if not np.isfinite(coarse.wavelength).all():
        raise SensorError(f"sensor {coarse.id}: a sample needs the wavelengths of all its bands")
    ratio = _ratio(coarse, fine) if ratio is None else ratio
    if not (math.isfinite(ratio) and ratio > 1):
        raise PairError(f"ratio must be greater than 1, MS pixels per HS pixel, got {ratio}")
    rows, columns = (
        math.ceil(start + length * ratio - 1e-6)
        for start, length in zip(_OFFSET, size, strict=True)
    )
    pixel = coarse.gsd / ratio if math.isfinite(coarse.gsd) else 1.0
    cube = _landscape(coarse, (rows, columns), pixel, seed)
    return observe(
        cube,
        rgb_sensor=fine,
        hs_sensor=coarse,
        ratio=ratio,
        hs_snr=hs_snr,
        ms_snr=ms_snr,
        offset=_OFFSET,
        seed=seed,
    )


def _ratio(hs_sensor: Sensor, rgb_sensor: Sensor) -> float:
    """Return the ratio of the ground sampling distances, or 8 where it is unknown or below 1."""
    ratio = hs_sensor.gsd / rgb_sensor.gsd
    return ratio if math.isfinite(ratio) and ratio > 1 else 8.0


def _landscape(sensor: Sensor, shape: tuple[int, int], pixel: float, seed: int) -> xr.DataArray:
    """Return a landscape in the bands of a sensor, with square pixels of ``pixel`` metres."""
    rows, columns = shape
    cube = xr.DataArray(
        make_scene(rows, columns, sensor.wavelength, seed=seed),
        dims=("band", "y", "x"),
        coords={
            "band": np.arange(1, len(sensor.band_names) + 1),
            "wavelength": ("band", sensor.wavelength),
            "fwhm": ("band", sensor.fwhm),
            "good": ("band", sensor.good),
            "band_name": ("band", np.array(sensor.band_names)),
            "y": _CORNER[1] - pixel * (np.arange(rows) + 0.5),
            "x": _CORNER[0] + pixel * (np.arange(columns) + 0.5),
        },
        attrs={
            "sensor": sensor.id,
            "units": "reflectance",
            "wavelength_source": f"sensor {sensor.id}",
            "description": f"synthetic landscape by hsfuse, seed {seed}",
        },
    )
    return (
        cube.chunk({"band": -1, "y": 256, "x": 256})
        .rio.write_crs(CRS)
        .rio.write_transform(Affine(pixel, 0.0, _CORNER[0], 0.0, -pixel, _CORNER[1]))
    )


def write_sample(
    directory: str | os.PathLike[str],
    *,
    hs_sensor: str | os.PathLike[str] | Sensor = HS_SENSOR,
    rgb_sensor: str | os.PathLike[str] | Sensor = RGB_SENSOR,
    size: tuple[int, int] = (120, 120),
    ratio: float | None = None,
    hs_snr: float | None = 40.0,
    ms_snr: float | None = 45.0,
    seed: int = 0,
    overwrite: bool = False,
) -> SimulatedFiles:
    """
    Write a synthetic pair and its reference: ``scene.tif``, ``rgb.tif`` and ``truth.tif``.

    Values are reflectance, stored as int16 in steps of 0.0001, -32768 for no data.

    Parameters
    ----------
    directory : str or path
        Folder; created if it does not exist.
    hs_sensor, rgb_sensor, size, ratio, hs_snr, ms_snr, seed
        See :func:`make_sample`.
    overwrite : bool
        Replace existing files.

    Returns
    -------
    SimulatedFiles
        The three paths.

    Raises
    ------
    OutputError
        If a file exists already or cannot be written.
    PairError, SensorError
        See :func:`make_sample`.
    """
    check_simulated(directory, overwrite=overwrite)  # before the landscape is rendered
    rasters = make_sample(
        hs_sensor=hs_sensor,
        rgb_sensor=rgb_sensor,
        size=size,
        ratio=ratio,
        hs_snr=hs_snr,
        ms_snr=ms_snr,
        seed=seed,
    )
    return write_simulated(rasters, directory, dtype="int16", scale=_SCALE, overwrite=overwrite)
