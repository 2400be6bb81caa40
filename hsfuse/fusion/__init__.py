"""Fusion of two rasters: plan, blocks, data consistency, run."""
