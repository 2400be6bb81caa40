"""Sensors: the model, definition files, spectral responses and the catalogue."""
