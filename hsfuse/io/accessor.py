"""The accessor ``.hsfuse`` of rasters: bands by wavelength."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from hsfuse.core.picture import natural_bands
from hsfuse.errors import RasterError
from hsfuse.io.labels import raster_label

__all__ = ["RasterAccessor"]


@xr.register_dataarray_accessor("hsfuse")
class RasterAccessor:
    """
    What hsfuse adds to a DataArray; there from the first raster that hsfuse opens or fuses.

    ``sel(wavelength=660, method="nearest")`` of xarray needs wavelengths that increase, which those
    of overlapping detectors do not.

    Parameters
    ----------
    raster : DataArray
        With the dimension ``band`` and the coordinate ``wavelength`` in nanometres.
    """

    def __init__(self, raster: xr.DataArray) -> None:
        self._raster = raster

    def nearest(self, wavelength: float | Sequence[float]) -> xr.DataArray:
        """
        Return the good band nearest to a wavelength, or one for each of several.

        Parameters
        ----------
        wavelength : float or sequence of float
            Nanometres.

        Returns
        -------
        DataArray
            Without the dimension ``band`` for one wavelength, lazy if the raster is.

        Raises
        ------
        RasterError
            If the raster states no wavelength of a good band.

        Examples
        --------
        >>> bands = xr.DataArray(
        ...     [1.0, 2.0, 3.0], dims="band", coords={"wavelength": ("band", [900.0, 880.0, 920.0])}
        ... )
        >>> bands.hsfuse.nearest(885).item(), bands.hsfuse.nearest([890, 990]).values.tolist()
        (2.0, [1.0, 3.0])
        """
        known = self._known()
        centre = np.asarray(self._raster["wavelength"].values, dtype=float)[known]
        wanted = np.asarray(wavelength, dtype=float)
        nearest = known[np.abs(centre - wanted[..., None]).argmin(axis=-1)]
        return self._raster.isel(band=nearest if wanted.ndim else int(nearest))

    def rgb(self) -> xr.DataArray:
        """
        Return the bands nearest to 660, 560 and 480 nm: red, green and blue.

        Three bands spread over the spectrum where there are none within 60 nm of each.
        """
        wavelength = self._raster.coords.get("wavelength")
        count = self._raster.sizes["band"]
        values = np.full(count, np.nan) if wavelength is None else wavelength.values.astype(float)
        return self._raster.isel(band=natural_bands(values, self._good()))

    def _good(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        good = self._raster.coords.get("good")
        every = np.ones(self._raster.sizes["band"], dtype=bool)
        return every if good is None else np.asarray(good.values, dtype=bool)

    def _known(self) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        """Return the indexes of the good bands whose wavelengths are known."""
        good, stated = self._good(), self._raster.coords.get("wavelength")
        known = np.zeros(0, np.intp)
        if stated is not None:
            known = np.flatnonzero(good & np.isfinite(stated.values.astype(float)))
        if not known.size:
            raise RasterError(
                f"{raster_label(self._raster, 'raster')}: states no wavelengths of good bands; "
                "name the sensor when it is opened"
            )
        return known
