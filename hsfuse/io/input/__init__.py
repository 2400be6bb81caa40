"""A raster as it is opened: formats, bands, grid, no data, and pixels that are read lazily."""
