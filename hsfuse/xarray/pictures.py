"""What the plots of a raster show: colour image, line style and labels, as arrays and text."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.core.picture import Limits, bands_text, natural_bands, stretch_limits, stretched
from hsfuse.core.spectra import SpectrumLine, spectrum_line
from hsfuse.core.text import image_size
from hsfuse.xarray.bands import band_values, good_bands, take_bands

__all__ = ["Picture", "line_of", "picture_of", "thinned_bands", "value_label"]

Image = NDArray[np.float32]
# Pixels of the longer side: of the image on the screen, and of the contrast stretch sample.
_LONGEST = 1000


class Picture(NamedTuple):
    """Colour image (rows, columns, 3), raster pixels averaged along a side, and title."""

    image: Image
    step: int
    title: str


def picture_of(raster: xr.DataArray, *, like: xr.DataArray | None = None) -> Picture:
    """Return the colour image of a raster, of bounded size; ``like`` sets the stretch if given."""
    model = raster if like is None else like
    bands = natural_bands(band_values(model, "wavelength"), good_bands(model))
    image, step = thinned_bands(raster, bands)
    limits: Limits = stretch_limits(image if like is None else thinned_bands(like, bands)[0])
    return Picture(stretched(image, limits), step, _title(raster, bands, step))


def thinned_bands(raster: xr.DataArray, bands: list[int]) -> tuple[Image, int]:
    """Return block means (bands, rows, columns) of bounded size, and the side of a block."""
    taken = take_bands(raster, bands).transpose("band", "y", "x").reset_coords(drop=True)
    step = max(math.ceil(max(taken.sizes["y"], taken.sizes["x"]) / _LONGEST), 1)
    if step > 1:
        taken = taken.coarsen(y=step, x=step, boundary="pad").mean()
    return np.asarray(taken.to_numpy(), dtype=np.float32), step


def line_of(raster: xr.DataArray) -> SpectrumLine:
    """Return the line style and labels of the spectra of a raster."""
    return spectrum_line(band_values(raster, "wavelength"), good_bands(raster))


def value_label(raster: xr.DataArray) -> str:
    """Return the axis label of the values, with their unit."""
    return str(raster.attrs.get("units") or "value")


def _title(raster: xr.DataArray, bands: list[int], step: int) -> str:
    size = image_size(raster.sizes["y"], raster.sizes["x"])
    shown = bands_text(bands, band_values(raster, "wavelength"))
    thinned = f", means of {step} x {step} pixels" if step > 1 else ""
    return f"{size}{thinned}; {shown}"
