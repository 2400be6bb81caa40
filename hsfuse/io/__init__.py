"""The only place that opens a raster: :mod:`read`, with :mod:`products`, and :mod:`write`."""
