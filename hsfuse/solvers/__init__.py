"""Solvers of optimisation problems on torch tensors, for all pixels at once; no files, no pairs."""
