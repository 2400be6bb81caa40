"""The only place that opens a raster: :mod:`read`, :mod:`write`, :mod:`geotiff`."""
