"""
The accessor ``.hsfuse`` of a DataArray: ``import hsfuse.xarray`` registers it.

The functions of :mod:`hsfuse` that take or return rasters register it too, when one is first
used. The import does not load torch.

Examples
--------
>>> import xarray as xr
>>> import hsfuse.xarray
>>> bands = xr.DataArray([3.0, 4.0], dims="band", coords={"wavelength": ("band", [560.0, 660.0])})
>>> bands.hsfuse.nearest(650).item()
4.0
"""

from hsfuse.xarray.accessor import RasterAccessor
from hsfuse.xarray.plots import PlotAccessor

__all__ = ["PlotAccessor", "RasterAccessor"]
