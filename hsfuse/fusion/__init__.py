"""Two rasters to one: plan, block, consistency with the inputs, run."""
