"""
Simulation of the pair that two sensors observe of a high-resolution cube (Wald's protocol).

``X = D(Z) + n`` and ``Y = R Z + n``: PSF, sampling and response are those of :mod:`hsfuse.observe`
and :mod:`hsfuse.sensor.catalogue`, noise is white and Gaussian. All three rasters are lazy: each
block is computed from a window of the cube, so the cube may be larger than memory.

References
----------
Wald, Ranchin, Mangolini 1997, Fusion of satellite images of different spatial resolutions:
assessing the quality of resulting images. Photogrammetric Engineering and Remote Sensing 63,
691-699.
"""

from __future__ import annotations

import math
import os
from typing import Literal, NamedTuple, Required, TypedDict

import dask.array as da
import numpy as np
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from affine import Affine
from numpy.typing import NDArray

from hsfuse.core.grid import Axis, Geometry
from hsfuse.core.psf import ASSUMED_PSF, PSF
from hsfuse.errors import PairError, SensorError
from hsfuse.pair.geometry import Pair
from hsfuse.sensor.catalogue import Sensor, pick_sensor, response_matrix
from hsfuse.synthetic.observation import HSObservation, MSObservation, lazy_observation

__all__ = [
    "ObservationOptions",
    "PSFShape",
    "SimulatedRasters",
    "observe",
    "observed_psf",
    "reduce_pair",
]

PSFShape = Literal["gaussian", "average"]

_MINIMUM_COVERAGE = 0.9  # of a response curve inside the cube's bands


class ObservationOptions(TypedDict, total=False):
    """Options of :func:`observe`, passed on by :func:`hsfuse.simulate`."""

    rgb_sensor: Required[str | os.PathLike[str] | Sensor]
    ratio: Required[float]
    hs_sensor: str | os.PathLike[str] | Sensor | None
    fwhm: float | tuple[float, float] | None
    psf: PSFShape
    hs_snr: float | None
    ms_snr: float | None
    offset: tuple[float, float]
    seed: int


class SimulatedRasters(NamedTuple):
    """A simulated pair and its reference: lazy rasters, dims (band, y, x)."""

    scene: xr.DataArray
    rgb: xr.DataArray
    truth: xr.DataArray


def observe(
    cube: xr.DataArray,
    *,
    rgb_sensor: str | os.PathLike[str] | Sensor,
    ratio: float,
    hs_sensor: str | os.PathLike[str] | Sensor | None = None,
    fwhm: float | tuple[float, float] | None = None,
    psf: PSFShape = "gaussian",
    hs_snr: float | None = None,
    ms_snr: float | None = None,
    offset: tuple[float, float] = (0.0, 0.0),
    seed: int = 0,
) -> SimulatedRasters:
    """
    Simulate the images of a cube by two sensors, lazily; return them with the reference.

    Parameters
    ----------
    cube : DataArray
        Z, dims (band, y, x), with wavelengths; the HS image has its bands.
    rgb_sensor : str, path or Sensor
        Sensor of the MS image; ``"sentinel-2a:B2,B3,B4,B8"`` selects bands of a sensor.
    ratio : float
        Cube pixels per HS pixel, a real number greater than 1.
    hs_sensor : str, path or Sensor, optional
        Sensor of the HS image: PSF unless ``fwhm`` is given, and name in the output.
    fwhm : float or tuple of float, optional
        FWHM of the Gaussian PSF in HS pixels, also as (y, x); by default that of the sensor, or 1.
    psf : {"gaussian", "average"}
        ``"average"`` is the mean over each HS pixel.
    hs_snr, ms_snr : float, optional
        Signal-to-noise ratio of each band in decibels: the standard deviation of the noise is
        ``rms(band) * 10 ** (-snr / 20)``. None for no noise.
    offset : tuple of float
        Upper left corner of the HS image in the cube (row, column), in cube pixels, at least 0 and
        less than ``ratio``.
    seed : int
        Random seed of the noise.

    Returns
    -------
    SimulatedRasters
        Lazy rasters (band, y, x). ``rgb`` and ``truth`` have the grid of the cube, cut at the last
        complete HS pixel.

    Raises
    ------
    PairError
        If ratio, offset, PSF and cube do not fit.
    SensorError
        If the cube has no wavelengths or does not cover a band of ``rgb_sensor``.
    """
    fine_sensor = pick_sensor(rgb_sensor)
    coarse_sensor = None if hs_sensor is None else pick_sensor(hs_sensor)
    geometry = _geometry(cube, ratio, offset)
    response = _response(cube, fine_sensor)
    truth = cube.isel(y=slice(0, geometry.y.fine), x=slice(0, geometry.x.fine))
    if not truth.chunks:
        truth = truth.chunk({"band": -1, "y": 256, "x": 256})
    hs_image = HSObservation(truth, geometry, observed_psf(coarse_sensor, fwhm, psf))
    ms_image = MSObservation(truth, response)
    transform = truth.rio.transform()
    coarse_transform = _coarse_transform(transform, ratio, offset)
    scene = _raster(
        lazy_observation(hs_image, hs_snr, (seed, 1)), coarse_transform, truth, _along_bands(truth)
    )
    rgb = _raster(
        lazy_observation(ms_image, ms_snr, (seed, 2)),
        transform,
        truth,
        _band_coordinates(fine_sensor),
    )
    rgb.attrs |= {"sensor": fine_sensor.id, "wavelength_source": f"sensor {fine_sensor.id}"}
    if coarse_sensor is not None:
        scene.attrs["sensor"] = coarse_sensor.id
    return SimulatedRasters(scene, rgb, truth)


