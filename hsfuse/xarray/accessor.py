"""The accessor ``.hsfuse`` of rasters: bands, spectra, other sensors, quality, pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hsfuse.core.picture import natural_bands
from hsfuse.xarray.bands import band_names, band_values, good_bands, known_bands, take_bands
from hsfuse.xarray.plots import PlotAccessor

if TYPE_CHECKING:
    from hsfuse.assessment import Assessment
    from hsfuse.io.read import Raster
    from hsfuse.sensor.model import Sensor
    from hsfuse.xarray.points import Missing

__all__ = ["RasterAccessor"]


@xr.register_dataarray_accessor("hsfuse")
class RasterAccessor:
    """
    What hsfuse adds to a DataArray; ``import hsfuse.xarray`` registers it.

    Everything but :attr:`plot` and :meth:`assess` is lazy where the raster is.
    ``sel(wavelength=660, method="nearest")`` of xarray needs wavelengths that increase, which those
    of overlapping detectors do not; :meth:`nearest` does not.

    Parameters
    ----------
    raster : DataArray
        With the dimensions ``band``, ``y`` and ``x``, the coordinates ``wavelength`` and, where
        they are known, ``fwhm`` (nanometres) and ``good``, placed by rioxarray's ``spatial_ref`` or
        by ``x`` and ``y``: as :func:`hsfuse.open_raster` and :func:`hsfuse.fuse` return it, and
        ``xarray.open_zarr`` from a store that hsfuse wrote.
    """

    def __init__(self, raster: xr.DataArray) -> None:
        self._raster = raster

    @property
    def plot(self) -> PlotAccessor:
        """Pictures: ``plot.rgb()``, ``plot.spectrum(x, y)`` and ``plot.interactive()``."""
        return PlotAccessor(self._raster)

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
        known = known_bands(self._raster)
        centre = band_values(self._raster, "wavelength")[known]
        wanted = np.asarray(wavelength, dtype=float)
        nearest = known[np.abs(centre - wanted[..., None]).argmin(axis=-1)]
        if wanted.ndim:
            return take_bands(self._raster, nearest.tolist())
        return self._raster.isel(band=int(nearest))

    def rgb(self) -> xr.DataArray:
        """
        Return the bands nearest to 660, 560 and 480 nm: red, green and blue.

        Three bands spread over the spectrum where there are none within 60 nm of each.
        """
        return take_bands(
            self._raster,
            natural_bands(band_values(self._raster, "wavelength"), good_bands(self._raster)),
        )

    def described(self) -> xr.DataArray:
        """
        Return the raster with the names of its bands in ``attrs["long_name"]``.

        ``rio.to_raster`` of rioxarray writes them as the descriptions of the bands, and refuses
        more or fewer names than bands: select bands first.
        """
        return self._raster.assign_attrs(long_name=band_names(self._raster))

    def spectrum(
        self, x: Any, y: Any, crs: Any = None, *, missing: Missing = "raise"
    ) -> xr.DataArray:
        """
        Return the spectrum of the pixel that contains a point of the map, or of several.

        Parameters
        ----------
        x, y : float, sequence of float or DataArray
            Map coordinates: easting and northing, or longitude and latitude. Sequences are points
            along a new dimension ``point``, DataArrays along their own dimensions.
        crs : optional
            Of ``x`` and ``y``, as pyproj understands it (``4326``, ``"EPSG:32633"``, WKT); that of
            the raster by default.
        missing : {"raise", "nan"}
            What becomes of points outside the raster or on a pixel without data.

        Returns
        -------
        DataArray of shape (bands,) or (bands, points)
            With the coordinates of the bands, and ``x`` and ``y`` of the pixels' centres. Lazy if
            the raster is; it reads, or fuses, the blocks that hold the points alone.

        Raises
        ------
        RasterError
            If the raster has no place on a map, or a point lies outside it. Computing raises it for
            a point on a pixel that has no data in any good band.
        PlanError
            If ``crs`` or ``missing`` is not understood.

        Examples
        --------
        >>> raster = xr.DataArray(
        ...     np.arange(8.0).reshape(2, 2, 2),
        ...     dims=("band", "y", "x"),
        ...     coords={"y": [5015.0, 5005.0], "x": [105.0, 115.0]},
        ... )
        >>> raster.hsfuse.spectrum(118, 5001).values.tolist()
        [3.0, 7.0]
        >>> raster.hsfuse.spectrum([118, 101], [5001, 5001]).values.tolist()
        [[3.0, 2.0], [7.0, 6.0]]
        """
        from hsfuse.xarray.points import point_spectra

        return point_spectra(self._raster, x, y, crs, missing=missing)

    def resample_to(self, sensor: str | os.PathLike[str] | Sensor) -> xr.DataArray:
        """
        Return the raster in the bands of another sensor, on its own pixels.

        Each band of the sensor is the mean of the raster's good bands, weighted by the sensor's
        spectral response (:func:`hsfuse.sensor.catalogue.response_matrix`). Pixel size and PSF
        remain those of the raster.

        Parameters
        ----------
        sensor : str, path or Sensor
            A name of :func:`hsfuse.list_sensors`, as ``"sentinel-2a"`` or, for some of its bands,
            ``"sentinel-2a:B2,B3,B4"``; or a definition.

        Returns
        -------
        DataArray of shape (sensor bands, rows, columns)
            In units of the raster, NaN where one of the bands that a sensor band needs has no data;
            lazy if the raster is. The coordinate ``coverage`` is the share of each band's response
            within the range of the raster's good bands; below 0.95 a warning is logged.

        Raises
        ------
        SensorError
            If the sensor is unknown, the raster states no wavelengths, or its bands cover less than
            half of the response of a band.

        Examples
        --------
        >>> wavelength = np.arange(400.0, 1000.0, 10.0)
        >>> grey = xr.DataArray(
        ...     np.full((60, 1, 1), 0.2),
        ...     dims=("band", "y", "x"),
        ...     coords={"wavelength": ("band", wavelength)},
        ... )
        >>> seen = grey.hsfuse.resample_to("sentinel-2a:B2,B3,B4,B8")
        >>> seen.band_name.values.tolist(), [f"{value:.4f}" for value in seen.values.flat]
        (['B2', 'B3', 'B4', 'B8'], ['0.2000', '0.2000', '0.2000', '0.2000'])
        """
        from hsfuse.xarray.resampling import resample_bands

        return resample_bands(self._raster, sensor)

    def assess(self, scene: Raster, rgb: Raster, **choices: Any) -> Assessment:
        """
        Return the quality of this fused raster without a truth; see :func:`hsfuse.assess`.

        Parameters
        ----------
        scene, rgb : DataArray, Dataset or path
            The HS and the MS image that were fused.
        **choices
            As for :func:`hsfuse.assess`.
        """
        from hsfuse.assessment import assess

        return assess(self._raster, scene, rgb, **choices)
