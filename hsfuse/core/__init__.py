"""Functions on numpy arrays, without files, dask, xarray or torch."""