def reduce_pair(pair: Pair, ratio: float) -> SimulatedRasters:
    """
    Return a real pair at reduced resolution, where the HS image is the reference (Wald's protocol).

    Both images are degraded by the PSF of the HS sensor: the MS image to the HS grid, the HS image
    to pixels ``ratio`` times larger. No noise is added.

    Parameters
    ----------
    pair : Pair
        Co-registered pair.
    ratio : float
        HS pixels per pixel of the degraded HS image.

    Raises
    ------
    PairError
        If the HS image is smaller than one pixel of that size.
    """
    hs = pair.hs
    geometry = _geometry(hs, ratio, (0.0, 0.0))
    truth = hs.isel(y=slice(0, geometry.y.fine), x=slice(0, geometry.x.fine))
    degraded = lazy_observation(
        HSObservation(pair.fine, pair.fine_geometry, pair.psf), None, (0, 0)
    )
    fine = degraded[:, : geometry.y.fine, : geometry.x.fine]
    transform = truth.rio.transform()
    scene = _raster(
        lazy_observation(HSObservation(truth, geometry, pair.psf), None, (0, 0)),
        _coarse_transform(transform, ratio, (0.0, 0.0)),
        truth,
        _along_bands(truth),
    )
    rgb = _raster(fine, transform, truth, _along_bands(pair.fine))
    rgb.attrs = {name: value for name, value in pair.fine.attrs.items() if name != "source"}
    return SimulatedRasters(scene, rgb, truth)


def _geometry(cube: xr.DataArray, ratio: float, offset: tuple[float, float]) -> Geometry:
    if not (math.isfinite(ratio) and ratio > 1):
        raise PairError(f"ratio must be greater than 1, cube pixels per HS pixel, got {ratio}")
    axes = []
    for name, start in zip(("y", "x"), offset, strict=True):
        if not 0 <= start < ratio:
            raise PairError(f"offset must be at least 0 and less than {ratio=:g}, got {offset}")
        size = cube.sizes[name]
        coarse = math.floor((size - start) / ratio + 1e-6)
        if coarse < 1:
            raise PairError(
                f"{cube.attrs.get('source', 'the cube')}: {size} pixels along {name} hold no whole "
                f"HS pixel at ratio {ratio:g}; expected a smaller ratio"
            )
        fine = min(math.ceil(start + coarse * ratio - 1e-6), size)
        axes.append(Axis(fine, coarse, ratio, start))
    return Geometry(*axes)


