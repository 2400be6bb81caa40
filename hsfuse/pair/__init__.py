"""Estimates from a pair of rasters: relative geometry, co-registration, survey, radiometry."""
