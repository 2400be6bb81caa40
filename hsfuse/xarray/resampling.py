"""Spectral resampling of a raster to the bands of another sensor."""

from __future__ import annotations

import logging
import os

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.core.text import listed
from hsfuse.errors import SensorError
from hsfuse.io.input.labels import join_notes, raster_label, raster_notes
from hsfuse.pair.response import SETTINGS
from hsfuse.sensor.catalogue import Response, Sensor, pick_sensor, response_matrix
from hsfuse.xarray.bands import band_values, good_bands

__all__ = ["resample_bands"]

_LOG = logging.getLogger(__name__)


def resample_bands(raster: xr.DataArray, sensor: str | os.PathLike[str] | Sensor) -> xr.DataArray:
    """
    Resample a raster to a sensor; see :meth:`hsfuse.xarray.RasterAccessor.resample_to`.

    Raises
    ------
    SensorError
        If the sensor is unknown, or the raster does not cover one of its bands.
    """
    fine = pick_sensor(sensor)
    label = raster_label(raster)
    try:
        response = response_matrix(
            fine,
            band_values(raster, "wavelength"),
            band_values(raster, "fwhm"),
            good=good_bands(raster),
        )
    except SensorError as error:
        raise SensorError(f"{label}: {error}") from error
    note = _check_coverage(label, fine, response)
    whole = raster.chunk(band=-1) if raster.chunks else raster
    # The band coordinates and the standard error of the raster do not apply to the result.
    bare = whole.drop_vars(
        [name for name in raster.coords if name not in ("y", "x", "spatial_ref")]
    )
    resampled: xr.DataArray = xr.apply_ufunc(
        _apply_response,
        bare,
        kwargs={"response": response.matrix.astype(np.float32)},
        input_core_dims=[["band"]],
        output_core_dims=[["band"]],
        exclude_dims={"band"},
        dask="parallelized",
        output_dtypes=[np.float32],
        dask_gufunc_kwargs={"output_sizes": {"band": len(fine.band_names)}},
        keep_attrs=True,
    )
    resampled = resampled.transpose(*raster.dims).assign_coords(_bands(fine, response))
    return resampled.assign_attrs(_attributes(raster, fine, note))


def _apply_response(
    values: NDArray[np.floating], response: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Apply R (sensor bands, bands) to spectra (..., bands); NaN where an input is missing."""
    missing = ~np.isfinite(values)
    resampled: NDArray[np.float32] = np.where(missing, 0, values).astype(np.float32) @ response.T
    if missing.any():
        needed = (response != 0).astype(np.float32)
        resampled[(missing.astype(np.float32) @ needed.T) > 0] = np.nan
    return resampled


def _check_coverage(label: str, sensor: Sensor, response: Response) -> str:
    """Raise for bands that the raster does not cover; log and return those covered in part."""
    shares = dict(zip(response.band_names, response.coverage, strict=True))
    absent = [name for name, share in shares.items() if share < SETTINGS.minimum_coverage]
    if absent:
        rest = [name for name in shares if name not in absent]
        remedy = f"; name those that it covers: {sensor.id}:{','.join(rest)}" if rest else ""
        raise SensorError(
            f"{label}: covers less than {SETTINGS.minimum_coverage:.0%} of the response of "
            f"{sensor.id} {listed(absent)}{remedy}"
        )
    partial = [
        f"{share:.0%} of {name}" for name, share in shares.items() if share < SETTINGS.full_coverage
    ]
    if not partial:
        return ""
    note = f"of the response of {sensor.id} the bands cover {listed(partial)}"
    _LOG.warning("%s: %s", label, note)
    return note


def _bands(sensor: Sensor, response: Response) -> dict[str, tuple[str, NDArray[np.generic]]]:
    columns = {
        "band": np.arange(1, len(sensor.band_names) + 1),
        "wavelength": sensor.wavelength,
        "fwhm": sensor.fwhm,
        "band_name": np.array(sensor.band_names),
        "good": sensor.good,
        "coverage": response.coverage,
    }
    return {name: ("band", values) for name, values in columns.items()}


def _attributes(raster: xr.DataArray, sensor: Sensor, note: str) -> dict[str, object]:
    notes = join_notes([*raster_notes(raster), *([note] if note else [])])
    return {
        # Not named as the sensor of the raster: readers would take its PSF for that of the raster.
        "sensor": "",
        "resampled_to": sensor.id,
        "wavelength_source": f"sensor {sensor.id}",
        "notes": notes,
    }
