"""Sensor definitions as data: one TOML a sensor, read by :func:`hsfuse.load_sensor`."""