def _coarse_transform(fine: Affine, ratio: float, offset: tuple[float, float]) -> Affine:
    """Return the transform of a grid at an offset with pixels ``ratio`` times larger."""
    down, right = offset
    left = fine.a * right + fine.b * down + fine.c
    top = fine.d * right + fine.e * down + fine.f
    return Affine(fine.a * ratio, fine.b * ratio, left, fine.d * ratio, fine.e * ratio, top)


def observed_psf(
    sensor: Sensor | None, fwhm: float | tuple[float, float] | None, shape: PSFShape
) -> PSF:
    """
    Return the PSF of a simulated HS sensor; parameters as in :func:`observe`.

    Raises
    ------
    PairError
        If they contradict each other.
    """
    if shape == "average":
        if fwhm is not None:
            raise PairError(f"psf 'average' has no FWHM, got {fwhm=}; omit it")
        return PSF((0.0, 0.0))
    if shape != "gaussian":
        raise PairError(f"psf must be gaussian or average, got {shape!r}")
    if fwhm is None:
        return sensor.psf if sensor else ASSUMED_PSF
    widths = fwhm if isinstance(fwhm, tuple) else (fwhm, fwhm)
    if not all(0 < width < math.inf for width in widths):
        raise PairError(f"fwhm must be positive, in HS pixels, got {fwhm}")
    return PSF(widths)


def _response(cube: xr.DataArray, sensor: Sensor) -> NDArray[np.float64]:
    name = cube.attrs.get("source", "the cube")
    wavelength = cube["wavelength"].values if "wavelength" in cube.coords else np.array(np.nan)
    if not np.isfinite(wavelength).any():
        raise SensorError(
            f"{name}: has no wavelengths, which the bands of {sensor.id} need; name the sensor of "
            "the cube"
        )
    fwhm = cube["fwhm"].values if "fwhm" in cube.coords else None
    good = cube["good"].values if "good" in cube.coords else None
    response = response_matrix(sensor, wavelength, fwhm, good=good)
    short = [
        f"{band} ({100 * (1 - part):.0f} % missing)"
        for band, part in zip(sensor.band_names, response.coverage, strict=True)
        if part < _MINIMUM_COVERAGE
    ]
    if short:
        raise SensorError(
            f"{name}: {np.nanmin(wavelength):.0f} to {np.nanmax(wavelength):.0f} nm does not cover "
            f"{sensor.id} {', '.join(short)}; name the bands to simulate, as in {sensor.id}:"
            f"{sensor.band_names[0]}"
        )
    return response.matrix


def _along_bands(raster: xr.DataArray) -> dict[str, xr.DataArray]:
    """Return the coordinates of a raster along its bands."""
    return {str(name): raster[name] for name in raster.coords if raster[name].dims == ("band",)}


def _band_coordinates(sensor: Sensor) -> dict[str, xr.DataArray]:
    columns = {
        "band": np.arange(1, len(sensor.band_names) + 1),
        "wavelength": sensor.wavelength,
        "fwhm": sensor.fwhm,
        "good": sensor.good,
        "band_name": np.array(sensor.band_names),
    }
    return {name: xr.DataArray(values, dims="band") for name, values in columns.items()}


def _raster(
    data: da.Array,
    transform: Affine,
    like: xr.DataArray,
    bands: dict[str, xr.DataArray],
) -> xr.DataArray:
    """Return an array as a raster with the given transform, and the CRS of another raster."""
    _, rows, columns = data.shape
    raster = xr.DataArray(data, dims=("band", "y", "x"), coords=bands, attrs=dict(like.attrs))
    raster.attrs.pop("source", None)
    if transform.b == 0 and transform.d == 0:
        raster = raster.assign_coords(
            y=transform.f + transform.e * (np.arange(rows) + 0.5),
            x=transform.c + transform.a * (np.arange(columns) + 0.5),
        )
    if like.rio.crs is not None:
        raster = raster.rio.write_crs(like.rio.crs)
    placed: xr.DataArray = raster.rio.write_transform(transform)
    return placed
