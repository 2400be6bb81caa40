"""What is learned from a pair of rasters: grids, co-registration, survey, radiometry."""
