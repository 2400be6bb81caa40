"""Arrays in, arrays out: numpy only, no files, dask, xarray or torch."""
