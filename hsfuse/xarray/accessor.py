"""The accessor ``.hsfuse`` of rasters: bands, spectra, resampling, quality, plots."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hsfuse.core.picture import natural_bands
from hsfuse.errors import PlanError
from hsfuse.xarray.bands import band_names, band_values, good_bands, known_bands, take_bands
from hsfuse.xarray.plots import PlotAccessor

if TYPE_CHECKING:
    from hsfuse.assessment import Assessment
    from hsfuse.io.read import Raster
    from hsfuse.sensor.model import Sensor
    from hsfuse.xarray.points import Missing

__all__ = ["RasterAccessor"]

# In nanometres; smaller numbers are micrometres.
_SHORTEST = 100.0


@xr.register_dataarray_accessor("hsfuse")
class RasterAccessor:
    """
    Accessor ``.hsfuse`` of a DataArray; ``import hsfuse.xarray`` registers it.

    Everything except :attr:`plot` and :meth:`assess` is lazy if the raster is. Unlike xarray's
    ``sel(wavelength=660, method="nearest")``, :meth:`nearest` does not need increasing wavelengths,
    which sensors with overlapping detectors do not have.

    Parameters
    ----------
    raster : DataArray
        Raster with the dimensions ``band``, ``y`` and ``x``, the coordinates ``wavelength`` and,
        if known, ``fwhm`` (both in nanometres) and ``good``, georeferenced by rioxarray's
        ``spatial_ref`` or by ``x`` and ``y``: as returned by :func:`hsfuse.open_raster` and
        :func:`hsfuse.fuse`, and by ``xarray.open_zarr`` for a store that hsfuse wrote.
    """

    def __init__(self, raster: xr.DataArray) -> None:
        self._raster = raster

    @property
    def plot(self) -> PlotAccessor:
        """Plots: ``plot.rgb()``, ``plot.spectrum(x, y)`` and ``plot.interactive()``."""
        return PlotAccessor(self._raster)

    def nearest(self, wavelength: float | Sequence[float]) -> xr.DataArray:
        """
        Return the good band nearest to a wavelength, or to each of several wavelengths.

        Parameters
        ----------
        wavelength : float or sequence of float
            Wavelength in nanometres.

        Returns
        -------
        DataArray
            The bands, in the order of the wavelengths; without the dimension ``band`` for a single
            wavelength. Lazy if the raster is.

        Raises
        ------
        RasterError
            If no good band has a known wavelength.
        PlanError
            If a wavelength is not in nanometres, or none is given.

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
        try:
            wanted = np.asarray(wavelength, dtype=float)
        except (TypeError, ValueError):
            wanted = np.empty(0)
        if not (wanted.size and np.all(np.isfinite(wanted) & (wanted >= _SHORTEST))):
            raise PlanError(f"wavelength: found {wavelength}; expected nanometres, such as 660")
        nearest = known[np.abs(centre - wanted[..., None]).argmin(axis=-1)]
        if wanted.ndim:
            return take_bands(self._raster, nearest.tolist())
        return self._raster.isel(band=int(nearest))

    def rgb(self) -> xr.DataArray:
        """
        Return the bands nearest to 660, 560 and 480 nm: red, green and blue.

        If one of these wavelengths has no band within 60 nm, three bands spread over the spectrum
        are returned instead.
        """
        return take_bands(
            self._raster,
            natural_bands(band_values(self._raster, "wavelength"), good_bands(self._raster)),
        )

    def described(self) -> xr.DataArray:
        """
        Return the raster with the names of its bands in ``attrs["long_name"]``.

        ``rio.to_raster`` of rioxarray writes them as band descriptions. It requires as many names
        as bands: select bands before calling this method.
        """
        return self._raster.assign_attrs(long_name=band_names(self._raster))

    def spectrum(
        self, x: Any, y: Any, crs: Any = None, *, missing: Missing = "raise"
    ) -> xr.DataArray:
        """
        Return the spectrum of the pixel that contains a point, for one or several points.

        Parameters
        ----------
        x, y : float, sequence of float or DataArray
            Map coordinates: easting and northing, or longitude and latitude. Sequences are points
            along a new dimension ``point``; DataArrays keep their dimensions.
        crs : optional
            CRS of ``x`` and ``y`` in any form that pyproj accepts (``4326``, ``"EPSG:32633"``,
            WKT); the CRS of the raster by default.
        missing : {"raise", "nan"}
            Whether points outside the raster or on a pixel without data raise an error or have a
            spectrum of NaN.

        Returns
        -------
        DataArray of shape (bands,) or (bands, points)
            The spectra, with the coordinates of the bands, and ``x`` and ``y`` of the pixel
            centres. Lazy if the raster is: only the blocks that contain the points are read, or
            fused.

        Raises
        ------
        RasterError
            If the raster is not georeferenced, or a point lies outside it. For a point on a pixel
            without data in any good band it is raised when the spectra are computed.
        PlanError
            If ``crs`` or ``missing`` is invalid.

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
        Return the raster resampled spectrally to the bands of another sensor.

        Each band of the sensor is the mean of the raster's good bands, weighted by the sensor's
        spectral response (:func:`hsfuse.sensor.catalogue.response_matrix`). Pixel grid and PSF
        are unchanged.

        Parameters
        ----------
        sensor : str, path or Sensor
            A name of :func:`hsfuse.list_sensors`, such as ``"sentinel-2a"`` or, for some of its
            bands, ``"sentinel-2a:B2,B3,B4"``; the path of a sensor definition; or a sensor.

        Returns
        -------
        DataArray of shape (sensor bands, rows, columns)
            Values in the units of the raster, NaN where a raster band that contributes to the
            sensor band has no data. Lazy if the raster is. The coordinate ``coverage`` is the share
            of each response within the spectral range of the raster's good bands; below 0.95 a
            warning is logged.

        Raises
        ------
        SensorError
            If the sensor is unknown, the raster has no wavelengths, or its bands cover less than
            half of the response of a sensor band.

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
        Return the quality of this fused raster without a reference; see :func:`hsfuse.assess`.

        Parameters
        ----------
        scene, rgb : DataArray, Dataset or path
            The HS and the MS image that were fused.
        **choices
            Options of :func:`hsfuse.assess`.
        """
        from hsfuse.assessment import assess

        return assess(self._raster, scene, rgb, **choices)
