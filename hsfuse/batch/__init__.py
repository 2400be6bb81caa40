"""Batches: many pairs in one run, with manifest, processes and status."""
