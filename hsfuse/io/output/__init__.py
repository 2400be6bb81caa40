"""A raster as it is written: layout, partial store, journal, formats, overviews."""
