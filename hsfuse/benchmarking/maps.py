"""Maps of the outputs for pictures: one band, and the spectral angles."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.core.band_labels import band_label
from hsfuse.core.metrics import spectral_angles
from hsfuse.io.read import Raster, as_raster

__all__ = ["Maps", "read_maps", "read_truth", "write_maps", "write_truth"]

Image = NDArray[np.float32]

# Largest side of a map in pixels.
_LONGEST = 512
# Relative position in the spectrum of the band shown: the 25th of 31, as in the publication.
_PLACE = 0.8


class Maps(NamedTuple):
    """
    The maps of one method.

    Attributes
    ----------
    band : ndarray of shape (rows, columns)
        Values of one band.
    angle : ndarray of shape (rows, columns)
        Spectral angles in degrees.
    """

    band: Image
    angle: Image


def write_truth(truth: xr.DataArray, folder: Path, case: str) -> None:
    """Write the shown band of the reference, and its wavelength."""
    index = _band(truth)
    plane = _thinned(truth).isel(band=index).compute(scheduler="synchronous")
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        folder / f"{case}.npz",
        band=plane.to_numpy(),
        wavelength=float(truth["wavelength"].values[index]),
        number=index + 1,
    )


def write_maps(truth: Raster, fused: Raster, folder: Path, case: str, method: str) -> None:
    """Write the maps of the output of a method on the grid of the reference."""
    rasters = (_thinned(as_raster(raster, "raster")) for raster in (truth, fused))
    reference, estimate = (raster.compute(scheduler="synchronous") for raster in rasters)
    good = np.asarray(reference["good"].values, bool) & np.asarray(estimate["good"].values, bool)
    angle = spectral_angles(reference.values[good], estimate.values[good])
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        folder / f"{case}-{method}.npz",
        band=estimate.values[_band(reference)],
        angle=angle.astype(np.float32),
    )


def read_truth(folder: Path, case: str) -> tuple[Image, str] | None:
    """Return the shown band (rows, columns) of the reference and its label; None if not stored."""
    path = folder / f"{case}.npz"
    if not path.is_file():
        return None
    with np.load(path) as arrays:
        wavelength, number = float(arrays["wavelength"]), int(arrays["number"])
        return arrays["band"], band_label(number, wavelength)


def read_maps(folder: Path, case: str, method: str) -> Maps | None:
    """Return the maps of the output of a method; None if not stored."""
    path = folder / f"{case}-{method}.npz"
    if not path.is_file():
        return None
    with np.load(path) as arrays:
        return Maps(arrays["band"], arrays["angle"])


def _thinned(raster: xr.DataArray) -> xr.DataArray:
    step = math.ceil(max(raster.sizes["y"], raster.sizes["x"]) / _LONGEST)
    return raster.isel(y=slice(None, None, step), x=slice(None, None, step))


def _band(raster: xr.DataArray) -> int:
    return max(round(_PLACE * raster.sizes["band"]) - 1, 0)
